//! Lists: columns for people, one JSON object a line for programs.

use std::fmt::Write as _;

use serde_json::Value;

use crate::exit::Exit;
use crate::output::{self, Format};

/// A line for people, and the same for programs.
pub(crate) type Row = (Vec<String>, Value);

/// A row of a thing as the API shows it, with these columns.
pub(crate) fn row(cells: impl Into<Vec<String>>, value: Value) -> Row {
    (cells.into(), value)
}

/// A field of a thing; nothing where it is not said.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().unwrap_or_default());
            items.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Prints rows.
pub(crate) fn show(format: Format, rows: impl IntoIterator<Item = Row>) -> anyhow::Result<Exit> {
    let rows: Vec<_> = rows.into_iter().collect();
    let text = match format {
        Format::Json => lines(&rows),
        Format::Human => columns(&rows),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn lines(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, (_, value)| {
        let _ = writeln!(text, "{value}");
        text
    })
}

fn columns(rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for (cells, _) in rows {
        let cells = cells.iter().enumerate();
        let line: Vec<_> = cells.map(|(at, cell)| format!("{cell:0$}", width(at))).collect();
        let _ = writeln!(text, "{}", lessor_specs::visible(line.join("  ").trim_end()));
    }
    text
}
