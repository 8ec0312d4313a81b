//! Starting and stopping.

use std::time::Duration;

use serde_json::json;

use super::{Status, not_running, validate};
use crate::docker::Docker;
use crate::docker::call::{Call, empty};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::http::{Answer, Outcome, Stream};

/// How long a container may take to stop, in seconds.
const GRACE: i64 = 10;

pub(super) fn start(state: &mut State, name: &str) -> Done<Answer> {
    let container = state.container(name)?;
    match container.life.status {
        Status::Paused => {
            Err(Refusal::conflict("cannot start a paused container, try unpause instead"))
        }
        Status::Running => Ok(empty(304)),
        Status::Created | Status::Restarting | Status::Exited => {
            let id = container.id.clone();
            if let Some(container) = state.containers.get_mut(&id) {
                (container.life.restarts, container.life.pause_ms) = (0, 0);
            }
            state.start(&id)?;
            Ok(empty(204))
        }
    }
}

/// `POST /containers/ID/stop`: asks, waits, and then does not ask any more.
pub(in crate::docker) async fn stop(docker: &Docker, name: &str, call: &Call) -> Done<Answer> {
    let grace = call.number("t")?;
    let (id, runs) = docker.with(|state| {
        let container = state.container(name)?;
        let runs = container.life.status.is_alive() || container.life.status == Status::Restarting;
        Ok((container.id.clone(), runs))
    })?;
    if !runs {
        return Ok(empty(304));
    }
    end(docker, &id, grace).await?;
    Ok(empty(204))
}

/// Ends a container that runs.
async fn end(docker: &Docker, id: &str, grace: Option<i64>) -> Done<()> {
    let (ends, grace, stands) = docker.with(|state| {
        let container = state.container_mut(id)?;
        container.life.by_hand = true;
        let grace = grace.or(container.config.stop_timeout).unwrap_or(GRACE);
        let signal = match &*container.config.stop_signal {
            "" => "TERM",
            signal => validate::signal(signal)?,
        };
        if container.life.status == Status::Restarting {
            container.life.status = Status::Exited;
            container.life.again_ms = None;
            return Ok((None, grace, false));
        }
        let ends = container.life.ends;
        let now_ms = state.now_ms();
        resume(state, id, now_ms);
        state.tell_container(id, "kill", &[("signal", number(signal))]);
        state.signal(id, signal);
        Ok((Some(ends), grace, state.clock.stands_at_ms.is_some()))
    })?;
    if let Some(ends) = ends {
        let ended = docker.until(|state| has_ended(state, id, ends).then_some(()));
        // Where time stands still, nobody waits for it to pass.
        let span = u64::try_from(grace).map_or(Duration::MAX, Duration::from_secs);
        let span = if stands { Duration::ZERO } else { span };
        if tokio::time::timeout(span, ended).await.is_err() {
            docker.with(|state| {
                if !has_ended(state, id, ends) {
                    state.tell_container(id, "kill", &[("signal", number("KILL"))]);
                    state.signal(id, "KILL");
                }
            });
        }
    }
    docker.with(|state| state.tell_container(id, "stop", &[]));
    Ok(())
}

fn has_ended(state: &State, id: &str, ends: u64) -> bool {
    state.containers.get(id).is_none_or(|container| container.life.ends > ends)
}

fn number(signal: &str) -> String {
    match signal {
        "HUP" => "1",
        "INT" => "2",
        "QUIT" => "3",
        "KILL" => "9",
        "USR1" => "10",
        _ => "15",
    }
    .to_owned()
}

/// Lets a container go on that stands still.
fn resume(state: &mut State, id: &str, now_ms: u64) {
    if let Some(container) = state.containers.get_mut(id)
        && container.life.status == Status::Paused
    {
        container.life.status = Status::Running;
        if let Some(run) = &mut container.run {
            run.go_on(now_ms);
        }
    }
}

pub(in crate::docker) async fn restart(docker: &Docker, name: &str, call: &Call) -> Done<Answer> {
    let grace = call.number("t")?;
    let (id, runs) = docker.with(|state| {
        let container = state.container(name)?;
        let runs = container.life.status.is_alive() || container.life.status == Status::Restarting;
        Ok((container.id.clone(), runs))
    })?;
    if runs {
        end(docker, &id, grace).await?;
    }
    docker.with(|state| {
        let failed =
            |refusal: Refusal| refusal.during(&format!("Cannot restart container {name}: "));
        if state.container(&id)?.life.status != Status::Running {
            state.start(&id).map_err(failed)?;
        }
        state.tell_container(&id, "restart", &[]);
        Ok(empty(204))
    })
}

/// `POST /containers/ID/kill`: a container that is killed for good has ended when this is answered.
pub(in crate::docker) fn kill(docker: &Docker, name: &str, call: &Call) -> Done<Answer> {
    let signal = match call.parameter("signal") {
        "" => "KILL",
        text => validate::signal(text)?,
    };
    let failed = |refusal: Refusal| refusal.during(&format!("Cannot kill container: {name}: "));
    docker.with(|state| {
        let container = state.container(name).map_err(failed)?;
        let id = container.id.clone();
        if !container.life.status.is_alive() {
            return Err(failed(not_running(container)));
        }
        let now_ms = state.now_ms();
        if let Some(container) = state.containers.get_mut(&id) {
            let stops = match &*container.config.stop_signal {
                "" => true,
                own => signal == "KILL" || validate::signal(own) == Ok(signal),
            };
            container.life.by_hand |= stops;
        }
        if signal == "KILL" {
            resume(state, &id, now_ms);
        }
        state.tell_container(&id, "kill", &[("signal", number(signal))]);
        state.signal(&id, signal);
        Ok(empty(204))
    })
}

pub(super) fn pause(state: &mut State, name: &str) -> Done<Answer> {
    let now_ms = state.now_ms();
    let container = state.container_mut(name)?;
    match container.life.status {
        Status::Paused => {
            let id = &container.id;
            return Err(Refusal::conflict(format!("Container {id} is already paused")));
        }
        Status::Restarting => {
            let id = &container.id;
            return Err(Refusal::conflict(format!(
                "Container {id} is restarting, wait until the container is running"
            )));
        }
        Status::Created | Status::Exited => return Err(not_running(container)),
        Status::Running => {}
    }
    container.life.status = Status::Paused;
    if let Some(run) = &mut container.run {
        run.pause(now_ms);
    }
    let id = container.id.clone();
    state.tell_container(&id, "pause", &[]);
    Ok(empty(204))
}

pub(super) fn unpause(state: &mut State, name: &str) -> Done<Answer> {
    let now_ms = state.now_ms();
    let container = state.container(name)?;
    let id = container.id.clone();
    if container.life.status != Status::Paused {
        return Err(Refusal::failed(format!("Container {id} is not paused")));
    }
    resume(state, &id, now_ms);
    state.tell_container(&id, "unpause", &[]);
    Ok(empty(204))
}

/// `POST /containers/ID/wait`: the answer begins at once, and says how it ended when it did.
pub(in crate::docker) fn wait(docker: &Docker, name: &str, call: &Call) -> Done<Outcome> {
    let condition = call.parameter("condition").to_owned();
    if !["", "not-running", "next-exit", "removed"].contains(&condition.as_str()) {
        return Err(Refusal::invalid(format!("invalid condition: {condition:?}")));
    }
    let (id, ends) = docker.with(|state| {
        let container = state.container(name)?;
        Ok((container.id.clone(), container.life.ends))
    })?;
    let (sender, stream) = Stream::new();
    let docker = docker.clone();
    tokio::spawn(async move {
        let over = docker.until(|state| {
            let Some(container) = state.containers.get(&id) else {
                let gone = state.gone.iter().find(|gone| gone.id == id);
                return Some(gone.map_or(0, |gone| gone.code));
            };
            let is_over = match &*condition {
                "removed" => false,
                "next-exit" => container.life.ends > ends,
                _ => {
                    !container.life.status.is_alive() && container.life.status != Status::Restarting
                }
            };
            is_over.then_some(container.life.code)
        });
        tokio::select! {
            code = over => {
                let body = json!({ "Error": null, "StatusCode": code }).to_string() + "\n";
                // Nobody has to listen.
                let _ = sender.send(body.into_bytes()).await;
            }
            () = sender.closed() => {}
        }
    });
    Ok(Outcome::Streamed(empty(200).header("Content-Type", "application/json"), stream))
}
