//! Making a machine what it was.

use lessor_engine::access::AccessError;

use super::Proxmox;
use super::client::CallError;
use super::exec::of_call;
use super::step::{COPYING, PATIENCE};

impl Proxmox {
    /// Makes the machine with this number what it was when a snapshot was made, and starts it:
    /// one of a pool runs. What has been written since is lost. Safe to repeat: one that was cut off
    /// in between is rolled back once more.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn rollback(&self, vmid: u32, snapshot: &str) -> Result<(), AccessError> {
        let (client, guest) = self.machine(vmid).await?;
        let snapshots = client.snapshots(&guest).await.map_err(of_call)?;
        if !snapshots.iter().any(|one| one.name == snapshot) {
            let why = format!("virtual machine {vmid} has no snapshot `{snapshot}`");
            let hint = format!("make one while it is clean: `qm snapshot {vmid} {snapshot}`");
            return Err(AccessError::Refused { why, hint: Some(hint) });
        }
        let task = client.snapshot_rollback(&guest, snapshot).await.map_err(of_call)?;
        let failed = |error: CallError| AccessError::Failed {
            step: "rollback".into(),
            why: error.to_string(),
        };
        client.task_wait(Some(&task), COPYING).await.map_err(failed)?;
        // A snapshot without memory leaves it stopped.
        let status = client.guest_status(&guest).await.map_err(of_call)?;
        if status.is_some_and(|status| !status.is_running()) {
            let task = client.guest_start(&guest).await.map_err(of_call)?;
            client.task_wait(Some(&task), PATIENCE).await.map_err(failed)?;
        }
        Ok(())
    }
}
