//! What a refusal means. Proxmox VE answers 500 to nearly everything, so its texts decide, and the
//! same texts are the verdicts of tasks.

use std::collections::BTreeMap;

use super::error::{Denial, Kind};

/// Parts of texts, in lower case, with what they mean. The first that is found counts.
const TEXTS: &[(&str, Kind)] = &[
    // Written, and not live: it waits for a stop and a start.
    ("hotplug problem", Kind::Pending),
    // What ended in the middle.
    ("unexpected status", Kind::Unknown),
    ("received interrupt", Kind::Unknown),
    ("start worker failed", Kind::Unknown),
    // A guest that ignores us is not busy, though its text says “got timeout”.
    ("powerdown failed", Kind::Refused),
    ("hostname lookup", Kind::Transient),
    ("no quorum", Kind::Transient),
    ("guest agent is not running", Kind::Transient),
    ("is locked (", Kind::Busy),
    ("got timeout", Kind::Busy),
    ("checksum mismatch", Kind::Stale),
    ("detected modified", Kind::Stale),
    ("no rule at position", Kind::Stale),
    ("only root", Kind::Denied),
    // A pool that is named in a call and absent is no question of permission.
    ("' does not exist)", Kind::Missing),
    ("permission check failed", Kind::Denied),
    ("parameter verification failed", Kind::Invalid),
    // A path outside of the API, which is nothing that could come or go.
    ("no such file '/", Kind::Refused),
    ("already exists", Kind::Exists),
    ("already defined", Kind::Exists),
    ("already a pool member", Kind::Exists),
    ("already used", Kind::Exists),
    ("does not exist", Kind::Missing),
    ("no such", Kind::Missing),
    ("unable to find configuration file", Kind::Missing),
    ("is not a pool member", Kind::Missing),
    // It runs, or does not, other than we saw.
    ("already running", Kind::Stale),
    ("not running", Kind::Stale),
    ("is running - ", Kind::Stale),
    ("is paused", Kind::Stale),
];

/// What an answer other than 200 means.
pub(super) fn of_answer(status: u16, text: &str, errors: &BTreeMap<String, String>) -> Kind {
    match status {
        400 if errors.is_empty() => of_text(text).unwrap_or(Kind::Invalid),
        400 => of_errors(errors),
        401 => Kind::Denied,
        403 => of_text(text).unwrap_or(Kind::Denied),
        500 => of_text(text).unwrap_or(Kind::Refused),
        // 595: the node that was asked did not reach the one it is about, and nothing was done.
        // Below 595 are answers of what may stand in front of a node.
        503 | 595 => Kind::Transient,
        502 | 504 | 596..=599 => Kind::Unknown,
        429 => Kind::Busy,
        413 | 501 | 506 => Kind::Refused,
        _ => Kind::Garbled,
    }
}

/// What the verdict of a task that failed means.
pub(super) fn of_task(verdict: &str) -> Kind {
    of_text(verdict).unwrap_or(Kind::Refused)
}

/// Who lacks which privilege where: `Permission check failed (/vms/110, VM.Audit)`.
pub(super) fn denial(text: &str) -> Option<Denial> {
    let (_, inner) = text.split_once("Permission check failed (")?;
    let (path, privilege) = inner.trim_end().strip_suffix(')')?.split_once(", ")?;
    let is_path = path.is_empty() || path.starts_with('/');
    let is_privilege = privilege.contains('.') && !privilege.contains(' ');
    (is_path && is_privilege)
        .then(|| Denial { path: path.to_owned(), privilege: privilege.to_owned() })
}

/// What all of them mean; they are wrong input as soon as one of them is.
fn of_errors(errors: &BTreeMap<String, String>) -> Kind {
    let mut kinds = errors.values().map(|text| of_text(text).unwrap_or(Kind::Invalid));
    let first = kinds.next().unwrap_or(Kind::Invalid);
    if kinds.all(|kind| kind == first) { first } else { Kind::Invalid }
}

fn of_text(text: &str) -> Option<Kind> {
    let text = text.to_lowercase();
    TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests;
