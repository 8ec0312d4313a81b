//! What is to be written next for a body.
//!
//! Each step is asked for again and again, with a fresh look in between, until nothing is left to
//! write: so it is the same whether a thing is made, half there, or changed by somebody meanwhile.
//! Edits of one answer do not need each other.

mod address;
mod alias;
mod forward;
mod mapping;
mod outbound;
mod rule;
mod tunnel;
mod vlan;

use lessor_engine::ApplyError;
use lessor_plans::{Act, Body, Change, Mark, Transition};
use lessor_specs::Address;

use super::estate::Estate;
use super::observe::present;
use super::whose::Own;
use crate::pfsense::{Edit, Subsystem};
use crate::seen::{check_address, not_as_planned, not_held};
use crate::{Secrets, transition};

/// One act of a change, and what it takes to say what is next.
pub(super) struct Step<'s> {
    pub(super) act: Act,
    pub(super) change: &'s Change,
    pub(super) installation: &'s lessor_plans::InstallationId,
    pub(super) secrets: &'s Secrets,
    pub(super) place: &'s Address,
}

impl Step<'_> {
    /// What it is about.
    ///
    /// # Errors
    /// When the plan does not say.
    pub(super) fn body(&self) -> Result<&Body, ApplyError> {
        let body = match self.act {
            Act::Create | Act::Update => self.change.after.as_ref(),
            Act::Delete => self.change.before.as_ref(),
        };
        body.ok_or_else(|| ApplyError::Refused {
            why: format!("the plan does not say how `{}` looks", self.change.address),
            hint: None,
        })
    }

    /// What is to be written now; nothing when it is as it shall be.
    ///
    /// # Errors
    /// When it is not ours, not as it was planned for, or cannot be.
    pub(super) fn next(&self, estate: &Estate<'_>) -> Result<Vec<Edit>, ApplyError> {
        let body = self.body()?;
        let goes = self.act == Act::Delete;
        match body {
            Body::Vlan(vlan) if goes => vlan::delete(estate, &vlan.name),
            Body::Vlan(vlan) => vlan::put(self, estate, vlan),
            Body::Alias(alias) if goes => alias::delete(estate, &alias.name),
            Body::Alias(alias) => alias::put(self, estate, alias),
            Body::Rule(rule) if goes => rule::delete(estate, &rule.name),
            Body::Rule(rule) => rule::put(self, estate, rule),
            Body::Forward(forward) if goes => forward::delete(estate, &forward.name),
            Body::Forward(forward) => forward::put(self, estate, forward),
            Body::PublicAddress(address) if goes => address::delete(estate, &address.name),
            Body::PublicAddress(address) => address::put(self, estate, address),
            Body::Mapping(mapping) if goes => mapping::delete(estate, &mapping.name),
            Body::Mapping(mapping) => mapping::put(self, estate, mapping),
            Body::Outbound(outbound) if goes => outbound::delete(estate, &outbound.name),
            Body::Outbound(outbound) => outbound::put(self, estate, outbound),
            Body::Tunnel(tunnel) if goes => tunnel::delete(estate, &tunnel.name),
            Body::Tunnel(tunnel) => tunnel::put(self, estate, tunnel),
            Body::Image(_)
            | Body::Network(_)
            | Body::Volume(_)
            | Body::Container(_)
            | Body::Guest(_)
            | Body::Pool(_)
            | Body::Vnet(_) => Err(not_held(self.place, body)),
        }
    }

    /// The mark of something new.
    ///
    /// # Errors
    /// When nothing new is to be made: the thing was there when it was planned to change it.
    fn new_mark(&self, sort: &str, name: &str) -> Result<Mark, ApplyError> {
        if self.act == Act::Update {
            return Err(ApplyError::Stale { why: format!("{sort} `{name}` is gone") });
        }
        Ok(Mark {
            installation: self.installation.clone(),
            address: self.change.address.clone(),
            origin: self.change.origin.clone(),
            name: name.into(),
        })
    }

    /// Whether what is there can become what it shall be where it stands.
    ///
    /// # Errors
    /// When it was made for something else, or has to be made again.
    fn check<P>(&self, own: &Own<P>, seen: Body, body: &Body) -> Result<(), ApplyError> {
        if self.act == Act::Create {
            check_address(&own.mark, self.change)?;
        }
        match transition(body, &present(own.mark.clone(), seen)) {
            Transition::None | Transition::InPlace(_) => Ok(()),
            Transition::Replace(differing) => {
                Err(not_as_planned(body.sort(), body.name(), &differing))
            }
        }
    }
}

/// What has to be applied for a body to work.
pub(super) fn subsystems(body: &Body) -> &'static [Subsystem] {
    match body {
        Body::Vlan(vlan) if vlan.interface.as_ref().is_some_and(|one| one.dhcp.is_some()) => {
            &[Subsystem::Interfaces, Subsystem::Dhcp]
        }
        Body::Vlan(_) => &[Subsystem::Interfaces],
        Body::Alias(_) | Body::Rule(_) | Body::Forward(_) | Body::Outbound(_) => {
            &[Subsystem::Firewall]
        }
        Body::Mapping(_) => &[Subsystem::Dhcp],
        Body::PublicAddress(_) => &[Subsystem::VirtualIps, Subsystem::Firewall],
        Body::Tunnel(_) => &[Subsystem::WireGuard],
        _ => &[],
    }
}

/// What others would lose, so that it has to stay.
fn still_used(what: &str, users: &[String]) -> Result<(), ApplyError> {
    if users.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Refused {
        why: format!("{what} is still used by {}", users.join(", ")),
        hint: Some("change or remove those at the firewall, and apply again".into()),
    })
}
