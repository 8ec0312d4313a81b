//! Changing what can be changed.

use serde::Deserialize;
use serde_json::json;

use super::{create, validate};
use crate::docker::call::{Call, empty, json};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Limits, RestartPolicy};
use crate::http::Answer;

pub(super) fn rename(state: &mut State, old: &str, call: &Call) -> Done<Answer> {
    let new = call.parameter("name");
    let container = state.container(old)?;
    let (id, old) = (container.id.clone(), container.name.clone());
    if new.is_empty() {
        return Err(Refusal::invalid("Neither old nor new names may be empty"));
    }
    let bare = new.strip_prefix('/').unwrap_or(new);
    if bare == old {
        return Err(Refusal::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    let name = create::check_name(state, bare, &format!("/{bare}"))
        .map_err(|refusal| refusal.during("Error when allocating new name: "))?;
    if let Some(container) = state.containers.get_mut(&id) {
        container.name = name;
    }
    state.tell_container(&id, "rename", &[("oldName", format!("/{old}"))]);
    Ok(empty(204))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    #[serde(flatten)]
    limits: Limits,
    restart_policy: RestartPolicy,
}

pub(super) fn update(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    let Wish { limits, restart_policy } = call.body("container.UpdateConfig")?;
    validate::limits(state, &limits, true)?;
    validate::restart(&restart_policy)?;
    let container = state.container(name)?;
    let (id, mut host) = (container.id.clone(), container.host.clone());
    if host.auto_remove && !["", "no"].contains(&&*restart_policy.name) {
        return Err(refused(
            &id,
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    merge(&mut host.limits, limits).map_err(|why| refused(&id, why))?;
    if !restart_policy.name.is_empty() {
        host.restart_policy = restart_policy;
    }
    if let Some(container) = state.containers.get_mut(&id) {
        container.host = host;
    }
    state.tell_container(&id, "update", &[]);
    Ok(json(200, &json!({ "Warnings": null })))
}

fn refused(id: &str, why: &str) -> Refusal {
    Refusal::conflict(format!("Cannot update container {id}: {why}"))
}

/// Takes over what is said, unless it does not fit what is there.
fn merge(own: &mut Limits, new: Limits) -> Result<(), &'static str> {
    if new.nano_cpus > 0 && own.cpu_period > 0 {
        return Err(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        );
    }
    if new.nano_cpus > 0 && own.cpu_quota > 0 {
        return Err(
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        );
    }
    if new.cpu_quota > 0 && own.nano_cpus > 0 {
        return Err(
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        );
    }
    if new.cpu_period > 0 && own.nano_cpus > 0 {
        return Err(
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        );
    }
    if new.memory != 0 {
        // Without a limit for swap, any is above it: the engine says so too.
        if new.memory_swap == 0 && new.memory > own.memory_swap {
            return Err(
                "Memory limit should be smaller than already set memoryswap limit, update the \
                 memoryswap at the same time",
            );
        }
        own.memory = new.memory;
    }
    for (own, new) in [
        (&mut own.memory_swap, new.memory_swap),
        (&mut own.memory_reservation, new.memory_reservation),
        (&mut own.nano_cpus, new.nano_cpus),
        (&mut own.cpu_shares, new.cpu_shares),
        (&mut own.cpu_period, new.cpu_period),
        (&mut own.cpu_quota, new.cpu_quota),
        (&mut own.blkio_weight, new.blkio_weight),
        (&mut own.kernel_memory, new.kernel_memory),
    ] {
        if new != 0 {
            *own = new;
        }
    }
    for (own, new) in
        [(&mut own.cpuset_cpus, new.cpuset_cpus), (&mut own.cpuset_mems, new.cpuset_mems)]
    {
        if !new.is_empty() {
            *own = new;
        }
    }
    if let Some(limit) = new.pids_limit {
        own.pids_limit = Some(limit.max(0));
    }
    Ok(())
}
