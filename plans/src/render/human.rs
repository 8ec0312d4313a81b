//! A plan for people.

use std::fmt::Write as _;

use lessor_specs::{visible, visible_lines};

use super::value::Shown;
use super::view::{Line, Purpose, Summary, Symbol, View};
use crate::{Difference, Price, RunRate};

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
        let why = visible_lines(&gap.why);
        let _ = writeln!(out, "? {:width$}  could not see {}: {why}", gap.place, gap.what);
        write_hint(&mut out, gap.hint.as_deref());
    }
    let _ = writeln!(out, "{}", sentence(&view.summary, view.purpose));
    out
}

pub(super) fn write_line(out: &mut String, line: &Line, width: usize, color: bool) {
    let (on, off) = if color { (paint(line.symbol), RESET) } else { ("", "") };
    let (about, place) = (visible(&line.about), visible(line.place.as_deref().unwrap_or("")));
    let _ = write!(out, "{on}{}{off} {about:width$}  {place:8}  ", line.symbol.as_char());
    out.push_str(&visible_lines(&line.why));
    for fact in &line.facts {
        let _ = write!(out, "  {}", visible(fact));
    }
    if let Some(price) = &line.price {
        let _ = write!(out, "  {}", more_or_less(price));
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
        let _ = writeln!(out, "      hint: {}", visible_lines(hint));
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
    let path = visible(&difference.path);
    match Shown::of(difference) {
        Shown::Secret => {
            let _ = writeln!(out, "      {path}: secret changed");
        }
        Shown::Values(before, after) => {
            let (before, after) = (visible_lines(&before), visible_lines(&after));
            let _ = writeln!(out, "      {path}: {before} → {after}");
        }
        Shown::Lines(lines) => {
            let _ = writeln!(out, "      {path}:");
            for (sign, line) in lines {
                let on = match sign {
                    '-' => RED,
                    '+' => GREEN,
                    _ => DIM,
                };
                let (on, off) = if color { (on, RESET) } else { ("", "") };
                let _ = writeln!(out, "        {on}{sign}{}{off}", visible(&line));
            }
        }
    }
}

/// What it comes to, in a sentence or two: “1 to add. No data is destroyed.”
pub(super) fn sentence(summary: &Summary, purpose: Purpose) -> String {
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
    for (count, one, many) in
        [(summary.problems, "problem", "problems"), (summary.notes, "note", "notes")]
    {
        match count {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {many}")),
        }
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
    if purpose == Purpose::Plan {
        text.push_str(&run_rate(summary));
    }
    if !nothing && purpose == Purpose::Plan {
        text.push_str(match summary.destroys_data {
            0 => " No data is destroyed.",
            _ => " Data is destroyed.",
        });
    }
    text
}

/// “EUR +0.014900/h”.
pub(super) fn more_or_less(price: &Price) -> String {
    let sign = if price.hourly.micros() < 0 { "" } else { "+" };
    format!("{} {sign}{}/h", price.currency, price.hourly)
}

/// “ Run-rate EUR 412.10 → 428.14 a month.”, if it changes.
fn run_rate(summary: &Summary) -> String {
    let changing = summary.run_rate.iter().filter(|rate| rate.before != rate.after);
    let rates: Vec<_> = changing.map(before_and_after).collect();
    let without = match summary.unpriced {
        0 => String::new(),
        1 => ", without the instance that goes".into(),
        count => format!(", without the {count} instances that go"),
    };
    match rates.as_slice() {
        [] => String::new(),
        rates => format!(" Run-rate {} a month{without}.", rates.join(", ")),
    }
}

/// To the cent, unless only millionths differ.
fn before_and_after(rate: &RunRate) -> String {
    let RunRate { currency, before, after } = rate;
    match (before.to_the_cent(), after.to_the_cent()) {
        (from, to) if from == to => format!("{currency} {before} → {after}"),
        (from, to) => format!("{currency} {from} → {to}"),
    }
}

/// What is said when nothing would be done.
fn verdict(summary: &Summary) -> String {
    let declared = summary.owned.saturating_sub(summary.kept);
    match summary {
        Summary { problems: 1.., .. } => "Nothing differs beside what is wrong".into(),
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
