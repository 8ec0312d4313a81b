//! `lessor order`: what customers ordered.

mod remote;
mod store;
mod wait;

use lessor_specs::OrderPhase;
use lessor_store::{OrderChange, Reason};
use serde_json::Value;

use crate::administration::Where;
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::keeper::Keeper;
use crate::renting::{NewOrder, OrderCommand};
use crate::rows::{Row, row, show, text};

/// Who keeps orders. Every order is answered as the API shows it.
trait Orders {
    /// The order, or what it would be where it is only tried.
    async fn place(&self, new: &NewOrder, whose: (&str, &str)) -> anyhow::Result<Value>;
    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>>;
    /// Those of a tenant that were ever called so.
    async fn by_name(&self, tenant: &str, name: &str) -> anyhow::Result<Vec<Value>>;
    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>>;
    /// What happened to an order behind event number `after`.
    async fn events(&self, id: &str, after: u64) -> anyhow::Result<Vec<Value>>;
    async fn power(&self, id: &str, running: bool) -> anyhow::Result<Value>;
    async fn resize(&self, id: &str, change: OrderChange) -> anyhow::Result<Value>;
    async fn suspend(&self, id: &str, reason: Reason, why: &str) -> anyhow::Result<Value>;
    async fn resume(&self, id: &str, reason: Reason) -> anyhow::Result<Value>;
    async fn end(&self, id: &str) -> anyhow::Result<Value>;
}

pub(crate) async fn run(common: &Common, command: &OrderCommand) -> anyhow::Result<Exit> {
    match place(command).keeper(common).await? {
        Keeper::Store(store) => act(&store, command).await,
        Keeper::Server(client) => act(&client, command).await,
    }
}

fn place(command: &OrderCommand) -> &Where {
    match command {
        OrderCommand::Place { new } => &new.place,
        OrderCommand::List { place, .. } => place,
        OrderCommand::Show { one }
        | OrderCommand::Start { one }
        | OrderCommand::Stop { one }
        | OrderCommand::Resize { one, .. }
        | OrderCommand::Suspend { one, .. }
        | OrderCommand::Resume { one, .. }
        | OrderCommand::End { one } => &one.place,
    }
}

async fn act(keeper: &impl Orders, command: &OrderCommand) -> anyhow::Result<Exit> {
    let format = place(command).format;
    let changed = match command {
        OrderCommand::Place { new } => {
            let placed = keeper.place(new, named(&new.name)?).await?;
            if !new.wait {
                return show(format, [order_row(placed)]);
            }
            let (order, ended) = wait::until_there(keeper, placed, new.wait_timeout).await?;
            show(format, [order_row(order)])?;
            return ended.map_or(Ok(Exit::Done), |failed| Err(failed.into()));
        }
        OrderCommand::List { tenant, .. } => {
            let orders = keeper.list(tenant.as_deref()).await?;
            return show(format, orders.into_iter().map(order_row));
        }
        OrderCommand::Show { one } => {
            let order = find(keeper, &one.order).await?;
            let events = keeper.events(&text(&order, "id"), 0).await?;
            return show(
                format,
                [order_row(order)].into_iter().chain(events.into_iter().map(event_row)),
            );
        }
        OrderCommand::Start { one } => keeper.power(&id(keeper, &one.order).await?, true).await?,
        OrderCommand::Stop { one } => keeper.power(&id(keeper, &one.order).await?, false).await?,
        OrderCommand::Resize { one, offer, size } => {
            let offer = offer.clone();
            let change = OrderChange { offer, cpu: size.cpu, memory: size.memory, disk: size.disk };
            keeper.resize(&id(keeper, &one.order).await?, change).await?
        }
        OrderCommand::Suspend { one, reason, why } => {
            keeper.suspend(&id(keeper, &one.order).await?, *reason, why).await?
        }
        OrderCommand::Resume { one, reason } => {
            keeper.resume(&id(keeper, &one.order).await?, *reason).await?
        }
        OrderCommand::End { one } => keeper.end(&id(keeper, &one.order).await?).await?,
    };
    show(format, [order_row(changed)])
}

/// Whose an order is to be, and what it is to be called.
fn named(name: &str) -> anyhow::Result<(&str, &str)> {
    name.split_once('/').ok_or_else(|| {
        let message = format!("`{name}` does not say whose order it is");
        Failed::new(message).hint("such as `acme/lobby`").exit(Exit::Usage).into()
    })
}

/// The order that is meant. Of those that had a name, the one that is not over.
async fn find(keeper: &impl Orders, named: &str) -> anyhow::Result<Value> {
    let found = match named.split_once('/') {
        None => keeper.by_id(named).await?,
        Some((tenant, name)) => {
            let orders = keeper.by_name(tenant, name).await?;
            orders.into_iter().find(|order| !is_over(order))
        }
    };
    let hint = "`lessor order list` shows all of them";
    let absent = || Failed::new(format!("there is no order `{named}`")).hint(hint);
    Ok(found.ok_or_else(absent)?)
}

async fn id(keeper: &impl Orders, named: &str) -> anyhow::Result<String> {
    Ok(text(&find(keeper, named).await?, "id"))
}

fn phase(order: &Value) -> Option<OrderPhase> {
    order["phase"].as_str()?.parse().ok()
}

fn is_over(order: &Value) -> bool {
    phase(order).is_some_and(OrderPhase::is_end)
}

/// Of one that was only tried, there is no id, and nothing runs.
fn order_row(order: Value) -> Row {
    let full_name = format!("{}/{}", text(&order, "tenant"), text(&order, "name"));
    let cost = &order["cost"];
    let hourly = if cost.is_null() {
        "free".into()
    } else {
        format!("{} {}/h", text(cost, "currency"), text(cost, "hourly"))
    };
    if order["id"].is_null() {
        return row([full_name, text(&order, "offer_version"), hourly], order);
    }
    let power = if order["running"] == true { "on" } else { "off" };
    let (id, phase) = (text(&order, "id"), text(&order, "phase"));
    row([id, full_name, phase, power.into(), text(&order, "offer_version"), hourly], order)
}

fn event_row(event: Value) -> Row {
    let [at, kind, phase] = ["at", "kind", "phase"].map(|field| text(&event, field));
    row([at, kind, phase, event["data"].to_string()], event)
}
