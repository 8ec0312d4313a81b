//! `lessor doctor`: whether everything is there that the other commands need, and what to do where
//! it is not. Changes nothing.
//!
//! In reading order: what a check comes to (here), what is [`here`] on this machine, and what is
//! behind each of the [`connections`] and each of the [`machines`]. How we are let into a system stands in [`bootstrap`].

mod bootstrap;
mod connections;
mod here;
mod machines;

use std::fmt::Write as _;

use lessor_specs::load::salvage;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::args::{Common, DoctorArgs};
use crate::config::Config;
use crate::exit::{Exit, Failed};
use crate::output::{self, Format, Streams, counted};
use crate::redirect::redirect;

/// Raised when a field changes its meaning or goes away; a new field does not raise it.
const FORMAT_VERSION: u32 = 1;

/// Everything that was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "A lessor doctor report")]
struct Report {
    /// The version of this form.
    format_version: u32,
    /// One for each thing that was looked at, in the order of looking.
    checks: Vec<Check>,
}

/// What one look came to.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// What it is about: `specs`, `database`, a connection such as `docker.par1`, …
    about: String,
    /// How it is.
    verdict: Verdict,
    /// What was found.
    found: String,
    /// Something one can do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and might be better.
    Warn,
    /// It could not be seen.
    Unseen,
    /// It does not work.
    Fail,
}

pub(crate) async fn run(
    common: &Common,
    args: &DoctorArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    if let Some(system) = args.bootstrap {
        output::print(&bootstrap::text(&args.dir, system, streams)?)?;
        return Ok(Exit::Done);
    }
    let report = Report { format_version: FORMAT_VERSION, checks: examine(common, args).await };
    output::print(&match args.format {
        Format::Human => report.human(streams.stdout_color),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    })?;
    Ok(report.exit())
}

/// The published JSON Schema of the report.
pub(crate) fn json_schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

async fn examine(common: &Common, args: &DoctorArgs) -> Vec<Check> {
    let dir = args.dir.as_path();
    let (mut specs, report) = salvage(dir);
    let config = Config::read(dir);
    let mut checks = vec![here::specs(dir, &specs, report.as_ref()), here::installation(&config)];
    let configured = config.iter().flat_map(|config| config.endpoint.iter());
    let said = common.endpoints.iter().map(|(name, endpoint)| (name, endpoint));
    for (name, endpoint) in configured.chain(said) {
        let redirected = redirect(&mut specs, name, endpoint);
        checks.extend(redirected.err().map(|error| Check::of_error(name, &error)));
    }
    let configured = config.as_ref().ok().and_then(|config| config.database.as_deref());
    let database = common.database.as_deref().or(configured);
    checks.extend(here::database(dir, database).await);
    checks.extend(here::secrets(dir, &specs));
    // No mark is read or written, so it does not matter whose things are ours when nobody says so.
    let whose = config.as_ref().ok().map(|config| config.installation.clone());
    if let Some(whose) = whose.or_else(|| "nobody".parse().ok()) {
        checks.extend(connections::examine(dir, &specs, &whose).await);
        checks.extend(machines::examine(dir, &specs, &whose).await);
    }
    checks
}

impl Check {
    fn new(about: impl Into<String>, verdict: Verdict, found: impl Into<String>) -> Self {
        Check { about: about.into(), verdict, found: found.into(), hint: None }
    }

    fn ok(about: impl Into<String>, found: impl Into<String>) -> Self {
        Check::new(about, Verdict::Ok, found)
    }

    fn warn(about: impl Into<String>, found: impl Into<String>) -> Self {
        Check::new(about, Verdict::Warn, found)
    }

    fn fail(about: impl Into<String>, found: impl Into<String>) -> Self {
        Check::new(about, Verdict::Fail, found)
    }

    /// What an error says, with its causes.
    fn of_error(about: impl Into<String>, error: &anyhow::Error) -> Self {
        let hint = error.downcast_ref::<Failed>().and_then(|failed| failed.hint.clone());
        let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
        Check::fail(about, causes.join(": ").trim_end().replace('\n', " ")).hint(hint)
    }

    fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl Report {
    fn human(&self, color: bool) -> String {
        let width = self.checks.iter().map(|check| check.about.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Check { about, verdict, found, hint } in &self.checks {
            let word = verdict.word();
            let (on, off) = if color { (verdict.color(), "\x1b[0m") } else { ("", "") };
            let _ = writeln!(text, "{on}{word:6}{off}  {about:width$}  {found}");
            if let Some(hint) = hint {
                let _ = writeln!(text, "          hint: {hint}");
            }
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    /// “7 ok, 1 warning, 1 failed.”
    fn summary(&self) -> String {
        let warnings = counted(self.count(Verdict::Warn), "warning", "warnings");
        let mut parts = vec![format!("{} ok", self.count(Verdict::Ok)), warnings];
        for (verdict, word) in [(Verdict::Unseen, "unseen"), (Verdict::Fail, "failed")] {
            let count = self.count(verdict);
            parts.extend((count > 0).then(|| format!("{count} {word}")));
        }
        parts.join(", ") + "."
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    fn exit(&self) -> Exit {
        match self.checks.iter().map(|check| check.verdict).max() {
            None | Some(Verdict::Ok | Verdict::Warn) => Exit::Done,
            Some(Verdict::Unseen) => Exit::Unseen,
            Some(Verdict::Fail) => Exit::Error,
        }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Unseen => "unseen",
            Verdict::Fail => "fail",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Verdict::Ok => "\x1b[32m",
            Verdict::Warn => "\x1b[33m",
            Verdict::Unseen | Verdict::Fail => "\x1b[1;31m",
        }
    }
}
