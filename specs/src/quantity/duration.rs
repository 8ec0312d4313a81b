use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A length of time in whole seconds: `90s`, `15m`, `24h`, `7d`, `1h30m`. A day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Duration(secs)
    }

    /// The length in seconds.
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// The length in seconds as clocks and databases count them; the largest number where it is longer.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, secs) in UNITS {
            if rest >= secs {
                write!(f, "{}{unit}", rest / secs)?;
                rest %= secs;
            }
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse(text).map(Duration).ok_or_else(|| {
            Malformed::new(
                Code::MalformedDuration,
                "a length of time such as `90s`, `15m`, `24h` or `7d`",
            )
            .hint("units are s, m, h and d, the largest first")
        })
    }
}

/// Each unit at most once, from large to small.
fn parse(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.chars().next()?;
        let (_, secs) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*secs)?)?;
        rest = &tail[1..];
    }
    // A century is longer than anything is rented; it keeps dates computed from it in range.
    (!text.is_empty() && total <= 100 * 366 * 86_400).then_some(total)
}

impl TextQuantity for Duration {
    const FORMAT: &'static str = "lessor-duration";
    const PATTERN: &'static str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
    const DESCRIPTION: &'static str = "A length of time, such as `90s`, `15m`, `24h` or `7d`.";
}

text_quantity!(Duration, "Duration");
