//! What a guest is given where it stands: network, id, addresses.

use std::net::Ipv4Addr;

use lessor_plans::{Body, ClaimKey, Code, Digest, GuestBody};
use lessor_specs::kinds::{AddressPool, VlanRange};
use lessor_specs::{Address, Cidr, Kind};

use super::super::numbers::Numbers;
use super::count::hosts;
use super::keys::{address_key, id_key, mac_key, tracker_key};
use super::{Chooser, names};
use crate::desire::{GuestRental, TenantVlan, spare};

impl<'s> Chooser<'s, '_> {
    pub(super) fn network(
        &mut self,
        rental: &GuestRental<'s>,
        range_name: &'s str,
        range: &'s VlanRange,
    ) -> Option<TenantVlan<'s>> {
        let tenant = rental.tenant;
        if let Some(known) = self.chosen.vlans.get(&(range_name, tenant)) {
            let known = known.clone();
            self.claim(&known);
            return Some(known);
        }
        let firewall = Address::new(Kind::PfSense, &*range.pfsense);
        let present = self
            .world
            .at(&firewall)
            .and_then(|seen| seen.present.get(&TenantVlan::address_of(range_name, tenant)));
        let own = present.and_then(|present| match &present.body {
            Body::Vlan(vlan) => Some(vlan.clone()),
            _ => None,
        });
        let holder = Address::new(Kind::Tenant, tenant).to_string();
        let key = |part: &str| ClaimKey {
            pool: format!("vlan_range.{range_name}/{part}"),
            holder: holder.clone(),
        };
        let own_tag = own.as_ref().map(|vlan| u32::from(vlan.tag));
        let tags = self.tags.get_mut(range_name)?;
        let Some(tag) = tags.choose(self.claims, &[key("tag")], own_tag) else {
            return self.exhausted(rental, &format!("`vlan_range.{range_name}` has no tag left"));
        };
        let own_subnet = own.and_then(|vlan| vlan.interface?.subnet());
        let claimed = self.claims.get(&key("subnet")).and_then(|claim| claim.parse().ok());
        let fits = |subnet: &Cidr| range.supernet.net().contains(&subnet.net());
        let subnets = self.subnets.get_mut(range_name)?;
        let subnet = claimed.filter(fits).or(own_subnet.filter(fits));
        let Some(subnet) = subnet.or_else(|| subnets.lowest_free()) else {
            let why = format!("`vlan_range.{range_name}` has no network left for `{holder}`");
            return self.exhausted(rental, &why);
        };
        let rules =
            TenantVlan::RULES.map(|rule| TenantVlan::rule_address_of(range_name, tenant, rule));
        let trackers: Option<Vec<_>> =
            rules.iter().map(|rule| self.tracker(&range.pfsense, rule, &[])).collect();
        let Some(trackers) = trackers else {
            return self.exhausted(rental, &format!("`{firewall}` has no tracker left"));
        };
        let tag = u16::try_from(tag).ok()?;
        let is_asked = false;
        let vlan = TenantVlan { range_name, range, tenant, tag, subnet, is_asked, trackers };
        self.claim(&vlan);
        self.chosen.vlans.insert((range_name, tenant), vlan.clone());
        self.open(&vlan);
        Some(vlan)
    }

    /// Claims everything that a tenant's VLAN was given.
    pub(super) fn claim(&mut self, vlan: &TenantVlan<'s>) {
        let TenantVlan { range_name, range, tenant, tag, subnet, trackers, .. } = vlan;
        let holder = Address::new(Kind::Tenant, *tenant).to_string();
        let key = |part: &str| ClaimKey {
            pool: format!("vlan_range.{range_name}/{part}"),
            holder: holder.clone(),
        };
        self.chosen.claims.insert(key("tag"), tag.to_string());
        self.chosen.claims.insert(key("subnet"), subnet.to_string());
        for (rule, tracker) in TenantVlan::RULES.iter().zip(trackers) {
            let rule = TenantVlan::rule_address_of(range_name, tenant, rule);
            self.chosen.claims.insert(tracker_key(&range.pfsense, &rule), tracker.to_string());
        }
    }

    /// The addresses of a tenant's VLAN, without its gateway.
    pub(super) fn open(&mut self, vlan: &TenantVlan<'s>) {
        let hosts = hosts(vlan.subnet);
        let (first, last) = (hosts.start() + 2, hosts.end() - 1);
        let mut numbers = Numbers::new(first..=last);
        let spoken = self.spoken.get(vlan.range_name).into_iter();
        spoken.flat_map(|spoken| spoken.range(first..=last)).for_each(|own| numbers.take(*own));
        // Whether what was ordered before asks for its address, nobody knows who only places orders.
        if self.all_live || self.asking.contains(vlan.tenant) {
            numbers.take(spare(vlan.subnet).into());
        }
        self.addresses.insert((vlan.range_name, vlan.tenant), numbers);
    }

    pub(super) fn id(
        &mut self,
        rental: &GuestRental<'s>,
        cluster: &'s str,
        own: Option<&GuestBody>,
    ) -> Option<u32> {
        // Nothing moves a guest to another id: what is there goes before what is claimed.
        let own = own.and_then(|guest| guest.name.parse().ok());
        let key = |address: &Address| id_key(cluster, address);
        let keys: Vec<_> = names(rental).map(key).collect();
        let ids = self.ids.get_mut(cluster)?;
        let Some(id) = own.or_else(|| ids.choose(self.claims, &keys, None::<u32>)) else {
            return self.exhausted(rental, &format!("`proxmox.{cluster}` has no id left to give"));
        };
        self.chosen.claims.insert(key(&rental.address), id.to_string());
        Some(id)
    }

    /// The hardware address of its card: of a guest that is there, what it was given once, since its
    /// system may know the card by that, else what it has; of a new one, what follows from its id.
    pub(super) fn mac(
        &mut self,
        rental: &GuestRental<'s>,
        cluster: &str,
        id: u32,
        own: Option<&GuestBody>,
    ) -> String {
        let key = |address: &Address| mac_key(cluster, address);
        let mac = own.map(|guest| {
            let given = names(rental).find_map(|address| self.claims.get(&key(address)));
            given.unwrap_or(&guest.network.mac).clone()
        });
        let mac = mac.filter(|mac| !mac.is_empty()).unwrap_or_else(|| self::mac(cluster, id));
        self.chosen.claims.insert(key(&rental.address), mac.clone());
        mac
    }

    pub(super) fn address(
        &mut self,
        rental: &GuestRental<'s>,
        vlan: &TenantVlan<'s>,
        own: Option<&GuestBody>,
    ) -> Option<Ipv4Addr> {
        let own = own.and_then(|guest| Some(guest.cloud_init.as_ref()?.address));
        let own = own.or_else(|| self.told(rental, vlan));
        let keys: Vec<_> = names(rental).map(|a| address_key(vlan.range_name, a)).collect();
        let (asks, spare) = (rental.image.asks_for_address(), u32::from(spare(vlan.subnet)));
        let spoken = self.spoken.get(vlan.range_name).is_some_and(|all| all.contains(&spare));
        let is_placed = own.is_some() || keys.iter().any(|key| self.claims.contains_key(key));
        let numbers = self.addresses.get_mut(&(vlan.range_name, vlan.tenant))?;
        if asks {
            numbers.take(spare);
        }
        // Who asks needs the spare address as well, and somebody else may have got it.
        let is_crowded = self.all_live && asks && spoken && !is_placed;
        let address = if is_crowded { None } else { numbers.choose(self.claims, &keys, own) };
        let Some(address) = address else {
            let why = format!("{} of `tenant.{}` has no address left", vlan.subnet, vlan.tenant);
            self.chosen.problems.push((rental.address.clone(), Code::NoAddressLeft, why));
            return None;
        };
        self.chosen
            .claims
            .insert(address_key(vlan.range_name, &rental.address), address.to_string());
        Some(address)
    }

    /// The address that the firewall tells it.
    pub(super) fn told(&self, rental: &GuestRental<'s>, vlan: &TenantVlan<'s>) -> Option<Ipv4Addr> {
        let seen = self.world.at(&Address::new(Kind::PfSense, &*vlan.range.pfsense))?;
        names(rental).find_map(|address| {
            let birth = format!("{}/{}", vlan.range_name, address.name());
            match &seen.present.get(&Address::new(Kind::VlanRange, birth))?.body {
                Body::Mapping(mapping) => Some(mapping.address),
                _ => None,
            }
        })
    }

    /// A public address, from the first pool of the firewall that has one; `Some(None)` where none
    /// is wanted.
    #[expect(clippy::option_option, reason = "nothing wanted, and nothing to be had, differ")]
    pub(super) fn public(
        &mut self,
        rental: &GuestRental<'s>,
        pfsense: &str,
    ) -> Option<Option<(&'s str, &'s AddressPool, Ipv4Addr)>> {
        let pools = self.specs.address_pool.iter().filter(|(_, pool)| pool.pfsense == pfsense);
        let pools: Vec<_> = pools.collect();
        if rental.public == Some(false) || rental.public.is_none() && pools.is_empty() {
            return Some(None);
        }
        let key = |pool: &str, address: &Address| ClaimKey {
            pool: format!("address_pool.{pool}"),
            holder: address.to_string(),
        };
        let place = Address::new(Kind::PfSense, pfsense);
        for (name, pool) in pools {
            let own = self.world.at(&place).and_then(|seen| {
                names(rental).find_map(|address| {
                    let birth = format!("{name}/{}", address.name());
                    let present = seen.present.get(&Address::new(Kind::AddressPool, birth))?;
                    present.body.name().parse::<Ipv4Addr>().ok()
                })
            });
            let keys: Vec<_> = names(rental).map(|address| key(name, address)).collect();
            let numbers = self.publics.get_mut(name.as_str())?;
            if let Some(address) = numbers.choose(self.claims, &keys, own) {
                self.chosen.claims.insert(key(name, &rental.address), address.to_string());
                return Some(Some((name, pool, address)));
            }
        }
        self.exhausted(rental, &format!("`pfsense.{pfsense}` has no public address left"))
    }

    pub(super) fn rule_trackers(
        &mut self,
        rental: &GuestRental<'s>,
        pfsense: &str,
    ) -> Option<Vec<u32>> {
        let rules = rental.templates.iter().map(|(template, _)| {
            let former = rental
                .moved
                .iter()
                .map(|old| Address::new(Kind::FirewallRule, format!("{}/{template}", old.name())));
            (rental.rule_address(template), former.collect::<Vec<_>>())
        });
        let rules: Vec<_> = rules.collect();
        let trackers: Option<Vec<_>> =
            rules.iter().map(|(rule, former)| self.tracker(pfsense, rule, former)).collect();
        trackers
            .or_else(|| self.exhausted(rental, &format!("`pfsense.{pfsense}` has no tracker left")))
    }
}

/// A hardware address that nobody sells, the same whenever it is asked for.
fn mac(cluster: &str, id: u32) -> String {
    let digest = Digest::of(format!("{cluster}/{id}").as_bytes()).to_string().to_uppercase();
    let bytes = (0..5).map(|n| &digest[2 * n..2 * n + 2]);
    std::iter::once("02").chain(bytes).collect::<Vec<_>>().join(":")
}
