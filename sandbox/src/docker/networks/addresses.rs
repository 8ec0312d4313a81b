//! Which addresses are given out.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Network, endpoints};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::Pool;

/// The ports that are given out where nobody says which.
pub(in crate::docker) const PORTS: (u16, u16) = (32_768, 60_999);

/// The first free one of the subnets an engine takes where nobody says which.
pub(super) fn free_subnet(state: &State) -> Option<Ipv4Net> {
    let wide = (17..=31).map(|part| Ipv4Net::new_assert(Ipv4Addr::new(172, part, 0, 0), 16));
    let narrow = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16);
    let narrow = narrow.subnets(20).into_iter().flatten();
    wide.chain(narrow).find(|subnet| !is_taken(state, *subnet))
}

fn is_taken(state: &State, subnet: Ipv4Net) -> bool {
    let overlaps = |taken: Ipv4Net| taken.contains(&subnet) || subnet.contains(&taken);
    state.networks.values().filter_map(|network| network.subnet).any(overlaps)
}

/// The first address of a subnet.
pub(super) fn first(subnet: Ipv4Net) -> Ipv4Addr {
    subnet.hosts().next().unwrap_or(subnet.network())
}

/// The addresses somebody asks for, and the gateway there.
pub(super) fn chosen(state: &State, pool: &Pool) -> Done<(Ipv4Net, Ipv4Addr)> {
    let invalid = |text: &str| {
        Refusal::failed(format!("Invalid subnet {text} : invalid CIDR address: {text}"))
    };
    let subnet: Ipv4Net = pool.subnet.parse().map_err(|_| invalid(&pool.subnet))?;
    let subnet = subnet.trunc();
    if is_taken(state, subnet) {
        return Err(Refusal::forbidden("Pool overlaps with other one on this address space"));
    }
    if pool.gateway.is_empty() {
        return Ok((subnet, first(subnet)));
    }
    let out_of_range = || {
        let gateway = &pool.gateway;
        Refusal::failed(format!(
            "failed to allocate gateway ({gateway}): Requested address is out of range"
        ))
    };
    let gateway: Ipv4Addr = pool.gateway.parse().map_err(|_| out_of_range())?;
    if !subnet.contains(&gateway) {
        return Err(out_of_range());
    }
    Ok((subnet, gateway))
}

/// An address of a network: the one that is asked for, or the lowest that is free.
pub(super) fn address(state: &State, network: &Network, wanted: &str) -> Done<Ipv4Addr> {
    let Some(subnet) = network.subnet else {
        return Ok(Ipv4Addr::UNSPECIFIED);
    };
    let taken: BTreeSet<Ipv4Addr> = endpoints::of(state, &network.id)
        .filter_map(|endpoint| endpoint.ip_address.parse().ok())
        .chain(network.gateway)
        .collect();
    if wanted.is_empty() {
        let free = subnet.hosts().find(|address| !taken.contains(address));
        return free.ok_or_else(|| {
            Refusal::forbidden("no available IPv4 addresses on this network's address pools")
        });
    }
    let address = wanted.parse::<Ipv4Addr>().ok().filter(|address| subnet.contains(address));
    let Some(address) = address else {
        return Err(Refusal::failed(format!(
            "Invalid address {wanted}: It does not belong to any of this network's subnets"
        )));
    };
    if taken.contains(&address) {
        return Err(Refusal::forbidden("Address already in use"));
    }
    Ok(address)
}
