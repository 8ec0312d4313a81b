//! `lessor ledger`: the money of tenants, against the store.

use lessor_store::{Actor, Giving, LedgerEntry};
use serde_json::{Value, json};

use crate::args::Common;
use crate::commands::people::{open, show};
use crate::exit::{Exit, Failed};
use crate::renting::LedgerCommand;

/// How many are listed; whoever has more asks the server, which has pages.
const LISTED: u32 = 1_000;

pub(crate) async fn run(common: &Common, command: &LedgerCommand) -> anyhow::Result<Exit> {
    match command {
        LedgerCommand::List { tenant, place } => {
            let store = open(common, place).await?;
            let entries = store.ledger_list(tenant, None, LISTED).await?;
            show(place.format, entries.iter().map(row))
        }
        LedgerCommand::Credit { tenant, amount, currency, memo, place } => {
            let store = open(common, place).await?;
            if store.tenant_show(tenant).await?.is_none() {
                let hint = "`lessor tenant list` shows all of them";
                return Err(Failed::new(format!("there is no tenant `{tenant}`"))
                    .hint(hint)
                    .into());
            }
            let giving = Giving { memo: memo.clone(), key: None, by: Actor::command() };
            store.credit_give(tenant, (*currency, *amount), &giving).await?;
            let wallets = store.wallet_list(tenant).await?;
            show(place.format, wallets.iter().map(wallet_row))
        }
        LedgerCommand::Verify { place } => {
            let store = open(common, place).await?;
            let report = store.ledger_verify().await?;
            if let Some(fault) = report.faults.first() {
                let message = format!("the ledger has {} faults: {fault}", report.faults.len());
                let hint = "restore a backup; `lessor db verify` shows all of them";
                return Err(Failed::new(message).hint(hint).into());
            }
            let value = json!({ "transactions": report.transactions, "wallets": report.wallets });
            let said = format!(
                "{} transactions and {} wallets add up",
                report.transactions, report.wallets
            );
            show(place.format, [(vec![said], value)])
        }
    }
}

fn row(entry: &LedgerEntry) -> (Vec<String>, Value) {
    let (at, kind) = (entry.at.to_string(), entry.kind.to_string());
    let wallet = format!("wallet/{}", entry.tenant);
    let own = entry.postings.iter().find(|posting| posting.account.to_string() == wallet);
    let amount = own.map_or_else(String::new, |own| format!("{} {}", own.currency, own.amount));
    let postings = entry.postings.iter().map(|posting| {
        json!({
            "account": posting.account.to_string(),
            "currency": posting.currency,
            "amount": posting.amount,
        })
    });
    let value = json!({
        "id": entry.id,
        "at": at,
        "kind": kind,
        "reference": entry.reference,
        "memo": entry.memo,
        "postings": postings.collect::<Vec<_>>(),
    });
    (vec![at, entry.id.clone(), kind, amount, entry.memo.clone()], value)
}

fn wallet_row(wallet: &lessor_store::Wallet) -> (Vec<String>, Value) {
    let value = json!({
        "tenant": wallet.tenant,
        "currency": wallet.currency,
        "balance": wallet.posted,
        "held": wallet.held,
        "available": wallet.available(),
    });
    let left = format!("{} {} left", wallet.currency, wallet.available());
    (vec![wallet.tenant.clone(), left], value)
}
