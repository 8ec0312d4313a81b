//! What is spoken for: by claims, by what is there, by strangers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use lessor_plans::{Body, Hold, InterfaceBody, Present};
use lessor_specs::{Address, Cidr, Kind};

use super::super::nodes::Nodes;
use super::super::numbers::Numbers;
use super::super::subnets::Subnets;
use super::{Chooser, TRACKERS};
use crate::desire::TenantVlan;

impl Chooser<'_, '_> {
    /// Takes note of everything that is spoken for: by claims, by what is there, by strangers.
    pub(in crate::allocate) fn count(&mut self) {
        let specs = self.specs;
        for (name, proxmox) in &specs.proxmox {
            let range = proxmox.vmid_range;
            self.ids.insert(name, Numbers::new(range.first()..=range.last()));
            let seen = self.world.at(&Address::new(Kind::Proxmox, &**name));
            let nodes = seen.map_or(&[][..], |seen| seen.nodes.as_slice());
            self.nodes.insert(name, Nodes::new(proxmox, nodes));
        }
        for (name, range) in &specs.vlan_range {
            let mut tags = Numbers::new(range.ids.first()..=range.ids.last());
            // By hand, beside the range.
            specs.vlan.values().for_each(|vlan| tags.take(vlan.id.into()));
            self.tags.insert(name, tags);
            let mut subnets = Subnets::new(range.supernet, range.per_tenant_prefix);
            specs.vlan.values().filter_map(|vlan| vlan.subnet).for_each(|s| subnets.take(s));
            self.subnets.insert(name, subnets);
            self.spoken.insert(name, BTreeSet::new());
        }
        for (name, pool) in &specs.address_pool {
            let mut numbers = Numbers::new(hosts(pool.cidr));
            pool.reserved.iter().for_each(|address| numbers.take((*address).into()));
            self.publics.insert(name, numbers);
        }
        for name in specs.pfsense.keys() {
            self.trackers.insert(name, Numbers::new(TRACKERS));
        }
        self.count_claims();
        self.count_seen();
    }

    fn count_claims(&mut self) {
        for (key, claim) in self.claims {
            if !self.is_live(&key.holder) {
                continue;
            }
            let Some((pool, name)) = key.pool.split_once('.') else { continue };
            let (name, part) = name.split_once('/').unwrap_or((name, ""));
            let number = claim.parse::<u32>();
            let address = claim.parse::<Ipv4Addr>();
            match (pool, part, number, address) {
                ("proxmox", "id", Ok(id), _) => take(&mut self.ids, name, id),
                ("vlan_range", "tag", Ok(tag), _) => take(&mut self.tags, name, tag),
                ("pfsense", "tracker", Ok(tracker), _) => take(&mut self.trackers, name, tracker),
                ("address_pool", "", _, Ok(address)) => {
                    take(&mut self.publics, name, address.into());
                }
                ("vlan_range", "subnet", ..) => {
                    if let (Some(subnets), Ok(subnet)) = (self.subnets.get_mut(name), claim.parse())
                    {
                        subnets.take(subnet);
                    }
                }
                ("vlan_range", "address", _, Ok(address)) => {
                    if let Some(spoken) = self.spoken.get_mut(name) {
                        spoken.insert(address.into());
                    }
                }
                _ => {}
            }
        }
    }

    fn count_seen(&mut self) {
        for (place, seen) in self.world.observations() {
            for stranger in &seen.strangers {
                self.strange(place, &stranger.hold);
            }
            for (birth, present) in &seen.present {
                if self.stays(birth, present) {
                    self.present(place, &present.body);
                }
            }
        }
    }

    /// Whether a thing of ours is there tomorrow as well. What has data is kept at first.
    fn stays(&self, birth: &Address, present: &Present) -> bool {
        self.wanted.contains(birth)
            || present.body.has_data()
            || present.origin != lessor_plans::Origin::File
            || self.world.has_blind_spot()
            || self.carries_guests(&present.body)
    }

    /// Whether it is a VLAN that guests are on, which stays for as long as they are kept.
    fn carries_guests(&self, body: &Body) -> bool {
        let Body::Vlan(vlan) = body else { return false };
        let vnet = TenantVlan::vnet_name_of(vlan.tag);
        let all = self.world.observations().values().flat_map(|seen| seen.present.values());
        { all }.any(|present| match &present.body {
            Body::Guest(guest) => {
                guest.network.tag == Some(vlan.tag) || guest.network.bridge == vnet
            }
            _ => false,
        })
    }

    fn strange(&mut self, place: &Address, hold: &Hold) {
        match hold {
            Hold::Name { sort: "guest", name } => strange(&mut self.ids, place.name(), name),
            Hold::Name { sort: "rule", name } => strange(&mut self.trackers, place.name(), name),
            Hold::Name { sort: "vlan", name } => self.on_wire(place, name, Numbers::strange),
            Hold::Name { sort: "address", name } => {
                let Ok(address) = name.parse::<Ipv4Addr>() else { return };
                for (pool, entry) in &self.specs.address_pool {
                    if entry.pfsense == place.name()
                        && let Some(numbers) = self.publics.get_mut(pool.as_str())
                    {
                        numbers.strange(address.into());
                    }
                }
            }
            Hold::Subnet(subnet) => self.subnet(place, *subnet),
            Hold::Name { .. } | Hold::Port { .. } => {}
        }
    }

    fn present(&mut self, place: &Address, body: &Body) {
        match body {
            Body::Guest(guest) => {
                if let Ok(id) = guest.name.parse() {
                    take(&mut self.ids, place.name(), id);
                }
                if let Some(cloud_init) = &guest.cloud_init {
                    self.speak_for(cloud_init.address);
                }
            }
            Body::Mapping(mapping) => self.speak_for(mapping.address),
            Body::Rule(rule) => {
                if let Ok(tracker) = rule.name.parse() {
                    take(&mut self.trackers, place.name(), tracker);
                }
            }
            Body::Vlan(vlan) => {
                self.on_wire(place, &vlan.name, Numbers::take);
                if let Some(subnet) = vlan.interface.as_ref().and_then(InterfaceBody::subnet) {
                    self.subnet(place, subnet);
                }
            }
            Body::PublicAddress(public) => {
                let Ok(address) = public.name.parse::<Ipv4Addr>() else { return };
                for (pool, entry) in &self.specs.address_pool {
                    if entry.pfsense == place.name() {
                        take(&mut self.publics, pool, address.into());
                    }
                }
            }
            _ => {}
        }
    }

    /// A VLAN, by card and tag, in every range that gives tags on that card.
    fn on_wire(&mut self, place: &Address, name: &str, note: impl Fn(&mut Numbers, u32)) {
        let Some((parent, tag)) = name.rsplit_once('.') else { return };
        let Ok(tag) = tag.parse() else { return };
        for (range, entry) in &self.specs.vlan_range {
            if entry.pfsense == place.name()
                && entry.parent == parent
                && let Some(tags) = self.tags.get_mut(range.as_str())
            {
                note(tags, tag);
            }
        }
    }

    /// A guest has an address, in whichever range that is.
    fn speak_for(&mut self, address: Ipv4Addr) {
        for spoken in self.spoken.values_mut() {
            spoken.insert(address.into());
        }
    }

    fn subnet(&mut self, place: &Address, subnet: Cidr) {
        for (range, entry) in &self.specs.vlan_range {
            if entry.pfsense == place.name()
                && let Some(subnets) = self.subnets.get_mut(range.as_str())
            {
                subnets.take(subnet);
            }
        }
    }
}

fn take(pools: &mut BTreeMap<&str, Numbers>, name: &str, number: u32) {
    if let Some(numbers) = pools.get_mut(name) {
        numbers.take(number);
    }
}

fn strange(pools: &mut BTreeMap<&str, Numbers>, name: &str, number: &str) {
    if let (Some(numbers), Ok(number)) = (pools.get_mut(name), number.parse()) {
        numbers.strange(number);
    }
}

/// Every address of a network, with its first and its last.
pub(super) fn hosts(cidr: Cidr) -> std::ops::RangeInclusive<u32> {
    u32::from(cidr.net().network())..=u32::from(cidr.net().broadcast())
}
