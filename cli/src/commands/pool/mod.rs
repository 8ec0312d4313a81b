//! `lessor pool`: machines that are lent.

mod import;

use lessor_providers::https::Method;
use serde_json::{Value, json};

use crate::exit::{Exit, Failed};
use crate::keeper::LISTED;
use crate::lending::{Asked, PoolCommand};
use crate::remote::{Call, Client};
use crate::rows::{Row, row, show, text};

const ACTIONS: &str = "/v1/pools/{pool}/actions";

pub(crate) async fn run(command: &PoolCommand) -> anyhow::Result<Exit> {
    match command {
        PoolCommand::Import(args) => import::run(args).await,
        PoolCommand::List { asked } => {
            let pools = asked.client()?.list(|| Call::get("/v1/pools"), LISTED).await?;
            show(asked.format, pools.into_iter().map(pool_row))
        }
        PoolCommand::Show { pool, asked } => {
            let call = || Call::get("/v1/pools/{pool}/machines").at(pool);
            let machines = asked.client()?.list(call, LISTED).await?;
            show(asked.format, machines.into_iter().map(machine_row))
        }
        PoolCommand::Cordon { pool, machine, asked } => {
            keep_back(asked, (pool, machine), "cordon").await
        }
        PoolCommand::Uncordon { pool, machine, asked } => {
            keep_back(asked, (pool, machine), "uncordon").await
        }
        PoolCommand::Release { pool, token, asked } => {
            let body = json!({ "action": "release-all", "token": token });
            let call = Call::new(Method::POST, ACTIONS).at(pool).body(body);
            let released = asked.client()?.json(call).await?;
            show(asked.format, [release_row(released)])
        }
    }
}

impl Asked {
    /// The server that was named.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let client = Client::open(&self.server)?;
        Ok(client.ok_or_else(|| {
            let message = "machines are lent by a server, and none is named";
            let hint = "name the one that `lessor serve` is: `--server URL`";
            Failed::new(message).exit(Exit::Usage).hint(hint)
        })?)
    }
}

async fn keep_back(
    asked: &Asked,
    (pool, machine): (&str, &str),
    action: &str,
) -> anyhow::Result<Exit> {
    let body = json!({ "action": action, "machine": machine });
    let call = Call::new(Method::POST, ACTIONS).at(pool).body(body);
    asked.client()?.json(call).await?;
    Ok(Exit::Done)
}

fn pool_row(pool: Value) -> Row {
    let count = |what: &str| format!("{} {what}", text(&pool, what));
    let counts = ["machines", "free", "reserved", "cleaning", "quarantined", "cordoned", "waiting"];
    let cells: Vec<_> = [text(&pool, "name")].into_iter().chain(counts.map(count)).collect();
    row(cells, pool)
}

fn machine_row(machine: Value) -> Row {
    // One that is kept back may still be somebody's.
    let is_kept_back = machine["cordoned"] == true && machine["state"] != "cordoned";
    let cordoned = if is_kept_back { "cordoned" } else { "" };
    let [name, state, problem] = ["name", "state", "problem"].map(|field| text(&machine, field));
    row([name, state, cordoned.into(), problem], machine)
}

fn release_row(released: Value) -> Row {
    let [reservations, token] = ["reservations", "token"].map(|field| text(&released, field));
    if released["done"] == true {
        return row(["taken back".into(), reservations], released);
    }
    row(["would be taken back".into(), reservations, format!("--token {token}")], released)
}
