//! Rules of plain Docker resources, and of what hands out parts of a host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Checker, Step, at};
use crate::kinds::{Bridge, Container, Ready};
use crate::quantity::looks_secret;
use crate::{Address, ByteSize, Code, EnvValue, Kind, PortRange};

/// Docker refuses less.
const MEMORY_MIN: ByteSize = ByteSize::from_bytes(6 << 20);

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, container) in &checker.specs.container {
        let from = Address::new(Kind::Container, &**name);
        same_connection(checker, &from, container);
        checker.env(&from, ["env"], &container.env);
        checker.memory(&from, at!["memory"], container.memory);
        ready(checker, &from, container);
        mounted_once(checker, &from, container);
    }
    for (name, image) in &checker.specs.image {
        let from = Address::new(Kind::Image, &**name);
        if let Some(container) = &image.container {
            checker.env(&from, ["container", "env"], &container.env);
        } else if image.vm.is_none() {
            let message = format!("`{from}` is neither a container nor a virtual machine");
            checker.find(Code::ImageEmpty, from.clone(), Vec::new(), message).hint =
                Some(format!("add a table `[{}.container]` with a `ref`", from.header()));
        }
    }
    fixed_ports(checker);
    port_ranges(checker);
    bridges(checker);
}

/// A container and what it joins and mounts live on one host.
fn same_connection(checker: &mut Checker<'_>, from: &Address, container: &Container) {
    let specs = checker.specs;
    if specs.docker.len() < 2 {
        return;
    }
    let Some(own) = specs.docker_of(container.docker.as_deref()) else { return };
    let networks = container.networks.iter().enumerate().map(|(index, name)| {
        let other = specs.network.get(name).map(|network| network.docker.as_deref());
        (at!["networks", index], Kind::Network, name, other)
    });
    let volumes = container.volumes.iter().enumerate().map(|(index, mount)| {
        let other = specs.volume.get(&mount.volume).map(|volume| volume.docker.as_deref());
        (at!["volumes", index], Kind::Volume, &mount.volume, other)
    });
    for (path, kind, name, other) in networks.chain(volumes) {
        let Some(other) = other.and_then(|named| specs.docker_of(named)) else { continue };
        if other != own {
            let address = Address::new(kind, &**name);
            let message =
                format!("`{from}` lives on `docker.{own}`, but `{address}` on `docker.{other}`");
            let finding = checker.find(Code::OtherConnection, from.clone(), path, message);
            finding.also(address, Vec::new(), "declared here");
        }
    }
}

fn ready(checker: &mut Checker<'_>, from: &Address, container: &Container) {
    let Some(Ready { tcp, healthy, .. }) = &container.ready else { return };
    if let Some(tcp) = tcp
        && !container.ports.iter().any(|port| port.container == *tcp)
    {
        let message = format!("`{from}` is ready when port {tcp} answers, but does not publish it");
        checker.find(Code::ReadyUnpublished, from.clone(), at!["ready", "tcp"], message).hint =
            Some(format!("add `{{ host = {tcp}, container = {tcp} }}` to its `ports`"));
    }
    if *healthy && container.healthcheck.is_none() {
        let message = format!("`{from}` is ready when healthy, but has no health check");
        checker.find(Code::ReadyUnchecked, from.clone(), at!["ready", "healthy"], message).hint =
            Some("add a table `healthcheck` with a `command`".into());
    }
}

fn mounted_once(checker: &mut Checker<'_>, from: &Address, container: &Container) {
    let mut seen = BTreeMap::new();
    for (index, mount) in container.volumes.iter().enumerate() {
        if let Some(first) = seen.insert(&mount.path, index) {
            let message = format!("`{from}` mounts two volumes at `{}`", mount.path);
            let path = at!["volumes", index, "path"];
            let finding = checker.find(Code::MountedTwice, from.clone(), path, message);
            let other = at!["volumes", first, "path"];
            finding.also(from.clone(), other, "mounted here too");
        }
    }
}

/// No two containers of a host publish the same port.
fn fixed_ports(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut taken: BTreeMap<_, Vec<(IpAddr, Address, usize)>> = BTreeMap::new();
    for (name, container) in &specs.container {
        let Some(docker) = specs.docker_of(container.docker.as_deref()) else { continue };
        for (index, port) in container.ports.iter().enumerate() {
            let from = Address::new(Kind::Container, &**name);
            let others = taken.entry((docker, port.host, port.protocol)).or_default();
            let clash = others.iter().find(|(bind, ..)| binds_clash(*bind, port.bind)).cloned();
            if let Some((_, other, first)) = clash {
                let message = format!(
                    "`{from}` and `{other}` both publish port {}/{} of `docker.{docker}`",
                    port.host, port.protocol
                );
                let path = at!["ports", index, "host"];
                let finding = checker.find(Code::PortTaken, from.clone(), path, message);
                let place = at!["ports", first, "host"];
                finding.also(other, place, "published here too");
            } else {
                others.push((port.bind, from, index));
            }
        }
    }
}

/// Whether two addresses cannot have the same port: they are equal, or one means all.
fn binds_clash(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// Ports of a host that are handed out, by the entry that says so.
#[derive(Clone, Copy)]
struct Range<'s> {
    docker: &'s str,
    ports: PortRange,
    bind: IpAddr,
    entry: (Kind, &'s str, &'static str),
}

impl Range<'_> {
    fn address(&self) -> Address {
        Address::new(self.entry.0, self.entry.1)
    }
}

/// No port of a host is handed out twice.
fn port_ranges(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let ranges = specs.port_range.iter().map(|(name, spec)| {
        let (docker, ports, bind) = (&*spec.docker, spec.range, spec.bind);
        Range { docker, ports, bind, entry: (Kind::PortRange, name, "range") }
    });
    let pools = specs.pool.iter().filter_map(|(name, pool)| {
        let docker = specs.docker_of(pool.docker.as_deref())?;
        let (ports, bind) = (pool.ports.filter(|_| pool.is_made())?, pool.bind);
        Some(Range { docker, ports, bind, entry: (Kind::Pool, name, "ports") })
    });
    let mut ranges: Vec<_> = ranges.chain(pools).collect();
    ranges.sort_by_key(|range| (range.docker, range.ports, range.entry));
    let mut before: Vec<Range<'_>> = Vec::new();
    for range in ranges {
        before.retain(|b| b.docker == range.docker && b.ports.overlaps(range.ports));
        if let Some(other) = before.iter().find(|b| binds_clash(b.bind, range.bind)) {
            let (from, first) = (range.address(), other.address());
            let message =
                format!("`{from}` and `{first}` hold the same ports of `docker.{}`", range.docker);
            let path = at![range.entry.2];
            let finding = checker.find(Code::PortRangesOverlap, from, path, message);
            finding.also(first, at![other.entry.2], "overlaps this");
            finding.hint = Some("give each range ports of its own".into());
        }
        before.push(range);
    }
}

/// Bridges of a host do not overlap, there is one on each, and tenants fit into it.
fn bridges(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut first_on: BTreeMap<&str, (&String, &Bridge)> = BTreeMap::new();
    for (name, bridge) in &specs.bridge {
        let from = Address::new(Kind::Bridge, &**name);
        let prefix = bridge.supernet.net().prefix_len();
        if bridge.per_tenant_prefix < prefix {
            let message = format!(
                "`{from}` cannot carve networks of /{} out of `{}`",
                bridge.per_tenant_prefix, bridge.supernet
            );
            let path = at!["per_tenant_prefix"];
            checker.find(Code::BridgeTooNarrow, from.clone(), path, message).hint =
                Some(format!("use a prefix from {prefix} to 29"));
        }
        if let Some((other, _)) = first_on.get(bridge.docker.as_str()) {
            let other = Address::new(Kind::Bridge, &***other);
            let message = format!(
                "`{from}` and `{other}` both carve tenant networks on `docker.{}`",
                bridge.docker
            );
            let finding = checker.find(Code::BridgeTwice, from, at!["docker"], message);
            finding.also(other, at!["docker"], "used here too");
            finding.hint = Some("a host has one bridge; make its supernet larger".into());
        } else {
            first_on.insert(&bridge.docker, (name, bridge));
        }
    }
    for (network, spec) in &specs.network {
        let host = specs.docker_of(spec.docker.as_deref());
        let Some((name, bridge)) = host.and_then(|host| first_on.get(host)) else { continue };
        if let Some(subnet) = spec.subnet.filter(|subnet| subnet.overlaps(bridge.supernet)) {
            let from = Address::new(Kind::Network, &**network);
            let message =
                format!("`{from}` takes `{subnet}`, which `bridge.{name}` carves for tenants");
            let finding = checker.find(Code::NetworkInBridge, from, at!["subnet"], message);
            finding.also(Address::new(Kind::Bridge, &***name), at!["supernet"], "");
        }
    }
}

impl Checker<'_> {
    /// A secret is referred to, never written down.
    pub(super) fn env<const N: usize>(
        &mut self,
        from: &Address,
        path: [&'static str; N],
        env: &BTreeMap<String, EnvValue>,
    ) {
        for (name, value) in env {
            let at = || {
                path.iter().copied().map(Step::from).chain([Step::from(name)]).collect::<Vec<_>>()
            };
            if name.is_empty() || name.contains(['=', '\0']) {
                let message =
                    format!("`{from}` sets a variable `{name}`, which no process can have");
                self.find(Code::MalformedVariable, from.clone(), at(), message);
            } else if let EnvValue::Plain(text) = value
                && looks_secret(name, text)
            {
                let message = format!("`{from}` holds a literal secret in `{name}`");
                let finding = self.find(Code::LiteralSecret, from.clone(), at(), message);
                finding.secret = true;
                finding.hint = Some(format!(
                    "keep it elsewhere and write `{name} = \"secret://env/{name}\"`, or `secret://file/…`"
                ));
            }
        }
    }

    pub(super) fn memory(
        &mut self,
        from: &Address,
        path: impl Into<Vec<Step>>,
        memory: Option<ByteSize>,
    ) {
        if let Some(memory) = memory.filter(|memory| *memory < MEMORY_MIN) {
            let message = format!(
                "`{from}` gets {memory} of memory, and Docker takes no less than {MEMORY_MIN}"
            );
            self.find(Code::TooLittleMemory, from.clone(), path, message);
        }
    }
}
