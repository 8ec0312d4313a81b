//! The agent within a machine.

use serde::Deserialize;

use super::guest::Guest;
use super::{CallError, Client, Form, scalar};

/// A command that an agent runs or ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AgentRun {
    /// Whether it has ended. Only then there is any output.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub exited: bool,
    /// The code it ended with, if it ended by itself.
    #[serde(default, rename = "exitcode", deserialize_with = "scalar::number")]
    pub exit_code: Option<u64>,
    /// The signal it was ended by.
    #[serde(default, deserialize_with = "scalar::number")]
    pub signal: Option<u64>,
    /// What it wrote.
    #[serde(default, rename = "out-data", deserialize_with = "scalar::text")]
    pub stdout: Option<String>,
    /// What it wrote to where errors go.
    #[serde(default, rename = "err-data", deserialize_with = "scalar::text")]
    pub stderr: Option<String>,
}

#[derive(Deserialize)]
struct Begun {
    #[serde(deserialize_with = "scalar::number_needed")]
    pid: u64,
}

impl Client {
    /// Lets the agent of a machine run a command as whoever the agent is, and answers with its number.
    /// The input is at most 64 KiB.
    pub async fn agent_exec(
        &self,
        guest: &Guest,
        argv: &[&str],
        input: secrecy::SecretString,
    ) -> Result<u64, CallError> {
        let command = argv.iter().fold(Form::new(), |form, word| form.with("command", word));
        let form = command.with_secret("input-data", input);
        let begun: Begun = self.guest_post(guest, &["agent", "exec"], &form).await?;
        Ok(begun.pid)
    }

    /// What became of a command.
    pub async fn agent_exec_status(&self, guest: &Guest, pid: u64) -> Result<AgentRun, CallError> {
        self.guest_get(guest, &["agent", "exec-status"], &Form::new().with("pid", pid)).await
    }
}
