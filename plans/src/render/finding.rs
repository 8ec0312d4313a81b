//! What a report names one by one, as readers of pipelines count it: each line and gap of a plan, or
//! each problem of a spec file, under a rule.

use lessor_specs::{Page, ReportEntry};

use super::value::Shown;
use super::view::{Danger, Line, Purpose, Site, View};
use crate::{Action, Gap, NoteKind};

/// One thing that is found, at its place.
pub(super) struct Finding {
    /// What sort of thing it is.
    pub(super) rule: Rule,
    pub(super) level: Level,
    /// What tells it from others of its rule, the same from run to run.
    pub(super) key: [String; 3],
    /// What it is about: an address, or words.
    pub(super) about: String,
    /// The connection, or the catalogue.
    pub(super) connection: Option<String>,
    /// What is found, beginning with what it is about.
    pub(super) message: String,
    /// Below the message, one a line.
    pub(super) details: Vec<String>,
    pub(super) site: Option<Site>,
}

/// How loud a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Error,
    Warning,
    Note,
}

/// A sort of finding. Its id is a promise: readers follow findings by it from run to run. What has
/// a code has it for its id.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    /// What it says, in a few words.
    title: &'static str,
    /// What it means, and what to do; of a code, its page in Markdown.
    pub(super) help: &'static str,
    pub(super) level: Level,
    /// Whether `lessor explain` knows the id.
    pub(super) is_code: bool,
}

impl Rule {
    /// Of what has a code and a page.
    const fn of(page: &'static Page) -> Rule {
        let Page { code, title, text, section: _ } = *page;
        Rule { id: code, title, help: text, level: Level::Error, is_code: true }
    }

    /// What it says, as a heading.
    pub(super) fn heading(self) -> String {
        let mut letters = self.title.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect()
    }

    const fn new(id: &'static str, level: Level, title: &'static str, help: &'static str) -> Rule {
        Rule { id, title, help, level, is_code: false }
    }
}

/// How many differing attributes of one thing are told; the rest is counted.
const DETAILS: usize = 20;

impl Finding {
    /// The message, and its details below.
    pub(super) fn text(&self) -> String {
        let below = self.details.iter().flat_map(|detail| ["\n", detail]);
        std::iter::once(self.message.as_str()).chain(below).collect()
    }
}

/// Everything a view has, the most dangerous first.
pub(super) fn of_view(view: &View) -> Vec<Finding> {
    let lines = view.lines.iter().map(|line| (line.danger(), of_line(view, line)));
    let gaps = view.gaps.iter().map(|gap| (Danger::Unseen, of_gap(view, gap)));
    let mut found: Vec<_> = gaps.chain(lines).collect();
    // Stable: within one danger, the order of the view stays.
    found.sort_by_key(|(danger, _)| *danger);
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// Every problem of spec files. `site` says where a file is for those who read the report.
pub(super) fn of_problems(
    problems: &[ReportEntry],
    site: impl Fn(&ReportEntry) -> Option<Site>,
) -> Vec<Finding> {
    let of_problem = |problem: &ReportEntry| Finding {
        rule: Rule::of(problem.code.page()),
        level: Level::Error,
        key: [problem.file.clone().unwrap_or_default(), problem.message.clone(), String::new()],
        about: problem.file.clone().unwrap_or_default(),
        connection: None,
        message: problem.message.clone(),
        details: problem.hint.iter().map(|hint| format!("hint: {hint}")).collect(),
        site: site(problem),
    };
    problems.iter().map(of_problem).collect()
}

/// Of one line.
pub(super) fn of_line(view: &View, line: &Line) -> Finding {
    let rule = rule(line);
    let mut message = format!("{}: {}", line.about, line.why);
    for fact in &line.facts {
        message.extend([", ", fact]);
    }
    if line.destroys_data {
        message.push_str("; its data is destroyed");
    }
    let mut details: Vec<_> =
        line.differences.iter().take(DETAILS).map(Shown::in_one_line).collect();
    if line.differences.len() > DETAILS {
        details.push(format!("and {} more", line.differences.len() - DETAILS));
    }
    details.extend(line.hint.iter().map(|hint| format!("hint: {hint}")));
    let connection = line.host();
    Finding {
        rule,
        level: level(rule, view.purpose),
        key: [line.about.clone(), connection.clone().unwrap_or_default(), String::new()],
        about: line.about.clone(),
        connection,
        message,
        details,
        site: view.sites.of_line(line).cloned(),
    }
}

/// Of one gap.
pub(super) fn of_gap(view: &View, gap: &Gap) -> Finding {
    Finding {
        rule: UNSEEN,
        level: UNSEEN.level,
        key: [gap.place.to_string(), gap.place.to_string(), gap.what.clone()],
        about: gap.place.to_string(),
        connection: Some(gap.place.to_string()),
        message: format!("{}: could not see {}: {}", gap.place, gap.what, gap.why),
        details: gap.hint.iter().map(|hint| format!("hint: {hint}")).collect(),
        site: view.sites.of_gap(gap).cloned(),
    }
}

/// Whoever asks for drift wants to hear of it; a plan sets it back.
fn level(rule: Rule, purpose: Purpose) -> Level {
    let is_drift = rule.id == DRIFTED.id || rule.id == MISSING.id;
    if is_drift && purpose == Purpose::Drift { Level::Error } else { rule.level }
}

fn rule(line: &Line) -> Rule {
    if let Some(code) = line.code {
        return Rule::of(code.page());
    }
    match (line.note, line.action) {
        (Some(NoteKind::Fatal), _) => IMPOSSIBLE,
        (Some(NoteKind::Unseen), _) => UNSEEN,
        (Some(NoteKind::Unmanaged), _) => UNMANAGED,
        (Some(NoteKind::Waiting), _) => WAITING,
        (Some(NoteKind::Info), _) => INFO,
        (None, _) if line.destroys_data => DATA_DESTROYED,
        (None, Some(Action::Create)) if line.is_drift() => MISSING,
        (None, Some(_)) if line.is_drift() => DRIFTED,
        (None, Some(Action::Create)) => CREATED,
        (None, Some(Action::Update)) => CHANGED,
        (None, Some(Action::Replace)) => REPLACED,
        (None, Some(Action::Delete)) => REMOVED,
        (None, None) => DATA_KEPT,
    }
}

/// Every rule a plan or a drift report can use, apart from those of codes.
pub(super) const OF_PLANS: [Rule; 13] = [
    IMPOSSIBLE,
    UNSEEN,
    DATA_DESTROYED,
    REMOVED,
    REPLACED,
    DRIFTED,
    MISSING,
    CHANGED,
    DATA_KEPT,
    CREATED,
    UNMANAGED,
    WAITING,
    INFO,
];

const IMPOSSIBLE: Rule = Rule::new(
    "cannot-be-done",
    Level::Error,
    "The plan cannot be carried out",
    "Something stands in the way, and `lessor apply` refuses the whole plan until it is gone.",
);
const UNSEEN: Rule = Rule::new(
    "not-seen",
    Level::Error,
    "Something could not be seen or compared",
    "Not seen is not absent: nothing is known about this part, and nothing is removed \
     anywhere until it can be seen again.",
);
const DATA_DESTROYED: Rule = Rule::new(
    "data-destroyed",
    Level::Error,
    "Data is destroyed",
    "What is lost cannot be made again. The gate holds it until somebody agrees by name: \
     `lessor apply --destroy-data ADDRESS`.",
);
const REMOVED: Rule = Rule::new(
    "removed",
    Level::Warning,
    "A thing is removed",
    "No spec declares it any more. If it was renamed, write `moved = [\"old.address\"]` in \
     its entry.",
);
const REPLACED: Rule = Rule::new(
    "replaced",
    Level::Warning,
    "A thing is replaced",
    "What changed cannot be changed where it stands, so the thing goes and comes again. \
     Volumes and ports stay.",
);
const DRIFTED: Rule = Rule::new(
    "changed-outside",
    Level::Warning,
    "Somebody else changed a thing",
    "It was applied as declared and looks different now. `lessor apply` sets it back; to \
     keep the change, write it into the spec.",
);
const MISSING: Rule = Rule::new(
    "removed-outside",
    Level::Warning,
    "Somebody else removed a thing",
    "It was made as declared and is gone. `lessor apply` makes it again.",
);
const CHANGED: Rule = Rule::new(
    "changed",
    Level::Note,
    "A thing is changed",
    "Its spec asks for something else than what is there. It is changed where it stands.",
);
const DATA_KEPT: Rule = Rule::new(
    "data-kept",
    Level::Note,
    "Data nobody declares any more is kept for a while",
    "Declare it again to take it back. It is kept for as long as `[policy.retention]` says.",
);
const CREATED: Rule = Rule::new(
    "created",
    Level::Note,
    "A thing is made",
    "A spec declares it, and it is not there yet.",
);
const UNMANAGED: Rule = Rule::new(
    "not-ours",
    Level::Warning,
    "A thing carries our mark and is not ours",
    "It is a copy, or was marked by a later version. It is left alone.",
);
const WAITING: Rule =
    Rule::new("waiting", Level::Note, "Something happens later", "Nothing has to be done now.");
const INFO: Rule = Rule::new("note", Level::Note, "Good to know", "Nothing has to be done.");
