//! `lessor order`: what customers ordered, against the store.

use std::collections::BTreeMap;

use lessor_billing::Quote;
use lessor_specs::kinds::Instance;
use lessor_store::{Actor, Order, OrderChange, OrderEvent, OrderFilter, OrderRequest, Store};
use serde_json::{Value, json};

use crate::args::Common;
use crate::commands::people::{open, show};
use crate::exit::{Exit, Failed};
use crate::renting::{NewOrder, One, OrderCommand};

/// How many are listed; whoever has more asks the server, which has pages.
const LISTED: u32 = 1_000;

pub(crate) async fn run(common: &Common, command: &OrderCommand) -> anyhow::Result<Exit> {
    let by = Actor::command();
    match command {
        OrderCommand::Place { new } => {
            let request = request(new)?;
            let store = open(common, &new.place).await?;
            let placed = store.order_place(&request).await?;
            show(new.place.format, [row_of(&placed.order, placed.quote.as_ref())])
        }
        OrderCommand::List { tenant, place } => {
            let store = open(common, place).await?;
            let filter = OrderFilter { tenant: tenant.clone(), ..OrderFilter::default() };
            let mut rows = Vec::new();
            for order in store.order_list(&filter, LISTED).await? {
                rows.push(row(&store, &order).await?);
            }
            show(place.format, rows)
        }
        OrderCommand::Show { one } => {
            let (store, order) = find(common, one).await?;
            let mut rows = vec![row(&store, &order).await?];
            let events = store.order_events(&order.id, 0, LISTED).await?;
            rows.extend(events.iter().map(event_row));
            show(one.place.format, rows)
        }
        OrderCommand::Start { one } => {
            let (store, order) = find(common, one).await?;
            let order = store.order_power(&order.id, None, true, &by).await?;
            show(one.place.format, [row(&store, &order).await?])
        }
        OrderCommand::Stop { one } => {
            let (store, order) = find(common, one).await?;
            let order = store.order_power(&order.id, None, false, &by).await?;
            show(one.place.format, [row(&store, &order).await?])
        }
        OrderCommand::Resize { one, offer, size } => {
            let (store, order) = find(common, one).await?;
            let offer = offer.clone();
            let change = OrderChange { offer, cpu: size.cpu, memory: size.memory, disk: size.disk };
            let order = store.order_resize(&order.id, Some(order.version), &change, &by).await?;
            show(one.place.format, [row(&store, &order).await?])
        }
        OrderCommand::End { one } => {
            let (store, order) = find(common, one).await?;
            let order = store.order_terminate(&order.id, None, &by).await?;
            show(one.place.format, [row(&store, &order).await?])
        }
    }
}

fn request(new: &NewOrder) -> anyhow::Result<OrderRequest> {
    let NewOrder { name, offer, image, location, size, .. } = new;
    let Some((tenant, name)) = name.split_once('/') else {
        let message = format!("`{name}` does not say whose order it is");
        return Err(Failed::new(message).hint("such as `acme/lobby`").exit(Exit::Usage).into());
    };
    Ok(OrderRequest {
        tenant: tenant.into(),
        name: name.into(),
        client_ref: new.client_ref.clone(),
        instance: Instance {
            offer: offer.clone(),
            image: image.clone(),
            location: location.clone(),
            cpu: size.cpu,
            memory: size.memory,
            disk: size.disk,
            user: None,
            keys: Vec::new(),
            env: BTreeMap::new(),
            moved: Vec::new(),
            adopted: None,
        },
        stopped: new.stopped,
        promo: new.promo.as_deref().map(Into::into),
        key: None,
        by: Actor::command(),
        dry_run: new.dry_run,
    })
}

/// The order that is meant. Of those that had a name, the one that is not over.
async fn find(common: &Common, one: &One) -> anyhow::Result<(Store, Order)> {
    let store = open(common, &one.place).await?;
    let found = match one.order.split_once('/') {
        None => store.order_show(&one.order).await?,
        Some((tenant, name)) => {
            let filter = OrderFilter { tenant: Some(tenant.into()), ..OrderFilter::default() };
            let orders = store.order_list(&filter, LISTED).await?;
            orders.into_iter().find(|order| order.name == name && !order.phase.is_end())
        }
    };
    let order = found.ok_or_else(|| {
        let hint = "`lessor order list` shows all of them";
        Failed::new(format!("there is no order `{}`", one.order)).hint(hint)
    })?;
    Ok((store, order))
}

async fn row(store: &Store, order: &Order) -> anyhow::Result<(Vec<String>, Value)> {
    let cost = store.order_price(order).await?;
    Ok(row_of(order, cost.as_ref()))
}

fn row_of(order: &Order, cost: Option<&Quote>) -> (Vec<String>, Value) {
    let hourly = cost.map(|cost| format!("{} {}/h", cost.currency, cost.hourly));
    let hourly = hourly.unwrap_or_else(|| "free".into());
    let (name, phase) = (order.full_name(), order.phase.to_string());
    let power = if order.running { "on" } else { "off" };
    let cells = [&order.id, &name, &phase, power, &order.instance.offer, &hourly];
    let value = json!({
        "id": order.id,
        "tenant": order.tenant,
        "name": order.name,
        "client_ref": order.client_ref,
        "offer_version": order.instance.offer,
        "phase": phase,
        "running": order.running,
        "suspensions": order.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
        "cost": cost,
        "placed_at": order.placed_at.to_string(),
        "retain_until": order.retain_until.map(|at| at.to_string()),
        "version": order.version,
    });
    (cells.map(ToString::to_string).to_vec(), value)
}

fn event_row(event: &OrderEvent) -> (Vec<String>, Value) {
    let (at, kind, phase) = (event.at.to_string(), event.kind.to_string(), event.phase.to_string());
    let value = json!({
        "event": event.id,
        "number": event.number,
        "at": at,
        "kind": kind,
        "phase": phase,
        "data": event.data,
    });
    (vec![at, kind, phase, event.data.to_string()], value)
}
