use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// Ports from the first to the last, both included: `25565-26564`, or one: `80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports from `first` to `last`; `None` when that is empty or holds port 0.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first > 0 && first <= last).then_some(PortRange { first, last })
    }

    /// Every port, from low to high.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Whether `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether any port is in both.
    pub fn overlaps(self, other: PortRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected =
            || Malformed::new(Code::MalformedPorts, "ports such as `25565-26564`, from 1 to 65535");
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| plain).ok_or_else(expected)
        };
        let (first, last) = (port(first)?, port(last)?);
        PortRange::new(first, last).ok_or_else(|| {
            if first > last {
                expected().hint(format!("write the smaller port first: `{last}-{first}`"))
            } else {
                expected()
            }
        })
    }
}

impl TextQuantity for PortRange {
    const FORMAT: &'static str = "port-range";
    const PATTERN: &'static str = "^[0-9]{1,5}(-[0-9]{1,5})?$";
    const DESCRIPTION: &'static str = "Ports from the first to the last, such as `25565-26564`.";
}

text_quantity!(PortRange, "PortRange");
