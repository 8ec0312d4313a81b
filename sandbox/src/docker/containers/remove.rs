//! Removing.

use super::Status;
use crate::docker::call::{Call, empty};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::{Gone, State};
use crate::http::Answer;

/// How many containers that are gone are still known a little.
const REMEMBERED: usize = 32;

pub(super) fn remove(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    let container = state.container(name)?;
    let id = container.id.clone();
    let advice = match container.life.status {
        Status::Paused => Some("paused container ID. Unpause and then stop"),
        Status::Running => Some("running container ID. Stop"),
        Status::Restarting => Some("restarting container ID. Stop"),
        Status::Created | Status::Exited => None,
    };
    if let Some(advice) = advice {
        if !call.flag("force") {
            let advice = advice.replace("ID", &id);
            return Err(Refusal::conflict(format!(
                "You cannot remove a {advice} the container before attempting removal or force \
                 remove"
            )));
        }
        if let Some(container) = state.containers.get_mut(&id) {
            container.life.by_hand = true;
        }
        state.signal(&id, "KILL");
    }
    state.forget_container(&id, call.flag("v"));
    Ok(empty(204))
}

impl State {
    /// Removes a container that does not run, and what came with it.
    pub(super) fn forget_container(&mut self, id: &str, with_volumes: bool) {
        self.tell_container(id, "destroy", &[]);
        let Some(container) = self.containers.remove(id) else { return };
        self.execs.retain(|_, exec| exec.container != id);
        let code = container.life.code;
        self.gone.push_back(Gone { id: container.id, log: container.log, code });
        while self.gone.len() > REMEMBERED {
            self.gone.pop_front();
        }
        for mount in container.mounts {
            let is_anonymous =
                self.volumes.get(&mount.name).is_some_and(|volume| volume.is_anonymous);
            let is_used = !crate::docker::volumes::users(self, &mount.name).is_empty();
            if with_volumes && is_anonymous && !is_used {
                self.forget_volume(&mount.name);
            }
        }
        self.changed();
    }
}
