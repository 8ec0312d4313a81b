//! Which interface is on which VLAN.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use lessor_engine::ApplyError;
use lessor_plans::{InstallationId, Mark};

use super::adopt::Adopting;
use super::world::World;

/// Interfaces by the VLANs they are on. A firewall calls an interface `opt3`, and gives the name to
/// another when it is gone; bodies call it by the VLAN.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    /// The interface on each VLAN that has one.
    interface_on: BTreeMap<String, Option<String>>,
    /// The VLAN under each interface, if it is ours or adopted.
    vlan_under: BTreeMap<String, String>,
}

impl Wiring {
    /// As far as VLANs and interfaces could be read.
    pub(super) fn of(world: &World, installation: &InstallationId, adopting: &Adopting) -> Self {
        let mut wiring = Wiring::default();
        let interfaces = world.interfaces.as_deref().unwrap_or_default();
        // Of two on one card, which no firewall has, the first.
        let on: BTreeMap<&str, &str> =
            interfaces.iter().rev().map(|one| (&*one.port, &*one.id)).collect();
        for vlan in world.vlans.as_deref().unwrap_or_default() {
            let name = crate::pfsense::Object::key(vlan).to_string();
            let id = on.get(&*vlan.device).map(|id| (*id).to_owned());
            let is_ours = Mark::from_text(&vlan.descr, installation, &name).is_ok()
                || adopting.mark("vlan", &name, &vlan.descr, installation).is_some();
            if let Some(id) = id.as_ref().filter(|_| is_ours) {
                wiring.vlan_under.insert(id.clone(), name.clone());
            }
            wiring.interface_on.insert(name, id);
        }
        wiring
    }

    /// What a body calls an interface, or an end of a rule.
    pub(super) fn shown(&self, wired: &str) -> String {
        let (not, bare) = match wired.strip_prefix('!') {
            Some(bare) => ("!", bare),
            None => ("", wired),
        };
        match self.vlan_under.get(bare) {
            Some(vlan) => format!("{not}{vlan}"),
            None => wired.to_owned(),
        }
    }

    /// What the firewall calls an interface, or an end of a rule.
    ///
    /// # Errors
    /// [`ApplyError::Stale`] when it is a VLAN that is not there, or has no interface.
    pub(super) fn wired(&self, shown: &str) -> Result<String, ApplyError> {
        match self.interface_on.get(shown) {
            Some(Some(id)) => Ok(id.clone()),
            Some(None) => {
                Err(ApplyError::Stale { why: format!("no interface is on VLAN `{shown}`") })
            }
            None if looks_like_vlan(shown) => {
                Err(ApplyError::Stale { why: format!("there is no VLAN `{shown}`") })
            }
            None => Ok(shown.to_owned()),
        }
    }
}

/// `igb1.2100`: no address, no range, and no name of anything else has a dot.
fn looks_like_vlan(text: &str) -> bool {
    let is_address = text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv4Net>().is_ok();
    !is_address && text.rsplit_once('.').is_some_and(|(_, tag)| tag.parse::<u16>().is_ok())
}
