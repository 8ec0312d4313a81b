//! What is asked about one thing that runs: what it writes, what it uses, and whether it is well.
//!
//! This stands beside the path of a plan: nothing here is wished for or compared, and nothing of it
//! is remembered on the thing. Only a thing that carries the mark it should is answered for.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use jiff::Timestamp;
use lessor_specs::Address;
use lessor_specs::kinds::Ready;

use crate::ApplyError;

/// The most bytes of one line; of a longer one, the rest is left out.
pub const LINE_LIMIT: usize = 16 * 1024;

/// One thing, by what it was made for and by what its system calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The address in its mark.
    pub address: Address,
    /// Its name there; of a guest, its id.
    pub name: String,
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsAsked {
    /// The last so many.
    pub tail: u32,
    /// Of those, what was written then or later.
    pub since: Option<Timestamp>,
    /// And whatever is written from now on, until nobody wants it any more.
    pub follow: bool,
}

/// A line that a thing wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When, as its system tells the time; `None` when it does not say.
    pub at: Option<Timestamp>,
    /// Whether it was written to where errors go.
    pub is_error: bool,
    /// What, without the end of the line.
    pub text: String,
}

/// Lines as they come, the oldest first. Who drops it wants no more, and whoever wrote them is told.
pub type Lines = Pin<Box<dyn Stream<Item = Result<LogLine, WatchError>> + Send>>;

/// What a thing uses at one moment. What its system does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Whether it runs.
    pub running: bool,
    /// How long it kept one core busy since it was started.
    pub busy: Option<Duration>,
    /// How much it keeps busy right now, in thousandths of a core, where its system counts that
    /// itself.
    pub cpu: Option<u64>,
    /// Memory in use, in bytes.
    pub memory: Option<u64>,
    /// Memory it may use, in bytes.
    pub memory_limit: Option<u64>,
    /// Bytes that came to it since it was started.
    pub received: Option<u64>,
    /// Bytes that it sent.
    pub sent: Option<u64>,
    /// Bytes that it read from disk.
    pub read: Option<u64>,
    /// Bytes that it wrote to disk.
    pub written: Option<u64>,
}

/// How a thing is that should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It runs, and answers as it should.
    Well,
    /// It was started so lately that it need not answer yet.
    Starting,
    /// It does not, for this reason.
    Ill(String),
}

/// Why nothing could be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// There is no such thing.
    #[error("there is no such thing")]
    Absent,
    /// What is there is not the thing that is meant.
    #[error("{0}")]
    NotOurs(String),
    /// It cannot be told of this thing, now or later.
    #[error("{0}")]
    Refused(String),
    /// Its system did not answer.
    #[error("{0}")]
    Unanswered(String),
}

impl From<ApplyError> for WatchError {
    /// Whatever its system says of a step, it did not tell what it was asked.
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Transient { why }
            | ApplyError::Stale { why }
            | ApplyError::Refused { why, .. } => WatchError::Unanswered(why),
        }
    }
}

/// Looks after things that run.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// What a thing uses now.
    ///
    /// # Errors
    /// See [`WatchError`].
    async fn usage(&self, thing: &Watched) -> Result<Usage, WatchError>;

    /// Whether a thing runs, and does what makes it count as ready, if there is something.
    ///
    /// # Errors
    /// See [`WatchError`]. A thing that is not there is not ill: whoever makes things sees to that.
    async fn probe(&self, thing: &Watched, ready: Option<&Ready>) -> Result<Health, WatchError>;

    /// Stops a thing and starts it again. What is not running is started.
    ///
    /// # Errors
    /// See [`WatchError`].
    async fn restart(&self, thing: &Watched) -> Result<(), WatchError>;
}

/// Knows what things write.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// What a thing wrote, and goes on to write if that is asked for.
    ///
    /// # Errors
    /// See [`WatchError`].
    async fn logs(&self, thing: &Watched, asked: &LogsAsked) -> Result<Lines, WatchError>;
}

impl Usage {
    /// How much it kept busy between an earlier look and this one, in thousandths of a core; `None`
    /// where that cannot be told, such as when it was started anew in between.
    pub fn cpu_since(&self, before: Option<Duration>, passed: Duration) -> Option<u64> {
        if self.cpu.is_some() {
            return self.cpu;
        }
        let busy = self.busy?.checked_sub(before?)?;
        let passed = passed.as_nanos();
        let share = busy.as_nanos().checked_mul(1_000)?.checked_add(passed / 2)?;
        share.checked_div(passed)?.try_into().ok()
    }
}

impl LogLine {
    /// With a text of at most [`LINE_LIMIT`] bytes, and a sign where something was left out.
    pub fn new(at: Option<Timestamp>, is_error: bool, text: &str) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.len() <= LINE_LIMIT {
            return LogLine { at, is_error, text: text.to_owned() };
        }
        let cut = text.floor_char_boundary(LINE_LIMIT - '…'.len_utf8());
        LogLine { at, is_error, text: format!("{}…", &text[..cut]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(millis: u64) -> Usage {
        Usage { busy: Some(Duration::from_millis(millis)), ..Usage::default() }
    }

    #[test]
    fn what_was_busy_between_two_looks_is_told_in_thousandths_of_a_core() {
        let second = Duration::from_secs(1);
        let since = |now: u64, before: u64| {
            busy(now).cpu_since(Some(Duration::from_millis(before)), second)
        };
        assert_eq!((since(1_500, 1_000), since(4_000, 1_000)), (Some(500), Some(3_000)));
        // It was started anew, it was never looked at, no time passed, or its system counts itself.
        assert_eq!(since(10, 1_000), None);
        assert_eq!(busy(10).cpu_since(None, second), None);
        assert_eq!(busy(10).cpu_since(Some(Duration::ZERO), Duration::ZERO), None);
        let counted = Usage { cpu: Some(250), ..Usage::default() };
        assert_eq!(counted.cpu_since(None, second), Some(250));
    }

    #[test]
    fn a_line_has_no_end_and_is_never_longer_than_it_may_be() {
        assert_eq!(LogLine::new(None, false, "ready\r\n").text, "ready");
        let long = LogLine::new(None, false, &"é".repeat(LINE_LIMIT)).text;
        assert!(long.len() <= LINE_LIMIT && long.ends_with("é…"), "{}", long.len());
    }
}
