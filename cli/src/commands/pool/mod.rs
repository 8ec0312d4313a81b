//! `lessor pool`: machines that are lent.

mod import;
mod remote;
mod store;

use serde_json::Value;

use crate::administration::Where;
use crate::args::Common;
use crate::exit::Exit;
use crate::keeper::Keeper;
use crate::lending::{KeptCommand, PoolCommand};
use crate::rows::{Row, row, show, text};

/// Who keeps pools. Every one is answered as the API shows it.
trait Pools {
    async fn list(&self) -> anyhow::Result<Vec<Value>>;
    /// The machines of a pool.
    async fn machines(&self, pool: &str) -> anyhow::Result<Vec<Value>>;
    /// Keeps a machine back, or no longer.
    async fn cordon(&self, pool: &str, machine: &str, back: bool) -> anyhow::Result<()>;
    /// Takes back what was seen to be somebody's; without a token, it is only seen.
    async fn release(&self, pool: &str, token: Option<&str>) -> anyhow::Result<Value>;
}

pub(crate) async fn run(common: &Common, command: &PoolCommand) -> anyhow::Result<Exit> {
    let command = match command {
        PoolCommand::Import(args) => return import::run(args).await,
        PoolCommand::Kept(command) => command,
    };
    match place(command).keeper(common).await? {
        Keeper::Store(store) => act(&store, command).await,
        Keeper::Server(client) => act(&client, command).await,
    }
}

fn place(command: &KeptCommand) -> &Where {
    match command {
        KeptCommand::List { place }
        | KeptCommand::Show { place, .. }
        | KeptCommand::Cordon { place, .. }
        | KeptCommand::Uncordon { place, .. }
        | KeptCommand::Release { place, .. } => place,
    }
}

async fn act(keeper: &impl Pools, command: &KeptCommand) -> anyhow::Result<Exit> {
    let rows = match command {
        KeptCommand::List { .. } => keeper.list().await?.into_iter().map(pool_row).collect(),
        KeptCommand::Show { pool, .. } => {
            keeper.machines(pool).await?.into_iter().map(machine_row).collect()
        }
        KeptCommand::Cordon { pool, machine, .. } => {
            keeper.cordon(pool, machine, true).await?;
            Vec::new()
        }
        KeptCommand::Uncordon { pool, machine, .. } => {
            keeper.cordon(pool, machine, false).await?;
            Vec::new()
        }
        KeptCommand::Release { pool, token, .. } => {
            vec![release_row(keeper.release(pool, token.as_deref()).await?)]
        }
    };
    show(place(command).format, rows)
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
