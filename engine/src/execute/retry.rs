//! Trying again, for a while, what may work the next time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often one step is tried.
const ATTEMPTS: u32 = 6;

/// The first pause; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many second tries one run has, so that a host that is down is not asked for ever.
pub(super) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// One for each step, and never fewer than twenty.
    pub(super) fn for_steps(steps: usize) -> Self {
        Budget { left: AtomicUsize::new(steps.max(20)) }
    }

    /// How long to wait before the try after `attempt`; `None` when there is to be none.
    ///
    /// `step` spreads the steps of a run, so that they do not all come back at once.
    pub(super) fn pause_after(&self, attempt: u32, step: usize) -> Option<Duration> {
        let take = |left: usize| left.checked_sub(1);
        if attempt >= ATTEMPTS
            || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err()
        {
            return None;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(10));
        let spread = Duration::from_millis((step as u64 * 37) % 100);
        Some(doubled.min(LONGEST_PAUSE) + spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let budget = Budget::for_steps(1);
        let pauses: Vec<_> = (1..=ATTEMPTS).map(|n| budget.pause_after(n, 0)).collect();
        let millis: Vec<_> = pauses.iter().map(|p| p.map(|p| p.as_millis())).collect();
        assert_eq!(millis, [Some(200), Some(400), Some(800), Some(1600), Some(3200), None]);
    }

    #[test]
    fn a_run_has_so_many_second_tries_and_no_more() {
        let budget = Budget::for_steps(1);
        assert_eq!((0..50).filter_map(|_| budget.pause_after(1, 0)).count(), 20);
    }
}
