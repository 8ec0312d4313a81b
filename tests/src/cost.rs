//! What a program costs: user and system time, and peak memory.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The argument that makes a bench the runner of one child.
pub const RUNNER: &str = "--measure";

/// What one run of a program took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time, from its first instruction.
    pub cpu_ms: f64,
    /// The most memory it had at a time.
    pub peak_mb: f64,
}

/// Runs a program by a runner of its own, so that no child's peak hides another's. The bench that
/// calls this has to hand [`RUNNER`] to [`run_one`].
///
/// # Panics
/// When the program or its runner fails.
pub fn run_child(program: &Path, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Cost {
    let mut runner = Command::new(std::env::current_exe().unwrap());
    runner.arg(RUNNER).arg(program).args(arguments).stderr(Stdio::inherit());
    prepare(&mut runner);
    let output = runner.output().unwrap();
    assert!(output.status.success(), "the runner failed: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    Cost { cpu_ms: numbers.next().unwrap(), peak_mb: numbers.next().unwrap() }
}

/// The user and system time of this process until now, in milliseconds.
pub fn cpu_ms() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    millis(used.user_time()) + millis(used.system_time())
}

#[expect(clippy::cast_precision_loss, reason = "time is far below what a float holds")]
fn millis(time: TimeVal) -> f64 {
    time.tv_sec() as f64 * 1_000.0 + time.tv_usec() as f64 / 1_000.0
}

/// Runs one child, and says what it used.
///
/// # Panics
/// When it fails.
#[expect(clippy::cast_precision_loss, reason = "a peak is far below what a float holds")]
pub fn run_one(command: &[String]) -> String {
    let mut child = Command::new(&command[0]);
    let status = child.args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.unwrap();
    assert!(status.success(), "{command:?}: {status}");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let cpu_ms = millis(used.user_time()) + millis(used.system_time());
    format!("{cpu_ms} {}", used.max_rss() as f64 / 1_024.0)
}
