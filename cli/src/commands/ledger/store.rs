//! Money in a database.

use lessor_server::shown::{TransactionShown, WalletShown};
use lessor_specs::{Currency, Money};
use lessor_store::{Actor, Giving, Store};
use serde_json::Value;

use super::Ledger;
use crate::exit::Failed;
use crate::keeper::{LISTED, value};

impl Ledger for Store {
    async fn transactions(&self, tenant: &str) -> anyhow::Result<Vec<Value>> {
        let entries = self.ledger_list(tenant, None, LISTED).await?;
        Ok(entries.iter().map(|entry| value(&TransactionShown::of(entry))).collect())
    }

    async fn wallets(&self, tenant: &str) -> anyhow::Result<Vec<Value>> {
        let wallets = self.wallet_list(tenant).await?;
        Ok(wallets.iter().map(|wallet| value(&WalletShown::of(wallet))).collect())
    }

    async fn credit(
        &self,
        tenant: &str,
        amount: (Currency, Money),
        memo: &str,
    ) -> anyhow::Result<()> {
        is_there(self, tenant).await?;
        self.credit_give(tenant, amount, &giving(memo)).await?;
        Ok(())
    }

    async fn refund(&self, tenant: &str, part: (&str, Money), memo: &str) -> anyhow::Result<()> {
        is_there(self, tenant).await?;
        self.refund_give(tenant, part, &giving(memo)).await?;
        Ok(())
    }
}

fn giving(memo: &str) -> Giving {
    Giving { memo: memo.to_owned(), key: None, by: Actor::command() }
}

async fn is_there(store: &Store, tenant: &str) -> anyhow::Result<()> {
    if store.tenant_show(tenant).await?.is_some() {
        return Ok(());
    }
    let hint = "`lessor tenant list` shows all of them";
    Err(Failed::new(format!("there is no tenant `{tenant}`")).hint(hint).into())
}
