//! Where what customers ordered comes from: the database, a running server, or a file somebody wrote
//! before.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use lessor_engine::OrdersRead;
use lessor_specs::orders::HeldBack;
use lessor_specs::{Code, Orders, Report, Specs};
use lessor_store::Store;

use crate::args::OrderSource;
use crate::exit::Failed;
use crate::output::{counted, say};
use crate::remote::{Call, Client};

/// What was read, and what that is worth.
pub(crate) struct Read {
    pub(crate) orders: Orders,
    pub(crate) read: OrdersRead,
}

impl Read {
    /// The orders, and what that is worth.
    pub(crate) fn both(&self) -> (&Orders, OrdersRead) {
        (&self.orders, self.read)
    }
}

impl OrderSource {
    /// The orders of a file or a server, if one is named; else those that `store` keeps. Without
    /// any, none are read.
    pub(crate) async fn read(&self, store: Option<&Store>, color: bool) -> anyhow::Result<Read> {
        if let Some(orders) = self.elsewhere(color).await? {
            return Ok(Read { orders, read: OrdersRead::Earlier });
        }
        match store {
            Some(store) => Ok(Read { orders: of_store(store).await?, read: OrdersRead::Read }),
            None => Ok(Read { orders: Orders::default(), read: OrdersRead::NotRead }),
        }
    }

    /// The orders of a file or a server, if one is named. Somebody may have ordered since.
    pub(crate) async fn elsewhere(&self, color: bool) -> anyhow::Result<Option<Orders>> {
        if let Some(file) = &self.orders {
            return of_file(file, color).map(Some);
        }
        match Client::open(&self.server)? {
            Some(server) => of_server(&server, color).await.map(Some),
            None => Ok(None),
        }
    }
}

/// What a database keeps: the one place where it is asked for orders.
pub(crate) async fn of_store(store: &Store) -> anyhow::Result<Orders> {
    Ok(store.order_wishes().await?)
}

/// What a running server keeps, as `lessor render --orders` writes it.
pub(crate) async fn text_of_server(server: &Client) -> anyhow::Result<String> {
    server.text(Call::get("/v1/orders/export"), "application/toml").await
}

async fn of_server(server: &Client, color: bool) -> anyhow::Result<Orders> {
    let text = text_of_server(server).await?;
    Orders::from_toml(server.url(), &text).map_err(|report| refused(&report, color))
}

fn of_file(file: &Path, color: bool) -> anyhow::Result<Orders> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read `{name}`"))?;
    Orders::from_toml(&name.to_string(), &text).map_err(|report| refused(&report, color))
}

/// Lays orders beside specs, as they stand at `now`. One that does not fit waits by itself; a file
/// with one that does not fit is refused, since somebody may have edited it.
pub(crate) fn lay(
    files: &Arc<Specs>,
    (orders, read): (&Orders, OrdersRead),
    now: Timestamp,
    color: bool,
) -> anyhow::Result<Arc<Specs>> {
    if orders.orders.is_empty() && orders.ended.is_empty() {
        return Ok(files.clone());
    }
    let fitting = files.with_fitting_orders(orders, now);
    // An entry would take over what a customer has.
    let is_declared = |(_, order): (&str, &HeldBack)| order.code == Code::OrderDeclared;
    let is_kept = read == OrdersRead::Read;
    if fitting.ordered.held_back().any(|order| is_declared(order) || !is_kept) {
        let laid = files.with_orders(orders, now);
        return Ok(Arc::new(laid.map_err(|report| refused(&report, color))?));
    }
    Ok(Arc::new(fitting))
}

/// What is wrong is said in full; the error only counts it.
fn refused(report: &Report, color: bool) -> anyhow::Error {
    say(&report.render("", color));
    let problems = counted(report.diagnostics().len(), "problem", "problems");
    Failed::new(format!("what customers ordered has {problems}; nothing was done")).into()
}
