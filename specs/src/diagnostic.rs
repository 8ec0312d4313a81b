//! What is wrong with a spec directory, and how it is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Code;
use crate::excerpt::{Excerpt, Text};
use crate::visible::{shown, visible};

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
    texts: BTreeMap<String, Text>,
}

impl Report {
    /// Orders problems by place. `texts` holds every file that was read.
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>, texts: BTreeMap<String, String>) -> Self {
        for diagnostic in &mut diagnostics {
            diagnostic.message = shown(&diagnostic.message);
            diagnostic.hint = diagnostic.hint.as_deref().map(shown);
        }
        diagnostics.sort_by(|a, b| (&a.label, &a.message).cmp(&(&b.label, &b.message)));
        diagnostics.dedup();
        let texts = texts.into_iter().map(|(file, text)| (file, Text::new(text))).collect();
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
                    Some(self.texts.get(&label.file)?.line_column(label.span?.0))
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
            "" | "." => visible(file).into_owned(),
            directory => format!("{directory}/{}", visible(file)),
        };
        let title = Level::ERROR.primary_title(&*diagnostic.message);
        let mut group = Group::with_title(title.id(diagnostic.code.page().code));
        for (n, label) in diagnostic.label.iter().chain(&diagnostic.others).enumerate() {
            let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            group = match (label.span, self.texts.get(&label.file)) {
                (Some((start, _)), Some(text)) if label.hidden => {
                    let (line, column) = text.line_column(start);
                    let origin = Origin::path(path(&label.file)).line(line).char_column(column);
                    group.element(origin)
                }
                (Some(span), Some(text)) => {
                    let Excerpt { text: lines, line, span: place, is_cut } = text.excerpt(span);
                    let note = (!label.note.is_empty()).then_some(&*label.note);
                    let snippet = Snippet::source(lines)
                        .line_start(line)
                        .annotation(kind.span(place).label(note));
                    if is_cut {
                        // Only of a whole line can the column be told from what is shown.
                        let (line, column) = text.line_column(span.0);
                        let origin = Origin::path(path(&label.file)).line(line).char_column(column);
                        group.element(origin).element(snippet)
                    } else {
                        group.element(snippet.path(path(&label.file)))
                    }
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportEntry {
    /// What sort of problem it is: `E0303`, …
    #[schemars(with = "String")]
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

/// Nothing that has a name is called by more letters, and comparing longer ones takes long.
const SUGGESTED_MAX: usize = 128;

/// “did you mean …?”, when one of `known` is close to `found`.
pub(crate) fn did_you_mean<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if found.len() > SUGGESTED_MAX {
        return None;
    }
    let letters = found.chars().count();
    let limit = (letters / 3).max(1) + usize::from(found.len() > 4);
    let may_be_close = |name: &&str| {
        name.len() <= SUGGESTED_MAX && name.chars().count().abs_diff(letters) <= limit
    };
    known
        .into_iter()
        .filter(may_be_close)
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}
