//! From files to [`Specs`], or to a [`Report`] of everything that is wrong with them.
//!
//! ```text
//! read (files → Tree) → parse (text → entries, held against the schema) → check (entries → Specs)
//! ```
//!
//! Only `read` touches the file system. An entry that is wrong in itself still counts as declared,
//! so that one slip does not echo as dangling references.

mod locate;
mod parse;
mod read;
mod shape;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use self::locate::Parsed;
use crate::check::{Finding, Step, check};
use crate::declared::{Declared, Place};
use crate::diagnostic::{Diagnostic, Label, Report};
use crate::excerpt::LineIndex;
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
        let parsed = Parsed::of(text);
        let path = |field: &Vec<String>| field.iter().map(Step::from).collect::<Vec<_>>();
        let spans = fields.iter().map(|field| parsed.locate(address, &path(field)));
        let lines = self.lines().get(place.file.as_ref());
        let at = |span: Option<std::ops::Range<usize>>| {
            let (line, column) = lines?.line_column(text, span?.start);
            Some((&*place.file, line, column))
        };
        spans.map(at).collect()
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

/// The texts that [`load`] would read, whatever they say.
///
/// # Errors
/// A report of every file that cannot be read.
pub fn read(directory: &Path) -> Result<Tree, Report> {
    let (tree, problems) = read::read(directory);
    if problems.is_empty() { Ok(tree) } else { Err(Report::new(problems, tree.files)) }
}

/// As [`load`], from texts that were read before.
///
/// # Errors
/// A report of every problem in every file.
pub fn parse(tree: Tree) -> Result<Loaded, Report> {
    assemble(tree, Vec::new())
}

/// As [`parse()`], from files nobody has looked into yet: content by path.
///
/// # Errors
/// A report of every problem in every file.
pub fn parse_bytes(files: BTreeMap<String, Vec<u8>>) -> Result<Loaded, Report> {
    let mut texts = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, bytes) in files {
        match read::decode(&path, bytes) {
            Ok(text) => drop(texts.insert(path, text)),
            Err(problem) => problems.push(*problem),
        }
    }
    assemble(Tree::new(texts), problems)
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
    let mut places = Places { tree: &tree, declared: &parsed.declared, parsed: BTreeMap::new() };
    let findings = check(&parsed.specs, &parsed.declared);
    problems.extend(findings.into_iter().filter_map(|finding| {
        // A file that could not be read may hold the very thing that is missed.
        let echo = finding.dangling && (unread || parsed.unreadable);
        (!echo).then(|| places.place(finding))
    }));
    drop(places);
    if problems.is_empty() {
        let (specs, declared) = (Arc::new(parsed.specs), parsed.declared);
        return Ok(Loaded { specs, tree, declared, lines: OnceLock::new() });
    }
    Err(Report::new(problems, tree.files))
}

/// Looks up the places of findings.
///
/// A file in which there is something to point at is parsed again for that, once. It keeps the
/// positions of every field out of memory as long as nothing is wrong.
struct Places<'t> {
    tree: &'t Tree,
    declared: &'t Declared,
    parsed: BTreeMap<&'t str, Parsed<'t>>,
}

impl Places<'_> {
    fn place(&mut self, finding: Finding) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(finding.code, finding.message).hint(finding.hint);
        let label = self.label(&finding.address, &finding.path, "");
        diagnostic.label = label.map(|label| label.hidden(finding.secret));
        diagnostic.others = finding
            .others
            .iter()
            .filter_map(|(address, path, note)| self.label(address, path, note))
            .collect();
        diagnostic
    }

    fn label(&mut self, address: &Address, path: &[Step], note: &str) -> Option<Label> {
        let Place { file, span: key } = self.declared.place(address)?;
        let (file, text) = self.tree.files.get_key_value(file.as_ref())?;
        let parsed = self.parsed.entry(file).or_insert_with(|| Parsed::of(text));
        let span = parsed.locate(address, path).unwrap_or_else(|| key.clone());
        Some(Label::new(file, span, note))
    }
}
