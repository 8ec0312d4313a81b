//! What containers print, for whoever reads along, and what they are told.
//!
//! Without a terminal, output comes in frames: the pipe, three zeros, the length in four bytes,
//! and the text.

use tokio::sync::mpsc;

use super::Docker;
use super::call::{Call, empty};
use super::containers::{Line, Status};
use super::events::moment_of;
use super::programs::Pipe;
use super::refusal::{Done, Refusal};
use super::state::{State, moment};
use super::system::raw;
use crate::http::{Conversation, Outcome, Stream};

/// How output is shown.
#[derive(Clone, Copy, Debug)]
struct Manner {
    out: bool,
    err: bool,
    timestamps: bool,
    tty: bool,
}

impl Manner {
    fn shows(self, pipe: Pipe) -> bool {
        match pipe {
            Pipe::Out => self.out,
            Pipe::Err => self.err,
        }
    }

    /// A line as it goes over the wire.
    fn frame(self, line: &Line) -> Vec<u8> {
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&moment(line.at_ns));
            text.push(' ');
        }
        text.push_str(&line.text);
        if self.tty {
            return text.replace('\n', "\r\n").into_bytes();
        }
        framed(line.pipe, &text)
    }
}

fn framed(pipe: Pipe, text: &str) -> Vec<u8> {
    let pipe = match pipe {
        Pipe::Out => 1,
        Pipe::Err => 2,
    };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut frame = vec![pipe, 0, 0, 0];
    frame.extend(length.to_be_bytes());
    frame.extend(text.as_bytes());
    frame
}

/// `GET /containers/ID/logs`.
pub(super) fn logs(docker: &Docker, name: &str, call: &Call) -> Done<Outcome> {
    let (since, until) = (moment_of(call, "since"), moment_of(call, "until"));
    let (id, tty, driver, runs) = docker.with(|state| {
        let container = state.container(name)?;
        let driver = container.host.log_config.driver.clone();
        let runs = container.life.status.is_alive();
        Ok((container.id.clone(), container.config.tty, driver, runs))
    })?;
    let (out, err) = (call.flag("stdout"), call.flag("stderr"));
    if !out && !err {
        return Err(Refusal::invalid("Bad parameters: you must choose at least one stream"));
    }
    // The end of all time stands for none.
    let (since, until) = (since?, until?.filter(|until| *until != 0));
    if !["json-file", "local", "journald"].contains(&&*driver) {
        let message = "configured logging driver does not support reading";
        return Err(Refusal::new(501, message));
    }
    let manner = Manner { out, err, timestamps: call.flag("timestamps"), tty };
    let follow = call.flag("follow") && runs;
    let tail = call.parameter("tail").parse::<usize>().unwrap_or(usize::MAX);
    let (lines, seen) = docker.with(|state| {
        let lines = state.containers.get(&id).map(|container| container.log.clone());
        let suits = |line: &Line| {
            manner.shows(line.pipe)
                && since.is_none_or(|since| line.at_ns >= since)
                && until.is_none_or(|until| line.at_ns <= until)
        };
        let lines = lines.unwrap_or_default();
        let seen = lines.len();
        // The last lines are counted before anything is left out.
        let last = lines.into_iter().skip(seen.saturating_sub(tail));
        (last.filter(suits).collect::<Vec<_>>(), seen)
    });
    let (sender, stream) = Stream::new();
    let source = Source { docker: docker.clone(), id, is_exec: false };
    tokio::spawn(async move {
        for line in lines {
            if sender.send(manner.frame(&line)).await.is_err() {
                return;
            }
        }
        if follow {
            source.follow(seen, manner, &sender).await;
        }
    });
    Ok(Outcome::Streamed(empty(200), stream))
}

/// `POST /containers/ID/attach`.
pub(super) fn attach(docker: &Docker, name: &str, call: &Call) -> Done<Outcome> {
    let (id, tty, open_stdin, seen, lines) = docker.with(|state| {
        let container = state.container(name)?;
        match container.life.status {
            Status::Paused => {
                let message = format!(
                    "container {} is paused, unpause the container before attach",
                    container.id
                );
                return Err(Refusal::conflict(message));
            }
            Status::Restarting => {
                let message = format!(
                    "Container {} is restarting, wait until the container is running",
                    container.id
                );
                return Err(Refusal::conflict(message));
            }
            _ => {}
        }
        let log = &container.log;
        let (tty, stdin) = (container.config.tty, container.config.open_stdin);
        Ok((container.id.clone(), tty, stdin, log.len(), log.clone()))
    })?;
    let manner =
        Manner { out: call.flag("stdout"), err: call.flag("stderr"), timestamps: false, tty };
    let lines = if call.flag("logs") { lines } else { Vec::new() };
    let stays = call.flag("stream");
    let hears = call.flag("stdin") && open_stdin;
    let source = Source { docker: docker.clone(), id, is_exec: false };
    let (sender, input, conversation) = Conversation::new();
    tokio::spawn(async move {
        for line in lines.iter().filter(|line| manner.shows(line.pipe)) {
            if sender.send(manner.frame(line)).await.is_err() {
                return;
            }
        }
        if stays {
            source.converse(seen, manner, &sender, hears.then_some(input)).await;
        }
    });
    Ok(Outcome::Upgraded(raw(call), conversation))
}

/// Stays with a program that was started beside the first.
pub(super) fn exec(docker: &Docker, id: &str, call: &Call) -> Outcome {
    let tty = docker.with(|state| state.execs.get(id).is_some_and(|exec| exec.tty));
    let manner = Manner { out: true, err: true, timestamps: false, tty };
    let source = Source { docker: docker.clone(), id: id.to_owned(), is_exec: true };
    let (sender, input, conversation) = Conversation::new();
    tokio::spawn(async move { source.converse(0, manner, &sender, Some(input)).await });
    Outcome::Upgraded(raw(call), conversation)
}

/// Says why there is nobody to stay with.
pub(super) fn last_words(call: &Call, why: &str) -> Outcome {
    let (sender, _, conversation) = Conversation::new();
    // There is room for one.
    let _ = sender.try_send(framed(Pipe::Out, &format!("{why}\r\n")));
    Outcome::Upgraded(raw(call), conversation)
}

/// Who prints.
#[derive(Clone, Debug)]
struct Source {
    docker: Docker,
    id: String,
    is_exec: bool,
}

impl Source {
    /// What it printed behind the first `seen` lines, and whether it goes on.
    fn news(&self, state: &State, seen: usize, was_alive: bool) -> (Vec<Line>, bool) {
        let (log, is_alive) = if self.is_exec {
            match state.execs.get(&self.id) {
                Some(exec) => (&exec.log, exec.run.is_some()),
                None => return (Vec::new(), false),
            }
        } else {
            match state.containers.get(&self.id) {
                Some(container) => {
                    // Whoever attaches before the start waits for it.
                    let begins = !was_alive
                        && container.life.status == Status::Created
                        && container.life.code == 0;
                    (&container.log, container.life.status.is_alive() || begins)
                }
                None => match state.gone.iter().find(|gone| gone.id == self.id) {
                    Some(gone) => (&gone.log, false),
                    None => return (Vec::new(), false),
                },
            }
        };
        (log.get(seen..).unwrap_or_default().to_vec(), is_alive)
    }

    /// Sends what is printed until there will be no more.
    async fn follow(&self, mut seen: usize, manner: Manner, sender: &mpsc::Sender<Vec<u8>>) {
        let ends = self.ends();
        let mut was_alive = ends.1;
        loop {
            let come = self.docker.until(|state| {
                let (lines, goes_on) = self.news(state, seen, was_alive);
                was_alive |= goes_on && self.is_running(state);
                let over = !goes_on || self.ends_of(state) > ends.0;
                (over || !lines.is_empty()).then_some((lines, over))
            });
            let (lines, over) = tokio::select! {
                come = come => come,
                () = sender.closed() => return,
            };
            seen += lines.len();
            for line in lines.iter().filter(|line| manner.shows(line.pipe)) {
                if sender.send(manner.frame(line)).await.is_err() {
                    return;
                }
            }
            if over {
                return;
            }
        }
    }

    /// The same, telling it what comes in.
    async fn converse(
        &self,
        seen: usize,
        manner: Manner,
        sender: &mpsc::Sender<Vec<u8>>,
        input: Option<mpsc::Receiver<Vec<u8>>>,
    ) {
        let Some(mut input) = input else {
            return self.follow(seen, manner, sender).await;
        };
        let listening = async {
            while let Some(piece) = input.recv().await {
                self.tell(Some(&String::from_utf8_lossy(&piece).replace('\r', "\n"))).await;
            }
            self.tell(None).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.follow(seen, manner, sender) => {}
            () = listening => {}
        }
    }

    /// Tells it something, once it runs.
    async fn tell(&self, text: Option<&str>) {
        self.docker
            .until(|state| {
                let (runs, over) = (self.is_running(state), self.ends_of(state) > 0);
                (runs || over).then_some(())
            })
            .await;
        self.docker.with(|state| {
            if self.is_exec {
                state.tell_exec(&self.id, text);
            } else {
                state.tell_program(&self.id, text);
            }
        });
    }

    fn is_running(&self, state: &State) -> bool {
        if self.is_exec {
            return state.execs.get(&self.id).is_some_and(|exec| exec.run.is_some());
        }
        state.containers.get(&self.id).is_some_and(|container| container.run.is_some())
    }

    fn ends(&self) -> (u64, bool) {
        self.docker.with(|state| (self.ends_of(state), self.is_running(state)))
    }

    /// How often it ended.
    fn ends_of(&self, state: &State) -> u64 {
        if self.is_exec {
            let exec = state.execs.get(&self.id);
            return u64::from(exec.is_none_or(|exec| exec.code.is_some()));
        }
        state.containers.get(&self.id).map_or(u64::MAX, |container| container.life.ends)
    }
}
