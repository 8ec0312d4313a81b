//! `lessor validate`: every problem of every file, without looking at a host.

use lessor_plans::render::{
    Site, github_problems, junit_problems, markdown_problems, sarif_problems,
};
use lessor_specs::load::load;
use lessor_specs::{Loaded, Report, ReportEntry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::args::ValidateArgs;
use crate::config::{self, Config};
use crate::declarations::{prefix, slashed};
use crate::exit::Exit;
use crate::output::{self, Files, ReportFormat, Streams, counted};
use crate::report;

/// What `lessor validate` found.
#[derive(Serialize, JsonSchema)]
struct Verdict<'r> {
    /// Raised when a reader of an older version would misread something.
    format_version: u32,
    /// Whether every file is as it shall be.
    valid: bool,
    /// How many things are declared; 0 when something is wrong.
    entries: usize,
    /// Everything that is wrong.
    problems: &'r [ReportEntry],
}

/// The published JSON Schema of the result.
pub(crate) fn json_schema() -> Value {
    schemars::schema_for!(Verdict<'_>).to_value()
}

pub(crate) fn run(args: &ValidateArgs, streams: &Streams) -> anyhow::Result<Exit> {
    output::distinct(args.showing.files())?;
    let result = load(&args.dir);
    if result.is_ok() && args.dir.join(config::FILE).exists() {
        Config::read(&args.dir)?;
    }
    let problems = result.as_ref().map_or_else(Report::entries, |_| Vec::new());
    let checked = Checked { args, result: &result, problems };

    let mut files = Files::default();
    args.showing.stage(&mut files, |format| checked.written(format, false))?;
    files.persist()?;
    match (args.showing.format, &result) {
        (ReportFormat::Human, Err(_)) => {
            output::say(checked.written(ReportFormat::Human, streams.stderr_color).trim_end());
        }
        (format, _) => output::print(&checked.written(format, streams.stdout_color))?,
    }
    Ok(if result.is_ok() { Exit::Done } else { Exit::Error })
}

/// What the check came to.
struct Checked<'c> {
    args: &'c ValidateArgs,
    result: &'c Result<Loaded, Report>,
    problems: Vec<ReportEntry>,
}

impl Checked<'_> {
    fn written(&self, format: ReportFormat, color: bool) -> String {
        let prefix = prefix(&self.args.dir);
        let site = |problem: &ReportEntry| {
            let Some(file) = &problem.file else { return Some(report::root(&prefix)) };
            let (line, column) = (problem.line.unwrap_or(1), problem.column.unwrap_or(1));
            Some(Site { file: slashed(&prefix.join(file)).into(), line, column })
        };
        match format {
            ReportFormat::Human => self.human(color),
            ReportFormat::Json => self.json(),
            ReportFormat::Markdown => markdown_problems(&self.problems, site),
            ReportFormat::Sarif => sarif_problems(&self.problems, site),
            ReportFormat::Junit => junit_problems(self.files(), &self.problems, site),
            ReportFormat::Github => github_problems(&self.problems, site),
        }
    }

    fn human(&self, color: bool) -> String {
        match self.result {
            Ok(loaded) => {
                let (entries, files) = (loaded.specs.count(), loaded.tree.files().len());
                let entries = counted(entries, "entry", "entries");
                format!("valid: {entries} in {}\n", counted(files, "file", "files"))
            }
            Err(report) => {
                let text = report.render(&self.args.dir.to_string_lossy(), color);
                let problems = counted(self.problems.len(), "problem", "problems");
                format!("{text}\n{problems}\n")
            }
        }
    }

    fn json(&self) -> String {
        let verdict = Verdict {
            format_version: 1,
            valid: self.problems.is_empty(),
            entries: self.result.as_ref().map_or(0, |loaded| loaded.specs.count()),
            problems: &self.problems,
        };
        // Plain data with text keys: this cannot fail.
        serde_json::to_string_pretty(&verdict).unwrap_or_default() + "\n"
    }

    fn files(&self) -> Vec<&str> {
        match self.result {
            Ok(loaded) => loaded.tree.files().keys().map(String::as_str).collect(),
            Err(report) => report.files().collect(),
        }
    }
}
