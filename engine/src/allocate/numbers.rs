//! Giving out numbers of a range: ids of guests, tags of VLANs, addresses, trackers of rules.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use foldhash::{HashSet, HashSetExt};
use lessor_plans::{Claim, ClaimKey};

/// A number that is given out as text.
pub(super) trait Number: Display + FromStr {
    fn from_u32(number: u32) -> Self;
    fn to_u32(&self) -> u32;
}

impl Number for u32 {
    fn from_u32(number: u32) -> Self {
        number
    }

    fn to_u32(&self) -> u32 {
        *self
    }
}

impl Number for Ipv4Addr {
    fn from_u32(number: u32) -> Self {
        Ipv4Addr::from(number)
    }

    fn to_u32(&self) -> u32 {
        u32::from(*self)
    }
}

/// The numbers of one range, and which of them are spoken for.
#[derive(Debug)]
pub(super) struct Numbers {
    range: RangeInclusive<u32>,
    taken: HashSet<u32>,
    strange: HashSet<u32>,
    /// Everything in the range before it is taken.
    next: u32,
}

impl Numbers {
    pub(super) fn new(range: RangeInclusive<u32>) -> Self {
        let next = *range.start();
        Numbers { range, taken: HashSet::new(), strange: HashSet::new(), next }
    }

    /// Speaks for a number of ours.
    pub(super) fn take(&mut self, number: u32) {
        self.taken.insert(number);
    }

    /// Takes note that somebody else has a number.
    pub(super) fn strange(&mut self, number: u32) {
        self.taken.insert(number);
        self.strange.insert(number);
    }

    /// What `key` has: what was claimed under one of `keys`, unless a stranger has it by now and it
    /// is not what our `own` thing has; else that; else the lowest that is free.
    pub(super) fn choose<N: Number>(
        &mut self,
        claims: &BTreeMap<ClaimKey, Claim>,
        keys: &[ClaimKey],
        own: Option<N>,
    ) -> Option<N> {
        let own = own.map(|own| own.to_u32());
        let fits = |number: &u32| self.range.contains(number);
        let is_ours = |number: &u32| own == Some(*number) || !self.strange.contains(number);
        let claimed = keys.iter().find_map(|key| claims.get(key)?.parse::<N>().ok());
        let claimed = claimed.map(|claimed| claimed.to_u32()).filter(fits).filter(is_ours);
        let number = claimed.or(own.filter(fits)).or_else(|| self.lowest_free())?;
        self.taken.insert(number);
        Some(N::from_u32(number))
    }

    fn lowest_free(&mut self) -> Option<u32> {
        while self.taken.contains(&self.next) {
            self.next = self.next.checked_add(1)?;
        }
        Some(self.next).filter(|next| self.range.contains(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(holder: &str) -> ClaimKey {
        ClaimKey { pool: "proxmox.ams".into(), holder: holder.into() }
    }

    #[test]
    fn what_was_claimed_goes_before_what_is_had_and_that_before_what_is_free() {
        let claims = BTreeMap::from([(key("a"), "103".to_owned()), (key("b"), "104".to_owned())]);
        let mut numbers = Numbers::new(100..=105);
        numbers.take(100);
        numbers.strange(104);
        let mut choose =
            |holder: &str, own: Option<u32>| numbers.choose(&claims, &[key(holder)], own);

        assert_eq!(choose("a", Some(105)), Some(103));
        assert_eq!(choose("b", None), Some(101), "a stranger has 104");
        assert_eq!(choose("c", Some(105)), Some(105));
        assert_eq!(choose("d", None), Some(102));
        assert_eq!(choose("e", None), None);
    }
}
