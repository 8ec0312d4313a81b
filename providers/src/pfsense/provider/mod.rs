//! Things of ours on a pfSense.
//!
//! In reading order: what is listed ([`world`]), what interfaces are called ([`wiring`]), whose a
//! thing is ([`whose`]) and what of others' counts as ours ([`adopt`]), all that is there put together ([`estate`]), objects as bodies ([`read`]),
//! what one look tells ([`observe`]) and what others have ([`strangers`]); what is to be written
//! for a body ([`wish`]), one batch after the other ([`turn`]); and the firewall itself
//! ([`examine`]).
//!
//! # Marks
//!
//! The mark is the first line of a description (`descr`, up to 1024 characters; a mark has some
//! 150), given in the call that creates. The names in marks are `igb1.2100` for VLANs, the alias,
//! the tracker of a rule, the public address; port forwards and tunnels have no name that lasts,
//! so theirs stands in the mark alone. pfSense shows the beginning of a rule's description as the
//! label in its packet filter, cut off there.
//!
//! What others made and an entry adopts counts as ours, and the first thing written to it is the mark,
//! before what people wrote about it.
//!
//! # What one thing is made of
//!
//! A VLAN is a VLAN and the interface on it; an interface is ours if its VLAN is. A public address
//! is a virtual IP (`ipalias`, /32) and a 1:1 mapping. A rule with several ports has an alias
//! `ports_TRACKER`. A tunnel has its peers, and beside the marks stands what a firewall does not
//! keep: what a peer is called, and where keys come from. What is half there is seen as such, and
//! completed where it stands.
//!
//! # What bodies cannot say
//!
//! A rule of ours whose source has ports, or is about another family of addresses, or that decides
//! in another way, shows that in words behind its `source` or `interface`, so that it differs from
//! every wish and is set back. An alias of ours that holds what is no range of addresses is seen as
//! empty, for the same reason. What else a rule can have (gateway, schedule, queues, states, flags,
//! tags) is for the people at the firewall, and is left alone; so are the linked rule and the
//! reflection of a port forward, which we make with `pass` and no rule.
//!
//! What is written and not yet applied works only later. Interfaces say so, and are seen as not
//! enabled; nothing tells it of rules. So an act that finds nothing to write applies all the same.

mod adopt;
mod estate;
mod examine;
mod keys;
mod observe;
mod read;
mod strangers;
mod turn;
mod whose;
mod wiring;
mod wish;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use lessor_engine::{ApplyError, Examination, Examiner, Provider, Wanting};
use lessor_plans::{
    Act, Body, Change, Gap, InstallationId, Observation, Present, Sighting, Transition,
};
use lessor_specs::{Address, SecretRef, kinds};
use secrecy::SecretString;

use super::{Client, Credentials, Writer};
use crate::https::{Https, Trust};
use crate::{Secrets, secrets, transition};
use turn::Turn;

pub use examine::Declared;

/// How many acts are taken at the same time: all of them are one batch, and one apply.
const AT_ONCE: usize = 300;

/// How long is waited behind a write that nobody answered, before anybody looks whether it was done:
/// until then it may still arrive, and what was created again meanwhile would be there twice.
const GRACE: Duration = Duration::from_secs(3);

/// Drives one pfSense through the package that gives it a REST API, from 2.7.1 on.
///
/// Every call has a deadline. What carries no mark of the installation is never changed.
pub struct PfSense {
    inner: Arc<Inner>,
    turn: Turn,
    declared: Declared,
}

/// What every look and every act needs.
struct Inner {
    place: Address,
    installation: InstallationId,
    secrets: Arc<Secrets>,
    /// The writer, or why there is none.
    writer: Result<Writer, Unusable>,
    /// How long is waited for what may still arrive.
    grace: Duration,
}

/// Why a firewall cannot even be called.
#[derive(Clone, Debug)]
struct Unusable {
    why: String,
    hint: Option<String>,
}

impl PfSense {
    /// The firewall that an entry describes. It is not called before the first question; what is
    /// wrong with the entry, such as a key that cannot be had, shows then.
    pub fn new(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        entry: &kinds::PfSense,
        spec_dir: &Path,
    ) -> Self {
        let client = client(&place, &secrets, entry, spec_dir);
        let writer = client.map(|client| Writer::new(Arc::new(client)));
        PfSense::of(place, installation, secrets, writer, GRACE)
    }

    /// The firewall behind a writer, for who waits less long than usual: `grace` for what may still
    /// arrive.
    pub fn with_writer(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        writer: Writer,
        grace: Duration,
    ) -> Self {
        PfSense::of(place, installation, secrets, Ok(writer), grace)
    }

    fn of(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        writer: Result<Writer, Unusable>,
        grace: Duration,
    ) -> Self {
        let inner = Arc::new(Inner { place, installation, secrets, writer, grace });
        let turn = Turn::new(Arc::clone(&inner));
        PfSense { inner, turn, declared: Declared::default() }
    }

    /// The same, examined for what entries say is there.
    #[must_use]
    pub fn declaring(mut self, declared: Declared) -> Self {
        self.declared = declared;
        self
    }
}

#[async_trait]
impl Provider for PfSense {
    fn place(&self) -> &Address {
        &self.inner.place
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let (world, wanted) = join(self.turn.look(), wanted).await;
        match world {
            Ok(world) => observe::observe(&self.inner, &world, &wanted),
            Err(Unusable { why, hint }) => {
                Observation::unreachable(self.inner.place.clone(), why, hint)
            }
        }
    }

    async fn sight(&self, change: &Change) -> Sighting {
        match self.turn.look().await {
            Ok(world) => observe::sight(&self.inner, &world, change),
            Err(Unusable { why, .. }) => Sighting::Unknown { why },
        }
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        transition(desired, present)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.turn.take(act, change.clone()).await
    }

    async fn settle(&self) -> Result<(), ApplyError> {
        self.turn.settle().await
    }

    fn at_once(&self, asked: usize) -> usize {
        asked.max(AT_ONCE)
    }
}

#[async_trait]
impl Examiner for PfSense {
    async fn examine(&self) -> Result<Examination, Gap> {
        examine::examine(&self.inner, &self.declared).await
    }
}

/// Who calls the firewall.
fn client(
    place: &Address,
    secrets: &Secrets,
    entry: &kinds::PfSense,
    spec_dir: &Path,
) -> Result<Client, Unusable> {
    let plain = |why: String| Unusable { why, hint: Some(format!("correct the entry `{place}`")) };
    let trust = match (&entry.fingerprint, &entry.ca) {
        (Some(fingerprint), _) => {
            let pin = fingerprint.to_string().parse();
            Trust::Pinned(pin.map_err(|error: crate::https::PinError| plain(error.to_string()))?)
        }
        (None, Some(ca)) => Trust::Ca(spec_dir.join(ca)),
        (None, None) => Trust::System,
    };
    let had = |reference: &SecretRef| -> Result<SecretString, Unusable> {
        let value = secrets.get(reference).cloned();
        let value = value.or_else(|_| secrets::read(reference, spec_dir));
        value.map_err(|why| Unusable {
            why: format!("`{place}` needs the secret `{reference}`: {why}"),
            hint: Some("provide it where lessor runs".into()),
        })
    };
    let credentials = match (&entry.api_key, &entry.user, &entry.password) {
        (Some(key), _, _) => Credentials::Key(had(key)?),
        (None, Some(user), Some(password)) => {
            Credentials::Basic { user: user.clone(), password: had(password)? }
        }
        _ => {
            return Err(plain(format!(
                "`{place}` has neither `api_key` nor `user` with `password`"
            )));
        }
    };
    let https = Https::new(&entry.endpoint.to_string(), &trust)
        .map_err(|error| Unusable { why: error.to_string(), hint: error.hint() })?;
    Ok(Client::new(https, credentials))
}
