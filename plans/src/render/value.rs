//! Values of attributes, as every writer for people shows them.

use lessor_specs::visible;
use similar::{ChangeTag, TextDiff};

use crate::Difference;

/// How much of a value is shown where there is little room, in characters.
const BRIEF: usize = 200;

/// An attribute before and after, ready to be shown.
pub(super) enum Shown {
    /// A secret is another one now; nobody is told which.
    Secret,
    /// Before and after, in one line each.
    Values(String, String),
    /// The lines that differ, with a little around them, each behind `-`, `+` or a space.
    Lines(Vec<(char, String)>),
}

impl Shown {
    pub(super) fn of(difference: &Difference) -> Shown {
        let text = |value: &Option<serde_json::Value>| value.as_ref().map(shown);
        let (before, after) = (text(&difference.before), text(&difference.after));
        if is_secret(after.as_deref()) && before.is_some() {
            return Shown::Secret;
        }
        match (before, after) {
            (Some(before), Some(after)) if before.contains('\n') || after.contains('\n') => {
                Shown::Lines(lines(&before, &after))
            }
            (before, after) => {
                let or_none = |text: Option<String>| text.unwrap_or_else(|| "(none)".into());
                Shown::Values(or_none(before), or_none(after))
            }
        }
    }

    /// In one line, behind the path: `memory: 128MiB → 256MiB`.
    pub(super) fn in_one_line(difference: &Difference) -> String {
        let path = &difference.path;
        match Shown::of(difference) {
            Shown::Secret => format!("{path}: secret changed"),
            Shown::Values(before, after) => {
                format!("{path}: {} → {}", brief(&before), brief(&after))
            }
            Shown::Lines(lines) => {
                let count = |wanted| lines.iter().filter(|(sign, _)| *sign == wanted).count();
                format!("{path}: {} lines removed, {} added", count('-'), count('+'))
            }
        }
    }
}

/// So much of a value as there is room for, in one line, and nothing in it that could move a
/// cursor or turn the direction of text.
pub(super) fn brief(text: &str) -> String {
    let mut brief = tame(&text.chars().take(BRIEF).collect::<String>());
    let length = text.chars().count();
    if length > BRIEF {
        brief.push_str(&format!("… ({length} characters)"));
    }
    brief
}

/// Text in one line, with what cannot be seen written out.
pub(super) fn tame(text: &str) -> String {
    visible(&text.replace('\n', "⏎")).into_owned()
}

fn is_secret(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with("secret://"))
}

fn lines(before: &str, after: &str) -> Vec<(char, String)> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(2) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push((sign, change.value().trim_end_matches('\n').to_owned()));
        }
    }
    lines
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
