//! What time it is in a pretend system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What time it is: the time of this machine, moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// By how much this clock is ahead, in milliseconds.
    pub ahead_ms: i64,
    /// The only time it ever shows, in milliseconds since 1970; it goes on by itself without.
    pub stands_at_ms: Option<u64>,
}

impl Clock {
    /// One that stands still at so many milliseconds since 1970, and moves only by
    /// [`Clock::advance`].
    pub fn stopped(at_ms: u64) -> Clock {
        Clock { ahead_ms: 0, stands_at_ms: Some(at_ms) }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        let runs = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or_default()
        };
        self.stands_at_ms.unwrap_or_else(runs).saturating_add_signed(self.ahead_ms)
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead_ms = self.ahead_ms.saturating_add(by_ms);
    }
}
