//! The time of the database.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp, Unit};
use lessor_engine::Clock;

/// For how long a reading of a server's clock is carried on by ours. Two clocks part by some
/// microseconds in that time.
const CARRIED_ON: Duration = Duration::from_secs(5);

/// By how much our own two clocks may disagree about the time since: a machine that slept carries
/// on only one of them.
const SLEPT: Duration = Duration::from_millis(100);

/// What time it is for the database: this machine's for a file, the server's for a server.
///
/// A server is not asked each time. What it said last is carried on, for as long as that is exact.
pub(crate) enum DatabaseClock {
    /// This machine's.
    Ours,
    /// A server's, as it was read last.
    Theirs(Mutex<Reading>),
    /// Of somebody who says what time it is.
    Said(Arc<dyn Clock>),
}

/// What a server's clock said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    time: Timestamp,
    at: Instant,
    wall: SystemTime,
}

impl DatabaseClock {
    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            DatabaseClock::Ours => to_the_microsecond(Timestamp::now()),
            DatabaseClock::Theirs(reading) => {
                reading.lock().unwrap_or_else(PoisonError::into_inner).now()
            }
            DatabaseClock::Said(clock) => to_the_microsecond(clock.now()),
        }
    }

    /// Whether it should be read again before it is relied on.
    pub(crate) fn is_old(&self) -> bool {
        match self {
            DatabaseClock::Ours | DatabaseClock::Said(_) => false,
            DatabaseClock::Theirs(reading) => {
                reading.lock().unwrap_or_else(PoisonError::into_inner).is_old()
            }
        }
    }

    /// Whether it is a server's, and asked there.
    pub(crate) fn is_theirs(&self) -> bool {
        matches!(self, DatabaseClock::Theirs(_))
    }

    /// Goes on from what a server said. Our own clock needs no telling.
    pub(crate) fn set(&self, said: Reading) {
        if let DatabaseClock::Theirs(reading) = self {
            *reading.lock().unwrap_or_else(PoisonError::into_inner) = said;
        }
    }
}

impl fmt::Debug for DatabaseClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseClock").field(&self.now()).finish()
    }
}

impl Reading {
    /// Of a time that was said between `asked` and now.
    pub(crate) fn new(time: Timestamp, asked: Instant) -> Self {
        Reading { time, at: asked + asked.elapsed() / 2, wall: SystemTime::now() }
    }

    fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.at.elapsed()).unwrap_or(SignedDuration::MAX);
        to_the_microsecond(self.time.saturating_add(since).unwrap_or(Timestamp::MAX))
    }

    fn is_old(&self) -> bool {
        let since = self.at.elapsed();
        // A clock that was set back says no time has passed, which is a disagreement too.
        let on_the_wall = self.wall.elapsed().unwrap_or_default();
        since > CARRIED_ON || since.abs_diff(on_the_wall) > SLEPT
    }
}

/// As exact as it is stored.
fn to_the_microsecond(time: Timestamp) -> Timestamp {
    // Rounding fails at the end of time only.
    time.round(Unit::Microsecond).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_is_carried_on_until_it_is_old() {
        let said: Timestamp = "2026-11-21T06:15:45Z".parse().unwrap();
        let clock = DatabaseClock::Theirs(Mutex::new(Reading::new(said, Instant::now())));

        let later = clock.now();

        assert!(later >= said && later < said + SignedDuration::from_hours(1), "{later}");
        let Some(before) = Instant::now().checked_sub(CARRIED_ON * 2) else { return };
        clock.set(Reading { at: before, ..Reading::new(said, before) });
        assert!(clock.is_old());
        assert!(clock.now() >= said + SignedDuration::try_from(CARRIED_ON).unwrap());
    }

    #[test]
    fn a_machine_that_slept_asks_again() {
        let said: Timestamp = "2026-11-21T06:15:45Z".parse().unwrap();
        let reading = Reading::new(said, Instant::now());
        let slept = Reading { wall: reading.wall - SLEPT * 20, ..reading };
        let set_back = Reading { wall: reading.wall + Duration::from_hours(1), ..reading };
        assert!(slept.is_old());
        assert!(!set_back.is_old(), "nothing passed on either clock yet");
        assert!(!DatabaseClock::Ours.is_old());
    }
}
