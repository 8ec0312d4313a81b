//! Ctrl-C: once finishes what was begun, twice stops.

use lessor_engine::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::output::say;

/// Listens for SIGINT and SIGTERM from now on.
pub(crate) fn listen() -> anyhow::Result<watch::Receiver<Stop>> {
    let (sender, receiver) = watch::channel(Stop::No);
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    tokio::spawn(watch_signals(interrupt, terminate, sender));
    Ok(receiver)
}

/// Listens from now on, and is there once somebody asks us to end.
pub(crate) fn asked() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn watch_signals(mut interrupt: Signal, mut terminate: Signal, stop: watch::Sender<Stop>) {
    for (next, text) in [
        (Stop::Finish, "stopping: what was begun is finished; once more stops at once"),
        (Stop::Now, "stopped"),
    ] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        say(text);
        let _ = stop.send(next);
    }
}
