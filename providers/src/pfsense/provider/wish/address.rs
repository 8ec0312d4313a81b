//! Public addresses.

use std::net::Ipv4Addr;

use lessor_engine::ApplyError;
use lessor_plans::{Body, PublicAddressBody};

use super::super::estate::{AddressParts, Estate};
use super::super::read;
use super::Step;
use crate::pfsense::{Edit, OneToOne, VirtualIp};

/// The virtual IP first, then what translates it.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &PublicAddressBody,
) -> Result<Vec<Edit>, ApplyError> {
    let own = estate.addresses.ours_or_free("address", &body.name)?;
    let mark = match own {
        Some(own) => {
            let seen = read::address(estate, &body.name, own.parts);
            step.check(own, seen, &Body::PublicAddress(body.clone()))?;
            own.mark.clone()
        }
        None => step.new_mark("address", &body.name)?,
    };
    let AddressParts { virtual_ip, mapping } = own.map(|own| own.parts).unwrap_or_default();
    let interface = estate.wiring.wired(&body.interface)?;
    let descr = mark.to_line();
    let wished = VirtualIp {
        mode: "ipalias".into(),
        interface: interface.clone(),
        subnet_bits: 32,
        ..virtual_ip.cloned().unwrap_or_else(|| VirtualIp {
            subnet: body.name.clone(),
            descr: descr.clone(),
            ..VirtualIp::default()
        })
    };
    match virtual_ip {
        None => return Ok(vec![Edit::create(wished)]),
        Some(ip) if *ip != wished => return Ok(vec![Edit::update_seen(ip, wished, None)]),
        Some(_) => {}
    }
    let Some(target) = body.target else {
        return Ok(mapping.map(Edit::delete_seen).into_iter().collect());
    };
    let wished = translation(mapping, &interface, &body.name, target, body.enabled, descr);
    Ok(match mapping {
        None => vec![Edit::create(wished)],
        Some(mapping) if *mapping != wished => vec![Edit::update_seen(mapping, wished, None)],
        Some(_) => Vec::new(),
    })
}

/// What translates it first, then the virtual IP.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let Some(own) = estate.addresses.ours_or_gone("address", name)? else {
        return Ok(Vec::new());
    };
    let mapping = own.parts.mapping.map(Edit::delete_seen);
    let virtual_ip = || own.parts.virtual_ip.map(Edit::delete_seen);
    Ok(mapping.or_else(virtual_ip).into_iter().collect())
}

fn translation(
    mapping: Option<&OneToOne>,
    interface: &str,
    address: &str,
    target: Ipv4Addr,
    enabled: bool,
    descr: String,
) -> OneToOne {
    OneToOne {
        interface: interface.into(),
        disabled: !enabled,
        nobinat: false,
        ipprotocol: "inet".into(),
        external: address.into(),
        source: target.to_string(),
        destination: "any".into(),
        ..mapping.cloned().unwrap_or_else(|| OneToOne { descr, ..OneToOne::default() })
    }
}
