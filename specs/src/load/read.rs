//! From a directory to the texts of its spec files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::Tree;
use crate::excerpt::LineIndex;
use crate::{Code, Diagnostic};

/// The largest spec file. A hundred thousand entries take a tenth of that, so a larger one is
/// something else by mistake.
const FILE_MAX: u64 = 64 << 20;

/// Lies beside the spec files and is no spec itself.
const CONFIGURATION: &str = "lessor.toml";

/// Reads every spec file below `directory`; what cannot be read is a problem, and the rest goes on.
pub(super) fn read(directory: &Path) -> (Tree, Vec<Diagnostic>) {
    let mut files = BTreeMap::new();
    let mut problems = Vec::new();
    if !directory.is_dir() {
        let why = if directory.exists() { "is not a directory" } else { "does not exist" };
        let message = format!("spec directory `{}` {why}", directory.display());
        let hint = "`lessor init DIR` writes one to start from".to_owned();
        return (
            Tree::default(),
            vec![Diagnostic::new(Code::NoDirectory, message).hint(Some(hint))],
        );
    }
    let walk = WalkDir::new(directory).follow_links(true).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        match entry {
            Ok(entry) => {
                let path = relative(entry.path(), directory);
                if !is_spec(&entry, &path) {
                    continue;
                }
                match read_file(entry.path(), &path) {
                    Ok(text) => drop(files.insert(path, text)),
                    Err(problem) => problems.push(*problem),
                }
            }
            Err(error) => problems.push(walk_problem(&error, directory)),
        }
    }
    (Tree::new(files), problems)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

fn is_spec(entry: &DirEntry, path: &str) -> bool {
    !entry.file_type().is_dir()
        && entry.path().extension().is_some_and(|extension| extension == "toml")
        && path != CONFIGURATION
}

fn relative(path: &Path, directory: &Path) -> String {
    let path = path.strip_prefix(directory).unwrap_or(path);
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

fn read_file(path: &Path, name: &str) -> Result<String, Box<Diagnostic>> {
    let problem = |code: Code, message: String, hint: Option<&str>| {
        Box::new(Diagnostic::new(code, message).in_file(name).hint(hint.map(str::to_owned)))
    };
    let failed = |error: std::io::Error| {
        problem(Code::FileUnreadable, format!("`{name}` cannot be read: {error}"), None)
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(problem(Code::FileIrregular, format!("`{name}` is not a regular file"), None));
    }
    if metadata.len() > FILE_MAX {
        let message = format!(
            "`{name}` is {} MiB large; a spec file may have at most {} MiB",
            metadata.len() >> 20,
            FILE_MAX >> 20
        );
        return Err(problem(
            Code::FileTooLarge,
            message,
            Some("split it: any number of files is one namespace"),
        ));
    }
    decode(name, fs::read(path).map_err(failed)?)
}

/// The text of a file.
pub(super) fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
        let (line, column) = LineIndex::of(&before).line_column(&before, at);
        let byte = error.as_bytes()[at];
        let message =
            format!("`{name}` is not UTF-8: byte 0x{byte:02x} at line {line}, column {column}");
        let hint = Some("save the file as UTF-8".to_owned());
        Box::new(Diagnostic::new(Code::FileNotUtf8, message).in_file(name).hint(hint))
    })
}

fn walk_problem(error: &walkdir::Error, directory: &Path) -> Diagnostic {
    let path = error.path().map_or_else(String::new, |path| relative(path, directory));
    if let Some(ancestor) = error.loop_ancestor() {
        let target = match relative(ancestor, directory) {
            target if target.is_empty() => ".".to_owned(),
            target => target,
        };
        return Diagnostic::new(
            Code::LinkLoop,
            format!("link `{path}` leads back to `{target}`, which contains it"),
        )
        .in_file(&path)
        .hint(Some("remove the link".into()));
    }
    let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    Diagnostic::new(Code::FileUnreadable, format!("`{path}` cannot be read: {why}")).in_file(&path)
}
