//! Running a script by the agent within a machine.

use async_trait::async_trait;
use lessor_engine::access::AccessError;

use super::keep::Guest;
use super::line::Line;
use crate::command::{Command, Heard};

/// A virtual machine with an agent in it, which is root there.
pub(super) struct ByAgent {
    guest: Guest,
}

impl ByAgent {
    pub(super) fn new(guest: Guest) -> Self {
        ByAgent { guest }
    }
}

#[async_trait]
impl Line for ByAgent {
    async fn run(&self, command: &Command<'_>) -> Result<Heard, AccessError> {
        self.guest.proxmox.exec(self.guest.vmid, command).await
    }
}
