//! Addresses that guests get when they ask.

use lessor_engine::ApplyError;
use lessor_plans::{Body, MappingBody};

use super::super::estate::Estate;
use super::super::read;
use super::Step;
use crate::pfsense::{Edit, StaticMapping};

/// One object, of the server of its interface.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &MappingBody,
) -> Result<Vec<Edit>, ApplyError> {
    let wished = |mapping: StaticMapping| StaticMapping {
        ipaddr: Some(body.address.to_string()),
        hostname: Some(body.hostname.clone()),
        ..mapping
    };
    let Some(own) = estate.mappings.ours_or_free("static mapping", &body.name)? else {
        let descr = step.new_mark("static mapping", &body.name)?.to_line();
        let interface = served(estate, &body.interface)?;
        let mac = body.mac.clone();
        let blank = StaticMapping { interface, mac, descr, ..StaticMapping::default() };
        return Ok(vec![Edit::create(wished(blank))]);
    };
    // What cannot be read can be put right all the same.
    if let Ok(seen) = read::mapping(estate, &body.name, own.parts) {
        step.check(own, seen, &Body::Mapping(body.clone()))?;
    }
    let wished = wished(own.parts.clone());
    let differs = wished != *own.parts;
    Ok(differs.then(|| Edit::update_seen(own.parts, wished, None)).into_iter().collect())
}

/// The one object.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let own = estate.mappings.ours_or_gone("static mapping", name)?;
    Ok(own.map(|own| Edit::delete_seen(own.parts)).into_iter().collect())
}

/// The interface, once somebody answers there.
fn served(estate: &Estate<'_>, shown: &str) -> Result<String, ApplyError> {
    let interface = estate.wiring.wired(shown)?;
    let servers = estate.world.dhcp_servers.as_ref().map_err(Clone::clone)?;
    if servers.iter().any(|server| server.interface == interface) {
        return Ok(interface);
    }
    Err(ApplyError::Stale { why: format!("no DHCP server is on VLAN `{shown}`") })
}
