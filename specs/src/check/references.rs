//! Every name an entry mentions is declared.

use super::{Checker, Step, at};
use crate::kinds::{Instance, Offer};
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, docker) in &specs.docker {
        let from = Address::new(Kind::Docker, &**name);
        if let Some(location) = &docker.location {
            checker.refer(&from, at!["location"], "stands in", Kind::Location, location);
        }
    }
    hypervisors_and_firewalls(checker);
    for (name, network) in &specs.network {
        let from = Address::new(Kind::Network, &**name);
        checker.home(&from, Kind::Docker, network.docker.as_deref());
    }
    for (name, volume) in &specs.volume {
        let from = Address::new(Kind::Volume, &**name);
        checker.home(&from, Kind::Docker, volume.docker.as_deref());
    }
    containers(checker);
    for (name, range) in &specs.port_range {
        let from = Address::new(Kind::PortRange, &**name);
        checker.home(&from, Kind::Docker, Some(&range.docker));
    }
    for (name, bridge) in &specs.bridge {
        let from = Address::new(Kind::Bridge, &**name);
        checker.home(&from, Kind::Docker, Some(&bridge.docker));
    }
    pools(checker);
    offers(checker);
    for (name, tenant) in &specs.tenant {
        let from = Address::new(Kind::Tenant, &**name);
        if let Some(quota) = &tenant.quota {
            checker.refer(&from, at!["quota"], "is limited by", Kind::Quota, quota);
        }
    }
    instances(checker);
}

fn hypervisors_and_firewalls(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let proxmoxes = specs.proxmox.iter().map(|(name, p)| (Kind::Proxmox, name, &p.location));
    let pfsenses = specs.pfsense.iter().map(|(name, p)| (Kind::PfSense, name, &p.location));
    for (kind, name, location) in proxmoxes.chain(pfsenses) {
        if let Some(location) = location {
            let from = Address::new(kind, &**name);
            checker.refer(&from, at!["location"], "stands in", Kind::Location, location);
        }
    }
    for (name, vlan) in &specs.vlan {
        // Without a card to come in by, it is the hypervisor's alone.
        if vlan.parent.is_some() || vlan.pfsense.is_some() {
            let from = Address::new(Kind::Vlan, &**name);
            checker.home(&from, Kind::PfSense, vlan.pfsense.as_deref());
        }
    }
    for (name, range) in &specs.vlan_range {
        let from = Address::new(Kind::VlanRange, &**name);
        checker.refer(&from, at!["proxmox"], "is for", Kind::Proxmox, &range.proxmox);
        checker.home(&from, Kind::PfSense, Some(&range.pfsense));
    }
    for (name, pool) in &specs.address_pool {
        let from = Address::new(Kind::AddressPool, &**name);
        checker.home(&from, Kind::PfSense, Some(&pool.pfsense));
    }
    let aliases = specs.alias.iter().map(|(n, e)| (Kind::Alias, n, &e.pfsense));
    let rules = specs.firewall_rule.iter().map(|(n, e)| (Kind::FirewallRule, n, &e.pfsense));
    let forwards = specs.port_forward.iter().map(|(n, e)| (Kind::PortForward, n, &e.pfsense));
    let outbound = specs.outbound_nat.iter().map(|(n, e)| (Kind::OutboundNat, n, &e.pfsense));
    let tunnels = specs.vpn.iter().map(|(n, e)| (Kind::Vpn, n, &e.pfsense));
    let all = aliases.chain(rules).chain(forwards).chain(outbound).chain(tunnels);
    for (kind, name, pfsense) in all {
        checker.home(&Address::new(kind, &**name), Kind::PfSense, pfsense.as_deref());
    }
    for (name, image) in &specs.image {
        let from = Address::new(Kind::Image, &**name);
        for proxmox in image.vm.iter().flat_map(|vm| vm.template.keys()) {
            let path = at!["vm", "template", proxmox];
            checker.refer(&from, path, "has a template on", Kind::Proxmox, proxmox);
        }
    }
}

fn containers(checker: &mut Checker<'_>) {
    for (name, container) in &checker.specs.container {
        let from = Address::new(Kind::Container, &**name);
        checker.home(&from, Kind::Docker, container.docker.as_deref());
        for (index, network) in container.networks.iter().enumerate() {
            checker.refer(&from, at!["networks", index], "joins", Kind::Network, network);
        }
        for (index, mount) in container.volumes.iter().enumerate() {
            let path = at!["volumes", index, "volume"];
            checker.refer(&from, path, "mounts", Kind::Volume, &mount.volume);
        }
        for (index, needed) in container.depends_on.iter().enumerate() {
            let path = at!["depends_on", index];
            if matches!(needed.kind(), Kind::Container | Kind::Network | Kind::Volume) {
                checker.refer(&from, path, "depends on", needed.kind(), needed.name());
            } else {
                let message = format!("`{from}` cannot depend on `{needed}`");
                checker.find(Code::CannotDependOn, from.clone(), path, message).hint =
                    Some("it can depend on containers, networks and volumes".into());
            }
        }
    }
}

fn pools(checker: &mut Checker<'_>) {
    for (name, pool) in &checker.specs.pool {
        let from = Address::new(Kind::Pool, &**name);
        if pool.is_made() {
            checker.home(&from, Kind::Docker, pool.docker.as_deref());
        }
        if let Some(image) = &pool.image {
            checker.refer(&from, at!["image"], "runs", Kind::Image, image);
        }
    }
    for (name, machine) in &checker.specs.machine {
        let from = Address::new(Kind::Machine, &**name);
        checker.refer(&from, at!["pool"], "belongs to", Kind::Pool, &machine.pool);
        if let Some(proxmox) = &machine.proxmox {
            checker.refer(&from, at!["proxmox"], "is a guest of", Kind::Proxmox, proxmox);
        }
    }
}

fn offers(checker: &mut Checker<'_>) {
    for (name, offer) in &checker.specs.offer {
        self::offer(checker, &Address::new(Kind::Offer, &**name), offer);
    }
}

pub(super) fn offer(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    for (index, image) in offer.images.iter().enumerate() {
        checker.refer(from, at!["images", index], "runs", Kind::Image, image);
    }
    for (index, template) in offer.firewall.iter().enumerate() {
        let path = at!["firewall", index];
        checker.refer(from, path, "gets rules of", Kind::FirewallTemplate, template);
    }
    for (index, location) in offer.locations.iter().enumerate() {
        checker.refer(from, at!["locations", index], "is sold in", Kind::Location, location);
    }
    for (index, port) in offer.container.iter().flat_map(|c| c.ports.iter().enumerate()) {
        let path = at!["container", "ports", index, "range"];
        checker.refer(from, path, "takes ports from", Kind::PortRange, &port.range);
    }
    for (index, pool) in offer.machine.iter().flat_map(|m| m.pools.iter().enumerate()) {
        let path = at!["machine", "pools", index];
        checker.refer(from, path, "takes machines from", Kind::Pool, pool);
    }
}

fn instances(checker: &mut Checker<'_>) {
    for (name, instance) in &checker.specs.instance {
        self::instance(checker, &Address::new(Kind::Instance, &**name), instance);
    }
}

pub(super) fn instance(checker: &mut Checker<'_>, from: &Address, instance: &Instance) {
    let tenant = from.name().split('/').next().unwrap_or_default();
    checker.refer(from, Vec::new(), "belongs to", Kind::Tenant, tenant);
    checker.refer(from, at!["offer"], "is one of", Kind::Offer, &instance.offer);
    if let Some(image) = &instance.image {
        checker.refer(from, at!["image"], "runs", Kind::Image, image);
    }
    if let Some(location) = &instance.location {
        checker.refer(from, at!["location"], "runs in", Kind::Location, location);
    }
}

impl Checker<'_> {
    pub(super) fn refer(
        &mut self,
        from: &Address,
        path: impl Into<Vec<Step>>,
        verb: &str,
        kind: Kind,
        name: &str,
    ) {
        if self.knows(kind, name) {
            return;
        }
        let message = format!("`{from}` {verb} {} `{name}`, which no spec defines", noun(kind));
        let hint = self.suggest(kind, name);
        let finding = self.find(Code::Dangling, from.clone(), path, message);
        finding.hint = hint;
        finding.dangling = true;
    }

    /// The host or the firewall an entry lives on is named, or is the only one.
    fn home(&mut self, from: &Address, kind: Kind, named: Option<&str>) {
        let field = kind.as_str();
        let known = self.declared.count(kind);
        match (named, known) {
            (Some(name), _) => self.refer(from, at![field], "lives on", kind, name),
            (None, 1) => {}
            (None, 0) => {
                let message = format!("`{from}` has no {} to live on", noun(kind));
                let finding = self.find(Code::NoConnection, from.clone(), Vec::new(), message);
                let example = if kind == Kind::Docker { "local" } else { "edge" };
                finding.hint = Some(format!("declare one: `[{kind}.{example}]`"));
                finding.dangling = true;
            }
            (None, _) => {
                let message = format!("`{from}` does not say which {} it lives on", noun(kind));
                let listed = self.listed(kind).map_or(String::new(), |all| format!("; {all}"));
                self.find(Code::WhichConnection, from.clone(), Vec::new(), message).hint =
                    Some(format!("add `{field} = \"…\"`{listed}"));
            }
        }
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Docker => "connection",
        Kind::PortRange => "port range",
        Kind::Proxmox => "cluster",
        Kind::PfSense => "firewall",
        Kind::Vlan => "VLAN",
        Kind::FirewallTemplate => "firewall template",
        other => other.as_str(),
    }
}
