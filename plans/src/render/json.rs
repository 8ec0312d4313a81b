//! A plan for programs. The schema is published; a reader checks `format_version`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::view::{Line, Purpose, Summary, View};
use crate::Gap;

/// Raised when a field changes its meaning or goes away; a new field does not raise it.
pub const JSON_FORMAT_VERSION: u32 = 1;

#[derive(Serialize, JsonSchema)]
#[schemars(title = "A lessor plan or drift report")]
struct Document<'v> {
    /// The version of this form.
    format_version: u32,
    /// `plan` or `drift`.
    kind: &'static str,
    /// The plan's id: SHA-256 of its canonical bytes.
    id: &'v str,
    /// What it comes to.
    summary: &'v Summary,
    /// One for each change and note.
    lines: &'v [Line],
    /// What could not be seen.
    gaps: &'v [Gap],
}

/// About what a line takes; memory is asked for once rather than again and again.
const BYTES_A_LINE: usize = 256;

/// The view as one JSON document on one line, with a line break at its end.
pub fn json(view: &View) -> String {
    let kind = match view.purpose {
        Purpose::Plan => "plan",
        Purpose::Drift => "drift",
    };
    let document = Document {
        format_version: JSON_FORMAT_VERSION,
        kind,
        id: &view.id,
        summary: &view.summary,
        lines: &view.lines,
        gaps: &view.gaps,
    };
    // Plain data with text keys: this cannot fail.
    let mut text = Vec::with_capacity(view.lines.len() * BYTES_A_LINE);
    let _ = serde_json::to_writer(&mut text, &document);
    text.push(b'\n');
    String::from_utf8(text).unwrap_or_default()
}

/// The published JSON Schema of [`json`].
pub fn json_schema() -> Value {
    schemars::schema_for!(Document<'static>).to_value()
}
