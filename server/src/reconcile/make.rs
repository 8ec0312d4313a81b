//! A plan that somebody asked for, with the files it is made of.

use lessor_plans::Plan;
use lessor_specs::{Code, Tree};
use lessor_store::{PlanSource, Store, StoreError};

use super::Estate;
use super::ground::Ground;
use super::look::{Asked, look};

/// Why there is no plan.
#[derive(Debug)]
pub(crate) enum NotPlanned {
    /// No operator applied anything yet.
    NothingApplied,
    /// The files in the directory make no sense.
    Refused(String),
    /// It is our fault.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for NotPlanned {
    fn from(error: anyhow::Error) -> Self {
        NotPlanned::Failed(error)
    }
}

impl From<StoreError> for NotPlanned {
    fn from(error: StoreError) -> Self {
        NotPlanned::Failed(error.into())
    }
}

/// Looks at every host and makes a plan. Changes nothing.
///
/// # Errors
/// See [`NotPlanned`].
pub(crate) async fn make(
    store: &Store,
    estate: &Estate,
    source: PlanSource,
    asked: Asked,
) -> Result<(Plan, Tree), NotPlanned> {
    let ground = match source {
        PlanSource::Applied => {
            let latest = store.revision_latest().await?.ok_or(NotPlanned::NothingApplied)?;
            Ground::read(store, estate, &latest).await?
        }
        PlanSource::Directory => Ground::read_directory(store, estate).await?,
    };
    let declared = store.order_wishes().await?;
    let declared = declared.orders.keys().find(|name| ground.specs.instance.contains_key(*name));
    if let Some(name) = declared {
        // An entry would take over what a customer has.
        let why = format!("`instance.{name}` is declared, and an order has that name");
        return Err(NotPlanned::Refused(format!("[{}] {why}", Code::OrderDeclared)));
    }
    let look = look(store, estate, &ground, asked).await?;
    Ok((look.plan, ground.tree))
}
