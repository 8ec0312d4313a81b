//! Proxmox VE.
//!
//! In reading order: every call to a cluster, with what it may answer ([`client`]), and how it
//! writes several values into one text ([`property`]). Then what is made of that: the values of a
//! guest (`values`) as a body (`read`) and back (`write`), the rules before it (`rules`), what has
//! an id and whose it is (`whose`), looking at everything (`observe`), and acting, one step after
//! another, each on what was seen right before it (`step`, `guest`, `pool`, `vnet`). What an error
//! means to whoever asked stands in `error`, what we have to be allowed in `privileges`, and the
//! cluster itself is looked at in `examine`; a guest that runs is looked after in `watch`,
//! commands are run in it by `exec`, and it becomes what it was by `rollback`.

pub mod client;
mod error;
mod examine;
mod exec;
mod guest;
mod observe;
mod pool;
mod privileges;
pub mod property;
mod read;
mod rollback;
mod rules;
mod step;
mod values;
mod vnet;
mod watch;
mod whose;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lessor_engine::{ApplyError, Examination, Examiner, Provider, Wanting};
use lessor_plans::{
    Act, Body, Change, Gap, InstallationId, Mark, Observation, Present, Sighting, Transition,
};
use lessor_specs::{Address, kinds};

use crate::Secrets;
use crate::https::Trust;
use crate::seen::not_held;
use crate::transition::transition;
use client::{Client, Login};

pub use privileges::{Needed, TOKEN, bootstrap, needed};

/// Drives one cluster of Proxmox VE, from 8.4 on: its guests, its pools, and networks of its zones.
///
/// What carries no mark of the installation is never changed. Every call has a deadline, and so has
/// every task that is waited for.
pub struct Proxmox {
    place: Address,
    installation: InstallationId,
    entry: kinds::Proxmox,
    networks: Networks,
    client: Result<Client, Closed>,
    /// The templates that are copied: copies of one are made one after the other.
    copying: Mutex<BTreeMap<u32, Arc<tokio::sync::Mutex<()>>>>,
}

/// What guests are connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Bridges that are there.
    pub bridges: BTreeSet<String>,
    /// Zones whose networks are ours to make.
    pub zones: BTreeSet<String>,
}

/// Why there is no way in.
#[derive(Clone, Debug)]
struct Closed {
    why: String,
    hint: Option<String>,
}

impl Proxmox {
    /// The cluster that an entry describes; paths of it start at `spec_dir`. Networks of
    /// zones are looked at only where `networks` names one. The cluster is not called before the
    /// first question.
    pub fn new(
        place: Address,
        installation: InstallationId,
        secrets: &Secrets,
        entry: &kinds::Proxmox,
        spec_dir: &Path,
        networks: Networks,
    ) -> Self {
        let client = open(secrets, entry, spec_dir);
        let copying = Mutex::default();
        Proxmox { place, installation, entry: entry.clone(), networks, client, copying }
    }

    fn client(&self) -> Result<&Client, ApplyError> {
        self.client.as_ref().map_err(|Closed { why, hint }| ApplyError::Refused {
            why: why.clone(),
            hint: hint.clone(),
        })
    }

    /// The mark a new thing gets.
    fn mark(&self, change: &Change, name: &str) -> Mark {
        Mark {
            installation: self.installation.clone(),
            address: change.address.clone(),
            origin: change.origin.clone(),
            name: name.into(),
        }
    }

    /// Who copies a template holds this.
    fn turn(&self, template: u32) -> Arc<tokio::sync::Mutex<()>> {
        // What a copy that panicked left behind is still plain data.
        let mut copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(copying.entry(template).or_default())
    }
}

fn open(secrets: &Secrets, entry: &kinds::Proxmox, spec_dir: &Path) -> Result<Client, Closed> {
    let token = secrets.get(&entry.token).map_err(|why| Closed {
        why: format!("`token` needs the secret `{}`: {why}", entry.token),
        hint: Some("provide it where lessor runs".into()),
    })?;
    let login = Login::token(token).map_err(|error| Closed {
        why: format!("the secret `{}` is of no use: {error}", entry.token),
        hint: Some("`lessor doctor --bootstrap proxmox` says how to make one".into()),
    })?;
    let trust = match (&entry.fingerprint, &entry.ca) {
        (Some(fingerprint), _) => {
            let pin = fingerprint.to_string().parse();
            Trust::Pinned(pin.map_err(|error: crate::https::PinError| Closed {
                why: error.to_string(),
                hint: None,
            })?)
        }
        (None, Some(ca)) => Trust::Ca(spec_dir.join(ca)),
        (None, None) => Trust::System,
    };
    Client::new(&entry.endpoint.to_string(), &trust, login)
        .map_err(|error| Closed { why: error.to_string(), hint: error.hint() })
}

#[async_trait]
impl Provider for Proxmox {
    fn place(&self) -> &Address {
        &self.place
    }

    /// Looks by listing. Guests are known by the range of ids and the tag, whatever is wanted; those
    /// that entries adopt, by their ids.
    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        match &self.client {
            Ok(client) => observe::observe(self, client, wanted).await,
            Err(Closed { why, hint }) => {
                Observation::unreachable(self.place.clone(), why, hint.clone())
            }
        }
    }

    async fn sight(&self, change: &Change) -> Sighting {
        let sighted = match change.body() {
            Some(Body::Guest(body)) => guest::sight(self, change, &body.name).await,
            Some(Body::Pool(body)) => pool::sight(self, &body.name).await,
            Some(Body::Vnet(body)) => vnet::sight(self, &body.name).await,
            _ => Ok(Sighting::Absent),
        };
        sighted.unwrap_or_else(|error| Sighting::Unknown { why: error.to_string() })
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        transition(desired, present)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        let body = match act {
            Act::Create | Act::Update => change.after.as_ref(),
            Act::Delete => change.before.as_ref(),
        };
        let body = body.ok_or_else(|| ApplyError::Refused {
            why: format!("the plan does not say how `{}` looks", change.address),
            hint: None,
        })?;
        match (act, body) {
            (Act::Create, Body::Guest(body)) => guest::create(self, change, body).await,
            (Act::Update, Body::Guest(body)) => guest::update(self, change, body).await,
            (Act::Delete, Body::Guest(body)) => guest::delete(self, change, &body.name).await,
            (Act::Create, Body::Pool(body)) => pool::create(self, change, &body.name).await,
            (Act::Update, Body::Pool(body)) => pool::confirm(self, &body.name).await,
            (Act::Delete, Body::Pool(body)) => pool::delete(self, &body.name).await,
            (Act::Create, Body::Vnet(body)) => vnet::create(self, change, body).await,
            (Act::Update, Body::Vnet(body)) => vnet::update(self, change, body).await,
            (Act::Delete, Body::Vnet(body)) => vnet::delete(self, &body.name).await,
            (_, other) => Err(not_held(&self.place, other)),
        }
    }
}

#[async_trait]
impl Examiner for Proxmox {
    async fn examine(&self) -> Result<Examination, Gap> {
        examine::examine(self).await
    }
}
