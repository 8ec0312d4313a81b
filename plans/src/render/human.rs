//! A plan for people.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use super::view::{Line, Purpose, Summary, Symbol, View};
use crate::Difference;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const MAGENTA: &str = "\x1b[35m";
const CYAN: &str = "\x1b[36m";

/// The view as text, with a line break at its end. It is clear without colour.
pub fn human(view: &View, color: bool) -> String {
    let mut out = String::with_capacity(view.lines.len() * 80);
    let width = view.lines.iter().map(|line| line.about.len()).max().unwrap_or(0).min(40);
    for line in &view.lines {
        write_line(&mut out, line, width, color);
    }
    for gap in &view.gaps {
        let _ = writeln!(out, "? {:width$}  could not see {}: {}", gap.place, gap.what, gap.why);
        write_hint(&mut out, gap.hint.as_deref());
    }
    let _ = writeln!(out, "{}", sentence(&view.summary, view.purpose));
    out
}

pub(super) fn write_line(out: &mut String, line: &Line, width: usize, color: bool) {
    let (on, off) = if color { (paint(line.symbol), RESET) } else { ("", "") };
    let place = line.place.as_deref().unwrap_or("");
    let _ = write!(out, "{on}{}{off} {:width$}  {place:8}  ", line.symbol.as_char(), line.about);
    out.push_str(&line.why);
    for fact in &line.facts {
        let _ = write!(out, "  {fact}");
    }
    if line.destroys_data {
        let (on, off) = if color { (RED, RESET) } else { ("", "") };
        let _ = write!(out, "  {on}its data is destroyed{off}");
    }
    out.push('\n');
    for difference in &line.differences {
        write_difference(out, difference, color);
    }
    write_hint(out, line.hint.as_deref());
}

fn write_hint(out: &mut String, hint: Option<&str>) {
    if let Some(hint) = hint {
        let _ = writeln!(out, "      hint: {hint}");
    }
}

fn paint(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Add => GREEN,
        Symbol::Change => YELLOW,
        Symbol::Replace => MAGENTA,
        Symbol::Remove | Symbol::Drift => RED,
        Symbol::Note => CYAN,
    }
}

fn write_difference(out: &mut String, difference: &Difference, color: bool) {
    let text = |value: &Option<serde_json::Value>| value.as_ref().map(shown);
    let (before, after) = (text(&difference.before), text(&difference.after));
    let path = &difference.path;
    if is_secret(after.as_deref()) && before.is_some() {
        let _ = writeln!(out, "      {path}: secret changed");
        return;
    }
    match (before, after) {
        (Some(before), Some(after)) if before.contains('\n') || after.contains('\n') => {
            let _ = writeln!(out, "      {path}:");
            write_text_diff(out, &before, &after, color);
        }
        (Some(before), Some(after)) => {
            let _ = writeln!(out, "      {path}: {before} → {after}");
        }
        (None, Some(after)) => {
            let _ = writeln!(out, "      {path}: (none) → {after}");
        }
        (Some(before), None) => {
            let _ = writeln!(out, "      {path}: {before} → (none)");
        }
        (None, None) => {}
    }
}

fn is_secret(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with("secret://"))
}

/// Values of many lines are shown by the lines that differ, with a little around them.
fn write_text_diff(out: &mut String, before: &str, after: &str, color: bool) {
    let diff = TextDiff::from_lines(before, after);
    for group in diff.grouped_ops(2) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, on) = match change.tag() {
                ChangeTag::Delete => ('-', RED),
                ChangeTag::Insert => ('+', GREEN),
                ChangeTag::Equal => (' ', DIM),
            };
            let (on, off) = if color { (on, RESET) } else { ("", "") };
            let _ =
                writeln!(out, "        {on}{sign}{}{off}", change.value().trim_end_matches('\n'));
        }
    }
}

/// A value as a person would write it. A list is one line while it is short.
pub(super) fn shown(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            let line = format!("[{}]", items.join(", "));
            if line.len() <= 72 { line } else { items.join("\n") }
        }
        Value::Object(fields) => match port(fields) {
            Some(port) => port,
            None => value.to_string(),
        },
        other => other.to_string(),
    }
}

/// A published port, the way `docker ps` writes it.
fn port(fields: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let field = |name: &str| fields.get(name);
    let (bind, host) = (field("bind")?.as_str()?, field("host")?);
    let (container, protocol) = (field("container")?, field("protocol")?.as_str()?);
    Some(format!("{bind}:{host}→{container}/{protocol}"))
}

fn sentence(summary: &Summary, purpose: Purpose) -> String {
    let counts = [
        (summary.add, "to add"),
        (summary.change, "to change"),
        (summary.replace, "to replace"),
        (summary.remove, "to remove"),
        (summary.drifted, "drifted"),
    ];
    let mut parts: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if summary.keep > 0 {
        parts.push(format!("{} to keep", summary.keep));
    }
    let nothing = parts.is_empty();
    if summary.left_out > 0 {
        parts.push(format!("{} left out by the selection", summary.left_out));
    }
    match summary.notes {
        0 => {}
        1 => parts.push("1 note".into()),
        notes => parts.push(format!("{notes} notes")),
    }
    let verdict = if nothing { verdict(summary) } else { String::new() };
    let mut text = [verdict, parts.join(", ")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    text.push('.');
    if summary.unseen > 0 {
        let _ = write!(text, " {} could not be seen.", connections(summary.unseen));
    }
    if !nothing && purpose == Purpose::Plan {
        text.push_str(match summary.destroys_data {
            0 => " No data is destroyed.",
            _ => " Data is destroyed.",
        });
    }
    text
}

/// What is said when nothing would be done.
fn verdict(summary: &Summary) -> String {
    let declared = summary.owned.saturating_sub(summary.kept);
    match summary {
        Summary { unseen: 1.., .. } => "Nothing differs in what could be seen".into(),
        Summary { not_compared: 1.., .. } => "Nothing differs in what could be compared".into(),
        Summary { left_out: 1.., .. } => "Nothing differs in what was selected".into(),
        Summary { owned: 0, .. } => "In sync: nothing is there, as declared".into(),
        _ if declared == 0 => "In sync: nothing is there but what is kept".into(),
        _ if declared == 1 => "In sync: 1 thing is as declared".into(),
        _ => format!("In sync: {declared} things are as declared"),
    }
}

fn connections(count: usize) -> String {
    if count == 1 { "1 place".into() } else { format!("{count} places") }
}
