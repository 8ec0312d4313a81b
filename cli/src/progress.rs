//! What is going on, on stderr: never silent for more than a second.
//!
//! A terminal gets one line that moves. Anything else gets a line for each thing that happens, and
//! one that says what is being waited for whenever nothing did for a second.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lessor_engine::Event;
use lessor_plans::Act;
use tokio::task::JoinHandle;

use crate::output::say;

/// The longest silence.
const TICK: Duration = Duration::from_secs(1);

/// How many running things are named before the rest is counted.
const NAMED: usize = 3;

/// Tells what is going on until it is dropped.
pub(crate) struct Progress {
    inner: Arc<Inner>,
    ticker: JoinHandle<()>,
}

struct Inner {
    /// Set on a terminal.
    bar: Option<ProgressBar>,
    now: Mutex<Now>,
}

/// What is going on.
struct Now {
    began: Instant,
    /// What is done, in words: “looking at 2 hosts”.
    phase: String,
    /// Steps that run, by number.
    running: BTreeMap<usize, (String, Instant)>,
    done: usize,
    total: usize,
    last_word: Instant,
}

impl Progress {
    /// Begins with a phase.
    pub(crate) fn new(phase: impl Into<String>) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // A template of ours, so it is well formed.
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let began = Instant::now();
        let now = Now {
            began,
            phase: phase.into(),
            running: BTreeMap::new(),
            done: 0,
            total: 0,
            last_word: began,
        };
        let inner = Arc::new(Inner { bar, now: Mutex::new(now) });
        inner.refresh();
        let ticker = tokio::spawn(tick(Arc::clone(&inner)));
        Progress { inner, ticker }
    }

    /// Goes on to another phase.
    pub(crate) fn phase(&self, phase: impl Into<String>) {
        self.inner.now().phase = phase.into();
        self.inner.refresh();
    }

    /// Begins to carry out so many steps.
    pub(crate) fn steps(&self, total: usize) {
        let mut now = self.inner.now();
        now.total = total;
        now.began = Instant::now();
    }

    /// Tells of something that happened.
    pub(crate) fn event(&self, event: &Event) {
        let mut now = self.inner.now();
        let line = match event {
            Event::Started { step, act, address } => {
                now.running.insert(*step, (format!("{address}"), Instant::now()));
                // A terminal shows what runs; a log shows what was done.
                self.inner.bar.is_none().then(|| format!("  {} {address}", doing(*act)))
            }
            Event::Retrying { address, why, .. } => {
                Some(format!("  trying {address} again: {why}"))
            }
            Event::Finished { step, act, address } => {
                let took = now.running.remove(step).map(|(_, began)| began.elapsed());
                now.done += 1;
                Some(format!(
                    "  {} {address} ({}) [{}/{}]",
                    done(*act),
                    seconds(took.unwrap_or_default()),
                    now.done,
                    now.total
                ))
            }
            Event::Failed(failure) => {
                now.running.remove(&failure.step);
                Some(format!("  failed {}: {}", failure.address, failure.why))
            }
        };
        now.last_word = Instant::now();
        drop(now);
        if let Some(line) = line {
            self.inner.say(&line);
        }
        self.inner.refresh();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ticker.abort();
        if let Some(bar) = &self.inner.bar {
            bar.finish_and_clear();
        }
    }
}

async fn tick(inner: Arc<Inner>) {
    loop {
        tokio::time::sleep(TICK / 2).await;
        inner.refresh();
        if inner.bar.is_some() {
            continue;
        }
        let mut now = inner.now();
        if now.last_word.elapsed() + TICK / 2 > TICK {
            now.last_word = Instant::now();
            let line = format!("  {}", now.line());
            drop(now);
            say(&line);
        }
    }
}

impl Inner {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.now().line());
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => say(line),
        }
    }
}

impl Now {
    /// What runs, what waits, how long it took and may take.
    fn line(&self) -> String {
        let elapsed = seconds(self.began.elapsed());
        if self.total == 0 {
            return format!("{} ({elapsed})", self.phase);
        }
        let mut names: Vec<_> = self
            .running
            .values()
            .take(NAMED)
            .map(|(name, began)| format!("{name} ({})", seconds(began.elapsed())))
            .collect();
        if self.running.len() > NAMED {
            names.push(format!("{} more", self.running.len() - NAMED));
        }
        let waiting = self.total.saturating_sub(self.done + self.running.len());
        let running = (!names.is_empty()).then(|| names.join(", "));
        let waiting = (waiting > 0).then(|| format!("{waiting} waiting"));
        let time = match self.estimate() {
            Some(left) => format!("{elapsed}, about {} left", seconds(left)),
            None => elapsed,
        };
        let parts: Vec<_> = running.into_iter().chain(waiting).chain([time]).collect();
        format!("[{}/{}] {}", self.done, self.total, parts.join("; "))
    }

    /// At the pace so far.
    fn estimate(&self) -> Option<Duration> {
        let done = u32::try_from(self.done).ok().filter(|done| *done > 0)?;
        let left = u32::try_from(self.total.saturating_sub(self.done)).ok()?;
        Some(self.began.elapsed() / done * left)
    }
}

fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        secs if secs < 60 => format!("{}.{}s", secs, duration.subsec_millis() / 100),
        secs => format!("{}m{:02}s", secs / 60, secs % 60),
    }
}

fn doing(act: Act) -> &'static str {
    match act {
        Act::Create => "making",
        Act::Update => "changing",
        Act::Delete => "removing",
    }
}

fn done(act: Act) -> &'static str {
    match act {
        Act::Create => "made",
        Act::Update => "changed",
        Act::Delete => "removed",
    }
}
