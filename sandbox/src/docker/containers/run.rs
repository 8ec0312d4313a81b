//! What goes on in a container while nobody asks.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::{Container, Line, Status};
use crate::docker::programs::{self, NotStarted, Output, Pipe, Place, Program, Reader, Then};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;

/// How long after its end a container is started again, at first and at most.
const PAUSE_MS: (u64, u64) = (100, 60_000);

/// A container that ran so long is not in trouble: its next pause is the first again.
const LONG_MS: u64 = 10_000;

/// A program that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::docker) struct Run {
    program: Program,
    started_ms: u64,
    /// How much of what it prints was printed.
    printed: usize,
    /// Since when it stands still.
    paused_ms: Option<u64>,
    /// What it was told, up to the end of a line.
    heard: String,
}

impl Run {
    pub(in crate::docker) fn new(program: Program, started_ms: u64) -> Run {
        Run { program, started_ms, printed: 0, paused_ms: None, heard: String::new() }
    }

    pub(in crate::docker) fn due_ms(&self) -> Option<u64> {
        if self.paused_ms.is_some() {
            return None;
        }
        let output = self.program.output(self.printed).map(|output| output.at_ms);
        let end = self.program.end().map(|(at_ms, _)| at_ms);
        let next = output.into_iter().chain(end).min()?;
        Some(self.started_ms.saturating_add(next))
    }

    /// The next thing it prints, if it is due.
    pub(in crate::docker) fn print(&mut self, now_ms: u64) -> Option<Output> {
        let output = self.program.output(self.printed)?;
        (self.started_ms.saturating_add(output.at_ms) <= now_ms).then(|| {
            self.printed += 1;
            output
        })
    }

    /// How it ended, if it did.
    pub(in crate::docker) fn end(&self, now_ms: u64) -> Option<i32> {
        let (at_ms, code) = self.program.end()?;
        (self.started_ms.saturating_add(at_ms) <= now_ms).then_some(code)
    }

    pub(super) fn pause(&mut self, now_ms: u64) {
        self.paused_ms.get_or_insert(now_ms);
    }

    pub(super) fn go_on(&mut self, now_ms: u64) {
        if let Some(paused_ms) = self.paused_ms.take() {
            self.started_ms += now_ms.saturating_sub(paused_ms);
        }
    }

    /// What it says to what it is told; how it ends when it has been told all.
    pub(in crate::docker) fn hear(
        &mut self,
        text: Option<&str>,
        now_ms: u64,
        place: Place<'_>,
    ) -> (Vec<Output>, Option<i32>) {
        let Then::Reads(reader) = self.program.then else { return (Vec::new(), None) };
        self.heard.push_str(text.unwrap_or_default());
        let length = match text {
            Some(_) => self.heard.rfind('\n').map_or(0, |n| n + 1),
            None => self.heard.len(),
        };
        let lines: String = self.heard.drain(..length).collect();
        let over = text.is_none().then_some(0);
        match reader {
            Reader::Cat if lines.is_empty() => (Vec::new(), over),
            Reader::Cat => (vec![Output { at_ms: 0, pipe: Pipe::Out, text: lines }], over),
            Reader::Shell => {
                let told = programs::script(&lines, place);
                let outputs: Vec<Output> =
                    told.outputs.into_iter().filter(|_| !lines.trim().is_empty()).collect();
                let goes_on = lines.split_whitespace().all(|word| word != "exit") && text.is_some();
                match told.then {
                    Then::Ends { code, .. } => (outputs, (!goes_on).then_some(code)),
                    then => {
                        self.program = Program { outputs, then, traps: told.traps };
                        (self.started_ms, self.printed) = (now_ms, 0);
                        (Vec::new(), None)
                    }
                }
            }
        }
    }
}

/// Where a program of a container is started.
pub(in crate::docker) fn place<'a>(
    state: &'a State,
    container: &'a Container,
) -> Option<Place<'a>> {
    let image = state.images.get(&container.image)?;
    Some(Place {
        programs: &image.programs,
        env: container.config.env.as_deref().unwrap_or_default(),
        hostname: &container.config.hostname,
        has_input: container.config.open_stdin,
    })
}

/// Why a container does not start, and what it says of its end.
struct NoStart {
    refusal: Refusal,
    code: i32,
}

impl State {
    /// Starts a container that does not run.
    pub(super) fn start(&mut self, id: &str) -> Done<()> {
        let Err(NoStart { refusal, code }) = self.try_start(id) else { return Ok(()) };
        self.unplug(id);
        if let Some(container) = self.containers.get_mut(id) {
            container.life.code = code;
            container.life.error.clone_from(&refusal.message);
            if container.life.status == Status::Restarting {
                container.life.status = Status::Exited;
            }
        }
        if self.containers.get(id).is_some_and(|container| container.host.auto_remove) {
            self.forget_container(id, true);
        }
        Err(refusal)
    }

    fn try_start(&mut self, id: &str) -> Result<(), NoStart> {
        if let Some(container) = self.containers.get_mut(id)
            && container.host.runtime.is_empty()
        {
            container.host.runtime = "runc".into();
        }
        let engine = |refusal| NoStart { refusal, code: 128 };
        let container = self.container(id).map_err(engine)?.clone();
        self.check_mode(&container).map_err(engine)?;
        self.check_user(&container).map_err(|refusal| NoStart { refusal, code: 126 })?;
        self.plug(id).map_err(engine)?;
        let endpoint = self.containers.get(id).and_then(|c| c.networks.values().next().cloned());
        let endpoint = endpoint.unwrap_or_default().endpoint_id;
        let has_ports = !["host", "none"].contains(&&*container.host.network_mode);
        let published = if has_ports { self.publish(&container) } else { Ok(Vec::new()) };
        let published = published.map_err(|refusal| {
            let name = &container.name;
            engine(refusal.during(&format!(
                "driver failed programming external connectivity on endpoint {name} ({endpoint}): "
            )))
        })?;
        let program = self.program(&container).map_err(|NotStarted { why, code }| {
            let message = format!(
                "failed to create shim task: OCI runtime create failed: runc create failed: {why}"
            );
            NoStart { refusal: Refusal::invalid(message), code }
        })?;
        let (sandbox, pid, now_ms) = (self.fresh_id(), self.fresh_pid(), self.now_ms());
        let started_ns = self.now_ns();
        if let Some(container) = self.containers.get_mut(id) {
            container.published = published;
            container.sandbox = sandbox;
            container.run = Some(Run::new(program, now_ms));
            container.health = Health::new(container.config.healthcheck.as_ref(), now_ms);
            let life = &mut container.life;
            life.status = Status::Running;
            (life.pid, life.code, life.started_ns) = (pid, 0, started_ns);
            (life.by_hand, life.again_ms) = (false, None);
            life.error.clear();
        }
        self.tell_container(id, "start", &[]);
        Ok(())
    }

    fn check_mode(&self, container: &Container) -> Done<()> {
        match container.host.network_mode.strip_prefix("container:") {
            Some(other) => self.container(other).map(drop),
            None => Ok(()),
        }
    }

    fn check_user(&self, container: &Container) -> Done<()> {
        let user = container.config.user.split(':').next().unwrap_or_default();
        let users = self.images.get(&container.image).map(|image| &image.users);
        let is_known = user.is_empty()
            || user.chars().all(|digit| digit.is_ascii_digit())
            || users.is_some_and(|users| users.contains(user));
        if is_known {
            return Ok(());
        }
        Err(Refusal::failed(format!(
            "unable to find user {user}: no matching entries in passwd file"
        )))
    }

    fn program(&self, container: &Container) -> Result<Program, NotStarted> {
        let missing = || NotStarted { why: "its image is gone: unknown".into(), code: 128 };
        let place = place(self, container).ok_or_else(missing)?;
        programs::start(&container.argv(), place)
    }

    /// Writes down what a container printed.
    pub(in crate::docker) fn print(&mut self, id: &str, pipe: Pipe, text: &str, at_ms: u64) {
        let moment = self.ns_at(at_ms);
        let Some(container) = self.containers.get_mut(id) else { return };
        let pipe = if container.config.tty { Pipe::Out } else { pipe };
        container.log.push(Line { at_ns: moment, pipe, text: text.to_owned() });
        self.changed();
    }

    /// What a container that runs did when it was ended, or ended itself.
    pub(in crate::docker) fn ended(&mut self, id: &str, code: i32, at_ms: u64) {
        let finished_ns = self.ns_at(at_ms);
        let Some(container) = self.containers.get_mut(id) else { return };
        container.run = None;
        if let Some(health) = &mut container.health {
            health.stop();
        }
        let life = &mut container.life;
        life.status = Status::Exited;
        (life.pid, life.code, life.finished_ns) = (0, code, finished_ns);
        life.ends += 1;
        self.tell_container(id, "die", &[("exitCode", code.to_string())]);
        self.unplug(id);
        if self.again(id, code, at_ms) {
            return;
        }
        if self.containers.get(id).is_some_and(|container| container.host.auto_remove) {
            self.forget_container(id, true);
        }
    }

    /// Whether a container is started again, and when.
    fn again(&mut self, id: &str, code: i32, at_ms: u64) -> bool {
        let Some(Container { host, life, .. }) = self.containers.get_mut(id) else { return false };
        let policy = &host.restart_policy;
        let wanted = match &*policy.name {
            "always" | "unless-stopped" => true,
            "on-failure" => {
                let most = policy.maximum_retry_count;
                code != 0 && (most == 0 || i64::from(life.restarts) < most)
            }
            _ => false,
        };
        if !wanted || life.by_hand {
            return false;
        }
        let ran_ms = life.finished_ns.saturating_sub(life.started_ns) / 1_000_000;
        let is_calm = u64::try_from(ran_ms).is_ok_and(|ran_ms| ran_ms > LONG_MS);
        let (first_ms, most_ms) = PAUSE_MS;
        life.pause_ms = match life.pause_ms {
            0 => first_ms,
            _ if is_calm => first_ms,
            pause_ms => (pause_ms * 2).min(most_ms),
        };
        life.restarts += 1;
        life.status = Status::Restarting;
        life.again_ms = Some(at_ms.saturating_add(life.pause_ms));
        true
    }

    /// Tells a container something that it reads; `None` is the end of it.
    pub(in crate::docker) fn tell_program(&mut self, id: &str, text: Option<&str>) {
        let now_ms = self.now_ms();
        let Some(container) = self.containers.get(id) else { return };
        let Some(mut run) = container.run.clone() else { return };
        let Some(place) = place(self, container) else { return };
        let (outputs, code) = run.hear(text, now_ms, place);
        if let Some(container) = self.containers.get_mut(id) {
            container.run = Some(run);
        }
        for output in outputs {
            self.print(id, output.pipe, &output.text, now_ms);
        }
        if let Some(code) = code {
            self.ended(id, code, now_ms);
        }
    }

    /// Sends a signal to the first program of a container. It knows only those it has a trap for,
    /// and `KILL`.
    pub(super) fn signal(&mut self, id: &str, signal: &str) {
        let now_ms = self.now_ms();
        let Some(container) = self.containers.get(id) else { return };
        let Some(run) = &container.run else { return };
        let trap = run.program.traps.get(signal).cloned();
        let has_init = container.host.init == Some(true);
        let Some(place) = place(self, container) else { return };
        match (signal, trap) {
            ("KILL", _) => self.ended(id, 137, now_ms),
            ("TERM", None) if has_init => self.ended(id, 143, now_ms),
            (_, Some(action)) => {
                let done = programs::script(&action, place);
                for output in done.outputs {
                    self.print(id, output.pipe, &output.text, now_ms);
                }
                let exits = action.split([';', ' ', '\n']).any(|word| word == "exit");
                if let (Then::Ends { code, .. }, true) = (done.then, exits) {
                    self.ended(id, code, now_ms);
                }
            }
            _ => {}
        }
    }
}

/// Lets happen in all containers what is due at that moment.
pub(in crate::docker) fn happen(state: &mut State, at_ms: u64) {
    let due = |container: &&Container| container.due_ms().is_some_and(|due_ms| due_ms <= at_ms);
    let due: Vec<String> =
        state.containers.values().filter(due).map(|container| container.id.clone()).collect();
    for id in due {
        let Some(container) = state.containers.get_mut(&id) else { continue };
        if container.life.status == Status::Restarting {
            // Why it did not start stands in its state.
            let _ = state.start(&id);
            continue;
        }
        if let Some(output) = container.run.as_mut().and_then(|run| run.print(at_ms)) {
            state.print(&id, output.pipe, &output.text, at_ms);
            continue;
        }
        if let Some(code) = container.run.as_ref().and_then(|run| run.end(at_ms)) {
            state.ended(&id, code, at_ms);
            continue;
        }
        state.probe(&id, at_ms);
    }
}
