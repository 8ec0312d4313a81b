//! Choosing for virtual machines: cluster, node, id, VLAN, addresses, and the trackers of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use foldhash::HashSet;
use lessor_plans::{Body, Claim, ClaimKey, Code, Digest, GuestBody, Hold, InterfaceBody, Present};
use lessor_specs::kinds::{AddressPool, VlanRange};
use lessor_specs::{Address, Cidr, Kind, Specs};

use super::nodes::{Need, Nodes};
use super::numbers::Numbers;
use super::subnets::Subnets;
use super::{Limit, Promised};
use crate::desire::{Desired, GuestHome, GuestRental, TenantVlan, spare};
use crate::observe::World;

/// Trackers of ours. The firewall itself makes them from the clock, and its own are below.
const TRACKERS: std::ops::RangeInclusive<u32> = 200_000_000..=999_999_999;

/// What was chosen for guests.
#[derive(Debug, Default)]
pub(crate) struct Guests<'s> {
    /// The home of each, in the order of rentals; `None` when there was none.
    pub(crate) homes: Vec<Option<GuestHome<'s>>>,
    /// The VLAN of each tenant that needs one, by range and tenant.
    pub(crate) vlans: BTreeMap<(&'s str, &'s str), TenantVlan<'s>>,
    /// The tracker of each rule that operators declare.
    pub(crate) trackers: BTreeMap<&'s str, u32>,
    /// Why a guest without a node comes to the one it comes to, in words.
    pub(crate) reasons: BTreeMap<Address, String>,
    /// Every claim that has to be held, new and old.
    pub(crate) claims: BTreeMap<ClaimKey, Claim>,
    /// What could not be chosen: the address, and why.
    pub(crate) problems: Vec<(Address, Code, String)>,
}

/// Chooses for every virtual machine and every rule. Same input, same choice.
pub(super) fn choose<'s>(
    specs: &'s Specs,
    desired: &Desired<'s>,
    claims: &BTreeMap<ClaimKey, Claim>,
    world: &World,
) -> Guests<'s> {
    if specs.pfsense.is_empty() && desired.guests.is_empty() {
        return Guests::default();
    }
    let mut chooser = Chooser::new(specs, desired, claims, world);
    chooser.count();
    chooser.settle_nodes(&desired.guests);
    chooser.rules();
    for rental in &desired.guests {
        let home = chooser.home(rental);
        chooser.chosen.homes.push(home);
    }
    chooser.chosen
}

pub(super) struct Chooser<'s, 'w> {
    specs: &'s Specs,
    claims: &'w BTreeMap<ClaimKey, Claim>,
    world: &'w World,
    /// Every address that is asked for, by every name it had.
    wanted: HashSet<Address>,
    /// Whose claims still count.
    live: HashSet<String>,
    /// Whether every claim counts, whoever is wanted.
    pub(super) all_live: bool,
    /// The tenants that have a guest which asks for its address.
    asking: BTreeSet<&'s str>,
    /// Ids of guests, by cluster.
    ids: BTreeMap<&'s str, Numbers>,
    nodes: BTreeMap<&'s str, Nodes<'s>>,
    /// Tags and subnets, by range.
    tags: BTreeMap<&'s str, Numbers>,
    subnets: BTreeMap<&'s str, Subnets>,
    /// Addresses of guests that are spoken for, by range.
    spoken: BTreeMap<&'s str, BTreeSet<u32>>,
    /// Addresses of guests, by range and tenant.
    addresses: BTreeMap<(&'s str, &'s str), Numbers>,
    /// Public addresses, by pool.
    publics: BTreeMap<&'s str, Numbers>,
    /// Trackers, by firewall.
    trackers: BTreeMap<&'s str, Numbers>,
    pub(super) chosen: Guests<'s>,
}

impl<'s, 'w> Chooser<'s, 'w> {
    pub(super) fn new(
        specs: &'s Specs,
        desired: &Desired<'s>,
        claims: &'w BTreeMap<ClaimKey, Claim>,
        world: &'w World,
    ) -> Self {
        Chooser {
            specs,
            claims,
            world,
            wanted: super::wanted(specs, desired),
            live: live(specs, desired),
            all_live: false,
            asking: asking(desired),
            ids: BTreeMap::new(),
            nodes: BTreeMap::new(),
            tags: BTreeMap::new(),
            subnets: BTreeMap::new(),
            spoken: BTreeMap::new(),
            addresses: BTreeMap::new(),
            publics: BTreeMap::new(),
            trackers: BTreeMap::new(),
            chosen: Guests::default(),
        }
    }

    fn is_live(&self, holder: &str) -> bool {
        self.all_live
            || self.live.contains(holder)
            || self.world.has_blind_spot()
            || self.specs.ordered.holds_any_back()
    }

    fn is_ordered(&self, instance: &Address) -> bool {
        self.specs.ordered.get(instance.name()).is_some()
    }

    /// Takes note of everything that is spoken for: by claims, by what is there, by strangers.
    pub(super) fn count(&mut self) {
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

    /// Guests that are somewhere already take their room before anybody new is placed.
    pub(super) fn settle_nodes(&mut self, rentals: &[GuestRental<'s>]) {
        // What orders were promised is counted by itself where every claim counts.
        let counted =
            |rental: &&GuestRental<'s>| !self.all_live || !self.is_ordered(&rental.address);
        let rentals: Vec<_> = rentals.iter().filter(counted).collect();
        for rental in rentals {
            let Some((cluster, node)) = self.settled(rental) else { continue };
            if let (Some(node), Some(nodes)) = (node, self.nodes.get_mut(cluster)) {
                nodes.take(&node, rental.tenant, need(rental));
            }
        }
        let specs = self.specs;
        for name in specs.proxmox.keys() {
            let seen = self.world.at(&Address::new(Kind::Proxmox, &**name));
            let kept = seen.into_iter().flat_map(|seen| &seen.present);
            let kept = kept.filter(|(birth, _)| !self.wanted.contains(*birth));
            for (_, present) in kept {
                if let (Body::Guest(guest), Some(nodes)) =
                    (&present.body, self.nodes.get_mut(name.as_str()))
                {
                    let (cores, memory) = (guest.cpu.into(), guest.memory.bytes());
                    nodes.take(&guest.node, "", Need { cores, memory });
                }
            }
        }
    }

    /// What may still be promised on each node.
    pub(super) fn limits(&self) -> BTreeMap<Address, Limit> {
        let nodes = self.nodes.iter().flat_map(|(cluster, nodes)| {
            nodes.rooms().map(|(node, room)| {
                let (cpu, memory) = (room.cores.saturating_mul(1000), room.memory);
                let limit = Limit { cpu: Some(cpu), memory: Some(memory), disk: None };
                (host_address(cluster, node), limit)
            })
        });
        nodes.collect()
    }

    /// Takes the room that orders were promised, and notes whose guests are where by their claims.
    pub(super) fn promise(&mut self, promised: &Promised) {
        for (host, amount) in promised.iter().filter(|(host, _)| host.kind() == Kind::Proxmox) {
            let Some((cluster, node)) = host.name().split_once('/') else { continue };
            if let Some(nodes) = self.nodes.get_mut(cluster) {
                let cores = amount.cpu.div_ceil(1000);
                nodes.promise(node, Need { cores, memory: amount.memory });
            }
        }
        let specs = self.specs;
        for (key, node) in self.claims {
            let cluster = key.pool.strip_prefix("proxmox.").and_then(|p| p.strip_suffix("/node"));
            let instance = key.holder.strip_prefix("instance.");
            let tenant = instance.and_then(|name| name.split_once('/'));
            // What files declare was settled before.
            let is_counted = instance.is_some_and(|name| specs.instance.contains_key(name));
            if let (Some(nodes), Some((tenant, _)), false) =
                (cluster.and_then(|cluster| self.nodes.get_mut(cluster)), tenant, is_counted)
            {
                nodes.beside(node, tenant);
            }
        }
    }

    /// The cluster a rental was put on before, and its node if that is known.
    fn settled(&self, rental: &GuestRental<'s>) -> Option<(&'s str, Option<String>)> {
        if let Some((cluster, guest)) = self.own(rental) {
            return Some((cluster, Some(guest.node.clone())));
        }
        let cluster = names(rental)
            .find_map(|address| self.claims.get(&cluster_key(address)))
            .and_then(|claim| self.specs.proxmox.get_key_value(claim.as_str()))
            .map(|(name, _)| name.as_str())
            .or_else(|| (rental.clusters.len() == 1).then(|| rental.clusters[0]))?;
        let node = names(rental).find_map(|address| self.claims.get(&node_key(cluster, address)));
        Some((cluster, node.cloned()))
    }

    /// The guest of ours that a rental means, and its cluster.
    fn own(&self, rental: &GuestRental<'s>) -> Option<(&'s str, &GuestBody)> {
        self.specs.proxmox.keys().find_map(|cluster| {
            let seen = self.world.at(&Address::new(Kind::Proxmox, &**cluster))?;
            let present = names(rental).find_map(|address| seen.present.get(address))?;
            match &present.body {
                Body::Guest(guest) => Some((cluster.as_str(), &**guest)),
                _ => None,
            }
        })
    }

    pub(super) fn home(&mut self, rental: &GuestRental<'s>) -> Option<GuestHome<'s>> {
        let (cluster, node) = self.place(rental)?;
        let (name, proxmox) = self.specs.proxmox.get_key_value(cluster)?;
        let (range_name, range) = self.specs.vlan_range_on(cluster)?;
        let own = self.own(rental).map(|(_, guest)| guest.clone());
        let network = self.network(rental, range_name, range)?;
        let id = self.id(rental, name, own.as_ref())?;
        let address = self.address(rental, &network, own.as_ref())?;
        let public = self.public(rental, &range.pfsense)?;
        let trackers = self.rule_trackers(rental, &range.pfsense)?;
        // An order stays where it was placed, also when there are more clusters one day.
        if rental.clusters.len() > 1 || self.is_ordered(&rental.address) {
            self.chosen.claims.insert(cluster_key(&rental.address), cluster.to_owned());
        }
        self.chosen.claims.insert(node_key(cluster, &rental.address), node.clone());
        if rental.image.asks_for_address()
            && let Some(vlan) = self.chosen.vlans.get_mut(&(range_name, rental.tenant))
        {
            vlan.is_asked = true;
        }
        let mac = self.mac(rental, cluster, id, own.as_ref());
        Some(GuestHome {
            cluster: name,
            proxmox,
            network,
            node,
            id,
            mac,
            address,
            public,
            trackers,
        })
    }

    /// Cluster and node: where it is, else where it was put, else the best there is.
    fn place(&mut self, rental: &GuestRental<'s>) -> Option<(&'s str, String)> {
        let settled = self.settled(rental);
        if let Some((cluster, Some(node))) = settled {
            return Some((cluster, node));
        }
        let clusters = match settled {
            Some((cluster, None)) => vec![cluster],
            _ => rental.clusters.clone(),
        };
        let mut why = None;
        for cluster in &clusters {
            let place = Address::new(Kind::Proxmox, *cluster);
            let Some(seen) = self.world.at(&place) else { continue };
            // Whoever cannot see the cluster cannot tell what it lacks either.
            let is_blind = !seen.gaps.is_empty();
            let id = rental.image.template.get(*cluster).copied();
            let Some(template) = id.and_then(|id| seen.templates.get(&id)) else {
                if !is_blind && let Some(id) = id {
                    let text = format!("`{place}` has no template {id}");
                    why.get_or_insert((Code::NoTemplate, text));
                }
                continue;
            };
            if template.disk > rental.disk {
                let text = format!(
                    "its disk of {} is smaller than that of its template on `{place}`, {}",
                    rental.disk, template.disk
                );
                why.get_or_insert((Code::DiskShrinks, text));
                continue;
            }
            let only = (!template.shared).then_some(template.node.as_str());
            let nodes = self.nodes.get_mut(cluster);
            if let Some((node, why)) =
                nodes.and_then(|nodes| nodes.choose(rental.tenant, need(rental), only))
            {
                self.chosen.reasons.insert(rental.address.clone(), why);
                return Some((cluster, node));
            }
            if !is_blind {
                let here = only.map_or(String::new(), |node| {
                    format!(" (its template is on node `{node}` alone)")
                });
                let text = format!("no node of `{place}` has room for it{here}");
                why.get_or_insert((Code::NoRoom, text));
            }
        }
        if let Some((code, text)) = why {
            self.chosen.problems.push((rental.address.clone(), code, text));
        }
        None
    }

    fn network(
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
    fn claim(&mut self, vlan: &TenantVlan<'s>) {
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
    fn open(&mut self, vlan: &TenantVlan<'s>) {
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

    fn id(
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
    fn mac(
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

    fn address(
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
    fn told(&self, rental: &GuestRental<'s>, vlan: &TenantVlan<'s>) -> Option<Ipv4Addr> {
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
    fn public(
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

    fn rule_trackers(&mut self, rental: &GuestRental<'s>, pfsense: &str) -> Option<Vec<u32>> {
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

    /// Every rule an operator declares has a tracker.
    fn rules(&mut self) {
        let specs = self.specs;
        for (name, rule) in &specs.firewall_rule {
            let address = Address::new(Kind::FirewallRule, &**name);
            let Some(pfsense) = specs.pfsense_of(rule.pfsense.as_deref()) else { continue };
            if let Some(tracker) = self.tracker(pfsense, &address, &rule.moved) {
                self.chosen.trackers.insert(name, tracker);
            } else {
                let why = format!("`pfsense.{pfsense}` has no tracker left");
                self.chosen.problems.push((address, Code::NoIdLeft, why));
            }
        }
    }

    fn tracker(&mut self, pfsense: &str, rule: &Address, former: &[Address]) -> Option<u32> {
        let births: Vec<_> = std::iter::once(rule).chain(former).collect();
        let seen = self.world.at(&Address::new(Kind::PfSense, pfsense));
        let present = seen.and_then(|seen| births.iter().find_map(|b| seen.present.get(*b)));
        let own = present.and_then(|present| present.body.name().parse::<u32>().ok());
        let keys: Vec<_> = births.iter().map(|birth| tracker_key(pfsense, birth)).collect();
        // A rule that was adopted has the number that its firewall once gave it, for good.
        let given = own.filter(|own| {
            !TRACKERS.contains(own) || present.is_some_and(|present| present.adopted.is_some())
        });
        let trackers = self.trackers.get_mut(pfsense)?;
        let tracker = given.or_else(|| trackers.choose(self.claims, &keys, own))?;
        self.chosen.claims.insert(tracker_key(pfsense, rule), tracker.to_string());
        Some(tracker)
    }

    fn exhausted<T>(&mut self, rental: &GuestRental<'s>, why: &str) -> Option<T> {
        self.chosen.problems.push((rental.address.clone(), Code::NoIdLeft, why.to_owned()));
        None
    }
}

/// Everybody whose claims count: what is wanted, by every name it had.
fn live(specs: &Specs, desired: &Desired<'_>) -> HashSet<String> {
    let mut live = HashSet::default();
    for rental in &desired.guests {
        live.insert(Address::new(Kind::Tenant, rental.tenant).to_string());
        for address in names(rental) {
            live.insert(address.to_string());
            for (template, _) in &rental.templates {
                live.insert(format!("firewall_rule.{}/{template}", address.name()));
            }
        }
        for range in specs.vlan_range.keys() {
            let rules = TenantVlan::RULES;
            let rules = rules.map(|r| TenantVlan::rule_address_of(range, rental.tenant, r));
            live.extend(rules.map(|rule| rule.to_string()));
        }
    }
    for (name, rule) in &specs.firewall_rule {
        live.insert(Address::new(Kind::FirewallRule, &**name).to_string());
        live.extend(rule.moved.iter().map(ToString::to_string));
    }
    live
}

/// One node of a cluster.
pub(super) fn host_address(cluster: &str, node: &str) -> Address {
    Address::new(Kind::Proxmox, format!("{cluster}/{node}"))
}

fn asking<'s>(desired: &Desired<'s>) -> BTreeSet<&'s str> {
    let asking = desired.guests.iter().filter(|rental| rental.image.asks_for_address());
    asking.map(|rental| rental.tenant).collect()
}

/// The addresses a rental is or was known by.
pub(super) fn names<'r>(rental: &'r GuestRental<'_>) -> impl Iterator<Item = &'r Address> + Clone {
    std::iter::once(&rental.address).chain(rental.moved)
}

fn need(rental: &GuestRental<'_>) -> Need {
    Need { cores: rental.cpu.into(), memory: rental.memory.bytes() }
}

fn cluster_key(address: &Address) -> ClaimKey {
    ClaimKey { pool: "proxmox".into(), holder: address.to_string() }
}

fn node_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/node"), holder: address.to_string() }
}

fn id_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/id"), holder: address.to_string() }
}

fn tracker_key(pfsense: &str, rule: &Address) -> ClaimKey {
    ClaimKey { pool: format!("pfsense.{pfsense}/tracker"), holder: rule.to_string() }
}

fn mac_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/mac"), holder: address.to_string() }
}

fn address_key(range: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("vlan_range.{range}/address"), holder: address.to_string() }
}

/// Every address of a network, with its first and its last.
fn hosts(cidr: Cidr) -> std::ops::RangeInclusive<u32> {
    u32::from(cidr.net().network())..=u32::from(cidr.net().broadcast())
}

/// A hardware address that nobody sells, the same whenever it is asked for.
fn mac(cluster: &str, id: u32) -> String {
    let digest = Digest::of(format!("{cluster}/{id}").as_bytes()).to_string().to_uppercase();
    let bytes = (0..5).map(|n| &digest[2 * n..2 * n + 2]);
    std::iter::once("02").chain(bytes).collect::<Vec<_>>().join(":")
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
