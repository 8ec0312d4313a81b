//! Chance that can be had again: the same seed, the same run.

use serde::{Deserialize, Serialize};

/// Where chance comes from. (`SplitMix64`, by Steele, Lea and Flood.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chance {
    seed: u64,
}

impl Chance {
    /// Begins a run.
    pub fn new(seed: u64) -> Self {
        Chance { seed }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or_default()
    }

    /// Whether something comes about that does so in that many cases of a hundred.
    pub fn comes(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// Puts items in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u64::try_from(last + 1).unwrap_or(u64::MAX);
            let other = usize::try_from(self.number() % bound).unwrap_or_default();
            items.swap(last, other);
        }
    }

    /// A random UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// A random hardware address with that prefix.
    pub fn mac(&mut self, prefix: &str) -> String {
        let mut address = prefix.to_ascii_uppercase();
        let bits = self.number();
        for n in address.split(':').count()..6 {
            address.push_str(&format!(":{:02X}", (bits >> (8 * n)) & 0xff));
        }
        address
    }

    /// So many random bytes in hexadecimal.
    pub fn hex(&mut self, bytes: usize) -> String {
        let mut hex = String::new();
        while hex.len() < bytes * 2 {
            hex.push_str(&format!("{:016x}", self.number()));
        }
        hex.truncate(bytes * 2);
        hex
    }
}
