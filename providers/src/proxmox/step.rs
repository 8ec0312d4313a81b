//! From what is there to what is wished: the next step, and how it is taken.

use std::time::Duration;

use lessor_engine::ApplyError;
use lessor_plans::GuestBody;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::client::{CallError, Client, Guest, GuestKind, Kind, Stop, Upid};
use super::error::refused;
use super::property::text::size_text;
use super::rules::RuleStep;
use super::values::size;
use super::whose::Seen;
use super::write::{Edit, edit, marking};

/// How long a guest may take to shut down before it is stopped.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// How long a task may take that copies disks.
pub(super) const COPYING: Duration = Duration::from_mins(30);

/// How long any other task may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// How long a guest may take to be as a task left it: the cluster starts some by itself, later.
const SETTLING: Duration = Duration::from_secs(30);

/// The pause between two looks at that.
const PAUSE: Duration = Duration::from_millis(250);

/// One step towards a wish.
#[derive(Debug)]
pub(super) enum Step {
    /// It joins its pool, and leaves the one it is in.
    Join { leaves: Option<String> },
    /// Its first disk becomes so large.
    Grow { disk: String, size: u64 },
    /// Values are written.
    Write(Edit),
    /// One step with the rules before it.
    Filter(RuleStep),
    /// It is shut down, and stopped when it does not listen.
    ShutDown,
    /// It starts anew.
    Reboot,
    /// It starts.
    Start,
}

impl Step {
    /// Which sort of step it is, and how often one of these makes sense: what has to be done again
    /// and again is not done at all.
    pub(super) fn sort(&self) -> (&'static str, usize) {
        match self {
            Step::Join { .. } => ("its pool", 2),
            Step::Grow { .. } => ("its disk", 2),
            Step::Write(_) => ("its configuration", 3),
            // Each is one rule of many.
            Step::Filter(_) => ("its firewall", 1_000),
            Step::ShutDown => ("its end", 3),
            Step::Reboot => ("its restart", 2),
            Step::Start => ("its start", 3),
        }
    }
}

/// What comes next; `None` when a guest is as wished.
///
/// # Errors
/// When there is no way to what is wished.
pub(super) fn next(wish: &GuestBody, seen: &Seen) -> Result<Option<Step>, ApplyError> {
    if seen.adopted {
        return Ok(Some(Step::Write(marking(wish, seen))));
    }
    if seen.pool.as_deref() != Some(&wish.pool) {
        return Ok(Some(Step::Join { leaves: seen.pool.clone() }));
    }
    if let Some(step) = grow(wish, seen)? {
        return Ok(Some(step));
    }
    if seen.running && !wish.running {
        return Ok(Some(Step::ShutDown));
    }
    let edit = edit(wish, seen)?;
    if !edit.is_empty() {
        let stopped_first =
            seen.guest.kind == GuestKind::Qemu && seen.running && edit.wants_it_stopped();
        return Ok(Some(if stopped_first { Step::ShutDown } else { Step::Write(edit) }));
    }
    if let Some(step) = seen.filter.as_ref().map(|filter| filter.next(wish)).transpose()?.flatten()
    {
        return Ok(Some(Step::Filter(step)));
    }
    let waits = seen.values.waiting_of_ours().next().is_some();
    Ok(match (seen.running, wish.running) {
        (true, true) if waits => Some(Step::Reboot),
        (false, true) => Some(Step::Start),
        _ => None,
    })
}

fn grow(wish: &GuestBody, seen: &Seen) -> Result<Option<Step>, ApplyError> {
    let id = &wish.name;
    let Some((place, disk)) = seen.values.first_disk(seen.guest.kind) else {
        let why = format!("guest `{id}` has no disk that it could start from");
        return Err(refused(why, "give its template a disk"));
    };
    let (there, wished) = (size(&disk), wish.disk.bytes());
    if there > wished {
        let there = lessor_specs::ByteSize::from_bytes(there);
        let why =
            format!("the disk of guest `{id}` has {there} and cannot shrink to {}", wish.disk);
        return Err(refused(why, format!("ask for at least {there}")));
    }
    let step = Step::Grow { disk: place.to_owned(), size: wished };
    Ok((there < wished).then_some(step))
}

/// Takes a step and waits until it is done.
pub(super) async fn take(
    step: &Step,
    client: &Client,
    seen: &Seen,
    wish: &GuestBody,
) -> Result<(), CallError> {
    let (guest, digest) = (&seen.guest, seen.values.digest());
    match step {
        Step::Join { leaves } => {
            if let Some(pool) = leaves {
                client.pool_remove(pool, &[guest.vmid]).await?;
            }
            client.pool_add(&wish.pool, &[guest.vmid]).await
        }
        Step::Grow { disk, size } => {
            let task = client.guest_resize(guest, disk, &size_text(*size), digest).await?;
            finish(client, task.as_ref(), COPYING).await
        }
        Step::Write(edit) => {
            let task = client.guest_update(guest, digest, edit.form()).await;
            let written = match task {
                Ok(task) => finish(client, task.as_ref(), PATIENCE).await,
                Err(error) => Err(error),
            };
            match written {
                // It is written, and waits for a restart.
                Err(error) if error.kind() == Kind::Pending => Ok(()),
                written => written,
            }
        }
        Step::Filter(step) => match &seen.filter {
            Some(filter) => filter.take(step, client, guest).await,
            None => Ok(()),
        },
        Step::ShutDown => {
            let task = client.guest_stop(guest, Stop::AskedThenNow(SHUTDOWN)).await;
            power(client, seen, task, false).await
        }
        Step::Reboot => reboot(client, seen).await,
        Step::Start => power(client, seen, client.guest_start(guest).await, true).await,
    }
}

async fn reboot(client: &Client, seen: &Seen) -> Result<(), CallError> {
    let task = client.guest_reboot(&seen.guest, SHUTDOWN).await;
    match power(client, seen, task, true).await {
        // It does not listen.
        Err(error) if error.kind() == Kind::Refused => stop(client, seen).await,
        done => done,
    }
}

/// Stops a guest, at once if it does not listen, and starts it.
pub(super) async fn restart(client: &Client, seen: &Seen) -> Result<(), CallError> {
    if seen.running {
        reboot(client, seen).await?;
    }
    if !is_running(client, &seen.guest).await? {
        power(client, seen, client.guest_start(&seen.guest).await, true).await?;
    }
    Ok(())
}

/// Stops a guest at once.
pub(super) async fn stop(client: &Client, seen: &Seen) -> Result<(), CallError> {
    power(client, seen, client.guest_stop(&seen.guest, Stop::Now).await, false).await
}

/// Waits for a task about power, and then for what it was about.
async fn power(
    client: &Client,
    seen: &Seen,
    task: Result<Upid, CallError>,
    runs: bool,
) -> Result<(), CallError> {
    finish(client, Some(&task?), PATIENCE).await?;
    // The task of a guest that the cluster itself starts and stops only tells the cluster to.
    let patience = if seen.managed { PATIENCE } else { SETTLING };
    let begun = Instant::now();
    while begun.elapsed() < patience && is_running(client, &seen.guest).await? != runs {
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn is_running(client: &Client, guest: &Guest) -> Result<bool, CallError> {
    Ok(client.guest_status(guest).await?.is_some_and(|status| status.is_running()))
}

/// Waits for a task; what it warned of is logged.
pub(super) async fn finish(
    client: &Client,
    task: Option<&Upid>,
    patience: Duration,
) -> Result<(), CallError> {
    let done = client.task_wait(task, patience).await?;
    for warning in done.warnings {
        warn!(task = task.map(Upid::as_str), warning, "a task of the cluster warned of something");
    }
    Ok(())
}
