use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// An amount of memory or disk, in bytes: `512MiB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        ByteSize(bytes)
    }

    /// The amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, size): &&(&str, u64)| self.0 >= size && self.0.is_multiple_of(size);
        let (unit, size) = UNITS.iter().find(fits).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for ByteSize {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected =
            || Malformed::new(Code::MalformedByteSize, "an amount such as `512MiB` or `2GiB`");
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(expected().hint(unit_hint(number, unit)));
        };
        number.checked_mul(*size).map(ByteSize).ok_or_else(|| {
            Malformed::new(Code::MalformedByteSize, "an amount below 16384PiB (64 bits of bytes)")
        })
    }
}

fn unit_hint(number: u64, unit: &str) -> String {
    let close = match unit.trim().chars().next().map(|c| c.to_ascii_uppercase()) {
        Some('K') => "KiB",
        Some('M') => "MiB",
        Some('T') => "TiB",
        Some('B') => "B",
        _ => "GiB",
    };
    format!("units are B, KiB, MiB, GiB and TiB: write `{number}{close}`")
}

impl TextQuantity for ByteSize {
    const FORMAT: &'static str = "byte-size";
    const PATTERN: &'static str = "^[0-9]+(B|KiB|MiB|GiB|TiB)$";
    const DESCRIPTION: &'static str = "An amount of memory or disk, such as `512MiB` or `2GiB`.";
}

text_quantity!(ByteSize, "ByteSize");
