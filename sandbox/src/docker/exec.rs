//! Programs that are started in a container beside its first.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{Call, empty, json};
use super::containers::{Line, Run, Status, not_running};
use super::programs::{self, NotStarted, Pipe};
use super::refusal::{Done, Refusal};
use super::state::State;
use super::{Docker, attach};
use crate::http::{Answer, Outcome};

/// A program beside the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Exec {
    id: String,
    pub(super) container: String,
    pub(super) argv: Vec<String>,
    pub(super) tty: bool,
    privileged: bool,
    streams: [bool; 3],
    env: Vec<String>,
    was_started: bool,
    pub(super) run: Option<Run>,
    pub(super) code: Option<i32>,
    pub(super) pid: u32,
    pub(super) log: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    privileged: bool,
    env: Vec<String>,
    cmd: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    detach: bool,
    tty: bool,
}

impl Exec {
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.run.as_ref().and_then(Run::due_ms)
    }
}

pub(super) fn create(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    let wish: Wish = call.body("types.ExecConfig")?;
    if wish.cmd.is_empty() {
        return Err(Refusal::invalid("No exec command specified"));
    }
    let container = state.container(name)?;
    let container_id = container.id.clone();
    match container.life.status {
        Status::Running => {}
        Status::Paused => {
            let message = format!("Container {name} is paused, unpause the container before exec");
            return Err(Refusal::conflict(message));
        }
        Status::Restarting => {
            return Err(Refusal::conflict(format!(
                "Container {container_id} is restarting, wait until the container is running"
            )));
        }
        Status::Created | Status::Exited => return Err(not_running(container)),
    }
    let mut env = container.config.env.clone().unwrap_or_default();
    env.extend(wish.env);
    let id = state.fresh_id();
    let exec = Exec {
        id: id.clone(),
        container: container_id.clone(),
        argv: wish.cmd,
        tty: wish.tty,
        privileged: wish.privileged,
        streams: [wish.attach_stdin, wish.attach_stdout, wish.attach_stderr],
        env,
        was_started: false,
        run: None,
        code: None,
        pid: 0,
        log: Vec::new(),
    };
    let action = format!("exec_create: {}", exec.argv.join(" "));
    state.execs.insert(id.clone(), exec);
    if let Some(container) = state.containers.get_mut(&container_id) {
        container.execs.push(id.clone());
    }
    state.tell_container(&container_id, &action, &[("execID", id.clone())]);
    Ok(json(201, &json!({ "Id": id })))
}

fn find<'a>(state: &'a State, id: &str) -> Done<&'a Exec> {
    let missing = || Refusal::missing(format!("No such exec instance: {id}"));
    state.execs.get(id).ok_or_else(missing)
}

pub(super) fn inspect(state: &State, id: &str) -> Done<Answer> {
    let exec = find(state, id)?;
    let [stdin, stdout, stderr] = exec.streams;
    Ok(json(
        200,
        &json!({
            "ID": exec.id,
            "Running": exec.run.is_some(),
            "ExitCode": exec.code,
            "ProcessConfig": {
                "tty": exec.tty,
                "entrypoint": exec.argv.first(),
                "arguments": exec.argv.get(1..),
                "privileged": exec.privileged,
            },
            "OpenStdin": stdin,
            "OpenStderr": stderr,
            "OpenStdout": stdout,
            "CanRemove": false,
            "ContainerID": exec.container,
            "DetachKeys": "",
            "Pid": exec.pid,
        }),
    ))
}

pub(super) fn resize(state: &State, id: &str) -> Done<Answer> {
    find(state, id).map(|_| empty(200))
}

/// `POST /exec/ID/start`. Whoever stays hears on the same connection why it did not start.
pub(super) fn start(docker: &Docker, id: &str, call: &Call) -> Done<Outcome> {
    let Start { detach, tty: _ } = call.body_or_default("types.ExecStartCheck")?;
    let begun = docker.with(|state| {
        find(state, id)?;
        Ok(begin(state, id))
    })?;
    match (begun, detach) {
        (Ok(()), true) => Ok(Outcome::Answered(empty(200))),
        (Err(refusal), true) => Err(refusal),
        (Ok(()), false) => Ok(attach::exec(docker, id, call)),
        (Err(refusal), false) => Ok(attach::last_words(call, &refusal.message)),
    }
}

fn begin(state: &mut State, id: &str) -> Done<()> {
    let exec = find(state, id)?.clone();
    if exec.was_started {
        let message = format!("Error: Exec command {id} has already run");
        return Err(Refusal::conflict(message));
    }
    let container = state.container(&exec.container)?;
    if container.life.status != Status::Running {
        return Err(not_running(container));
    }
    let programs = state.images.get(&container.image).map(|image| image.programs.clone());
    let hostname = container.config.hostname.clone();
    let place = programs::Place {
        programs: &programs.unwrap_or_default(),
        env: &exec.env,
        hostname: &hostname,
        has_input: exec.streams[0],
    };
    let (pid, now_ms) = (state.fresh_pid(), state.now_ms());
    let action = format!("exec_start: {}", exec.argv.join(" "));
    state.tell_container(&exec.container, &action, &[("execID", id.to_owned())]);
    let started = programs::start(&exec.argv, place);
    let Some(exec) = state.execs.get_mut(id) else { return Ok(()) };
    exec.was_started = true;
    match started {
        Ok(program) => {
            exec.pid = pid;
            exec.run = Some(Run::new(program, now_ms));
            state.changed();
            Ok(())
        }
        Err(NotStarted { why, .. }) => {
            exec.code = Some(126);
            let message = format!("OCI runtime exec failed: exec failed: {why}");
            Err(Refusal::invalid(message))
        }
    }
}

impl State {
    /// Ends a program beside the first.
    fn exec_ended(&mut self, id: &str, code: i32) {
        let Some(exec) = self.execs.get_mut(id) else { return };
        exec.run = None;
        exec.code = Some(code);
        let container = exec.container.clone();
        let more = [("execID", id.to_owned()), ("exitCode", code.to_string())];
        self.tell_container(&container, "exec_die", &more);
    }

    fn exec_print(&mut self, id: &str, pipe: Pipe, text: String, at_ms: u64) {
        let moment = self.ns_at(at_ms);
        if let Some(exec) = self.execs.get_mut(id) {
            exec.log.push(Line { at_ns: moment, pipe, text });
        }
        self.changed();
    }

    /// Tells it something that it reads; `None` is the end of it.
    pub(super) fn tell_exec(&mut self, id: &str, text: Option<&str>) {
        let now_ms = self.now_ms();
        let Some(exec) = self.execs.get(id) else { return };
        let Some(mut run) = exec.run.clone() else { return };
        let Some(container) = self.containers.get(&exec.container) else { return };
        let Some(image) = self.images.get(&container.image) else { return };
        let place = programs::Place {
            programs: &image.programs,
            env: &exec.env,
            hostname: &container.config.hostname,
            has_input: true,
        };
        let (outputs, code) = run.hear(text, now_ms, place);
        if let Some(exec) = self.execs.get_mut(id) {
            exec.run = Some(run);
        }
        for output in outputs {
            self.exec_print(id, output.pipe, output.text, now_ms);
        }
        if let Some(code) = code {
            self.exec_ended(id, code);
        }
    }
}

/// Lets happen in all of them what is due at that moment. They end with their container.
pub(super) fn happen(state: &mut State, at_ms: u64) {
    let running = state.execs.iter().filter(|(_, exec)| exec.run.is_some());
    let running: Vec<(String, String)> =
        running.map(|(id, exec)| (id.clone(), exec.container.clone())).collect();
    for (id, container) in running {
        let alive = state.containers.get(&container).is_some_and(|c| c.life.status.is_alive());
        if !alive {
            state.exec_ended(&id, 137);
            continue;
        }
        let run = state.execs.get_mut(&id).and_then(|exec| exec.run.as_mut());
        if let Some(output) = run.and_then(|run| run.print(at_ms)) {
            state.exec_print(&id, output.pipe, output.text, at_ms);
            continue;
        }
        let run = state.execs.get(&id).and_then(|exec| exec.run.as_ref());
        if let Some(code) = run.and_then(|run| run.end(at_ms)) {
            state.exec_ended(&id, code);
        }
    }
}
