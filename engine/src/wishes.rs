//! Everything planning knows apart from the world itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use lessor_plans::{Claim, ClaimKey, Digest, InstallationId};
use lessor_specs::kinds::WhenPlaced;
use lessor_specs::{Address, SecretRef, Specs};

use crate::{Scope, Selection};

/// What is asked for, and what is remembered, at one moment.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Whose wishes these are.
    pub installation: InstallationId,
    /// What is asked for.
    pub specs: Arc<Specs>,
    /// Whether what customers ordered is among the specs.
    pub orders: OrdersRead,
    /// Digest of the tree the specs were read from.
    pub digest: String,
    /// The last applied revision; 0 when there was none.
    pub revision: u64,
    /// What its files asked for: what customers could have until now, and what that cost.
    pub before: Before,
    /// Ports, subnets and hosts that were given out.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Digest of the body that was last applied to each thing.
    pub applied: BTreeMap<Address, Digest>,
    /// Until when data is kept that nobody asks for, by the address in the mark.
    pub kept: BTreeMap<Address, Timestamp>,
    /// Machines that somebody has, or will have: none of them is taken away.
    pub reserved: BTreeSet<Address>,
    /// Machines that are made anew, since nobody has them any more.
    pub again: BTreeSet<Address>,
    /// Things whose data a person agreed to lose now.
    pub destroy_data: BTreeSet<Address>,
    /// Secrets that could not be resolved, and why.
    pub unresolved: BTreeMap<SecretRef, String>,
    /// Which part of it is planned.
    pub selection: Selection,
    /// The moment.
    pub now: Timestamp,
}

/// What was asked for when somebody applied last.
#[derive(Clone, Debug, Default)]
pub enum Before {
    /// Nobody here knows. What customers can have is then not compared.
    #[default]
    Unknown,
    /// Nobody applied anything yet.
    Nothing,
    /// The same as now.
    Same,
    /// Something else.
    Other(Arc<Specs>),
}

impl Before {
    /// The specs, where they were others.
    pub fn other(&self) -> Option<&Specs> {
        match self {
            Before::Other(specs) => Some(specs),
            Before::Unknown | Before::Nothing | Before::Same => None,
        }
    }
}

/// Whether what customers ordered was read, and laid beside the specs
/// ([`Specs::with_orders`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrdersRead {
    /// It was not. What orders made is then unknown: not compared, and never removed.
    #[default]
    NotRead,
    /// It was, at some time: out of a file. Orders that are not among it may have been placed since,
    /// so that nothing which was given out is given back.
    Earlier,
    /// It was, where orders are kept.
    Read,
}

impl Wishes {
    /// The wishes of a run that nobody watches: only what orders cause is planned, and what
    /// operators changed waits for their `apply`. `None` when their policy has orders wait as well.
    ///
    /// The specs are those of the last applied revision, whatever lies in a directory by now. The
    /// plan goes through the [gate](crate::gate()) as any other, with nobody's consent but that of
    /// orders that ended.
    pub fn unattended(self) -> Option<Wishes> {
        let policy = self.specs.policy.orders.as_ref()?;
        (policy.apply == WhenPlaced::Auto).then_some(Wishes {
            selection: Selection { scope: Scope::Orders, ..self.selection },
            ..self
        })
    }

    /// Of these specs, with nothing remembered.
    pub fn new(
        installation: InstallationId,
        specs: Arc<Specs>,
        digest: String,
        now: Timestamp,
    ) -> Self {
        Wishes {
            installation,
            specs,
            orders: OrdersRead::default(),
            digest,
            revision: 0,
            before: Before::default(),
            claims: BTreeMap::new(),
            applied: BTreeMap::new(),
            kept: BTreeMap::new(),
            reserved: BTreeSet::new(),
            again: BTreeSet::new(),
            destroy_data: BTreeSet::new(),
            unresolved: BTreeMap::new(),
            selection: Selection::default(),
            now,
        }
    }
}
