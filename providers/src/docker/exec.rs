//! Running a command in a container.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use futures_util::StreamExt as _;
use lessor_engine::access::AccessError;
use lessor_engine::{WatchError, Watched};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::client::CallError;
use super::{Docker, watch};
use crate::command::{Command, End, Heard};

/// How often an engine is asked how a command ended, once it has said everything.
const ASKED: u32 = 20;

/// The pause between two such questions.
const PAUSE: Duration = Duration::from_millis(50);

/// How often a command is tried again that was not even begun. Where somebody has taken every process
/// that a container may have, it takes luck.
const TRIES: u32 = 20;

/// What an engine writes where a command would, when it could not begin it.
const NOT_BEGUN: &str = "OCI runtime exec failed";

impl Docker {
    /// Runs a command as root in the container that is meant, if it is the one that was made for that
    /// address.
    ///
    /// # Errors
    /// See [`AccessError`]; then nothing was run.
    pub(crate) async fn exec(
        &self,
        thing: &Watched,
        command: &Command<'_>,
    ) -> Result<Heard, AccessError> {
        let (_, inspect) =
            watch::ours(self, thing).await.map_err(|error| of_watch(thing, error))?;
        if let Some(why) = watch::stands_still(&inspect) {
            let why = format!("container `{}` does not run: {why}", thing.name);
            return Err(AccessError::Unreachable { why });
        }
        let id = inspect.id.unwrap_or_default();
        let mut heard = self.exec_in(&id, command).await?;
        for _ in 0..TRIES {
            let Some(why) = not_begun(&heard) else { return Ok(heard) };
            tracing::debug!(container = thing.name, why, "running it once more");
            sleep(PAUSE).await;
            heard = self.exec_in(&id, command).await?;
        }
        match not_begun(&heard) {
            Some(why) => Err(AccessError::Unreachable { why }),
            None => Ok(heard),
        }
    }

    async fn exec_in(&self, id: &str, command: &Command<'_>) -> Result<Heard, AccessError> {
        let exec = self.client.exec_create(id, command.argv).await.map_err(of_call)?;
        let mut heard = Heard::nothing();
        heard.end = match timeout(command.deadline, self.talk(&exec, command, &mut heard)).await {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => End::Lost(error.to_string()),
            Err(_) => End::Late,
        };
        Ok(heard)
    }

    async fn talk(
        &self,
        exec: &str,
        command: &Command<'_>,
        heard: &mut Heard,
    ) -> Result<End, CallError> {
        let StartExecResults::Attached { mut output, mut input } =
            self.client.exec_start(exec).await?
        else {
            return Ok(End::Lost("the engine let go of it".into()));
        };
        let say = async move {
            // One that has ended does not read, which is no failure.
            let _ = input.write_all(command.input).await;
            let _ = input.shutdown().await;
        };
        let listen = async {
            while let Some(piece) = output.next().await {
                match self.client.piece(piece)? {
                    LogOutput::StdErr { message } => heard.err(&message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => {
                        heard.out(&message);
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
            Ok(())
        };
        let ((), listened) = futures_util::future::join(say, listen).await;
        listened?;
        self.how_it_ended(exec).await
    }

    async fn how_it_ended(&self, exec: &str) -> Result<End, CallError> {
        for _ in 0..ASKED {
            if let Some(code) = self.client.exec_ended(exec).await? {
                return Ok(End::Exited(code));
            }
            sleep(PAUSE).await;
        }
        Ok(End::Lost("it closed its outputs and goes on".into()))
    }
}

/// Why a command was not even begun, if so.
fn not_begun(heard: &Heard) -> Option<String> {
    let said = String::from_utf8_lossy(&heard.stdout);
    let is_so = heard.end == End::Exited(126) && said.starts_with(NOT_BEGUN);
    is_so.then(|| lessor_specs::visible(said.trim()).into_owned())
}

fn of_watch(thing: &Watched, error: WatchError) -> AccessError {
    match error {
        WatchError::Absent => {
            AccessError::Unreachable { why: format!("there is no container `{}`", thing.name) }
        }
        WatchError::NotOurs(why) | WatchError::Refused(why) => {
            AccessError::Refused { why, hint: None }
        }
        WatchError::Unanswered(why) => AccessError::Unreachable { why },
    }
}

fn of_call(error: CallError) -> AccessError {
    let (why, hint) = (error.to_string(), error.hint());
    match error {
        // It was there a moment ago, and ran.
        CallError::Missing(_)
        | CallError::Conflict(_)
        | CallError::Unanswered(_)
        | CallError::Garbled(_) => AccessError::Unreachable { why },
        CallError::Ssh(error) if error.may_pass() => AccessError::Unreachable { why },
        CallError::SubnetTaken(_)
        | CallError::Refused(_)
        | CallError::Denied { .. }
        | CallError::Outdated(_)
        | CallError::Ssh(_)
        | CallError::Keys(_) => AccessError::Refused { why, hint },
    }
}
