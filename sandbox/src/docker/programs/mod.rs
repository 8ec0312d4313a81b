//! What runs in a container: a few programs, by rule.
//!
//! A program is a [`Program`]: all that it will print and when, how it ends, and what signals do
//! to it. It is made once, when it starts. Most are scripts; see [`shell`].

mod calls;
mod shell;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use shell::{Flow, Shell};

/// Where something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pipe {
    Out,
    Err,
}

/// Something that is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    /// When, in milliseconds since the program started.
    pub(super) at_ms: u64,
    pub(super) pipe: Pipe,
    pub(super) text: String,
}

/// What a program does once it has printed everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Then {
    Ends {
        at_ms: u64,
        code: i32,
    },
    /// It goes on until somebody ends it.
    Stays,
    /// It does the same again, from that output and that moment on.
    Repeats {
        from: usize,
        every_ms: u64,
    },
    /// It reads what it is told.
    Reads(Reader),
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reader {
    /// Says the same again.
    Cat,
    /// Does it.
    Shell,
}

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) outputs: Vec<Output>,
    pub(super) then: Then,
    /// What it does on a signal, by the signal's name. The first program of a container knows no
    /// others than these, except `KILL`.
    pub(super) traps: BTreeMap<String, String>,
}

impl Program {
    /// What it prints as the n-th thing, if it comes to that.
    pub(super) fn output(&self, n: usize) -> Option<Output> {
        if let Some(output) = self.outputs.get(n) {
            return Some(output.clone());
        }
        let Then::Repeats { from, every_ms } = self.then else { return None };
        let (beyond, length) = (n - from, self.outputs.len() - from);
        let rounds = u64::try_from(beyond.checked_div(length)?).unwrap_or(u64::MAX);
        let mut output = self.outputs[from + beyond % length].clone();
        output.at_ms = output.at_ms.saturating_add(rounds.saturating_mul(every_ms));
        Some(output)
    }

    /// When it ends by itself, and how.
    pub(super) fn end(&self) -> Option<(u64, i32)> {
        match self.then {
            Then::Ends { at_ms, code } => Some((at_ms, code)),
            _ => None,
        }
    }
}

/// Where a program is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// What can be started there, by name.
    pub(super) programs: &'a BTreeSet<String>,
    /// `NAME=value`.
    pub(super) env: &'a [String],
    pub(super) hostname: &'a str,
    /// Whether somebody may tell it something.
    pub(super) has_input: bool,
}

/// Why a program does not start, as runc says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotStarted {
    pub(super) why: String,
    /// 127, or 126 for what is there and no program.
    pub(super) code: i32,
}

/// Directories of every image.
const DIRECTORIES: [&str; 5] = ["/", "/bin", "/tmp", "/data", "/etc"];

/// Starts a program.
pub(super) fn start(argv: &[String], place: Place<'_>) -> Result<Program, NotStarted> {
    let called = argv.first().map(String::as_str).unwrap_or_default();
    let not_started = |why: &str, code| {
        let why = format!("unable to start container process: exec: \"{called}\": {why}: unknown");
        Err(NotStarted { why, code })
    };
    let name = match called.rsplit_once('/') {
        _ if DIRECTORIES.contains(&called) => return not_started("permission denied", 126),
        Some(("/bin" | "/usr/bin" | "/sbin" | "/usr/local/bin", name)) => name,
        Some(("", name)) if place.programs.contains(called) => name,
        Some(_) => {
            return not_started(&format!("stat {called}: no such file or directory"), 127);
        }
        None => called,
    };
    let is_there = place.programs.contains(name) || place.programs.contains(called);
    if !is_there && called.contains('/') {
        return not_started(&format!("stat {called}: no such file or directory"), 127);
    }
    if !is_there {
        return not_started("executable file not found in $PATH", 127);
    }
    let arguments: Vec<String> =
        std::iter::once(name.to_owned()).chain(argv[1..].iter().cloned()).collect();
    let arguments = if name == "busybox" { arguments[1..].to_vec() } else { arguments };
    let mut shell = Shell::new(place);
    let flow = match (arguments.first().map(String::as_str), arguments.get(1..)) {
        (Some("sh" | "ash" | "bash"), Some(rest)) => shell.begin(rest),
        (Some(_), _) => shell.call(&arguments),
        (None, _) => Flow::Next,
    };
    Ok(shell.end(flow))
}

/// What a script prints and how it ends, for a shell that was told to do this.
pub(super) fn script(text: &str, place: Place<'_>) -> Program {
    let mut shell = Shell::new(place);
    let flow = shell.script(text);
    shell.end(flow)
}
