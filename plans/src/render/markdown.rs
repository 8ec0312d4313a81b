//! A report for a pull request.
//!
//! Whatever was not written here stands in code spans: a name or an engine's words can then neither
//! break a table, nor become markup, nor call anybody.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lessor_specs::ReportEntry;

use super::finding::{self, Finding};
use super::human;
use super::value::{Shown, brief, tame};
use super::view::{Danger, Line, Purpose, Site, View};
use crate::{Difference, Gap};

/// The longest report, in bytes. GitHub takes comments of 65 536 characters, and whoever posts one
/// may want to add something.
pub const MARKDOWN_MAX: usize = 60_000;

/// What the summary of hosts may take of that, …
const HOSTS_MAX: usize = 12_000;

/// … and one row. The rest of its attributes is counted.
const ROW_MAX: usize = 4_000;

/// Kept for the lines that say what was left out.
const RESERVE: usize = 1_000;

/// The heading of what belongs to no host.
const ELSEWHERE: &str = "everything";

/// The view as Markdown of at most [`MARKDOWN_MAX`] bytes: what it comes to, a summary of the
/// hosts, and for each host its changes, the most dangerous first. Where there is no room for all,
/// the least dangerous ones are left out, and a line at the end says how many of which.
pub fn markdown(view: &View) -> String {
    let title = match view.purpose {
        Purpose::Plan => "lessor plan",
        Purpose::Drift => "lessor drift",
    };
    let mut out = format!("### {title}\n\n");
    let _ = writeln!(out, "**{}**", human::sentence(&view.summary, view.purpose));
    let rows = rows(view);
    if !rows.is_empty() {
        write_hosts(&mut out, &rows);
        write_rows(&mut out, &rows);
    }
    if view.purpose == Purpose::Plan {
        let id = view.id.get(..8).unwrap_or(&view.id);
        let _ = write!(out, "\nPlan {}\n", code(id));
    }
    out
}

/// Problems of spec files as Markdown of at most [`MARKDOWN_MAX`] bytes. `site` says where a
/// problem is for those who read it.
pub fn markdown_problems(
    problems: &[ReportEntry],
    site: impl Fn(&ReportEntry) -> Option<Site>,
) -> String {
    let found = finding::of_problems(problems, site);
    let mut out = String::from("### lessor validate\n\n");
    let _ = match found.len() {
        0 => writeln!(out, "**Valid.**"),
        1 => writeln!(out, "**1 problem.**"),
        count => writeln!(out, "**{count} problems.**"),
    };
    if !found.is_empty() {
        out.push_str("\n| where | | what |\n| --- | --- | --- |\n");
    }
    for (written, finding) in found.iter().enumerate() {
        let row = problem_row(finding);
        if out.len() + row.len() + RESERVE > MARKDOWN_MAX {
            let _ = write!(out, "\n{} more are left out here.\n", found.len() - written);
            break;
        }
        out.push_str(&row);
    }
    out
}

fn problem_row(finding: &Finding) -> String {
    let place = finding.site.as_ref();
    let place = place.map(|Site { file, line, column }| code(&format!("{file}:{line}:{column}")));
    let (place, rule) = (place.unwrap_or_default(), code(finding.rule.id));
    let mut row = format!("| {place} | {rule} | {}", prose(&finding.message));
    for detail in &finding.details {
        let _ = write!(row, "<br>{}", prose(detail));
    }
    row + " |\n"
}

/// One line of a table, and the host it belongs to. It is written once there is room for it.
struct Row<'v> {
    danger: Danger,
    host: String,
    about: About<'v>,
}

enum About<'v> {
    Line(&'v Line),
    Gap(&'v Gap),
}

impl Row<'_> {
    fn text(&self) -> String {
        match self.about {
            About::Line(line) => line_row(line),
            About::Gap(gap) => gap_row(gap),
        }
    }
}

/// The most dangerous first.
fn rows(view: &View) -> Vec<Row<'_>> {
    let gaps = view.gaps.iter().map(|gap| Row {
        danger: Danger::Unseen,
        host: gap.place.to_string(),
        about: About::Gap(gap),
    });
    let lines = view.lines.iter().map(|line| Row {
        danger: line.danger(),
        host: line.host().unwrap_or_else(|| ELSEWHERE.into()),
        about: About::Line(line),
    });
    let mut rows: Vec<_> = gaps.chain(lines).collect();
    // Stable: within one danger, the order of the view stays.
    rows.sort_by_key(|row| row.danger);
    rows
}

fn gap_row(gap: &Gap) -> String {
    let what = format!("could not see {}: {}", gap.what, gap.why);
    let mut row = format!("| {} | {} | {}", code("?"), code(&gap.place.to_string()), prose(&what));
    write_hint(&mut row, gap.hint.as_deref());
    row + " |\n"
}

fn line_row(line: &Line) -> String {
    let sign = code(&line.symbol.as_char().to_string());
    let mut row = format!("| {sign} | {} | {}", code(&line.about), prose(&line.why));
    for fact in &line.facts {
        let _ = write!(row, ", {}", prose(fact));
    }
    if let Some(price) = &line.price {
        let _ = write!(row, ", {}", prose(&human::more_or_less(price)));
    }
    if line.destroys_data {
        row.push_str("; **its data is destroyed**");
    }
    for (told, difference) in line.differences.iter().enumerate() {
        let text = difference_text(difference);
        if row.len() + text.len() > ROW_MAX {
            let _ = write!(row, "<br>and {} more", line.differences.len() - told);
            break;
        }
        row.push_str(&text);
    }
    write_hint(&mut row, line.hint.as_deref());
    row + " |\n"
}

fn write_hint(row: &mut String, hint: Option<&str>) {
    if let Some(hint) = hint {
        let _ = write!(row, "<br>hint: {}", prose(hint));
    }
}

fn difference_text(difference: &Difference) -> String {
    let path = code(&difference.path);
    match Shown::of(difference) {
        Shown::Secret => format!("<br>{path}: secret changed"),
        Shown::Values(before, after) => format!("<br>{path}: {} → {}", code(&before), code(&after)),
        Shown::Lines(lines) => {
            let mut text = format!("<br>{path}:");
            for (sign, line) in lines.iter().filter(|(sign, _)| *sign != ' ') {
                let _ = write!(text, "<br>{}", code(&format!("{sign}{line}")));
            }
            text
        }
    }
}

/// How many of which a host has, the worst host first.
fn write_hosts(out: &mut String, rows: &[Row]) {
    let mut hosts: BTreeMap<&str, Vec<Danger>> = BTreeMap::new();
    for row in rows {
        hosts.entry(&row.host).or_default().push(row.danger);
    }
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|(_, dangers)| dangers.iter().min().copied());
    out.push_str("\n| host | what |\n| --- | --- |\n");
    let end = out.len() + HOSTS_MAX;
    for (written, (host, dangers)) in hosts.iter().enumerate() {
        let row = format!("| {} | {} |\n", code(host), counted(dangers.iter().copied()));
        if out.len() + row.len() > end {
            let _ = write!(out, "\n{} more hosts are left out here.\n", hosts.len() - written);
            break;
        }
        out.push_str(&row);
    }
}

/// “1 to remove, 2 to add”.
fn counted(dangers: impl Iterator<Item = Danger>) -> String {
    let mut counts: BTreeMap<Danger, usize> = BTreeMap::new();
    for danger in dangers {
        *counts.entry(danger).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.iter().map(|(danger, count)| format!("{count} {}", words(*danger))).collect();
    counts.join(", ")
}

fn words(danger: Danger) -> &'static str {
    match danger {
        Danger::Prevents => "that cannot be done",
        Danger::Unseen => "not seen",
        Danger::DestroysData => "losing data",
        Danger::Removes => "to remove",
        Danger::Replaces => "to replace",
        Danger::Updates => "to change",
        Danger::Keeps => "to keep for a while",
        Danger::Creates => "to add",
        Danger::Tells => "to know",
    }
}

/// The rows there is room for, by host; the host with the worst row comes first.
fn write_rows(out: &mut String, rows: &[Row]) {
    let mut room = MARKDOWN_MAX - RESERVE - out.len();
    let mut left_out = rows;
    let mut tables: Vec<(&str, String)> = Vec::new();
    while let [row, rest @ ..] = left_out {
        let found = tables.iter().position(|(host, _)| *host == row.host);
        let mut text = found.map_or_else(|| heading(&row.host), |_| String::new());
        text.push_str(&row.text());
        let Some(less) = room.checked_sub(text.len()) else { break };
        (room, left_out) = (less, rest);
        match found {
            Some(at) => tables[at].1.push_str(&text),
            None => tables.push((&row.host, text)),
        }
    }
    out.extend(tables.into_iter().map(|(_, text)| text));
    if !left_out.is_empty() {
        write_left_out(out, left_out, rows.len());
    }
}

fn heading(host: &str) -> String {
    format!("\n#### {}\n\n| | | |\n| --- | --- | --- |\n", code(host))
}

fn write_left_out(out: &mut String, left_out: &[Row], all: usize) {
    let _ = write!(
        out,
        "\n**{} of {all} lines are left out here for want of room: {}.** What is above is the most \
         dangerous part; the command without `--format markdown` shows all of it.\n",
        left_out.len(),
        counted(left_out.iter().map(|row| row.danger)),
    );
}

/// A code span that nothing in `text` can end: its fence is longer than any in there. Pipes are
/// escaped, since a table looks for them even here.
fn code(text: &str) -> String {
    let text = brief(text);
    if text.trim().is_empty() {
        return "(empty)".into();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 || text.starts_with(' ') || text.ends_with(' ') { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", escaped_pipes(&text))
}

/// A backslash before a pipe would escape the backslash that escapes the pipe, so pipes behind one
/// are shown as what they look like.
fn escaped_pipes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut after_backslash = false;
    for c in text.chars() {
        match c {
            '|' if after_backslash => escaped.push('¦'),
            '|' => escaped.push_str("\\|"),
            c => escaped.push(c),
        }
        after_backslash = c == '\\';
    }
    escaped
}

/// A sentence: plain words stay, and everything else becomes code. What stands in backticks is one
/// piece of it.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let text = tame(&text.chars().take(ROW_MAX / 4).collect::<String>());
    for (n, part) in text.split('`').enumerate() {
        if n % 2 == 1 {
            push_code(&mut out, part);
            continue;
        }
        let words: Vec<_> = part.split(' ').collect();
        for (n, run) in words.chunk_by(|a, b| is_plain(a) == is_plain(b)).enumerate() {
            if n > 0 {
                out.push(' ');
            }
            let text = run.join(" ");
            if run.iter().all(|word| is_plain(word)) {
                out.push_str(&text);
            } else {
                push_code(&mut out, &text);
            }
        }
    }
    out
}

/// Two spans that touch would be one: their fences cannot be told apart.
fn push_code(out: &mut String, text: &str) {
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(&code(text));
}

/// Whether a word means nothing but itself in Markdown, and nothing to those who look for mentions,
/// links and commits in it.
fn is_plain(word: &str) -> bool {
    let core =
        word.trim_start_matches(['(', '“']).trim_end_matches([',', ';', ':', '.', '?', ')', '”']);
    let is_commit = core.len() >= 7 && core.chars().all(|c| c.is_ascii_hexdigit());
    !is_commit && core.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '→' | '%' | '…'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_cannot_be_left() {
        for (text, expected) in [
            ("web", "`web`"),
            ("@acme/everyone", "`@acme/everyone`"),
            ("a|b", r"`a\|b`"),
            (r"a\|b", r"`a\¦b`"),
            ("a`b``c", "``` a`b``c ```"),
            ("`", "`` ` ``"),
            ("a\n| b |", r"`a⏎\| b \|`"),
            ("\u{202e}evil\u{0}", r"`\u{202e}evil\0`"),
            ("", "(empty)"),
        ] {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn words_stay_and_everything_else_is_code() {
        for (text, expected) in [
            ("memory changed, replaced", "memory changed, replaced"),
            ("follows `network.front`, replaced", "follows `network.front`, replaced"),
            ("ask @root or see https://x.example", "ask `@root` or see `https://x.example`"),
            ("<img src=x> *b* [a](b) |", r"`<img src=x> *b* [a](b) \|`"),
            ("`a`@b`c`", "`a` `@b` `c`"),
            ("`a", "`a`"),
            ("fixes #12 in deadbeef1", "fixes `#12` in `deadbeef1`"),
        ] {
            assert_eq!(prose(text), expected, "{text}");
        }
    }
}
