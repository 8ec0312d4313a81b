//! The agent inside of a machine. It answers where somebody has started one, and then runs what it is
//! given in whatever that somebody has: see [`Proxmox::agent_start`].
//!
//! [`Proxmox::agent_start`]: crate::proxmox::Proxmox::agent_start

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::machine;
use crate::proxmox::call::Call;
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::property;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::World;

/// The number of the first command. Those of a real machine are its processes.
const FIRST: u64 = 1_000;

/// An agent that answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Agent {
    /// How many commands there were.
    begun: u64,
    /// Those that it was given and nobody has asked about since they ended.
    commands: BTreeMap<u64, Run>,
}

/// A command that an agent was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    argv: Vec<String>,
    input: String,
    /// Whether somebody runs it.
    taken: bool,
    ended: Option<AgentEnd>,
}

/// A command that somebody is to run for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCommand {
    /// Its number.
    pub pid: u64,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it can read.
    pub input: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEnd {
    /// The code it ended with.
    pub exit_code: i64,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote to where errors go.
    pub stderr: String,
}

/// An agent starts in a machine, if there is such a machine.
pub(crate) fn start(world: &mut World, vmid: u32) {
    if let Some(guest) = of(world, vmid) {
        guest.agent = Some(Agent::default());
    }
}

/// The next command that nobody runs yet.
pub(crate) fn take(world: &mut World, vmid: u32) -> Option<AgentCommand> {
    let agent = of(world, vmid)?.agent.as_mut()?;
    let (pid, run) = agent.commands.iter_mut().find(|(_, run)| !run.taken)?;
    run.taken = true;
    Some(AgentCommand { pid: *pid, argv: run.argv.clone(), input: run.input.clone() })
}

/// A command has ended.
pub(crate) fn end(world: &mut World, vmid: u32, pid: u64, end: AgentEnd) {
    let agent = of(world, vmid).and_then(|guest| guest.agent.as_mut());
    if let Some(run) = agent.and_then(|agent| agent.commands.get_mut(&pid)) {
        run.ended = Some(end);
    }
}

fn of(world: &mut World, vmid: u32) -> Option<&mut Guest> {
    world.guests.get_mut(&vmid).filter(|guest| guest.kind == Kind::Qemu)
}

/// Whether the machine is said to have one.
pub(super) fn is_configured(guest: &Guest) -> bool {
    let text = guest.config.get("agent").map(String::as_str).unwrap_or_default();
    let parts = property::parse("qemu.agent", text).unwrap_or_default();
    parts.get("enabled").is_some_and(|flag| flag == "1")
}

/// The agent of the machine of a call, if it answers.
fn answering<'w>(call: &'w mut Call<'_>) -> Result<&'w mut Agent> {
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    if !is_configured(guest) {
        return Err(Refusal::failed("No QEMU guest agent configured"));
    }
    if !guest.is_running() {
        return Err(Refusal::failed(format!("VM {vmid} is not running")));
    }
    let agent = of(call.world, vmid).and_then(|guest| guest.agent.as_mut());
    agent.ok_or_else(|| Refusal::failed("QEMU guest agent is not running"))
}

/// A command that nothing here can run.
pub(super) fn command(call: &mut Call<'_>) -> Result<Value> {
    answering(call)?;
    Err(Refusal::failed("Agent error: The command has not been found"))
}

pub(super) fn ping(call: &mut Call<'_>) -> Result<Value> {
    answering(call)?;
    Ok(json!({"result": {}}))
}

pub(super) fn exec(call: &mut Call<'_>) -> Result<Value> {
    let argv = call.given.text("command").split('\0').map(str::to_owned).collect();
    let input = call.given.text("input-data").to_owned();
    let agent = answering(call)?;
    let pid = FIRST + agent.begun;
    agent.begun += 1;
    agent.commands.insert(pid, Run { argv, input, taken: false, ended: None });
    Ok(json!({"pid": pid}))
}

/// An agent forgets a command once it has told how that ended.
pub(super) fn exec_status(call: &mut Call<'_>) -> Result<Value> {
    let pid = call.given.number("pid").unwrap_or_default();
    let agent = answering(call)?;
    let run = agent.commands.get(&pid);
    let run = run.ok_or_else(|| Refusal::failed("Agent error: Invalid parameter 'pid'"))?;
    let Some(end) = run.ended.clone() else { return Ok(json!({"exited": 0})) };
    agent.commands.remove(&pid);
    let mut answer = json!({"exited": 1, "exitcode": end.exit_code});
    for (name, text) in [("out-data", end.stdout), ("err-data", end.stderr)] {
        if !text.is_empty() {
            answer[name] = text.into();
        }
    }
    Ok(answer)
}
