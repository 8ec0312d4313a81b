//! `lessor validate`: every problem of every file, without looking at a host.

use lessor_specs::load::load;
use serde::Serialize;

use crate::args::ValidateArgs;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::output::{self, Format, Streams, counted};

/// The result for programs.
#[derive(Serialize)]
struct Verdict {
    format_version: u32,
    valid: bool,
    entries: usize,
    problems: Vec<lessor_specs::ReportEntry>,
}

pub(crate) fn run(args: &ValidateArgs, streams: &Streams) -> anyhow::Result<Exit> {
    let result = load(&args.dir);
    if result.is_ok() && args.dir.join(config::FILE).exists() {
        Config::read(&args.dir)?;
    }
    let exit = if result.is_ok() { Exit::Done } else { Exit::Error };
    match (args.format, result) {
        (Format::Human, Ok(loaded)) => {
            let (entries, files) = (loaded.specs.count(), loaded.tree.files().len());
            let entries = counted(entries, "entry", "entries");
            let files = counted(files, "file", "files");
            output::print(&format!("valid: {entries} in {files}\n"))?;
        }
        (Format::Human, Err(report)) => {
            let directory = args.dir.to_string_lossy();
            output::say(&report.render(&directory, streams.stderr_color));
            output::say(&counted(report.diagnostics().len(), "problem", "problems"));
        }
        (Format::Json, result) => {
            let entries = result.as_ref().map_or(0, |loaded| loaded.specs.count());
            let problems = result.map_or_else(|report| report.entries(), |_| Vec::new());
            let valid = problems.is_empty();
            let verdict = Verdict { format_version: 1, valid, entries, problems };
            output::print(&(serde_json::to_string_pretty(&verdict)? + "\n"))?;
        }
    }
    Ok(exit)
}
