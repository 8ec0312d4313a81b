//! Chance that can be had again: the same seed, the same run.

use serde::{Deserialize, Serialize};

/// Where chance comes from. (`SplitMix64`, by Steele, Lea and Flood.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}
