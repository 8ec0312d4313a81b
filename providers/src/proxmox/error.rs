//! What an error of a cluster means to whoever asked for a change.

use lessor_engine::ApplyError;

use super::client::{CallError, Kind};

/// What is said where a storage has no room, by whatever makes disks there.
const FULL: [&str; 4] =
    ["no space left", "insufficient free space", "not enough free space", "out of space"];

/// A no, and what one can do.
pub(super) fn refused(why: impl Into<String>, hint: impl Into<String>) -> ApplyError {
    ApplyError::Refused { why: why.into(), hint: Some(hint.into()) }
}

/// The error with what one can do about it, where its text tells more than its kind.
pub(super) fn explained(error: CallError) -> ApplyError {
    match hint(&error).filter(|_| error.hint().is_none()) {
        Some(hint) => refused(error.to_string(), hint),
        None => error.into(),
    }
}

fn hint(error: &CallError) -> Option<&'static str> {
    let text = error.to_string().to_lowercase();
    let says = |part: &str| text.contains(part);
    if FULL.iter().any(|full| says(full)) {
        return Some("make room on that storage, or name another `storage` in the entry");
    }
    if says("protection mode enabled") {
        return Some("take the protection off first: `qm set ID --protection 0` on its node");
    }
    if says("uses local storage)") || says("to non-shared storage") {
        return Some("keep the template's disks on a storage that all nodes share");
    }
    if error.kind() == Kind::Denied {
        return Some("`lessor doctor` says which privileges our token lacks");
    }
    if says("is not empty (contains") {
        return Some("move what is in it to another pool, or remove that first");
    }
    None
}
