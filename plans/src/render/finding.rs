//! What a report names one by one, as readers of pipelines count it: each line and gap of a plan, or
//! each problem of a spec file, under a rule.

use lessor_specs::ReportEntry;

use super::value::Shown;
use super::view::{Danger, Line, Purpose, Site, View};
use crate::{Action, Gap, NoteKind};

/// One thing that is found, at its place.
pub(super) struct Finding {
    /// What sort of thing it is.
    pub(super) rule: &'static Rule,
    pub(super) level: Level,
    /// What it is about: an address, or words.
    pub(super) about: String,
    /// The connection.
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

/// A sort of finding. Its id is a promise: readers follow findings by it from run to run.
pub(super) struct Rule {
    pub(super) id: &'static str,
    /// What it says, in a few words.
    pub(super) title: &'static str,
    /// What it means, and what to do.
    pub(super) help: &'static str,
    pub(super) level: Level,
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
        rule: &INVALID,
        level: INVALID.level,
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
    Finding {
        rule,
        level: level(rule, view.purpose),
        about: line.about.clone(),
        connection: line.connection.as_ref().map(ToString::to_string),
        message,
        details,
        site: view.sites.of_line(line).cloned(),
    }
}

/// Of one gap.
pub(super) fn of_gap(view: &View, gap: &Gap) -> Finding {
    Finding {
        rule: &UNSEEN,
        level: UNSEEN.level,
        about: gap.place.to_string(),
        connection: Some(gap.place.to_string()),
        message: format!("{}: could not see {}: {}", gap.place, gap.what, gap.why),
        details: gap.hint.iter().map(|hint| format!("hint: {hint}")).collect(),
        site: view.sites.of_gap(gap).cloned(),
    }
}

/// Whoever asks for drift wants to hear of it; a plan sets it back.
fn level(rule: &Rule, purpose: Purpose) -> Level {
    let is_drift = rule.id == DRIFTED.id || rule.id == MISSING.id;
    if is_drift && purpose == Purpose::Drift { Level::Error } else { rule.level }
}

fn rule(line: &Line) -> &'static Rule {
    match (line.note, line.action) {
        (Some(NoteKind::Fatal), _) => &IMPOSSIBLE,
        (Some(NoteKind::Unseen), _) => &UNSEEN,
        (Some(NoteKind::Unmanaged), _) => &UNMANAGED,
        (Some(NoteKind::Waiting), _) => &WAITING,
        (Some(NoteKind::Info), _) => &INFO,
        (None, _) if line.destroys_data => &DATA_DESTROYED,
        (None, Some(Action::Create)) if line.is_drift() => &MISSING,
        (None, Some(_)) if line.is_drift() => &DRIFTED,
        (None, Some(Action::Create)) => &CREATED,
        (None, Some(Action::Update)) => &CHANGED,
        (None, Some(Action::Replace)) => &REPLACED,
        (None, Some(Action::Delete)) => &REMOVED,
        (None, None) => &DATA_KEPT,
    }
}

/// Every rule a plan or a drift report can use.
pub(super) const OF_PLANS: [&Rule; 13] = [
    &IMPOSSIBLE,
    &UNSEEN,
    &DATA_DESTROYED,
    &REMOVED,
    &REPLACED,
    &DRIFTED,
    &MISSING,
    &CHANGED,
    &DATA_KEPT,
    &CREATED,
    &UNMANAGED,
    &WAITING,
    &INFO,
];

/// Every rule a check of spec files can use.
pub(super) const OF_SPECS: [&Rule; 1] = [&INVALID];

const IMPOSSIBLE: Rule = Rule {
    id: "cannot-be-done",
    title: "The plan cannot be carried out",
    help: "Something stands in the way, and `lessor apply` refuses the whole plan until it is gone.",
    level: Level::Error,
};
const UNSEEN: Rule = Rule {
    id: "not-seen",
    title: "Something could not be seen or compared",
    help: "Not seen is not absent: nothing is known about this part, and nothing is removed \
           anywhere until it can be seen again.",
    level: Level::Error,
};
const DATA_DESTROYED: Rule = Rule {
    id: "data-destroyed",
    title: "Data is destroyed",
    help: "What is lost cannot be made again. The gate holds it until somebody agrees by name: \
           `lessor apply --destroy-data ADDRESS`.",
    level: Level::Error,
};
const REMOVED: Rule = Rule {
    id: "removed",
    title: "A thing is removed",
    help: "No spec declares it any more. If it was renamed, write `moved = [\"old.address\"]` in \
           its entry.",
    level: Level::Warning,
};
const REPLACED: Rule = Rule {
    id: "replaced",
    title: "A thing is replaced",
    help: "What changed cannot be changed where it stands, so the thing goes and comes again. \
           Volumes and ports stay.",
    level: Level::Warning,
};
const DRIFTED: Rule = Rule {
    id: "changed-outside",
    title: "Somebody else changed a thing",
    help: "It was applied as declared and looks different now. `lessor apply` sets it back; to \
           keep the change, write it into the spec.",
    level: Level::Warning,
};
const MISSING: Rule = Rule {
    id: "removed-outside",
    title: "Somebody else removed a thing",
    help: "It was made as declared and is gone. `lessor apply` makes it again.",
    level: Level::Warning,
};
const CHANGED: Rule = Rule {
    id: "changed",
    title: "A thing is changed",
    help: "Its spec asks for something else than what is there. It is changed where it stands.",
    level: Level::Note,
};
const DATA_KEPT: Rule = Rule {
    id: "data-kept",
    title: "Data nobody declares any more is kept for a while",
    help: "Declare it again to take it back. It is kept for as long as `[policy.retention]` says.",
    level: Level::Note,
};
const CREATED: Rule = Rule {
    id: "created",
    title: "A thing is made",
    help: "A spec declares it, and it is not there yet.",
    level: Level::Note,
};
const UNMANAGED: Rule = Rule {
    id: "not-ours",
    title: "A thing carries our mark and is not ours",
    help: "It is a copy, or was marked by a later version. It is left alone.",
    level: Level::Warning,
};
const WAITING: Rule = Rule {
    id: "waiting",
    title: "Something happens later",
    help: "Nothing has to be done now.",
    level: Level::Note,
};
const INFO: Rule =
    Rule { id: "note", title: "Good to know", help: "Nothing has to be done.", level: Level::Note };
const INVALID: Rule = Rule {
    id: "invalid-spec",
    title: "A spec file is not as it should be",
    help: "`lessor validate` shows every problem at its place. Nothing is done while there is one.",
    level: Level::Error,
};
