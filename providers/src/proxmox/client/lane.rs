//! Who waits for whom: a node answers with a few workers that do one thing each, so what is asked
//! beyond that waits there and may be given up unfinished.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most requests under way at a node: it has three workers, and one more keeps them busy.
const WIDEST: usize = 4;

/// From when on an answer is slow. A refusal of a login takes 3 s by design.
const SLOW: Duration = Duration::from_secs(5);

/// A lane for each node.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The node we talk to, once we know which it is.
    home: Option<String>,
    lanes: BTreeMap<Option<String>, Arc<Lane>>,
}

/// How a node kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It did.
    Quick,
    /// It was slow, or gave up.
    Overrun,
    /// The call says nothing about that.
    Unknown,
}

impl Pace {
    pub(super) fn of(status: u16, took: Duration) -> Self {
        match status {
            595 | 596 | 599 => Pace::Overrun,
            _ if took >= SLOW => Pace::Overrun,
            _ => Pace::Quick,
        }
    }
}

impl Lanes {
    /// A place in the lane of `node`, or of the node we talk to, as soon as one is free; first
    /// come, first served.
    pub(super) async fn enter(&self, node: Option<&str>) -> Slot {
        let lane = {
            let mut known = locked(&self.0);
            let node = node.map(str::to_owned).or_else(|| known.home.clone());
            Arc::clone(known.lanes.entry(node).or_default())
        };
        // It is never closed.
        let permit = Arc::clone(&lane.free).acquire_owned().await.ok();
        Slot { lane, permit }
    }

    /// The node we talk to is this one, so both have been one lane all along.
    pub(super) fn at_home(&self, node: &str) {
        let mut known = locked(&self.0);
        if let Some(lane) = known.lanes.remove(&None) {
            known.lanes.entry(Some(node.to_owned())).or_insert(lane);
        }
        known.home = Some(node.to_owned());
    }
}

#[derive(Debug)]
struct Lane {
    free: Arc<Semaphore>,
    window: Mutex<Window>,
}

impl Default for Lane {
    fn default() -> Self {
        Lane { free: Arc::new(Semaphore::new(WIDEST)), window: Mutex::default() }
    }
}

/// How wide a lane is: one wider after as many quick answers as it is wide, half after a slow one.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    width: usize,
    quick: usize,
    /// Places that are closed, and still taken.
    owed: usize,
}

impl Default for Window {
    fn default() -> Self {
        Window { width: WIDEST, quick: 0, owed: 0 }
    }
}

impl Window {
    /// By how much it becomes wider or narrower.
    fn record(&mut self, pace: Pace) -> isize {
        let before = self.width;
        match pace {
            Pace::Unknown => {}
            Pace::Overrun => {
                self.width = (self.width / 2).max(1);
                self.quick = 0;
            }
            Pace::Quick => {
                self.quick += 1;
                if self.quick >= self.width && self.width < WIDEST {
                    self.width += 1;
                    self.quick = 0;
                }
            }
        }
        self.width.cast_signed() - before.cast_signed()
    }
}

/// A place in a lane, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Slot {
    lane: Arc<Lane>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Leaves, and says how it went.
    pub(super) fn done(self, pace: Pace) {
        let mut window = locked(&self.lane.window);
        let change = window.record(pace);
        if change < 0 {
            window.owed += change.unsigned_abs();
            window.owed -= self.lane.free.forget_permits(window.owed);
        } else if change > 0 && window.owed > 0 {
            window.owed -= 1;
        } else {
            self.lane.free.add_permits(change.unsigned_abs());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut window = locked(&self.lane.window);
        if window.owed > 0
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            window.owed -= 1;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a call that panicked left behind is still plain data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// How many places can be taken at once.
    fn free(lanes: &Lanes, node: &str) -> usize {
        let mut taken = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let std::task::Poll::Ready(slot) = pin!(lanes.enter(Some(node))).poll(&mut context) {
            taken.push(slot);
        }
        taken.len()
    }

    #[tokio::test]
    async fn four_are_let_in_at_each_node_and_the_next_one_waits() {
        let lanes = Lanes::default();
        let taken = [lanes.enter(Some("a")).await, lanes.enter(Some("a")).await];
        assert_eq!((free(&lanes, "a"), free(&lanes, "b")), (2, 4));
        drop(taken);
        assert_eq!(free(&lanes, "a"), 4);
    }

    #[tokio::test]
    async fn the_node_we_talk_to_has_one_lane_under_both_names() {
        let lanes = Lanes::default();
        let taken = lanes.enter(None).await;
        assert_eq!(free(&lanes, "a"), 4);
        let lanes = Lanes::default();
        let early = lanes.enter(None).await;
        lanes.at_home("a");
        let late = lanes.enter(None).await;
        assert_eq!((free(&lanes, "a"), free(&lanes, "b")), (2, 4));
        drop((taken, early, late));
        assert_eq!(free(&lanes, "a"), 4);
    }

    #[tokio::test]
    async fn a_slow_node_is_asked_half_as_much_and_a_quick_one_more_again() {
        let lanes = Lanes::default();
        let slow = Pace::of(200, SLOW);
        let mut seen = Vec::new();
        for pace in [slow, Pace::of(596, Duration::ZERO), slow] {
            lanes.enter(Some("a")).await.done(pace);
            seen.push(free(&lanes, "a"));
        }
        for _ in 0..6 {
            lanes.enter(Some("a")).await.done(Pace::of(500, Duration::ZERO));
            seen.push(free(&lanes, "a"));
        }
        lanes.enter(Some("a")).await.done(Pace::Quick);
        seen.push(free(&lanes, "a"));
        assert_eq!(seen, [2, 1, 1, 2, 2, 3, 3, 3, 4, 4]);
    }

    #[tokio::test]
    async fn places_that_are_taken_while_it_becomes_narrow_are_not_given_away_again() {
        let lanes = Lanes::default();
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(lanes.enter(Some("a")).await);
        }
        taken.pop().unwrap().done(Pace::Overrun);
        assert_eq!(free(&lanes, "a"), 0);
        taken.pop();
        assert_eq!(free(&lanes, "a"), 0);
        taken.pop();
        assert_eq!(free(&lanes, "a"), 1);
        taken.pop();
        assert_eq!(free(&lanes, "a"), 2);
    }

    #[test]
    fn what_gave_up_waiting_takes_no_place() {
        let lanes = Lanes::default();
        let mut context = Context::from_waker(Waker::noop());
        let all = free(&lanes, "a");
        let mut slots = Vec::new();
        for _ in 0..all {
            let mut entering = pin!(lanes.enter(Some("a")));
            if let std::task::Poll::Ready(slot) = entering.as_mut().poll(&mut context) {
                slots.push(slot);
            }
        }
        {
            let mut waiting = pin!(lanes.enter(Some("a")));
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        drop(slots);
        assert_eq!(free(&lanes, "a"), 4);
    }
}
