use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// Ids from the first to the last, both included, within `MIN` and `MAX`: `2100-2999`, or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange<const MIN: u32, const MAX: u32> {
    first: u32,
    last: u32,
}

/// Ids of VLANs, as IEEE 802.1Q has them.
pub type VlanIds = IdRange<1, 4094>;

/// Ids of guests, as Proxmox VE has them.
pub type VmIds = IdRange<100, 999_999_999>;

impl<const MIN: u32, const MAX: u32> IdRange<MIN, MAX> {
    /// The ids from `first` to `last`; `None` when that is empty or beyond what ids can be.
    pub fn new(first: u32, last: u32) -> Option<Self> {
        (MIN <= first && first <= last && last <= MAX).then_some(IdRange { first, last })
    }

    /// The first id.
    pub fn first(self) -> u32 {
        self.first
    }

    /// The last id.
    pub fn last(self) -> u32 {
        self.last
    }

    /// Every id, from low to high.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        self.first..=self.last
    }

    /// Whether `id` is one of them.
    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// Whether any id is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.last - self.first + 1
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for IdRange<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for IdRange<MIN, MAX> {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = || {
            let like = format!("ids such as `{}-{}`, from {MIN} to {MAX}", MIN + 100, MIN + 199);
            Malformed::new(Code::MalformedIds, like)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let id = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| plain).ok_or_else(expected)
        };
        let (first, last) = (id(first)?, id(last)?);
        IdRange::new(first, last).ok_or_else(|| {
            if first > last {
                expected().hint(format!("write the smaller id first: `{last}-{first}`"))
            } else {
                expected()
            }
        })
    }
}

impl TextQuantity for VlanIds {
    const FORMAT: &'static str = "vlan-ids";
    const PATTERN: &'static str = "^[0-9]{1,4}(-[0-9]{1,4})?$";
    const DESCRIPTION: &'static str =
        "Ids of VLANs from the first to the last, such as `2100-2999`.";
}

text_quantity!(VlanIds, "VlanIds");

impl TextQuantity for VmIds {
    const FORMAT: &'static str = "vm-ids";
    const PATTERN: &'static str = "^[0-9]{3,9}(-[0-9]{3,9})?$";
    const DESCRIPTION: &'static str =
        "Ids of guests from the first to the last, such as `20000-29999`.";
}

text_quantity!(VmIds, "VmIds");

#[cfg(test)]
mod tests {
    use super::{VlanIds, VmIds};

    #[test]
    fn ids_stay_within_what_their_system_knows() {
        for text in ["1", "4094", "2100-2999"] {
            assert_eq!(text.parse::<VlanIds>().unwrap().to_string(), text);
        }
        for wrong in ["0", "4095", "1-4095", "-1", "5-4", "1-2-3", "+5", ""] {
            assert!(wrong.parse::<VlanIds>().is_err(), "{wrong}");
        }
        assert!("99".parse::<VmIds>().is_err());
        let ids: VmIds = "20000-29999".parse().unwrap();
        assert_eq!(
            (ids.count(), ids.contains(29_999), ids.contains(30_000)),
            (10_000, true, false)
        );
        assert!(ids.overlaps("29999-40000".parse().unwrap()));
    }
}
