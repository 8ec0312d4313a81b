//! Whose a thing is.

use std::collections::BTreeMap;

use lessor_engine::ApplyError;
use lessor_plans::Mark;

use crate::pfsense::CallError;
use crate::seen::taken;

/// All things of one sort.
pub(super) struct Sort<P> {
    /// Ours, by the name in the mark.
    pub(super) ours: BTreeMap<String, Own<P>>,
    /// Why the thing of a name is not ours.
    pub(super) others: BTreeMap<String, String>,
    /// Why nobody can say how those of this sort look.
    pub(super) lack: Option<CallError>,
}

/// A thing of ours.
pub(super) struct Own<P> {
    pub(super) mark: Mark,
    pub(super) parts: P,
    /// Whether a part of it is there twice, so that nobody knows which is meant.
    pub(super) is_double: bool,
    /// What tells it from others, if it has no mark yet and an entry adopts it.
    pub(super) adopted: Option<String>,
}

/// The most that fits into a description.
const DESCRIPTION_MAX: usize = 1024;

impl<P> Own<P> {
    /// A description with our mark before what people wrote, if the thing has no mark yet.
    pub(super) fn marking(&self, written: &str) -> Option<String> {
        self.adopted.as_ref()?;
        let mut text = format!("{} {}", self.mark.to_line(), written.replace(['\r', '\n'], " "));
        text.truncate(text.floor_char_boundary(DESCRIPTION_MAX));
        Some(text.trim_end().to_owned())
    }
}

/// What has a name.
pub(super) enum Whose<'s, P> {
    /// A thing of ours.
    Ours(&'s Own<P>),
    /// Several things that all say to be the one.
    Several,
    /// A thing of somebody else, or one that cannot be told to be ours.
    Others(&'s str),
    /// Nothing.
    Nobodys,
}

impl<P> Sort<P> {
    pub(super) fn new(lack: Option<CallError>) -> Self {
        Sort { ours: BTreeMap::new(), others: BTreeMap::new(), lack }
    }

    /// The thing of ours that a mark is of; `blank` when there was nothing of it yet.
    pub(super) fn own(&mut self, mark: Mark, blank: impl FnOnce() -> P) -> &mut Own<P> {
        let name = mark.name.clone();
        let own = || Own { mark, parts: blank(), is_double: false, adopted: None };
        self.ours.entry(name).or_insert_with(own)
    }

    /// Whose the thing of this name is.
    pub(super) fn whose(&self, name: &str) -> Whose<'_, P> {
        match (self.ours.get(name), self.others.get(name)) {
            (Some(own), _) if own.is_double => Whose::Several,
            (Some(own), _) => Whose::Ours(own),
            (None, Some(why)) => Whose::Others(why),
            (None, None) => Whose::Nobodys,
        }
    }

    /// The thing of ours that shall be made or changed; `None` when there is nothing.
    ///
    /// # Errors
    /// When nobody can tell, or it is not ours.
    pub(super) fn ours_or_free(
        &self,
        sort: &str,
        name: &str,
    ) -> Result<Option<&Own<P>>, ApplyError> {
        match self.told(sort, name)? {
            Whose::Others(why) => Err(taken(sort, name, why)),
            Whose::Ours(own) => Ok(Some(own)),
            Whose::Several | Whose::Nobodys => Ok(None),
        }
    }

    /// The thing of ours that shall go; `None` when there is nothing.
    ///
    /// # Errors
    /// When nobody can tell, or it is not ours.
    pub(super) fn ours_or_gone(
        &self,
        sort: &str,
        name: &str,
    ) -> Result<Option<&Own<P>>, ApplyError> {
        match self.told(sort, name)? {
            Whose::Others(why) => {
                Err(ApplyError::Stale { why: format!("{sort} `{name}` is not ours: {why}") })
            }
            Whose::Ours(own) => Ok(Some(own)),
            Whose::Several | Whose::Nobodys => Ok(None),
        }
    }

    fn told(&self, sort: &str, name: &str) -> Result<Whose<'_, P>, ApplyError> {
        if let Some(lack) = &self.lack {
            return Err(lack.clone().into());
        }
        match self.whose(name) {
            Whose::Several => Err(ApplyError::Refused {
                why: format!("more than one {sort} carries the mark of `{name}`"),
                hint: Some(
                    "look at the firewall which of them is a copy, and change its description"
                        .into(),
                ),
            }),
            whose => Ok(whose),
        }
    }
}
