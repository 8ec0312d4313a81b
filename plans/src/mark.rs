//! Whose a thing is: the ownership mark, carried by the thing itself.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use lessor_specs::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Origin;

/// The mark's format. A later one is left alone rather than guessed at.
const FORMAT: &str = "lessor/1";

const LABEL_FORMAT: &str = "lessor.mark";
const LABEL_INSTALLATION: &str = "lessor.installation";
const LABEL_ADDRESS: &str = "lessor.address";
const LABEL_ORIGIN: &str = "lessor.origin";
const LABEL_NAME: &str = "lessor.name";

/// Which lessor: written once by `lessor init`, the same in every mark it makes.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct InstallationId(String);

impl InstallationId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstallationId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (4..=40).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(InstallationId(text.into()));
        }
        Err(format!("expected 4 to 40 lower-case letters, digits or hyphens, found `{text}`"))
    }
}

impl TryFrom<String> for InstallationId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<InstallationId> for String {
    fn from(id: InstallationId) -> String {
        id.0
    }
}

/// The labels on a thing, however they are kept.
pub trait Labels {
    /// The value of a label, if the thing has it.
    fn label(&self, name: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Says whose a thing is, since when it is known by which address, and what it was called.
///
/// It is given in the call that creates the thing, so there is no moment without it, and holds
/// nothing that changes. It counts only on the thing it was made for: a clone carries it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub installation: InstallationId,
    /// The address it was made for.
    pub address: Address,
    /// What asked for it.
    pub origin: Origin,
    /// The name it was given.
    pub name: String,
}

impl Mark {
    /// The label every thing of an installation has, for filtering a listing.
    pub fn filter(installation: &InstallationId) -> String {
        format!("{LABEL_INSTALLATION}={installation}")
    }

    /// The mark as labels.
    pub fn to_labels(&self) -> BTreeMap<String, String> {
        [
            (LABEL_FORMAT, FORMAT.to_owned()),
            (LABEL_INSTALLATION, self.installation.to_string()),
            (LABEL_ADDRESS, self.address.to_string()),
            (LABEL_ORIGIN, self.origin.to_string()),
            (LABEL_NAME, self.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Reads the mark of a thing called `own_name`.
    ///
    /// # Errors
    /// [`MarkError::Foreign`] without a mark or with that of another installation,
    /// [`MarkError::Copied`] when it was made for a thing of another name, and
    /// [`MarkError::Unreadable`] when it says something this version does not understand.
    pub fn from_labels(
        labels: &impl Labels,
        installation: &InstallationId,
        own_name: &str,
    ) -> Result<Mark, MarkError> {
        if labels.label(LABEL_INSTALLATION) != Some(installation.as_str()) {
            return Err(MarkError::Foreign);
        }
        let unreadable = || MarkError::Unreadable;
        if labels.label(LABEL_FORMAT) != Some(FORMAT) {
            return Err(unreadable());
        }
        let name = labels.label(LABEL_NAME).ok_or_else(unreadable)?;
        if name != own_name {
            return Err(MarkError::Copied { from: name.into() });
        }
        Ok(Mark {
            installation: installation.clone(),
            address: labels
                .label(LABEL_ADDRESS)
                .and_then(|a| a.parse().ok())
                .ok_or_else(unreadable)?,
            origin: labels
                .label(LABEL_ORIGIN)
                .and_then(|o| o.parse().ok())
                .ok_or_else(unreadable)?,
            name: name.into(),
        })
    }

    /// The installation whose valid mark a thing called `own_name` carries, if it is another one.
    pub fn anothers<'l>(
        labels: &'l impl Labels,
        installation: &InstallationId,
        own_name: &str,
    ) -> Option<&'l str> {
        let owner = labels.label(LABEL_INSTALLATION);
        let owner = owner.filter(|owner| *owner != installation.as_str())?;
        (labels.label(LABEL_NAME) == Some(own_name)).then_some(owner)
    }

    /// The mark as one line of text, for things that have a description instead of labels.
    pub fn to_line(&self) -> String {
        format!("{FORMAT} {} {} {} {}", self.installation, self.address, self.origin, self.name)
    }

    /// Reads the mark in the description of a thing called `own_name`: the first line of it that
    /// is one.
    ///
    /// # Errors
    /// As [`Mark::from_labels`].
    pub fn from_text(
        text: &str,
        installation: &InstallationId,
        own_name: &str,
    ) -> Result<Mark, MarkError> {
        let line = mark_line(text).ok_or(MarkError::Foreign)?;
        let mut words = line.split_ascii_whitespace();
        let format = words.next();
        if words.next() != Some(installation.as_str()) {
            return Err(MarkError::Foreign);
        }
        let unreadable = || MarkError::Unreadable;
        if format != Some(FORMAT) {
            return Err(unreadable());
        }
        let mut word = || words.next().ok_or_else(unreadable);
        let (address, origin, name) = (word()?, word()?, word()?);
        if name != own_name {
            return Err(MarkError::Copied { from: name.into() });
        }
        Ok(Mark {
            installation: installation.clone(),
            address: address.parse().map_err(|_| unreadable())?,
            origin: origin.parse().map_err(|_| unreadable())?,
            name: name.into(),
        })
    }

    /// The installation whose valid mark stands in the description of a thing called `own_name`, if
    /// it is another one.
    pub fn anothers_in<'t>(
        text: &'t str,
        installation: &InstallationId,
        own_name: &str,
    ) -> Option<&'t str> {
        let mut words = mark_line(text)?.split_ascii_whitespace();
        let owner = words.nth(1).filter(|owner| *owner != installation.as_str())?;
        (words.nth(2) == Some(own_name)).then_some(owner)
    }

    /// The name that the mark in a description was made for, whosever it is.
    pub fn name_in(text: &str) -> Option<&str> {
        mark_line(text)?.split_ascii_whitespace().nth(4)
    }

    /// Whether a label belongs to lessor rather than to the thing's owner.
    pub fn is_label(name: &str) -> bool {
        name.starts_with("lessor.")
    }
}

/// The line of a description that is a mark, of whatever version.
fn mark_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with("lessor/"))
}

/// Why a thing is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkError {
    /// It has no mark of ours.
    Foreign,
    /// The mark was made for another thing: a clone, a restore or a rename.
    Copied {
        /// The name of that thing.
        from: String,
    },
    /// The mark is ours and cannot be read.
    Unreadable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_among_the_lines_of_a_description() {
        let installation: InstallationId = "inst-1".parse().unwrap();
        let mark = Mark {
            installation: installation.clone(),
            address: "instance.acme/web-1".parse().unwrap(),
            origin: Origin::Order("ord_1".into()),
            name: "20417".into(),
        };
        let text = format!("Web server of ACME\r\n{}\n", mark.to_line());
        let read = |text: &str, own_name| Mark::from_text(text, &installation, own_name);

        assert_eq!(read(&text, "20417"), Ok(mark));
        assert_eq!(read(&text, "20418"), Err(MarkError::Copied { from: "20417".into() }));
        assert_eq!(read("Web server", "20417"), Err(MarkError::Foreign));
        assert_eq!(read(&text.replace("inst-1", "inst-2"), "20417"), Err(MarkError::Foreign));
        assert_eq!(read(&text.replace("/1 ", "/2 "), "20417"), Err(MarkError::Unreadable));
        assert_eq!(read("lessor/1 inst-1 instance.a/b", "1"), Err(MarkError::Unreadable));
        assert_eq!(Mark::name_in(&text), Some("20417"));
        let anothers = |text, own_name| Mark::anothers_in(text, &installation, own_name);
        assert_eq!(anothers(&text, "20417"), None);
        let foreign = text.replace("inst-1", "inst-2");
        assert_eq!((anothers(&foreign, "20417"), anothers(&foreign, "1")), (Some("inst-2"), None));
    }

    #[test]
    fn a_mark_reads_back_only_on_the_thing_it_was_made_for() {
        let mark = Mark {
            installation: "inst-1".parse().unwrap(),
            address: "instance.acme/lobby".parse().unwrap(),
            origin: Origin::File,
            name: "acme_lobby".into(),
        };
        let mut labels = mark.to_labels();
        let read = |labels: &BTreeMap<_, _>, own_name| {
            Mark::from_labels(labels, &mark.installation, own_name)
        };

        assert_eq!(read(&labels, "acme_lobby"), Ok(mark.clone()));
        assert_eq!(read(&labels, "copy"), Err(MarkError::Copied { from: "acme_lobby".into() }));
        labels.insert(LABEL_FORMAT.into(), "lessor/2".into());
        assert_eq!(read(&labels, "acme_lobby"), Err(MarkError::Unreadable));
        assert_eq!(Mark::anothers(&labels, &mark.installation, "acme_lobby"), None);
        labels.insert(LABEL_INSTALLATION.into(), "other".into());
        assert_eq!(read(&labels, "acme_lobby"), Err(MarkError::Foreign));
        let anothers = |own_name| Mark::anothers(&labels, &mark.installation, own_name);
        assert_eq!((anothers("acme_lobby"), anothers("copy")), (Some("other"), None));
    }
}
