//! The agent inside of a machine. No pretend machine has one that answers.

use serde_json::Value;

use super::machine;
use crate::proxmox::call::Call;
use crate::proxmox::guest::Guest;
use crate::proxmox::property;
use crate::proxmox::refusal::{Refusal, Result};

/// Whether the machine is said to have one.
pub(super) fn is_configured(guest: &Guest) -> bool {
    let text = guest.config.get("agent").map(String::as_str).unwrap_or_default();
    let parts = property::parse("qemu.agent", text).unwrap_or_default();
    parts.get("enabled").is_some_and(|flag| flag == "1")
}

/// Any command.
pub(super) fn command(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    if !is_configured(guest) {
        return Err(Refusal::failed("No QEMU guest agent configured"));
    }
    if !guest.is_running() {
        return Err(Refusal::failed(format!("VM {vmid} is not running")));
    }
    Err(Refusal::failed("QEMU guest agent is not running"))
}
