//! What goes where: results to stdout, errors to stderr, files when asked for.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::ValueEnum;
use lessor_plans::render::{self, View};
use tempfile::NamedTempFile;

use crate::exit::{Exit, Failed};

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

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Human,
    /// For programs; `lessor schema --of plan` describes it.
    Json,
    /// For a pull request; never above 60 000 bytes.
    Markdown,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// For test reports: JUnit XML.
    Junit,
    /// For the log of a GitHub workflow: annotations.
    Github,
}

impl ReportFormat {
    /// A view in this form.
    pub(crate) fn of_view(self, view: &View, color: bool) -> String {
        match self {
            ReportFormat::Human => render::human(view, color),
            ReportFormat::Json => render::json(view),
            ReportFormat::Markdown => render::markdown(view),
            ReportFormat::Sarif => render::sarif(view),
            ReportFormat::Junit => render::junit(view),
            ReportFormat::Github => render::github(view),
        }
    }

    /// Whether it points to where things are declared.
    pub(crate) fn points(self) -> bool {
        matches!(self, ReportFormat::Sarif | ReportFormat::Junit | ReportFormat::Github)
    }
}

/// `FORMAT=FILE`: one more copy of the result.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: ReportFormat,
    pub(crate) file: PathBuf,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once('=').ok_or("expected FORMAT=FILE")?;
        let format = ReportFormat::from_str(format, false)?;
        Ok(Output { format, file: file.into() })
    }
}

/// Refuses to write two results into one file.
pub(crate) fn distinct<'p>(files: impl Iterator<Item = &'p Path>) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for file in files {
        if !seen.insert(resolved(file)) {
            let message = format!("two results are to be written to `{}`", file.display());
            let failed = Failed::new(message).exit(Exit::Usage);
            return Err(failed.hint("name a file of its own for each").into());
        }
    }
    Ok(())
}

/// A path that is equal for equal files, whether or not they are there yet.
fn resolved(file: &Path) -> PathBuf {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    file.canonicalize()
        .or_else(|_| {
            Ok::<_, io::Error>(parent.canonicalize()?.join(file.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| file.to_owned())
}

/// Files that are ready to be put in their places: each whole or not at all, and none before all
/// are ready.
#[derive(Default)]
pub(crate) struct Files {
    staged: Vec<(PathBuf, Staged)>,
}

enum Staged {
    /// Lies beside its place.
    Beside(NamedTempFile, PathBuf),
    /// Goes into a pipe or a device, which cannot be replaced.
    Into(File, String),
}

impl Files {
    /// Makes a file ready.
    ///
    /// # Errors
    /// Names the file. Nothing is in its place then.
    pub(crate) fn stage(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let staged = stage(path, text).map_err(plain).with_context(|| unwritten(path))?;
        self.staged.push((path.to_owned(), staged));
        Ok(())
    }

    /// Puts every file in its place.
    ///
    /// # Errors
    /// Names the file. Each file is as it was before, or whole.
    pub(crate) fn persist(self) -> anyhow::Result<()> {
        for (path, staged) in self.staged {
            let persisted = match staged {
                Staged::Beside(file, target) => file.persist(target).map(drop).map_err(Into::into),
                Staged::Into(mut file, text) => file.write_all(text.as_bytes()),
            };
            persisted.with_context(|| unwritten(&path))?;
        }
        Ok(())
    }
}

fn unwritten(path: &Path) -> String {
    format!("could not write `{}`", path.display())
}

fn stage(path: &Path, text: &str) -> io::Result<Staged> {
    let there = fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file() && !there.is_dir()) {
        return Ok(Staged::Into(File::options().write(true).open(path)?, text.to_owned()));
    }
    // A link stays one.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let beside = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".lessor-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(beside)?;
    if let Some(there) = there {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(Staged::Beside(file, target))
}

/// Without the name of a temporary file that nobody knows; it stands at the end.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((text, _)) => io::Error::new(error.kind(), text.to_owned()),
        None => error,
    }
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
    let code = code(error).map_or_else(String::new, |code| format!("[{code}]"));
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

fn code(error: &anyhow::Error) -> Option<String> {
    let failed = error.downcast_ref::<Failed>().and_then(|failed| failed.code);
    let store = || error.downcast_ref::<lessor_store::StoreError>()?.code();
    failed.map(|code| code.to_string()).or_else(|| Some(store()?.to_string()))
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
