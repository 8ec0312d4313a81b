//! A report as JUnit XML: a suite a connection, a case a thing.
//!
//! What is as declared passes, what differs fails, what could not be seen is an error, and what is
//! only told is skipped.

use std::collections::BTreeMap;

use lessor_specs::{Address, Kind, ReportEntry};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::finding::{self, Finding};
use super::value::tame;
use super::view::{Danger, Purpose, Site, View};

/// The suite of what belongs to no connection.
const ELSEWHERE: &str = "lessor";

/// The view as one XML document. What passes is what the view knows to be
/// [settled](View::with_settled).
pub fn junit(view: &View) -> String {
    let name = match view.purpose {
        Purpose::Plan => "lessor plan",
        Purpose::Drift => "lessor drift",
    };
    let mut suites = Suites::default();
    for thing in &view.settled {
        suites.case(&thing.place.to_string(), &thing.address.to_string());
    }
    for gap in &view.gaps {
        suites.add(Verdict::Error, &finding::of_gap(view, gap));
    }
    for line in &view.lines {
        let verdict = match line.danger() {
            Danger::Prevents | Danger::Unseen => Verdict::Error,
            Danger::Tells => Verdict::Skipped,
            Danger::DestroysData
            | Danger::Removes
            | Danger::Replaces
            | Danger::Updates
            | Danger::Keeps
            | Danger::Creates => Verdict::Failure,
        };
        suites.add(verdict, &finding::of_line(view, line));
    }
    suites.document(name)
}

/// A check of spec files as one XML document: a case for each of `files`, failed by its problems.
/// `site` says where a problem is for those who read the document.
pub fn junit_problems<'f>(
    files: impl IntoIterator<Item = &'f str>,
    problems: &[ReportEntry],
    site: impl Fn(&ReportEntry) -> Option<Site>,
) -> String {
    let mut suites = Suites::default();
    for file in files {
        suites.case(ELSEWHERE, file);
    }
    for mut finding in finding::of_problems(problems, site) {
        if finding.about.is_empty() {
            finding.about = "directory".into();
        }
        suites.add(Verdict::Failure, &finding);
    }
    suites.document("lessor validate")
}

/// Cases by suite and name.
#[derive(Default)]
struct Suites {
    by_name: BTreeMap<String, BTreeMap<String, Case>>,
}

/// How a case ended; the last is the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    #[default]
    Passed,
    Skipped,
    Failure,
    Error,
}

/// One thing, and all that was found about it: readers take a name only once.
#[derive(Default)]
struct Case {
    verdict: Verdict,
    /// Of the worst that was found.
    kind: &'static str,
    message: String,
    texts: Vec<String>,
}

impl Suites {
    fn case(&mut self, suite: &str, name: &str) -> &mut Case {
        self.by_name.entry(suite.into()).or_default().entry(name.into()).or_default()
    }

    fn add(&mut self, verdict: Verdict, finding: &Finding) {
        let suite = self.suite_of(finding);
        let case = self.case(&suite, &finding.about);
        if verdict > case.verdict {
            (case.verdict, case.kind) = (verdict, finding.rule.id);
            case.message.clone_from(&finding.message);
        }
        let place = finding.site.as_ref();
        let place = place.map(|site| format!("\n{}:{}:{}", site.file, site.line, site.column));
        case.texts.push(finding.text() + &place.unwrap_or_default());
    }

    /// A note names no connection: it belongs to the thing it is about, or to the connection if it
    /// is about one.
    fn suite_of(&self, finding: &Finding) -> String {
        let is_connection = |about: &str| {
            about.parse::<Address>().is_ok_and(|address| address.kind() == Kind::Docker)
        };
        match &finding.connection {
            Some(connection) => connection.clone(),
            None if is_connection(&finding.about) => finding.about.clone(),
            None => {
                let mut suites = self.by_name.iter();
                let with_it = suites.find(|(_, cases)| cases.contains_key(&finding.about));
                with_it.map_or_else(|| ELSEWHERE.into(), |(suite, _)| suite.clone())
            }
        }
    }

    fn document(&self, name: &str) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Into memory, where nothing fails.
        let _ = self.write(&mut writer, name);
        let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>, name: &str) -> std::io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut all = BytesStart::new("testsuites");
        all.push_attribute(("name", name));
        for (attribute, count) in counts(self.by_name.values().flat_map(BTreeMap::values)) {
            if attribute != "skipped" {
                all.push_attribute((attribute, &*count.to_string()));
            }
        }
        writer.write_event(Event::Start(all))?;
        for (name, cases) in &self.by_name {
            let mut suite = BytesStart::new("testsuite");
            suite.push_attribute(("name", &*tame(name)));
            for (attribute, count) in counts(cases.values()) {
                suite.push_attribute((attribute, &*count.to_string()));
            }
            writer.write_event(Event::Start(suite))?;
            for (about, case) in cases {
                case.write(writer, name, about)?;
            }
            writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuites")))
    }
}

fn counts<'c>(cases: impl Iterator<Item = &'c Case>) -> [(&'static str, usize); 4] {
    let verdicts: Vec<_> = cases.map(|case| case.verdict).collect();
    let of = |verdict| verdicts.iter().filter(|own| **own == verdict).count();
    [
        ("tests", verdicts.len()),
        ("failures", of(Verdict::Failure)),
        ("errors", of(Verdict::Error)),
        ("skipped", of(Verdict::Skipped)),
    ]
}

impl Case {
    fn write(&self, writer: &mut Writer<Vec<u8>>, suite: &str, about: &str) -> std::io::Result<()> {
        let mut case = BytesStart::new("testcase");
        case.push_attribute(("name", &*tame(about)));
        // Readers show it as the name of the suite.
        case.push_attribute(("classname", &*tame(suite)));
        let element = match self.verdict {
            Verdict::Passed => return writer.write_event(Event::Empty(case)),
            Verdict::Skipped => "skipped",
            Verdict::Failure => "failure",
            Verdict::Error => "error",
        };
        writer.write_event(Event::Start(case))?;
        let mut found = BytesStart::new(element);
        found.push_attribute(("type", self.kind));
        found.push_attribute(("message", &*tame(&self.message)));
        writer.write_event(Event::Start(found))?;
        let lines = self.texts.iter().flat_map(|text| text.lines());
        let text: Vec<_> = lines.map(tame).collect();
        writer.write_event(Event::Text(BytesText::new(&text.join("\n"))))?;
        writer.write_event(Event::End(BytesEnd::new(element)))?;
        writer.write_event(Event::End(BytesEnd::new("testcase")))
    }
}
