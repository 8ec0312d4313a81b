//! What goes on behind an answer: tasks with an id, a log and a verdict.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Handler, Params};
use super::refusal::{Refusal, Result};
use super::world::World;
use super::{backup, lxc, migrate, network, qemu, sdn, storage};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /cluster/tasks", recent),
    ("GET /nodes/{node}/tasks", list),
    ("GET /nodes/{node}/tasks/{upid}/status", status),
    ("GET /nodes/{node}/tasks/{upid}/log", log),
    ("DELETE /nodes/{node}/tasks/{upid}", stop),
];

/// How long a task waits for another one on the same guest, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// All tasks there ever were, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tasks {
    list: Vec<Task>,
    /// Processes that ran so far.
    processes: u32,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    upid: String,
    node: String,
    pid: u32,
    pstart: u64,
    kind: String,
    id: String,
    caller: Caller,
    job: Job,
    created_ms: u64,
    takes_ms: u64,
    /// When it has its guest for itself.
    ready_ms: u64,
    end: Option<End>,
    log: Vec<String>,
}

/// How a task ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct End {
    at_ms: u64,
    verdict: String,
}

/// What a task does when its time has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) act: Act,
    /// The guest it is about; tasks about the same one wait for each other.
    pub(super) vmid: Option<u32>,
    pub(super) given: Params,
    pub(super) caller: Caller,
    pub(super) node: String,
}

/// Every kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Act {
    QemuCreate,
    QemuConfig,
    QemuStart,
    QemuStop,
    QemuShutdown,
    QemuReboot,
    QemuReset,
    QemuPause,
    QemuResume,
    QemuDestroy,
    QemuTemplate,
    QemuClone,
    QemuResize,
    QemuMove,
    QemuSnapshot,
    QemuDeleteSnapshot,
    QemuRollback,
    QemuMigrate,
    LxcCreate,
    LxcStart,
    LxcStop,
    LxcShutdown,
    LxcReboot,
    LxcDestroy,
    LxcTemplate,
    LxcClone,
    LxcResize,
    LxcSnapshot,
    LxcDeleteSnapshot,
    LxcRollback,
    LxcMigrate,
    Backup,
    DeleteVolume,
    ApplySdn,
    ReloadSdn,
    ReloadNetwork,
}

/// What a task says while it works.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<String>,
    warnings: u32,
}

impl Log {
    /// Says something.
    pub(super) fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Warns of something; the verdict counts warnings.
    pub(super) fn warn(&mut self, line: &str) {
        self.lines.push(format!("WARN: {line}"));
        self.warnings += 1;
    }
}

fn work(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    match job.act {
        Act::QemuCreate => qemu::create::run(world, job, log),
        Act::QemuConfig => qemu::config::run(world, job, log),
        Act::QemuStart
        | Act::QemuStop
        | Act::QemuShutdown
        | Act::QemuReboot
        | Act::QemuReset
        | Act::QemuPause
        | Act::QemuResume => qemu::power::run(world, job, log),
        Act::QemuDestroy => qemu::destroy::run(world, job, log),
        Act::QemuTemplate => qemu::clone::run_template(world, job),
        Act::QemuClone => qemu::clone::run(world, job, log),
        Act::QemuResize => qemu::disks::run_resize(world, job, log),
        Act::QemuMove => qemu::disks::run_move(world, job, log),
        Act::QemuSnapshot | Act::QemuDeleteSnapshot | Act::QemuRollback => {
            qemu::snapshot::run(world, job, log)
        }
        Act::LxcCreate
        | Act::LxcStart
        | Act::LxcStop
        | Act::LxcShutdown
        | Act::LxcReboot
        | Act::LxcDestroy
        | Act::LxcTemplate
        | Act::LxcClone
        | Act::LxcResize
        | Act::LxcSnapshot
        | Act::LxcDeleteSnapshot
        | Act::LxcRollback => lxc::run(world, job, log),
        Act::QemuMigrate | Act::LxcMigrate => migrate::run(world, job, log),
        Act::Backup => backup::run(world, job, log),
        Act::DeleteVolume => storage::run_delete(world, job, log),
        Act::ApplySdn => sdn::run_apply(world, job, log),
        Act::ReloadSdn => {
            log.say("reloading network config");
            Ok(())
        }
        Act::ReloadNetwork => network::run_reload(world, job, log),
    }
}

impl World {
    /// Begins a task that takes so long, and says its id.
    pub(super) fn begin(&mut self, kind: &str, id: &str, takes_ms: u64, job: Job) -> Value {
        let created_ms = self.now_ms();
        self.tasks.processes += 1;
        let pid = 0x37 + self.tasks.processes;
        let booted_ms = self.nodes.get(&job.node).map_or(0, |node| node.booted_ms);
        let pstart = created_ms.saturating_sub(booted_ms) / 10;
        let (node, user) = (&job.node, job.caller.id());
        let upid = format!(
            "UPID:{node}:{pid:08X}:{pstart:08X}:{:08X}:{kind}:{id}:{user}:",
            created_ms / 1000
        );
        self.tasks.list.push(Task {
            upid: upid.clone(),
            node: node.clone(),
            pid,
            pstart,
            kind: kind.into(),
            id: id.into(),
            caller: job.caller.clone(),
            job,
            created_ms,
            takes_ms,
            ready_ms: created_ms,
            end: None,
            log: Vec::new(),
        });
        upid.into()
    }

    /// Ends a task of a guest before its time; says the ids of those that were ended.
    pub(super) fn interrupt(&mut self, is: impl Fn(&str, Option<u32>) -> bool) -> Vec<String> {
        let at_ms = self.now_ms();
        let mut ended = Vec::new();
        for task in self.tasks.list.iter_mut().filter(|task| task.end.is_none()) {
            if is(&task.kind, task.job.vmid) || is(&task.upid, None) {
                let verdict = "received interrupt".to_owned();
                task.log.push(format!("TASK ERROR: {verdict}"));
                task.end = Some(End { at_ms, verdict });
                ended.push(task.upid.clone());
            }
        }
        for upid in &ended {
            let vmid = self.tasks.list.iter().find(|task| task.upid == *upid);
            if let Some(vmid) = vmid.and_then(|task| task.job.vmid) {
                self.tasks.pass_on(vmid, at_ms);
            }
        }
        ended
    }

    /// Whether a task of that kind works on a guest.
    pub(super) fn has_active(&self, kind: &str, vmid: u32) -> bool {
        self.tasks
            .list
            .iter()
            .any(|task| task.end.is_none() && task.kind == kind && task.job.vmid == Some(vmid))
    }
}

impl Tasks {
    /// Whoever waits for a guest has it from then on.
    fn pass_on(&mut self, vmid: u32, at_ms: u64) {
        let next =
            self.list.iter_mut().find(|task| task.end.is_none() && task.job.vmid == Some(vmid));
        if let Some(task) = next {
            task.ready_ms = task.ready_ms.max(at_ms);
        }
    }

    /// The next task that is due by then, and when it was.
    fn due(&self, now_ms: u64) -> Option<(usize, u64, bool)> {
        let mut busy: Vec<u32> = Vec::new();
        let mut next: Option<(usize, u64, bool)> = None;
        for (n, task) in self.list.iter().enumerate().filter(|(_, task)| task.end.is_none()) {
            let (due_ms, gives_up) = match task.job.vmid {
                Some(vmid) if busy.contains(&vmid) => (task.created_ms + PATIENCE_MS, true),
                Some(vmid) => {
                    busy.push(vmid);
                    (task.ready_ms.saturating_add(task.takes_ms), false)
                }
                None => (task.ready_ms.saturating_add(task.takes_ms), false),
            };
            if due_ms <= now_ms && next.is_none_or(|(_, earliest, _)| due_ms < earliest) {
                next = Some((n, due_ms, gives_up));
            }
        }
        next
    }
}

/// Does the work of all tasks that are due, in order.
pub(super) fn run_due(world: &mut World) {
    let now_ms = world.now_ms();
    while let Some((n, due_ms, gives_up)) = world.tasks.due(now_ms) {
        let job = world.tasks.list[n].job.clone();
        let mut log = Log::default();
        let outcome = if gives_up {
            let vmid = job.vmid.unwrap_or_default();
            Err(Refusal::failed(format!(
                "can't lock file '/var/lock/qemu-server/lock-{vmid}.conf' - got timeout"
            )))
        } else {
            work(world, &job, &mut log)
        };
        let (verdict, line) = match outcome {
            Ok(()) if log.warnings > 0 => {
                (format!("WARNINGS: {}", log.warnings), format!("TASK WARNINGS: {}", log.warnings))
            }
            Ok(()) => ("OK".to_owned(), "TASK OK".to_owned()),
            Err(refusal) => {
                let text = refusal.text().to_owned();
                (text.clone(), format!("TASK ERROR: {text}"))
            }
        };
        let task = &mut world.tasks.list[n];
        task.log.extend(log.lines);
        task.log.push(line);
        task.end = Some(End { at_ms: due_ms, verdict });
        if let Some(vmid) = job.vmid {
            world.tasks.pass_on(vmid, due_ms);
        }
    }
}

static UPID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^UPID:[a-zA-Z0-9-]+:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}:[^:\s]+:[^:\s]*:[^:\s]+:$",
    )
    .ok()
});

/// The task of the path, when it is there and the caller may see it.
fn seen<'c>(call: &'c Call<'_>) -> Result<Option<&'c Task>> {
    let upid = call.given.text("upid");
    if !UPID.as_ref().is_some_and(|pattern| pattern.is_match(upid)) {
        return Err(Refusal::parameter("upid", "unable to parse worker upid"));
    }
    let owner = upid.trim_end_matches(':').rsplit_once(':').map_or("", |(_, owner)| owner);
    if owner != call.caller.id() {
        call.demand(&format!("/nodes/{}", call.node), &["Sys.Audit"])?;
    }
    Ok(call.world.tasks.list.iter().find(|task| task.upid == upid))
}

/// What every view of a task tells.
fn told(task: &Task) -> Map<String, Value> {
    let row = json!({
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "pstart": task.pstart,
        "starttime": task.created_ms / 1000,
        "type": task.kind,
        "id": task.id,
        "user": task.caller.user,
    });
    let mut row = row.as_object().cloned().unwrap_or_default();
    if let Some(token) = &task.caller.token {
        row.insert("tokenid".into(), token.as_str().into());
    }
    row
}

fn status(call: &mut Call<'_>) -> Result<Value> {
    let Some(task) = seen(call)? else {
        return Err(Refusal::parameter("upid", "no such task"));
    };
    let mut row = told(task);
    row.insert("status".into(), if task.end.is_some() { "stopped" } else { "running" }.into());
    if let Some(end) = &task.end {
        row.insert("exitstatus".into(), end.verdict.as_str().into());
    }
    Ok(row.into())
}

fn log(call: &mut Call<'_>) -> Result<Value> {
    let start = usize::try_from(call.given.number("start").unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = call.given.number("limit").unwrap_or(50);
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let lines = match seen(call)? {
        Some(task) => task.log.clone(),
        None => vec!["unable to open file - No such file or directory".to_owned()],
    };
    call.siblings.insert("total".into(), lines.len().into());
    let rows = lines.iter().enumerate().skip(start).take(limit);
    Ok(rows.map(|(n, line)| json!({ "n": n + 1, "t": line })).collect())
}

fn stop(call: &mut Call<'_>) -> Result<Value> {
    let upid = call.given.text("upid").to_owned();
    let owner = upid.trim_end_matches(':').rsplit_once(':').map_or("", |(_, owner)| owner);
    if owner == call.caller.id() {
        seen(call)?;
    } else {
        call.demand(&format!("/nodes/{}", call.node), &["Sys.Modify"])?;
    }
    call.world.interrupt(|id, vmid| vmid.is_none() && id == upid);
    Ok(Value::Null)
}

/// A finished task in a list.
fn finished(task: &Task) -> Option<Map<String, Value>> {
    let end = task.end.as_ref()?;
    let mut row = told(task);
    row.insert("endtime".into(), (end.at_ms / 1000).into());
    row.insert("status".into(), end.verdict.as_str().into());
    Some(row)
}

/// A running task in a list; who runs it is told in one word here.
fn running(task: &Task) -> Map<String, Value> {
    let mut row = told(task);
    row.remove("tokenid");
    row.insert("user".into(), task.caller.id().into());
    row.insert("saved".into(), "0".into());
    row.insert("status".into(), "RUNNING".into());
    row
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn list(call: &mut Call<'_>) -> Result<Value> {
    let all = call.may(&format!("/nodes/{}", call.node), &["Sys.Audit"]);
    let given = &call.given;
    let source = given.get("source").unwrap_or("archive");
    let fits = |task: &&Task| {
        let end = task.end.as_ref();
        let failed = end.is_some_and(|end| end.verdict != "OK");
        let start = task.created_ms / 1000;
        task.node == call.node
            && (all || task.caller.user == call.caller.user)
            && given.get("vmid").is_none_or(|id| id == task.id)
            && given.get("typefilter").is_none_or(|kind| kind == task.kind)
            && given.get("userfilter").is_none_or(|user| task.caller.id().contains(user))
            && (!given.flag("errors") || failed)
            && given.number("since").is_none_or(|since| start >= since)
            && given.number("until").is_none_or(|until| start <= until)
            && given.get("statusfilter").is_none_or(|wanted| has_status(task, wanted))
    };
    let tasks = || call.world.tasks.list.iter().filter(fits);
    let mut rows: Vec<Value> = Vec::new();
    if source != "archive" {
        let active = tasks().rev().filter(|task| task.end.is_none());
        rows.extend(active.map(|task| Value::Object(running(task))));
    }
    if source != "active" {
        let mut ended: Vec<&Task> = tasks().filter(|task| task.end.is_some()).collect();
        ended.sort_by_key(|task| task.end.as_ref().map(|end| std::cmp::Reverse(end.at_ms)));
        rows.extend(ended.into_iter().filter_map(finished).map(Value::Object));
    }
    let page = |name: &str, default: u64| {
        usize::try_from(given.number(name).unwrap_or(default)).unwrap_or(usize::MAX)
    };
    let (start, limit) = (page("start", 0), page("limit", 50));
    let total = rows.len();
    let rows = rows.into_iter().skip(start).take(limit).collect();
    call.siblings.insert("total".into(), total.into());
    Ok(rows)
}

/// Whether a task ended in one of these ways.
fn has_status(task: &Task, wanted: &str) -> bool {
    let found = match task.end.as_ref().map(|end| end.verdict.as_str()) {
        None => "unknown",
        Some("OK") => "ok",
        Some(verdict) if verdict.starts_with("WARNINGS: ") => "warning",
        Some(_) => "error",
    };
    super::formats::items(wanted).any(|wanted| wanted == found)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn recent(call: &mut Call<'_>) -> Result<Value> {
    let mut tasks: Vec<&Task> = call.world.tasks.list.iter().collect();
    tasks.retain(|task| {
        task.caller.user == call.caller.user
            || call.may(&format!("/nodes/{}", task.node), &["Sys.Audit"])
    });
    tasks.sort_by_key(|task| std::cmp::Reverse(task.created_ms));
    let rows = tasks.into_iter().take(25).map(|task| {
        let mut row = finished(task).unwrap_or_else(|| told(task));
        row.remove("pid");
        row.remove("pstart");
        row.insert("saved".into(), if task.end.is_some() { "1" } else { "0" }.into());
        Value::Object(row)
    });
    Ok(rows.collect())
}
