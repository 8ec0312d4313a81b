//! How many containers the network of a tenant has addresses for.
//!
//! Docker gives a container its address when it starts, so no address is anybody's before. What is
//! counted are the containers themselves, running or not: each may be started.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};
use lessor_plans::ClaimKey;
use lessor_specs::{Address, Cidr, Kind};

use super::{Chooser, names};
use crate::desire::Rental;

/// Addresses of a network that no container gets: its own, its gateway's, and that of all.
const RESERVED: u64 = 3;

/// How many containers each tenant has, by host.
#[derive(Debug, Default)]
pub(super) struct Seats<'s> {
    taken: BTreeMap<&'s str, HashMap<String, u64>>,
}

impl<'s> Seats<'s> {
    pub(super) fn take(&mut self, host: &'s str, tenant: &str) {
        let tenants = self.taken.entry(host).or_default();
        match tenants.get_mut(tenant) {
            Some(taken) => *taken += 1,
            None => {
                tenants.insert(tenant.to_owned(), 1);
            }
        }
    }

    fn taken(&self, host: &str, tenant: &str) -> u64 {
        self.taken.get(host).and_then(|tenants| tenants.get(tenant)).copied().unwrap_or_default()
    }
}

impl<'s> Chooser<'s, '_> {
    /// Takes note of everybody who has a place in the network of a tenant: who is there, or was put
    /// there.
    pub(super) fn count_seats(&mut self, rentals: &[Rental<'s>]) {
        for rental in rentals {
            // Where only orders are placed, what files declare comes to be as well.
            let declared = self.all_live && !self.is_ordered(&rental.address);
            let only = || (declared && rental.hosts.len() == 1).then(|| rental.hosts[0]);
            if let Some(host) = self.settled_host(rental).or_else(only) {
                self.seats.take(host, rental.tenant);
            }
        }
        if !self.counts(|| false) {
            return;
        }
        let known: HashSet<&str> = rentals.iter().flat_map(names).map(Address::name).collect();
        let docker = &self.specs.docker;
        for (key, host) in self.claims.iter().filter(|(key, _)| key.pool == "docker") {
            let name = key.holder.strip_prefix("instance.").unwrap_or_default();
            if let (Some((tenant, _)), Some((host, _)), false) =
                (name.split_once('/'), docker.get_key_value(host), known.contains(name))
            {
                self.seats.take(host, tenant);
            }
        }
    }

    /// How many more containers of a tenant a host has addresses for.
    pub(super) fn seats_left(&self, host: &str, tenant: &str) -> u64 {
        let Some(seats) = self.seats(host, tenant) else { return u64::MAX };
        seats.saturating_sub(self.seats.taken(host, tenant))
    }

    /// That there is none left, in words.
    pub(super) fn no_seat(&self, host: &str, tenant: &str) -> String {
        let (bridge, _) = self.specs.bridge_on(host).unzip();
        format!(
            "`bridge.{}` has no address left for `tenant.{tenant}` on `docker.{host}`: {} of {} are taken",
            bridge.map_or("", |bridge| bridge),
            self.seats.taken(host, tenant),
            self.seats(host, tenant).unwrap_or_default()
        )
    }

    /// How many addresses a tenant has on a host; `None` where nothing says so.
    fn seats(&self, host: &str, tenant: &str) -> Option<u64> {
        let (name, bridge) = self.specs.bridge_on(host)?;
        let holder = Address::new(Kind::Tenant, tenant).to_string();
        let given = self.claims.get(&ClaimKey { pool: format!("bridge.{name}"), holder });
        let given = given.and_then(|claim| claim.parse::<Cidr>().ok());
        let given = given.filter(|subnet| bridge.supernet.net().contains(&subnet.net()));
        let prefix = given.map_or(bridge.per_tenant_prefix, |subnet| subnet.net().prefix_len());
        Some((1_u64 << 32_u8.saturating_sub(prefix)).saturating_sub(RESERVED))
    }
}
