//! The order that comes with a new tenant.
//!
//! Making the tenant writes down what it is to get, in the same transaction. Whoever places it then
//! may die before that, or find nothing left: the next one tries again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_specs::kinds::Instance;

use super::{Order, OrderRequest};
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Actor, Decline, Store, StoreError};

/// How long it is tried to place it: nobody expects it later.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What it is called within its tenant.
const NAME: &str = "first";

/// The name by which it is one order, however often it is placed.
const CLIENT_REF: &str = "signup";

/// What became of the order that comes with a tenant.
#[derive(Debug)]
pub enum Welcome {
    /// It was placed, now or before.
    Placed(Option<Box<Order>>),
    /// It cannot be had now, and is tried again.
    Waits(Box<Decline>),
    /// It cannot be had.
    GivenUp(Box<Decline>),
}

struct Intent {
    offer: String,
    actor: Actor,
    at: Timestamp,
}

impl Store {
    /// Places the order that comes with a tenant, unless it was placed.
    ///
    /// # Errors
    /// When the database does not answer. It is tried again then.
    pub async fn welcome_place(&self, tenant: &str) -> Result<Welcome, StoreError> {
        let Some(Intent { offer, actor, at }) = self.welcome_find(tenant).await? else {
            return Ok(Welcome::Placed(None));
        };
        let request = request(tenant, offer, actor);
        let placed = match self.order_place(&request).await {
            Ok(placed) => Welcome::Placed(Some(Box::new(placed.order))),
            Err(StoreError::Declined(decline)) => self.declined(decline, at),
            Err(error) => return Err(error),
        };
        if !matches!(placed, Welcome::Waits(_)) {
            self.welcome_delete(tenant).await?;
        }
        Ok(placed)
    }

    /// Tenants whose first order was not placed yet, those that wait longest first.
    pub async fn welcome_list(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT tenant FROM welcome ORDER BY at, tenant LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let tenants = rows.iter().map(|row| row::text(row, "tenant"));
        let tenants = tenants.collect::<Result<_, Misread>>();
        tenants.map_err(|error| self.error(&error.into()))
    }

    pub(crate) async fn welcome_insert(
        &self,
        work: &mut Work,
        tenant: &str,
        offer: &str,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO welcome (tenant, offer, actor, at) VALUES ($1, $2, $3, $4)")
            .bind(tenant)
            .bind(offer)
            .bind(actor.as_str())
            .bind(self.now().as_microsecond())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn welcome_find(&self, tenant: &str) -> Result<Option<Intent>, StoreError> {
        let found = sqlx::query("SELECT offer, actor, at FROM welcome WHERE tenant = $1")
            .bind(tenant)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let intent = found.map(|row| {
            let actor = Actor::remembered(row::text(&row, "actor")?);
            Ok(Intent { offer: row::text(&row, "offer")?, actor, at: row::time(&row, "at")? })
        });
        intent.transpose().map_err(|error: Misread| self.error(&error.into()))
    }

    async fn welcome_delete(&self, tenant: &str) -> Result<(), StoreError> {
        let deleted = sqlx::query("DELETE FROM welcome WHERE tenant = $1").bind(tenant);
        let deleted = deleted.execute(self.pool()).await;
        deleted.map(drop).map_err(|error| self.error(&error))
    }

    fn declined(&self, decline: Box<Decline>, since: Timestamp) -> Welcome {
        let may_pass = matches!(
            *decline,
            Decline::Exhausted { .. } | Decline::WalletShort { .. } | Decline::NothingApplied
        );
        match *decline {
            Decline::AlreadyPlaced { .. } => Welcome::Placed(None),
            _ if may_pass && self.now().duration_since(since) < TRIED_FOR => {
                Welcome::Waits(decline)
            }
            _ => Welcome::GivenUp(decline),
        }
    }
}

fn request(tenant: &str, offer: String, by: Actor) -> OrderRequest {
    OrderRequest {
        tenant: tenant.to_owned(),
        name: NAME.into(),
        client_ref: Some(CLIENT_REF.into()),
        instance: Instance {
            offer,
            image: None,
            location: None,
            cpu: None,
            memory: None,
            disk: None,
            user: None,
            keys: Vec::new(),
            env: BTreeMap::new(),
            adopted: None,
            moved: Vec::new(),
        },
        stopped: false,
        promo: None,
        key: None,
        by,
        dry_run: false,
    }
}
