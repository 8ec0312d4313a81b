use std::fmt;
use std::str::FromStr;

use super::decimal::parse_scaled;
use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// A share above zero and up to a whole, in hundredths of a percent: `25`, `12.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// A whole.
    const WHOLE: u16 = 10_000;

    /// Hundredths of a percent, from 1 to 10 000.
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        if part == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{part:02}").trim_end_matches('0'))
    }
}

impl FromStr for Percent {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse_scaled(text, 2)
            .and_then(|hundredths| u16::try_from(hundredths).ok())
            .filter(|hundredths| (1..=Self::WHOLE).contains(hundredths))
            .map(Percent)
            .ok_or_else(|| {
                Malformed::new(
                    Code::MalformedPercent,
                    "a number of percent such as `25`, above 0 and up to 100, with at most two decimal places",
                )
                .hint("without a percent sign")
            })
    }
}

impl TextQuantity for Percent {
    const FORMAT: &'static str = "percent";
    const PATTERN: &'static str = r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$";
    const DESCRIPTION: &'static str = "A number of percent, such as `25` or `12.5`.";
}

text_quantity!(Percent, "Percent");

#[cfg(test)]
mod tests {
    use super::Percent;

    #[test]
    fn a_share_is_above_zero_and_up_to_a_whole() {
        for good in ["0.01", "0.1", "12.5", "25", "33.33", "100"] {
            assert_eq!(good.parse::<Percent>().unwrap().to_string(), good);
        }
        for bad in ["0", "100.01", "25%", "-5", "1.234", "", ".5", "1e2"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }
}
