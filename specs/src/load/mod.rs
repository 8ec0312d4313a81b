//! From files to [`Specs`], or to a [`Report`] of everything that is wrong with them.
//!
//! ```text
//! read (files → Tree) → parse (text → entries, held against the schema) → check (entries → Specs)
//! ```
//!
//! Only `read` touches the file system. An entry that is wrong in itself still counts as declared,
//! so that one slip does not echo as dangling references.

mod parse;
mod read;
mod shape;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use crate::check::{Finding, Step, check};
use crate::declared::{Declared, Place};
use crate::diagnostic::{Diagnostic, Label, LineIndex, Report};
use crate::{Address, Specs};

/// The spec files of a directory: text by path, relative to the directory, with `/` between parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// A tree of these files.
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Tree { files }
    }

    /// Text by path.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// SHA-256 over every path and text, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        for (path, text) in &self.files {
            for part in [path, text] {
                sha.update((part.len() as u64).to_le_bytes());
                sha.update(part);
            }
        }
        sha.finalize()
            .iter()
            .fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"))
    }
}

/// A valid spec directory.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What it declares.
    pub specs: Arc<Specs>,
    /// The text it was read from.
    pub tree: Tree,
    declared: Declared,
    /// Where the lines of each file begin, once somebody asks for a place.
    lines: OnceLock<BTreeMap<String, LineIndex>>,
}

impl Loaded {
    /// Where an entry stands: file, line and column, the latter two counted from 1.
    pub fn declared_at(&self, address: &Address) -> Option<(&str, usize, usize)> {
        let Place { file, span } = self.declared.place(address)?;
        let text = self.tree.files.get(file.as_ref())?;
        let (line, column) = self.lines().get(file.as_ref())?.line_column(text, span.start);
        Some((file, line, column))
    }

    /// Where the values of fields of an entry stand, as [`Loaded::declared_at`]; `None` for those
    /// it leaves out. A field is named by the way to it: `container`, then `memory`.
    pub fn fields_at(
        &self,
        address: &Address,
        fields: &[Vec<String>],
    ) -> Vec<Option<(&str, usize, usize)>> {
        let text = |place: &Place| self.tree.files.get(place.file.as_ref());
        let Some((place, text)) = self.declared.place(address).and_then(|p| Some((p, text(p)?)))
        else {
            return vec![None; fields.len()];
        };
        let spans = parse::locate_fields(text, address, fields);
        let lines = self.lines().get(place.file.as_ref());
        let at = |span: Option<std::ops::Range<usize>>| {
            let (line, column) = lines?.line_column(text, span?.start);
            Some((&*place.file, line, column))
        };
        spans.into_iter().map(at).collect()
    }

    fn lines(&self) -> &BTreeMap<String, LineIndex> {
        self.lines.get_or_init(|| {
            let files = self.tree.files.iter();
            files.map(|(file, text)| (file.clone(), LineIndex::of(text))).collect()
        })
    }
}

/// Reads every `*.toml` below `directory` except hidden directories and its own `lessor.toml`.
///
/// # Errors
/// A report of every problem in every file.
pub fn load(directory: &Path) -> Result<Loaded, Report> {
    let (tree, problems) = read::read(directory);
    assemble(tree, problems)
}

/// As [`load`], from texts that were read before.
///
/// # Errors
/// A report of every problem in every file.
pub fn parse(tree: Tree) -> Result<Loaded, Report> {
    assemble(tree, Vec::new())
}

/// What can be made out in `directory`, whatever else is wrong with it: entries without a problem
/// of their own. What they refer to may be missing. For looking only.
pub fn salvage(directory: &Path) -> (Specs, Option<Report>) {
    let (tree, problems) = read::read(directory);
    let sound = parse::parse(&tree).specs;
    (sound, assemble(tree, problems).err())
}

fn assemble(tree: Tree, mut problems: Vec<Diagnostic>) -> Result<Loaded, Report> {
    let unread = !problems.is_empty();
    let parsed = parse::parse(&tree);
    problems.extend(parsed.problems);
    let findings = check(&parsed.specs, &parsed.declared);
    problems.extend(findings.into_iter().filter_map(|finding| {
        // A file that could not be read may hold the very thing that is missed.
        let echo = finding.dangling && (unread || parsed.unreadable);
        (!echo).then(|| place(finding, &tree, &parsed.declared))
    }));
    if problems.is_empty() {
        let (specs, declared) = (Arc::new(parsed.specs), parsed.declared);
        return Ok(Loaded { specs, tree, declared, lines: OnceLock::new() });
    }
    Err(Report::new(problems, tree.files))
}

/// Looks up the place of a finding. Files are parsed again for that, which is fine: it happens
/// once for each problem, and keeps the positions of every field out of memory otherwise.
fn place(finding: Finding, tree: &Tree, declared: &Declared) -> Diagnostic {
    let label = |address: &Address, path: &[Step], note: &str| {
        let Place { file, span: key } = declared.place(address)?;
        let text = tree.files.get(file.as_ref())?;
        let span = parse::locate(text, address, path).unwrap_or_else(|| key.clone());
        Some(Label::new(file, span, note))
    };
    let mut diagnostic = Diagnostic::new(finding.code, finding.message).hint(finding.hint);
    diagnostic.label =
        label(&finding.address, &finding.path, "").map(|label| label.hidden(finding.secret));
    diagnostic.others = finding
        .others
        .iter()
        .filter_map(|(address, path, note)| label(address, path, note))
        .collect();
    diagnostic
}
