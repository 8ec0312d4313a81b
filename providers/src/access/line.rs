//! One way of running a script on a machine, whatever leads to it.

use async_trait::async_trait;
use lessor_engine::access::{AccessError, AccountName};
use secrecy::SecretString;

use crate::command::{Command, Heard};

/// Leads to a machine.
#[async_trait]
pub(super) trait Line: Send + Sync {
    /// Runs a command there as root.
    ///
    /// # Errors
    /// When nothing was run.
    async fn run(&self, command: &Command<'_>) -> Result<Heard, AccessError>;

    /// Who can log in there by a key, if anybody can from here.
    fn visitor(&self) -> Option<&dyn Visitor> {
        None
    }
}

/// Logs in to a machine as somebody else.
#[async_trait]
pub(super) trait Visitor: Send + Sync {
    /// Logs in, sees that a shell runs, and leaves.
    ///
    /// # Errors
    /// When that did not work.
    async fn visit(&self, name: &AccountName, key: SecretString) -> Result<(), AccessError>;
}
