//! `lessor reserve`: machines that somebody has for a while.

mod remote;
mod store;

use std::fs;

use anyhow::Context as _;
use lessor_specs::{Duration, is_login_key};
use serde_json::Value;

use crate::administration::Where;
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::keeper::Keeper;
use crate::lending::{NewReservation, ReserveCommand};
use crate::rows::{Row, row, show, text};

/// Who keeps reservations. Every one is answered as the API shows it. Who is let in and out, a server
/// sees to: one that serves the same database.
trait Reservations {
    async fn place(&self, new: &NewReservation, key: String) -> anyhow::Result<Value>;
    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>>;
    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>>;
    async fn events(&self, id: &str) -> anyhow::Result<Vec<Value>>;
    async fn extend(&self, id: &str, by: Duration) -> anyhow::Result<Value>;
    async fn release(&self, id: &str) -> anyhow::Result<Value>;
}

pub(crate) async fn run(common: &Common, command: &ReserveCommand) -> anyhow::Result<Exit> {
    match place(command).keeper(common).await? {
        Keeper::Store(store) => act(&store, command).await,
        Keeper::Server(client) => act(&client, command).await,
    }
}

fn place(command: &ReserveCommand) -> &Where {
    match command {
        ReserveCommand::Place { new } => &new.place,
        ReserveCommand::List { place, .. }
        | ReserveCommand::Show { place, .. }
        | ReserveCommand::Extend { place, .. }
        | ReserveCommand::Release { place, .. } => place,
    }
}

async fn act(keeper: &impl Reservations, command: &ReserveCommand) -> anyhow::Result<Exit> {
    let format = place(command).format;
    match command {
        ReserveCommand::Place { new } => {
            show(format, [placed_row(keeper.place(new, key(new)?).await?)])
        }
        ReserveCommand::List { tenant, .. } => {
            let found = keeper.list(tenant.as_deref()).await?;
            show(format, found.into_iter().map(reservation_row))
        }
        ReserveCommand::Show { reservation, .. } => {
            let found = keeper.by_id(reservation).await?.ok_or_else(|| absent(reservation))?;
            let events = keeper.events(reservation).await?;
            let machines = found["machines"].as_array().cloned().unwrap_or_default();
            let machines = machines.into_iter().map(machine_row);
            let events = events.into_iter().map(event_row);
            show(format, [reservation_row(found)].into_iter().chain(machines).chain(events))
        }
        ReserveCommand::Extend { reservation, by, .. } => {
            show(format, [reservation_row(keeper.extend(reservation, *by).await?)])
        }
        ReserveCommand::Release { reservation, .. } => {
            show(format, [reservation_row(keeper.release(reservation).await?)])
        }
    }
}

/// The key that is let in.
fn key(new: &NewReservation) -> anyhow::Result<String> {
    let path = new.ssh_key.display();
    let key = fs::read_to_string(&new.ssh_key);
    let key = key.with_context(|| format!("`{path}` cannot be read"))?;
    let key = key.trim();
    if is_login_key(key) {
        return Ok(key.to_owned());
    }
    let message = format!("`{path}` is no public key");
    let hint = "it holds a line of `authorized_keys`, such as `ssh-ed25519 AAAA…`";
    Err(Failed::new(message).hint(hint).into())
}

fn absent(reservation: &str) -> Failed {
    let hint = "`lessor reserve list` shows all of them";
    Failed::new(format!("there is no reservation `{reservation}`")).hint(hint)
}

/// As any other, with the password that is told now and never again.
fn placed_row(placed: Value) -> Row {
    let password = placed["password"].as_str().map(|password| format!("password {password}"));
    let (mut cells, placed) = reservation_row(placed);
    cells.extend(password);
    row(cells, placed)
}

fn reservation_row(reservation: Value) -> Row {
    let cells = ["id", "tenant", "offer", "count", "phase", "start_at", "end_at"];
    row(cells.map(|field| text(&reservation, field)), reservation)
}

fn machine_row(machine: Value) -> Row {
    let [name, phase, problem] = ["machine", "phase", "problem"].map(|field| text(&machine, field));
    let [user, host, port] = ["user", "host", "port"].map(|field| text(&machine, field));
    let way = match (host.is_empty(), user.is_empty()) {
        (_, true) => String::new(),
        (false, false) => format!("ssh -p {port} {user}@{host}"),
        // A container: where whoever runs it is, its tenant knows.
        (true, false) => format!("{user}, port {port}"),
    };
    row([name, phase, way, problem], machine)
}

fn event_row(event: Value) -> Row {
    let [at, kind, phase] = ["at", "kind", "phase"].map(|field| text(&event, field));
    row([at, kind, phase, event["data"].to_string()], event)
}
