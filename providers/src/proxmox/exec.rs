//! Running a command in a machine, by the agent within it.

use std::time::Duration;

use lessor_engine::ApplyError;
use lessor_engine::access::AccessError;
use tokio::time::{Instant, sleep};

use super::Proxmox;
use super::client::{AgentRun, CallError, Client, Guest, GuestKind, Kind};
use crate::command::{Command, End, Heard};

/// How much a command can be given to read.
const INPUT_MAX: usize = 65_536;

/// The first pause between two looks at a command. The others are longer.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

impl Proxmox {
    /// Runs a command as root in the machine with this number, on whichever node it is.
    ///
    /// # Errors
    /// See [`AccessError`]; then nothing was run, or nobody knows.
    pub(crate) async fn exec(
        &self,
        vmid: u32,
        command: &Command<'_>,
    ) -> Result<Heard, AccessError> {
        let input = std::str::from_utf8(command.input).ok().filter(|text| text.len() <= INPUT_MAX);
        let Some(input) = input else {
            let why = format!("an agent takes at most {INPUT_MAX} bytes of text");
            return Err(AccessError::Refused { why, hint: Some("make the script shorter".into()) });
        };
        let (client, guest) = self.machine(vmid).await?;
        let pid = client.agent_exec(&guest, command.argv, input.into()).await.map_err(of_call)?;
        Ok(follow(client, &guest, pid, command.deadline).await)
    }

    /// The machine with this number, whoever made it: an entry names it.
    pub(super) async fn machine(&self, vmid: u32) -> Result<(&Client, Guest), AccessError> {
        let client = self.client().map_err(|error| match error {
            ApplyError::Refused { why, hint } => AccessError::Refused { why, hint },
            ApplyError::Transient { why } | ApplyError::Stale { why } => {
                AccessError::Unreachable { why }
            }
        })?;
        let all = client.cluster_resources(Some("vm")).await.map_err(of_call)?;
        let node = all
            .into_iter()
            .filter(|one| one.vmid == Some(vmid.into()) && one.guest() == Some(GuestKind::Qemu))
            .find_map(|one| one.node);
        let missing = || AccessError::Unreachable {
            why: format!("`{}` has no virtual machine {vmid}", client.place()),
        };
        Ok((client, Guest::qemu(node.ok_or_else(missing)?, vmid)))
    }
}

async fn follow(client: &Client, guest: &Guest, pid: u64, deadline: Duration) -> Heard {
    let (begun, mut pause) = (Instant::now(), PAUSE);
    let mut heard = Heard::nothing();
    heard.end = loop {
        match client.agent_exec_status(guest, pid).await {
            Ok(run) if run.exited => {
                heard.out(run.stdout.as_deref().unwrap_or_default().as_bytes());
                heard.err(run.stderr.as_deref().unwrap_or_default().as_bytes());
                break ended(&run);
            }
            // It goes on, whether we can see it or not.
            Ok(_) => {}
            Err(error) if may_pass(&error) => {}
            Err(error) => break End::Lost(error.to_string()),
        }
        if begun.elapsed() + pause > deadline {
            break End::Late;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    };
    heard
}

fn ended(run: &AgentRun) -> End {
    match (run.exit_code, run.signal) {
        (Some(code), _) => End::Exited(code.try_into().unwrap_or(i64::MAX)),
        (None, Some(signal)) => End::Lost(format!("it was ended by signal {signal}")),
        (None, None) => End::Lost("its agent does not say how it ended".into()),
    }
}

fn may_pass(error: &CallError) -> bool {
    matches!(error.kind(), Kind::Transient | Kind::Busy | Kind::Unknown)
}

/// What an error of the cluster means to whoever wants to get at a machine.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub(super) fn of_call(error: CallError) -> AccessError {
    let (why, hint) = (error.to_string(), error.hint());
    match error.kind() {
        Kind::Transient
        | Kind::Busy
        | Kind::Stale
        | Kind::Missing
        | Kind::Unknown
        | Kind::Running
        | Kind::Garbled => AccessError::Unreachable { why },
        Kind::Exists | Kind::Denied | Kind::Invalid | Kind::Pending | Kind::Refused => {
            AccessError::Refused { why, hint }
        }
    }
}
