//! VLANs, and the interfaces on them.

use lessor_engine::ApplyError;
use lessor_plans::{Body, DhcpBody, InterfaceBody, VlanBody};

use super::super::estate::{Estate, VlanParts};
use super::super::read;
use super::{Step, still_used};
use crate::pfsense::{DhcpServer, Edit, Interface, Vlan};

/// The VLAN first, then the interface on it, then who gives out addresses there.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &VlanBody,
) -> Result<Vec<Edit>, ApplyError> {
    let Some(own) = estate.vlans.ours_or_free("VLAN", &body.name)? else {
        let mark = step.new_mark("VLAN", &body.name)?;
        let vlan = Vlan {
            port: body.parent.clone(),
            tag: body.tag,
            descr: mark.to_line(),
            device: String::new(),
        };
        return Ok(vec![Edit::create(vlan)]);
    };
    let seen = read::vlan(estate, &body.name, &own.parts);
    step.check(own, seen, &Body::Vlan(body.clone()))?;
    let VlanParts { vlan, interface, dhcp } = own.parts;
    if let Some(descr) = own.marking(&vlan.descr) {
        return Ok(vec![Edit::update_seen(vlan, Vlan { descr, ..vlan.clone() }, None)]);
    }
    match (interface, &body.interface) {
        (None, None) => Ok(Vec::new()),
        (None, Some(wish)) => {
            Ok(vec![Edit::create(wished(Interface::default(), &vlan.device, wish))])
        }
        (Some(interface), Some(wish)) => {
            let wished = wished(interface.clone(), &vlan.device, wish);
            if wished != *interface {
                return Ok(vec![Edit::update_seen(interface, wished, None)]);
            }
            let wish = wish.dhcp.as_ref();
            Ok(wish.and_then(|wish| serve(&interface.id, dhcp, wish)).into_iter().collect())
        }
        // One without an address is somebody's beginning, and says nothing against the wish.
        (Some(interface), None) if interface.ipaddr.is_none() => Ok(Vec::new()),
        (Some(interface), None) => remove(estate, interface),
    }
}

/// The interface first, then the VLAN under it.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let Some(own) = estate.vlans.ours_or_gone("VLAN", name)? else { return Ok(Vec::new()) };
    match own.parts.interface {
        Some(interface) => remove(estate, interface),
        None => Ok(vec![Edit::delete_seen(own.parts.vlan)]),
    }
}

/// With an interface goes what is on it, so nothing of others may be.
fn remove(estate: &Estate<'_>, interface: &Interface) -> Result<Vec<Edit>, ApplyError> {
    let lacks = [
        estate.world.rules.as_ref().err(),
        estate.world.port_forwards.as_ref().err(),
        estate.world.virtual_ips.as_ref().err(),
        estate.world.one_to_ones.as_ref().err(),
    ];
    if let Some(lack) = lacks.into_iter().flatten().next() {
        return Err(lack.clone().into());
    }
    let guests = estate.guests_of(&interface.id);
    still_used(&format!("interface `{}`", interface.descr), &guests)?;
    Ok(vec![Edit::delete_seen(interface)])
}

/// The server of an interface is ours if the interface is.
fn serve(interface: &str, dhcp: Option<&DhcpServer>, wish: &DhcpBody) -> Option<Edit> {
    let server = dhcp.cloned().unwrap_or_else(|| DhcpServer::on(interface));
    let wished = DhcpServer {
        enable: true,
        range_from: wish.first.to_string(),
        range_to: wish.last.to_string(),
        denyunknown: (!wish.open)
            .then(|| server.denyunknown.clone().unwrap_or_else(|| KNOWN.to_owned())),
        ..server
    };
    match dhcp {
        None => Some(Edit::create(wished)),
        Some(server) if *server != wished => Some(Edit::update_seen(server, wished, None)),
        Some(_) => None,
    }
}

/// Where only those with a mapping are answered.
const KNOWN: &str = "enabled";

fn wished(interface: Interface, device: &str, wish: &InterfaceBody) -> Interface {
    Interface {
        port: device.to_owned(),
        enable: wish.enabled,
        descr: wish.title.clone(),
        typev4: "static".into(),
        ipaddr: Some(wish.address.to_string()),
        subnet: Some(wish.prefix),
        ..interface
    }
}
