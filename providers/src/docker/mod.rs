//! A real Docker Engine.
//!
//! In reading order: the calls ([`client`]) over whatever leads to an engine ([`transport`],
//! [`tls`]), what labels remember ([`labels`]), answers to bodies ([`read`]) and back
//! ([`mod@write`]), whose a thing is ([`whose`]), looking at one ([`look`]), at all of ours
//! ([`observe`]) and at what others hold ([`strangers`]), and acting: what is small ([`act`]),
//! containers ([`container`]), and when one is [`ready`]. What was there before its entry is
//! [`adopt`]ed, may have what no entry can say ([`beyond`]), and is found by a [`survey`]. The
//! engine itself is looked at in [`examine`]; a container that runs is looked after in [`watch`], and
//! commands are run in it by [`exec`].

mod act;
mod adopt;
mod beyond;
mod client;
mod container;
mod examine;
mod exec;
mod labels;
mod look;
mod observe;
mod read;
mod ready;
mod strangers;
mod survey;
mod tls;
mod transport;
mod watch;
mod whose;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::{
    ApplyError, Examination, Examiner, Health, Lines, LogReader, LogsAsked, Provider, Usage,
    Wanting, WatchError, Watched, Watcher,
};
use lessor_plans::{
    Act, Body, Change, Gap, InstallationId, Observation, Present, Sighting, Transition,
};
use lessor_specs::Address;
use lessor_specs::kinds::Ready;

pub(crate) use client::Door;
pub(crate) use tls::TlsFiles;

use crate::Secrets;
use crate::compare::compare;
use client::Client;

/// Drives one Docker Engine, from API 1.41 on. Made by [`connect`](crate::connect()).
///
/// Every call has a deadline. What carries no mark of the installation is never changed, unless an
/// entry adopts it.
pub struct Docker {
    place: Address,
    installation: InstallationId,
    secrets: Arc<Secrets>,
    client: Client,
}

impl Docker {
    /// The engine behind `door`. It is not called before the first question.
    pub(crate) fn new(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        door: Door,
    ) -> Self {
        Docker { place, installation, secrets, client: Client::new(door) }
    }
}

#[async_trait]
impl Provider for Docker {
    fn place(&self) -> &Address {
        &self.place
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        observe::observe(self, wanted).await
    }

    async fn sight(&self, change: &Change) -> Sighting {
        look::sight(self, change).await
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        compare(desired, present, &self.secrets)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        act::apply(self, act, change).await
    }
}

#[async_trait]
impl Examiner for Docker {
    async fn examine(&self) -> Result<Examination, Gap> {
        examine::examine(self).await
    }
}

#[async_trait]
impl Watcher for Docker {
    async fn usage(&self, thing: &Watched) -> Result<Usage, WatchError> {
        watch::usage(self, thing).await
    }

    async fn probe(&self, thing: &Watched, ready: Option<&Ready>) -> Result<Health, WatchError> {
        watch::probe(self, thing, ready).await
    }

    async fn restart(&self, thing: &Watched) -> Result<(), WatchError> {
        watch::restart(self, thing).await
    }
}

#[async_trait]
impl LogReader for Docker {
    async fn logs(&self, thing: &Watched, asked: &LogsAsked) -> Result<Lines, WatchError> {
        watch::logs(self, thing, *asked).await
    }
}
