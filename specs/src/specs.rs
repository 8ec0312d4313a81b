//! Everything a spec directory declares, as one value.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{
    AddressPool, Alias, Bridge, Container, Docker, FirewallRule, FirewallTemplate, Image, Instance,
    Location, Machine, Network, Offer, OutboundNat, PfSense, Policy, Pool, PortForward,
    PortRangeSpec, PromoCode, Proxmox, Quota, Tenant, Vlan, VlanRange, VmImage, Volume, Vpn,
};
use crate::orders::Ordered;
use crate::quantity::Adopted;
use crate::{Address, EnvValue, Kind, SecretRef};

/// Everything a spec directory declares: one map a kind, each by name.
///
/// A value made by [`crate::load`] is valid: every reference has its target.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(title = "A lessor spec file", deny_unknown_fields, default)]
pub struct Specs {
    /// Connections to Docker Engines.
    pub docker: BTreeMap<String, Docker>,
    /// Connections to Proxmox VE clusters.
    pub proxmox: BTreeMap<String, Proxmox>,
    /// Connections to pfSense firewalls.
    pub pfsense: BTreeMap<String, PfSense>,
    /// Places in the world.
    pub location: BTreeMap<String, Location>,
    /// What instances run.
    pub image: BTreeMap<String, Image>,
    /// Docker networks.
    pub network: BTreeMap<String, Network>,
    /// Docker volumes.
    pub volume: BTreeMap<String, Volume>,
    /// Docker containers.
    // Boxed: a map is half empty, and they are large.
    pub container: BTreeMap<String, Box<Container>>,
    /// Host ports to hand out.
    pub port_range: BTreeMap<String, PortRangeSpec>,
    /// Supernets to carve a network for each tenant from.
    pub bridge: BTreeMap<String, Bridge>,
    /// VLANs by hand.
    pub vlan: BTreeMap<String, Vlan>,
    /// VLANs to hand out.
    pub vlan_range: BTreeMap<String, VlanRange>,
    /// Public addresses to hand out.
    pub address_pool: BTreeMap<String, AddressPool>,
    /// Addresses under one name.
    pub alias: BTreeMap<String, Alias>,
    /// Rules of firewalls.
    pub firewall_rule: BTreeMap<String, FirewallRule>,
    /// Rules that instances get.
    pub firewall_template: BTreeMap<String, FirewallTemplate>,
    /// Ports of firewalls that lead inside.
    pub port_forward: BTreeMap<String, PortForward>,
    /// Other sources for packets that leave firewalls.
    pub outbound_nat: BTreeMap<String, OutboundNat>,
    /// Ways in for people.
    pub vpn: BTreeMap<String, Vpn>,
    /// Machines that are lent for a while.
    pub pool: BTreeMap<String, Pool>,
    /// Machines that already exist.
    pub machine: BTreeMap<String, Machine>,
    /// What can be rented.
    pub offer: BTreeMap<String, Offer>,
    /// What is off for those who know a word.
    pub promo_code: BTreeMap<String, PromoCode>,
    /// Limits.
    pub quota: BTreeMap<String, Quota>,
    /// Who rents.
    pub tenant: BTreeMap<String, Tenant>,
    /// What is rented, by `tenant/name`.
    pub instance: BTreeMap<String, Instance>,
    /// Rules for lessor itself.
    pub policy: Policy,
    /// What stands here because customers ordered it.
    #[serde(skip)]
    pub ordered: Ordered,
}

impl Specs {
    /// Every connection, in order of kind as messages list them, then of name.
    pub fn connections(&self) -> impl Iterator<Item = Address> {
        let dockers = self.docker.keys().map(|name| Address::new(Kind::Docker, &**name));
        let proxmoxes = self.proxmox.keys().map(|name| Address::new(Kind::Proxmox, &**name));
        let pfsenses = self.pfsense.keys().map(|name| Address::new(Kind::PfSense, &**name));
        dockers.chain(proxmoxes).chain(pfsenses)
    }

    /// The connection an entry means: the one it names, or the only one there is.
    pub fn docker_of<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        match named {
            Some(name) => self.docker.contains_key(name).then_some(name),
            None if self.docker.len() == 1 => self.docker.keys().next().map(String::as_str),
            None => None,
        }
    }

    /// The firewall an entry means: the one it names, or the only one there is.
    pub fn pfsense_of<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        match named {
            Some(name) => self.pfsense.contains_key(name).then_some(name),
            None if self.pfsense.len() == 1 => self.pfsense.keys().next().map(String::as_str),
            None => None,
        }
    }

    /// The connections an instance may run on, in order of name: those in its location (or any
    /// location of its offer) that every port range of the offer belongs to.
    pub fn dockers_for(&self, offer: &Offer, location: Option<&str>) -> Vec<&str> {
        let has_ranges = |name: &str| {
            let ports = offer.container.iter().flat_map(|container| &container.ports);
            ports.filter_map(|port| self.port_range.get(&port.range)).all(|r| r.docker == name)
        };
        self.docker
            .iter()
            .filter(|(name, docker)| {
                offer.is_sold_at(docker.location.as_deref(), location) && has_ranges(name)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The clusters a virtual machine may run on, in order of name: those in its location (or any
    /// location of its offer) that have a template of its image and VLANs for tenants.
    pub fn proxmoxes_for(
        &self,
        offer: &Offer,
        image: &VmImage,
        location: Option<&str>,
    ) -> Vec<&str> {
        let fits = |(name, proxmox): &(&String, &Proxmox)| {
            offer.is_sold_at(proxmox.location.as_deref(), location)
                && image.template.contains_key(*name)
                && self.vlan_range_on(name).is_some()
        };
        self.proxmox.iter().filter(fits).map(|(name, _)| name.as_str()).collect()
    }

    /// The range that gives VLANs to the tenants of a cluster.
    pub fn vlan_range_on(&self, proxmox: &str) -> Option<(&str, &VlanRange)> {
        let found = self.vlan_range.iter().find(|(_, range)| range.proxmox == proxmox);
        found.map(|(name, range)| (name.as_str(), range))
    }

    /// The bridge that carves tenant networks on a connection.
    pub fn bridge_on(&self, docker: &str) -> Option<(&str, &Bridge)> {
        let found = self.bridge.iter().find(|(_, bridge)| bridge.docker == docker);
        found.map(|(name, bridge)| (name.as_str(), bridge))
    }

    /// The image an instance runs: the one it names, or the only one its offer has.
    pub fn image_of<'a>(&'a self, instance: &'a Instance, offer: &'a Offer) -> Option<&'a str> {
        match (instance.image.as_deref(), offer.images.as_slice()) {
            (Some(named), _) => Some(named),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The addresses a thing had before, as its entry or its instance lists them.
    pub fn moved(&self, address: &Address) -> Vec<Address> {
        let name = address.name();
        let moved = match address.kind() {
            Kind::Network => self.network.get(name).map(|entry| &entry.moved),
            Kind::Volume => self.volume.get(name).map(|entry| &entry.moved),
            Kind::Container => self.container.get(name).map(|entry| &entry.moved),
            Kind::Instance => self.instance.get(name).map(|entry| &entry.moved),
            Kind::Vlan => self.vlan.get(name).map(|entry| &entry.moved),
            Kind::Alias => self.alias.get(name).map(|entry| &entry.moved),
            Kind::FirewallRule => self.firewall_rule.get(name).map(|entry| &entry.moved),
            Kind::PortForward => self.port_forward.get(name).map(|entry| &entry.moved),
            Kind::OutboundNat => self.outbound_nat.get(name).map(|entry| &entry.moved),
            Kind::Vpn => self.vpn.get(name).map(|entry| &entry.moved),
            Kind::Pool => self.pool.get(name).map(|entry| &entry.moved),
            Kind::Machine => return self.machine_moved(name),
            Kind::AddressPool
            | Kind::FirewallTemplate
            | Kind::PfSense
            | Kind::Proxmox
            | Kind::VlanRange
            | Kind::Docker
            | Kind::Location
            | Kind::Image
            | Kind::PortRange
            | Kind::Bridge
            | Kind::Offer
            | Kind::PromoCode
            | Kind::Quota
            | Kind::Tenant
            | Kind::Policy => None,
        };
        // The volume of an instance moves with it.
        let instance = (address.kind() == Kind::Volume).then(|| self.instance.get(name)).flatten();
        let along = instance.iter().flat_map(|instance| &instance.moved);
        let along = along.map(|old| Address::new(Kind::Volume, old.name()));
        moved.into_iter().flatten().cloned().chain(along).collect()
    }

    /// What entries adopt, each with the connection it lives on, in order of kind, then of name.
    pub fn adopted(&self) -> impl Iterator<Item = (Address, Address, &Adopted)> {
        let firewalls = self.adopted_from_firewalls();
        let machines = self.instance.iter().filter_map(|(name, instance)| {
            let adopted = instance.adopted.as_ref()?;
            let [cluster] = *self.clusters_for(instance) else { return None };
            let place = Address::new(Kind::Proxmox, cluster);
            Some((Address::new(Kind::Instance, &**name), place, adopted))
        });
        self.adopted_from_hosts().chain(firewalls).chain(machines)
    }

    fn adopted_from_hosts(&self) -> impl Iterator<Item = (Address, Address, &Adopted)> {
        let containers = self.container.iter();
        let containers = containers.map(|(n, e)| (Kind::Container, n, &e.docker, &e.adopted));
        let networks = self.network.iter();
        let networks = networks.map(|(n, e)| (Kind::Network, n, &e.docker, &e.adopted));
        let volumes = self.volume.iter();
        let volumes = volumes.map(|(n, e)| (Kind::Volume, n, &e.docker, &e.adopted));
        let all = containers.chain(networks).chain(volumes);
        all.filter_map(|(kind, name, docker, adopted)| {
            let (adopted, docker) = (adopted.as_ref()?, self.docker_of(docker.as_deref())?);
            Some((Address::new(kind, &**name), Address::new(Kind::Docker, docker), adopted))
        })
    }

    fn adopted_from_firewalls(&self) -> impl Iterator<Item = (Address, Address, &Adopted)> {
        let vlans = self.vlan.iter().map(|(name, entry)| {
            (Address::new(Kind::Vlan, &**name), &entry.pfsense, &entry.adopted)
        });
        let aliases = self.alias.iter().map(|(name, entry)| {
            (Address::new(Kind::Alias, &**name), &entry.pfsense, &entry.adopted)
        });
        let rules = self.firewall_rule.iter().map(|(name, entry)| {
            (Address::new(Kind::FirewallRule, &**name), &entry.pfsense, &entry.adopted)
        });
        let forwards = self.port_forward.iter().map(|(name, entry)| {
            (Address::new(Kind::PortForward, &**name), &entry.pfsense, &entry.adopted)
        });
        let all = vlans.chain(aliases).chain(rules).chain(forwards);
        all.filter_map(|(address, pfsense, adopted)| {
            let pfsense = self.pfsense_of(pfsense.as_deref())?;
            Some((address, Address::new(Kind::PfSense, pfsense), adopted.as_ref()?))
        })
    }

    /// The clusters a declared instance may run on, in order of name; none when it is no virtual
    /// machine.
    pub fn clusters_for(&self, instance: &Instance) -> Vec<&str> {
        let found = || {
            let offer = self.offer.get(&instance.offer).filter(|offer| offer.vm.is_some())?;
            let image = self.image.get(self.image_of(instance, offer)?)?.vm.as_ref()?;
            Some(self.proxmoxes_for(offer, image, instance.location.as_deref()))
        };
        found().unwrap_or_default()
    }

    /// Every secret an entry refers to, but for [`Specs::machine_secrets`].
    pub fn secrets(&self) -> BTreeSet<&SecretRef> {
        let images = self.image.values().filter_map(|image| image.container.as_ref());
        let containers = self.container.values().map(|container| &container.env);
        let instances = self.instance.values().map(|instance| &instance.env);
        let env = images.map(|image| &image.env).chain(containers).chain(instances);
        let env = env.flat_map(|env| env.values()).filter_map(|value| match value {
            EnvValue::Secret(secret) => Some(secret),
            EnvValue::Plain(_) => None,
        });
        let tokens = self.proxmox.values().map(|proxmox| &proxmox.token);
        let keys = self.pfsense.values().flat_map(|pfsense| [&pfsense.api_key, &pfsense.password]);
        let private = self.vpn.values().map(|vpn| &vpn.private_key);
        let peers = self.vpn.values().flat_map(|vpn| vpn.peers.values());
        let shared = peers.filter_map(|peer| peer.preshared_key.as_ref());
        env.chain(tokens).chain(keys.flatten()).chain(private).chain(shared).collect()
    }

    /// How many entries files declare, policy not counted.
    pub fn count(&self) -> usize {
        self.all_entries() - self.ordered.entries
    }

    /// How many entries there are, orders and what they bought counted too.
    pub(crate) fn all_entries(&self) -> usize {
        self.docker.len()
            + self.proxmox.len()
            + self.pfsense.len()
            + self.vlan.len()
            + self.vlan_range.len()
            + self.address_pool.len()
            + self.firewall_rule.len()
            + self.alias.len()
            + self.firewall_template.len()
            + self.port_forward.len()
            + self.outbound_nat.len()
            + self.vpn.len()
            + self.location.len()
            + self.image.len()
            + self.network.len()
            + self.volume.len()
            + self.container.len()
            + self.port_range.len()
            + self.bridge.len()
            + self.pool.len()
            + self.machine.len()
            + self.offer.len()
            + self.promo_code.len()
            + self.quota.len()
            + self.tenant.len()
            + self.instance.len()
    }
}
