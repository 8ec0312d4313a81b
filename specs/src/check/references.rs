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
        other => other.as_str(),
    }
}
