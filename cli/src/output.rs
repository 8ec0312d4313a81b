//! What goes where: results to stdout, errors to stderr, files when asked for.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::ValueEnum;
use lessor_plans::render::{self, View};

use crate::exit::Failed;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which streams take colour.
pub(crate) struct Streams {
    pub(crate) stdout_color: bool,
    pub(crate) stderr_color: bool,
}

impl Streams {
    /// Colour by flag, else by `NO_COLOR`, else by whether somebody is watching.
    pub(crate) fn new(color: Color) -> Self {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Streams {
            stdout_color: wanted(io::stdout().is_terminal()),
            stderr_color: wanted(io::stderr().is_terminal()),
        }
    }
}

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// `FORMAT=FILE`: one more copy of the result.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    file: PathBuf,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once('=').ok_or("expected FORMAT=FILE")?;
        let format = Format::from_str(format, false)?;
        Ok(Output { format, file: file.into() })
    }
}

/// Writes a view to stdout and to every further output.
pub(crate) fn show(
    view: &View,
    format: Format,
    more: &[Output],
    color: bool,
) -> anyhow::Result<()> {
    let written = |format, color| match format {
        Format::Human => render::human(view, color),
        Format::Json => render::json(view),
    };
    for output in more {
        fs::write(&output.file, written(output.format, false))
            .with_context(|| format!("could not write `{}`", output.file.display()))?;
    }
    print(&written(format, color))
}

/// Writes a result to stdout. A reader that has seen enough is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("could not write to stdout"),
    }
}

/// Says something beside the result.
pub(crate) fn say(text: &str) {
    // Whoever closed stderr does not want to hear it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// An error with what caused it and what to do. The chain is printed here and nowhere else.
pub(crate) fn error_text(error: &anyhow::Error, color: bool) -> String {
    let (red, bold, off) = if color { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let code = error.downcast_ref::<Failed>().and_then(|failed| failed.code);
    let code = code.map_or_else(String::new, |code| format!("[{code}]"));
    let mut text = format!("{red}error{code}{off}{bold}: {error}{off}");
    for cause in error.chain().skip(1) {
        // Some libraries draw pictures of many lines.
        let cause = cause.to_string().trim_end().replace('\n', "\n    ");
        let _ = write!(text, "\n  caused by: {cause}");
    }
    if let Some(hint) = hint(error) {
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<String> {
    // Of `anyhow`, since a context is not found among the causes under its own type.
    let failed = error.downcast_ref::<Failed>().and_then(|failed| failed.hint.clone());
    let store = error.downcast_ref::<lessor_store::StoreError>();
    failed.or_else(|| store.and_then(lessor_store::StoreError::hint))
}

/// “1 problem”, “3 problems”.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A file of a spec directory, as messages name it.
pub(crate) fn within(dir: &Path, name: impl AsRef<Path>) -> PathBuf {
    if dir == Path::new(".") { name.as_ref().to_owned() } else { dir.join(name) }
}
