//! What one look at a machine told.

use super::{AccountMark, AccountName};

/// Our accounts on a machine, by name. Of those of others nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// In order of their names.
    pub accounts: Vec<SeenAccount>,
}

/// One of our accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenAccount {
    /// Its name.
    pub name: AccountName,
    /// Whose it is.
    pub mark: AccountMark,
    /// Its number there.
    pub uid: u32,
    /// From which day on the machine lets nobody in, in days since 1970; `None` when it never ends.
    pub last_day: Option<i64>,
}
