//! Every name an entry mentions is declared.

use super::{Checker, Step, at};
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
        checker.connection(&from, network.docker.as_deref());
        checker.moved(&from, &network.moved);
    }
    for (name, volume) in &specs.volume {
        let from = Address::new(Kind::Volume, &**name);
        checker.connection(&from, volume.docker.as_deref());
        checker.moved(&from, &volume.moved);
    }
    containers(checker);
    for (name, range) in &specs.port_range {
        let from = Address::new(Kind::PortRange, &**name);
        checker.connection(&from, Some(&range.docker));
    }
    for (name, bridge) in &specs.bridge {
        let from = Address::new(Kind::Bridge, &**name);
        checker.connection(&from, Some(&bridge.docker));
    }
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
        let from = Address::new(Kind::Vlan, &**name);
        if let Some(pfsense) = &vlan.pfsense {
            checker.refer(&from, at!["pfsense"], "is behind", Kind::PfSense, pfsense);
        }
        checker.moved(&from, &vlan.moved);
    }
    for (name, range) in &specs.vlan_range {
        let from = Address::new(Kind::VlanRange, &**name);
        checker.refer(&from, at!["proxmox"], "is for", Kind::Proxmox, &range.proxmox);
        checker.refer(&from, at!["pfsense"], "is behind", Kind::PfSense, &range.pfsense);
    }
    for (name, pool) in &specs.address_pool {
        let from = Address::new(Kind::AddressPool, &**name);
        checker.refer(&from, at!["pfsense"], "belongs to", Kind::PfSense, &pool.pfsense);
    }
    for (name, rule) in &specs.firewall_rule {
        let from = Address::new(Kind::FirewallRule, &**name);
        if let Some(pfsense) = &rule.pfsense {
            checker.refer(&from, at!["pfsense"], "is kept by", Kind::PfSense, pfsense);
        }
        let ends = [
            ("interface", &rule.interface),
            ("source", &rule.source),
            ("destination", &rule.destination),
        ];
        for (field, end) in ends {
            if let Some(vlan) = end.strip_prefix("vlan.") {
                checker.refer(&from, at![field], "is about", Kind::Vlan, vlan);
            }
        }
        checker.moved(&from, &rule.moved);
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
        checker.connection(&from, container.docker.as_deref());
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
        checker.moved(&from, &container.moved);
    }
}

fn offers(checker: &mut Checker<'_>) {
    for (name, offer) in &checker.specs.offer {
        let from = Address::new(Kind::Offer, &**name);
        for (index, image) in offer.images.iter().enumerate() {
            checker.refer(&from, at!["images", index], "runs", Kind::Image, image);
        }
        for (index, template) in offer.firewall.iter().enumerate() {
            let path = at!["firewall", index];
            checker.refer(&from, path, "gets rules of", Kind::FirewallTemplate, template);
        }
        for (index, location) in offer.locations.iter().enumerate() {
            checker.refer(&from, at!["locations", index], "is sold in", Kind::Location, location);
        }
        for (index, port) in offer.container.iter().flat_map(|c| c.ports.iter().enumerate()) {
            let path = at!["container", "ports", index, "range"];
            checker.refer(&from, path, "takes ports from", Kind::PortRange, &port.range);
        }
    }
}

fn instances(checker: &mut Checker<'_>) {
    for (name, instance) in &checker.specs.instance {
        let from = Address::new(Kind::Instance, &**name);
        let tenant = name.split('/').next().unwrap_or_default();
        checker.refer(&from, Vec::new(), "belongs to", Kind::Tenant, tenant);
        checker.refer(&from, at!["offer"], "is one of", Kind::Offer, &instance.offer);
        if let Some(image) = &instance.image {
            checker.refer(&from, at!["image"], "runs", Kind::Image, image);
        }
        if let Some(location) = &instance.location {
            checker.refer(&from, at!["location"], "runs in", Kind::Location, location);
        }
        checker.moved(&from, &instance.moved);
    }
}

impl Checker<'_> {
    fn refer(
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

    fn connection(&mut self, from: &Address, named: Option<&str>) {
        let known = self.names(Kind::Docker).take(2).count();
        match (named, known) {
            (Some(name), _) => self.refer(from, at!["docker"], "lives on", Kind::Docker, name),
            (None, 1) => {}
            (None, 0) => {
                let message = format!("`{from}` has no connection to live on");
                let finding = self.find(Code::NoConnection, from.clone(), Vec::new(), message);
                finding.hint = Some("declare one: `[docker.local]`".into());
                finding.dangling = true;
            }
            (None, _) => {
                let message = format!("`{from}` does not say which connection it lives on");
                let declared = self.declared(Kind::Docker).unwrap_or_default();
                self.find(Code::WhichConnection, from.clone(), Vec::new(), message).hint =
                    Some(format!("add `docker = \"…\"`; {declared}"));
            }
        }
    }

    /// An old address is of the same kind, no longer declared, and claimed once.
    fn moved(&mut self, from: &Address, moved: &[Address]) {
        for (index, old) in moved.iter().enumerate() {
            let path = at!["moved", index];
            if old.kind() != from.kind() {
                let message = format!("`{from}` cannot have been `{old}`, which is another kind");
                self.find(Code::MovedKind, from.clone(), path, message);
            } else if self.knows(old.kind(), old.name()) {
                let message = format!("`{from}` says it was `{old}`, which is still declared");
                let finding = self.find(Code::MovedDeclared, from.clone(), path, message);
                finding.also(old.clone(), Vec::new(), "declared here");
                finding.hint = Some("remove one of the two".into());
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
