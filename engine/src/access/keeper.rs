//! Who does things on a machine.

use async_trait::async_trait;

use super::{Account, AccountName, Seen};

/// Keeps one machine: looks at it, lets people in and out, and cleans it. Decides nothing.
///
/// Only accounts that carry our mark are ever touched. Each call has a deadline of its own and is safe
/// to repeat, wherever it was cut off before.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Looks which accounts of ours are there, with one question. Changes nothing.
    ///
    /// # Errors
    /// See [`AccessError`], here and in all others.
    async fn look(&self) -> Result<Seen, AccessError>;

    /// Makes an account with its mark and its end in the very call that makes it, lets its key in, and
    /// proves that one can log in. What is there already of the same reservation is made so.
    ///
    /// # Errors
    /// [`AccessError::Refused`] when the name is somebody else's, or another reservation's.
    async fn grant(&self, account: &Account) -> Result<Granted, AccessError>;

    /// Takes an account away: first nobody comes in, then its processes end, then what is left of it
    /// goes, and then it is seen to be gone. What is gone is done.
    ///
    /// # Errors
    /// [`AccessError::Refused`] when the name is somebody else's.
    async fn revoke(&self, name: &AccountName) -> Result<(), AccessError>;

    /// Makes the machine as if nobody had been on it.
    async fn sanitise(&self, how: &Sanitise) -> Result<(), AccessError>;

    /// Sees that the machine can be reached, is the one that is meant, and has room for somebody's home.
    /// Nothing is left of that.
    async fn probe(&self) -> Result<Probe, AccessError>;
}

/// How a machine is made clean.
///
/// A machine that is made anew is not here: whoever made it does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sanitise {
    /// It becomes what it was when this snapshot was made, and is started.
    Rollback {
        /// The snapshot's name.
        snapshot: String,
    },
    /// A program is run there as root, and says that it is done by ending with 0.
    Script {
        /// The program: a script of the shell, unless its first line names another. An empty one does
        /// nothing, for a machine that was cleaned by other means and is to prove it.
        program: String,
        /// A command of the shell that ends with 0 if the machine is clean.
        verify: Option<String>,
    },
}

/// An account that is there, and lets its owner in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Its number there.
    pub uid: u32,
    /// How it was proved to work.
    pub proof: Proof,
}

/// How an account was proved to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Somebody logged in with a key made for that, and the key is gone again.
    Login,
    /// Its shell runs and finds its keys. Nobody could log in from where we are.
    Shell,
}

/// What a machine is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Our accounts there.
    pub seen: Seen,
}

/// Why something was not done on a machine. A machine may be as before, as wished, or half done then;
/// the next look tells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It does not answer, or not any more.
    #[error("{why}")]
    Unreachable {
        /// What happened.
        why: String,
    },
    /// It, or whoever leads to it, says no and will say it again.
    #[error("{why}")]
    Refused {
        /// What was said.
        why: String,
        /// Something one can do now.
        hint: Option<String>,
    },
    /// It is another machine, or somebody stands between. It was told nothing.
    #[error("{why}")]
    HostKey {
        /// What it should show, and what it shows.
        why: String,
        /// Something one can do now.
        hint: String,
    },
    /// It was reached, and a step did not end well.
    #[error("step `{step}` failed: {why}")]
    Failed {
        /// Which.
        step: String,
        /// What it said.
        why: String,
    },
}

impl AccessError {
    /// Whether anything else would fail on that machine as well.
    pub fn is_of_the_machine(&self) -> bool {
        match self {
            AccessError::Unreachable { .. } | AccessError::HostKey { .. } => true,
            AccessError::Refused { .. } | AccessError::Failed { .. } => false,
        }
    }

    /// Something one can do now.
    pub fn hint(&self) -> Option<&str> {
        match self {
            AccessError::Refused { hint, .. } => hint.as_deref(),
            AccessError::HostKey { hint, .. } => Some(hint),
            AccessError::Unreachable { .. } | AccessError::Failed { .. } => None,
        }
    }
}
