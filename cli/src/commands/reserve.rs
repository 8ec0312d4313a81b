//! `lessor reserve`: machines that somebody has for a while.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use lessor_providers::https::Method;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::keeper::LISTED;
use crate::lending::{NewReservation, ReserveCommand};
use crate::remote::Call;
use crate::rows::{Row, row, show, text};

const ONE: &str = "/v1/reservations/{reservation}";

pub(crate) async fn run(command: &ReserveCommand) -> anyhow::Result<Exit> {
    match command {
        ReserveCommand::Place { new } => {
            let placed = new.asked.client()?.json(place(new)?).await?;
            show(new.asked.format, [placed_row(placed)])
        }
        ReserveCommand::List { tenant, asked } => {
            let call = || Call::get("/v1/reservations").asking("tenant", tenant.as_deref());
            let found = asked.client()?.list(call, LISTED).await?;
            show(asked.format, found.into_iter().map(reservation_row))
        }
        ReserveCommand::Show { reservation, asked } => {
            let client = asked.client()?;
            let found = client.json(Call::get(ONE).at(reservation)).await?;
            let call = || Call::get("/v1/reservations/{reservation}/events").at(reservation);
            let events = client.list(call, LISTED).await?;
            let machines = found["machines"].as_array().cloned().unwrap_or_default();
            let machines = machines.into_iter().map(machine_row);
            let events = events.into_iter().map(event_row);
            show(asked.format, [reservation_row(found)].into_iter().chain(machines).chain(events))
        }
        ReserveCommand::Extend { reservation, by, asked } => {
            let call = Call::new(Method::PATCH, ONE).at(reservation);
            let call = call.body(json!({ "extend": by.to_string() }));
            show(asked.format, [reservation_row(asked.client()?.json(call).await?)])
        }
        ReserveCommand::Release { reservation, asked } => {
            let call = Call::new(Method::DELETE, ONE).at(reservation);
            show(asked.format, [reservation_row(asked.client()?.json(call).await?)])
        }
    }
}

fn place(new: &NewReservation) -> anyhow::Result<Call> {
    let key = fs::read_to_string(&new.ssh_key);
    let key = key.with_context(|| format!("`{}` cannot be read", new.ssh_key.display()))?;
    let labels: BTreeMap<_, _> = new.labels.iter().cloned().collect();
    let body = json!({
        "tenant": new.tenant, "offer": new.offer, "count": new.count, "min_count": new.min_count,
        "duration": new.duration.map(|duration| duration.to_string()),
        "start": new.start.map(|start| start.to_string()),
        "queue": new.wait.is_some(), "wait": new.wait.map(|wait| wait.to_string()),
        "labels": labels, "key": key.trim(), "password": new.password,
    });
    let call = Call::new(Method::POST, "/v1/pools/{pool}/reservations").at(&new.pool);
    Ok(call.once().body(body))
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
