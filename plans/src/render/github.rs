//! A report as workflow commands, which GitHub shows beside the lines of a pull request.

use std::fmt::Write as _;

use lessor_specs::ReportEntry;

use super::finding::{self, Finding, Level};
use super::human;
use super::view::{Site, View};

/// The view as annotations, the most dangerous first, since GitHub shows only the first ones, and
/// what it comes to. Every annotation is one line.
pub fn github(view: &View) -> String {
    annotations(&finding::of_view(view)) + &human::sentence(&view.summary, view.purpose) + "\n"
}

/// Problems of spec files as annotations. `site` says where a problem is in the repository.
pub fn github_problems(
    problems: &[ReportEntry],
    site: impl Fn(&ReportEntry) -> Option<Site>,
) -> String {
    annotations(&finding::of_problems(problems, site))
}

fn annotations(found: &[Finding]) -> String {
    let mut out = String::with_capacity(found.len() * 120);
    for finding in found {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let _ = write!(out, "::{command} ");
        if let Some(Site { file, line, column }) = &finding.site {
            let _ = write!(out, "file={},line={line},col={column},", property(file));
        }
        let mut title = finding.rule.heading();
        if finding.rule.is_code {
            let _ = write!(title, " ({})", finding.rule.id);
        }
        let _ = writeln!(out, "title={}::{}", property(&title), data(&finding.text()));
    }
    out
}

/// What a command says may hold anything but these.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
