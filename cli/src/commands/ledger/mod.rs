//! `lessor ledger`: the money of tenants.

mod remote;
mod store;

use lessor_specs::{Currency, Money};
use serde_json::{Value, json};

use crate::administration::Where;
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::keeper::Keeper;
use crate::renting::LedgerCommand;
use crate::rows::{Row, row, show, text};

/// Who keeps the money of tenants. Everything is answered as the API shows it.
trait Ledger {
    async fn transactions(&self, tenant: &str) -> anyhow::Result<Vec<Value>>;
    async fn wallets(&self, tenant: &str) -> anyhow::Result<Vec<Value>>;
    async fn credit(
        &self,
        tenant: &str,
        amount: (Currency, Money),
        memo: &str,
    ) -> anyhow::Result<()>;
    /// Gives back a part of what a transaction charged.
    async fn refund(&self, tenant: &str, part: (&str, Money), memo: &str) -> anyhow::Result<()>;
}

pub(crate) async fn run(common: &Common, command: &LedgerCommand) -> anyhow::Result<Exit> {
    if let LedgerCommand::Verify { place } = command {
        return verify(common, place).await;
    }
    match place(command).keeper(common).await? {
        Keeper::Store(store) => act(&store, command).await,
        Keeper::Server(client) => act(&client, command).await,
    }
}

fn place(command: &LedgerCommand) -> &Where {
    match command {
        LedgerCommand::List { place, .. }
        | LedgerCommand::Credit { place, .. }
        | LedgerCommand::Refund { place, .. }
        | LedgerCommand::Verify { place } => place,
    }
}

async fn act(keeper: &impl Ledger, command: &LedgerCommand) -> anyhow::Result<Exit> {
    let format = place(command).format;
    let tenant = match command {
        LedgerCommand::List { tenant, .. } => {
            let transactions = keeper.transactions(tenant).await?.into_iter();
            return show(format, transactions.map(|entry| transaction_row(tenant, entry)));
        }
        LedgerCommand::Credit { tenant, amount, currency, memo, .. } => {
            keeper.credit(tenant, (*currency, *amount), memo).await?;
            tenant
        }
        LedgerCommand::Refund { tenant, transaction, amount, memo, .. } => {
            keeper.refund(tenant, (transaction, *amount), memo).await?;
            tenant
        }
        LedgerCommand::Verify { .. } => return Ok(Exit::Done),
    };
    let wallets = keeper.wallets(tenant).await?.into_iter();
    show(format, wallets.map(|wallet| wallet_row(tenant, wallet)))
}

async fn verify(common: &Common, place: &Where) -> anyhow::Result<Exit> {
    let hint = "`lessor jobs run ledger` has the server do it";
    let store = place.database(common, "`lessor ledger verify`", hint).await?;
    let report = store.ledger_verify().await?;
    if let Some(fault) = report.faults.first() {
        let message = format!("the ledger has {} faults: {fault}", report.faults.len());
        let hint = "restore a backup; `lessor db verify` shows all of them";
        return Err(Failed::new(message).hint(hint).into());
    }
    let value = json!({ "transactions": report.transactions, "wallets": report.wallets });
    let (transactions, wallets) = (report.transactions, report.wallets);
    let said = format!("{transactions} transactions and {wallets} wallets add up");
    show(place.format, [row([said], value)])
}

fn transaction_row(tenant: &str, entry: Value) -> Row {
    let wallet = format!("wallet/{tenant}");
    let postings = entry["postings"].as_array().into_iter().flatten();
    let own = postings.into_iter().find(|posting| posting["account"] == wallet.as_str());
    let amount = own.map_or_else(String::new, |own| {
        format!("{} {}", text(own, "currency"), text(own, "amount"))
    });
    let [at, id, kind, memo] = ["at", "id", "kind", "memo"].map(|field| text(&entry, field));
    row([at, id, kind, amount, memo], entry)
}

fn wallet_row(tenant: &str, mut wallet: Value) -> Row {
    wallet["tenant"] = tenant.into();
    let left = format!("{} {} left", text(&wallet, "currency"), text(&wallet, "available"));
    row([tenant.to_owned(), left], wallet)
}
