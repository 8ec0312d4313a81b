//! What is wrong with a spec directory, and how it is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::Code;

/// One thing that is wrong: what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What sort of problem it is.
    pub code: Code,
    /// What happened, to which name. Lower case, no full stop.
    pub message: String,
    /// Where; `None` when it is about the directory as a whole.
    pub label: Option<Label>,
    /// Further places that belong to it.
    pub others: Vec<Label>,
    /// Something one can do now.
    pub hint: Option<String>,
}

/// A place in a file, and a note about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The file, relative to the spec directory.
    pub file: String,
    /// The bytes meant; `None` when it is about the file as a whole.
    pub span: Option<Span>,
    /// Shown beside the place; may be empty.
    pub note: String,
    /// Whether the line itself stays hidden, since there is a secret in it.
    pub hidden: bool,
}

/// A range of bytes that has an order.
pub type Span = (usize, usize);

impl Diagnostic {
    /// About the directory, or about something that has no place.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Diagnostic { code, message, label: None, others: Vec::new(), hint: None }
    }

    /// At these bytes of a file.
    pub(crate) fn at(mut self, file: &str, span: Range<usize>) -> Self {
        self.label = Some(Label::new(file, span, ""));
        self
    }

    /// About a file as a whole.
    pub(crate) fn in_file(mut self, file: &str) -> Self {
        self.label =
            Some(Label { file: file.into(), span: None, note: String::new(), hidden: false });
        self
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl Label {
    pub(crate) fn new(file: &str, span: Range<usize>, note: impl Into<String>) -> Self {
        let span = Some((span.start, span.end));
        Label { file: file.into(), span, note: note.into(), hidden: false }
    }

    pub(crate) fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }
}

/// Every problem of a spec directory, with the texts needed to show them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    texts: BTreeMap<String, String>,
}

impl Report {
    /// Orders problems by place. `texts` holds every file that was read.
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>, texts: BTreeMap<String, String>) -> Self {
        diagnostics.sort_by(|a, b| (&a.label, &a.message).cmp(&(&b.label, &b.message)));
        diagnostics.dedup();
        Report { diagnostics, texts }
    }

    /// The problems, in order of place.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The files that were read, relative to the spec directory.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The report for people, with each place shown, as rustc does. `directory` is put before
    /// file names.
    pub fn render(&self, directory: &str, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            let group = self.group(diagnostic, directory);
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The report for programs.
    pub fn entries(&self) -> Vec<ReportEntry> {
        self.diagnostics
            .iter()
            .map(|diagnostic| {
                let label = diagnostic.label.as_ref();
                let position = label.and_then(|label| {
                    Some(line_column(self.texts.get(&label.file)?, label.span?.0))
                });
                ReportEntry {
                    code: diagnostic.code,
                    message: diagnostic.message.clone(),
                    file: label.map(|label| label.file.clone()),
                    line: position.map(|(line, _)| line),
                    column: position.map(|(_, column)| column),
                    hint: diagnostic.hint.clone(),
                }
            })
            .collect()
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic, directory: &str) -> Group<'a> {
        let path = |file: &str| match directory.trim_end_matches('/') {
            "" | "." => file.to_owned(),
            directory => format!("{directory}/{file}"),
        };
        let title = Level::ERROR.primary_title(&*diagnostic.message);
        let mut group = Group::with_title(title.id(diagnostic.code.page().code));
        for (n, label) in diagnostic.label.iter().chain(&diagnostic.others).enumerate() {
            let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            group = match (label.span, self.texts.get(&label.file)) {
                (Some((start, _)), Some(text)) if label.hidden => {
                    let (line, column) = line_column(text, start);
                    let origin = Origin::path(path(&label.file)).line(line).char_column(column);
                    group.element(origin)
                }
                (Some((start, end)), Some(text)) => {
                    let end = end.clamp(start.min(text.len()), text.len());
                    let annotation = kind.span(start.min(text.len())..end);
                    let note = (!label.note.is_empty()).then_some(&*label.note);
                    group.element(
                        Snippet::source(&**text)
                            .path(path(&label.file))
                            .annotation(annotation.label(note)),
                    )
                }
                _ => group.element(Origin::path(path(&label.file))),
            };
        }
        match &diagnostic.hint {
            Some(hint) => group.element(Level::HELP.with_name("hint").message(&**hint)),
            None => group,
        }
    }
}

/// One problem for programs.
#[derive(Clone, Debug, Serialize)]
pub struct ReportEntry {
    /// What sort of problem it is.
    pub code: Code,
    /// What happened, to which name.
    pub message: String,
    /// The file, relative to the spec directory.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
    /// Something one can do now.
    pub hint: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render("", false))
    }
}

impl std::error::Error for Report {}

/// Line and column of a byte, both counted from 1; columns are characters.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    LineIndex::of(text).line_column(text, offset)
}

/// Where the lines of a text begin, for whoever looks up many places in it.
#[derive(Clone, Debug)]
pub(crate) struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    pub(crate) fn of(text: &str) -> Self {
        let further = text.match_indices('\n').map(|(at, _)| at + 1);
        LineIndex { starts: std::iter::once(0).chain(further).collect() }
    }

    /// As [`line_column`], of the same text.
    pub(crate) fn line_column(&self, text: &str, offset: usize) -> (usize, usize) {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= end);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, text[start..end].chars().count() + 1)
    }
}

/// “did you mean …?”, when one of `known` is close to `found`.
pub(crate) fn did_you_mean<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let close = |name: &&str| strsim::damerau_levenshtein(found, name);
    let limit = (found.chars().count() / 3).max(1) + usize::from(found.len() > 4);
    known
        .into_iter()
        .map(|name| (close(&name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}
