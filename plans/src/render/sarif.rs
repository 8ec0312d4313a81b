//! A report in SARIF 2.1.0, for code scanning.

use std::collections::BTreeMap;

use lessor_specs::ReportEntry;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::finding::{self, Finding, Level, Rule};
use super::value::tame;
use super::view::{Purpose, Site, Summary, View};
use crate::Digest;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A file with more results is refused by GitHub, so the most dangerous ones have to do.
const RESULTS: usize = 25_000;

/// What may stand in a relative URI as it is.
const IN_URI: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The view as one SARIF document on one line, with a line break at its end.
///
/// Code scanning takes a result only with a place, so the view should know its
/// [sites](View::with_sites). Not everything seen means that the run was not successful.
pub fn sarif(view: &View) -> String {
    let category = match view.purpose {
        Purpose::Plan => "lessor/plan/",
        Purpose::Drift => "lessor/drift/",
    };
    let Summary { unseen, not_compared, .. } = view.summary;
    let complete = unseen == 0 && not_compared == 0;
    document(category, finding::OF_PLANS.to_vec(), finding::of_view(view), complete)
}

/// Problems of spec files as one SARIF document on one line, with a line break at its end. `site`
/// says where a problem is for those who read the document.
pub fn sarif_problems(
    problems: &[ReportEntry],
    site: impl Fn(&ReportEntry) -> Option<Site>,
) -> String {
    let found = finding::of_problems(problems, site);
    document("lessor/validate/", Vec::new(), found, true)
}

fn document(
    category: &'static str,
    mut rules: Vec<Rule>,
    mut found: Vec<Finding>,
    complete: bool,
) -> String {
    let left_out = found.len().saturating_sub(RESULTS);
    found.truncate(RESULTS);
    let told = (left_out > 0).then(|| Notification {
        level: "warning",
        message: Text { text: format!("{left_out} results of lesser weight are left out") },
    });
    for finding in &found {
        if rules.iter().all(|rule| rule.id != finding.rule.id) {
            rules.push(finding.rule);
        }
    }
    let mut seen = BTreeMap::new();
    let results = found.iter().map(|finding| result(finding, &rules, &mut seen)).collect();
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: driver(&rules) },
            automation_details: AutomationDetails { id: category },
            invocations: [Invocation {
                execution_successful: complete,
                tool_execution_notifications: told.into_iter().collect(),
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    };
    // Plain data with text keys: this cannot fail.
    serde_json::to_string(&log).unwrap_or_default() + "\n"
}

fn driver(rules: &[Rule]) -> Driver {
    let version = env!("CARGO_PKG_VERSION");
    let rules = rules.iter().map(|rule| Descriptor {
        id: rule.id,
        short_description: Text { text: rule.heading() },
        full_description: Text { text: rule.heading() },
        help: Help { text: rule.help, markdown: rule.help },
        default_configuration: Configuration { level: level(rule.level) },
    });
    Driver { name: "lessor", version, semantic_version: version, rules: rules.collect() }
}

fn result<'f>(
    finding: &'f Finding,
    rules: &[Rule],
    seen: &mut BTreeMap<String, usize>,
) -> SarifResult<'f> {
    let print = fingerprint(finding);
    let nth = seen.entry(print.clone()).and_modify(|count| *count += 1).or_insert(1);
    SarifResult {
        rule_id: finding.rule.id,
        rule_index: rules.iter().position(|rule| rule.id == finding.rule.id),
        level: level(finding.level),
        message: Text { text: message(finding) },
        locations: finding.site.iter().map(location).collect(),
        partial_fingerprints: Fingerprints {
            own: print.clone(),
            line_hash: format!("{}:{nth}", &print[..16]),
        },
        properties: Properties { about: &finding.about, connection: finding.connection.as_deref() },
    }
}

/// The same from run to run while it is the same thing and the same rule, wherever it is declared.
fn fingerprint(finding: &Finding) -> String {
    Digest::of_json(&(finding.rule.id, &finding.key)).to_string()
}

/// In a message, `[words](place)` is a link; nothing here means one.
fn message(finding: &Finding) -> String {
    let lines: Vec<_> = finding.text().lines().map(tame).collect();
    lines.join("\n").replace("](", "] (")
}

fn location(site: &Site) -> Location {
    let uri = utf8_percent_encode(&site.file, IN_URI).to_string();
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri },
            region: Region { start_line: site.line, start_column: site.column },
        },
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

#[derive(Serialize)]
struct Log<'f> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'f>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'f> {
    tool: Tool,
    automation_details: AutomationDetails,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<SarifResult<'f>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Help {
    text: &'static str,
    markdown: &'static str,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

/// What is before the last `/` keeps plan, drift and validation apart.
#[derive(Serialize)]
struct AutomationDetails {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'f> {
    rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    partial_fingerprints: Fingerprints,
    properties: Properties<'f>,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "lessorFinding/v1")]
    own: String,
    /// The only one that GitHub looks at.
    #[serde(rename = "primaryLocationLineHash")]
    line_hash: String,
}

#[derive(Serialize)]
struct Properties<'f> {
    about: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'f str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
}
