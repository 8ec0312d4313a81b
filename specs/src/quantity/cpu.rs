use std::fmt;
use std::str::FromStr;

use super::decimal::parse_scaled;
use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// More cores than any host has; a larger number is a slip of the pen.
const MAX_MILLIS: u32 = 1_000_000;

/// An amount of processor time, in thousandths of a core: `1.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(u32);

impl Cpu {
    /// So many thousandths of a core.
    pub const fn from_millis(millis: u32) -> Self {
        Cpu(millis)
    }

    /// Thousandths of a core.
    pub const fn millis(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, self.0 % 1000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{part:03}").trim_end_matches('0'))
    }
}

impl FromStr for Cpu {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let millis = parse_scaled(text, 3).ok_or_else(|| {
            Malformed::new(Code::MalformedCpu, "a number of cores such as `2` or `0.5`")
        })?;
        match u32::try_from(millis) {
            Ok(millis @ 1..=MAX_MILLIS) => Ok(Cpu(millis)),
            _ => Err(Malformed::new(Code::MalformedCpu, "between `0.001` and `1000` cores")),
        }
    }
}

impl TextQuantity for Cpu {
    const FORMAT: &'static str = "cpu";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]{1,3})?$";
    const DESCRIPTION: &'static str = "A number of cores, such as `2` or `0.5`.";
}

text_quantity!(Cpu, "Cpu");
