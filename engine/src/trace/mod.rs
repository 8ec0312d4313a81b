//! Where a thing comes from: the entries that made it, the field behind each attribute, and how
//! each choice was made. The reading side of [`desire`](crate::desire()) and `allocate`.

mod hosting;
mod machines;

use std::collections::BTreeMap;

use lessor_plans::{Body, Claim, ClaimKey, InterfaceBody, Present};
use lessor_specs::kinds::{Container, Instance, Offer};
use lessor_specs::{Address, Kind, Specs};

use crate::World;
use crate::desire::{TenantVlan, docker_address, tenant_network};
use crate::outline::{Outline, Outlined};

/// An entry that had a say in a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The entry.
    pub entry: Address,
    /// How it came to be this one, where the thing's own entry does not name it.
    pub why: Option<&'static str>,
}

/// Where an attribute comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of an entry, by the names that lead to it. It may have been left out there.
    Field {
        /// The entry.
        entry: Address,
        /// `container`, then `memory`.
        path: Vec<String>,
    },
    /// No entry has a say in it; in words, why it is so.
    Own(&'static str),
}

/// Something that was chosen, since specs leave it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is for.
    pub key: ClaimKey,
    /// What was chosen.
    pub value: Claim,
    /// How.
    pub how: How,
}

/// How something was chosen, by the precedence of allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It was given out before, under this key.
    Claimed(ClaimKey),
    /// No claim is remembered, and the thing that is there has it.
    Found,
    /// It is the best of several, and this is why.
    Best(String),
    /// It was the first that is free.
    FirstFree {
        /// What is remembered instead and cannot be had any more.
        instead_of: Option<Claim>,
    },
}

/// The entries that had a say in a thing, the one it is declared by first.
pub fn parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let name = thing.address.name();
    match thing.address.kind() {
        Kind::Instance => specs
            .instance
            .get(name)
            .map_or_else(Vec::new, |instance| instance_parts(specs, name, instance, &thing.place)),
        Kind::Volume if specs.volume.contains_key(name) => declared(specs, thing),
        Kind::Volume => volume_parts(specs, thing),
        Kind::Bridge => network_parts(specs, thing),
        Kind::Machine => machines::parts(specs, thing),
        Kind::Image => image_parts(specs, thing),
        _ if thing.address.is_derived() => hosting::derived_parts(specs, thing),
        Kind::AddressPool
        | Kind::Alias
        | Kind::Container
        | Kind::Docker
        | Kind::FirewallRule
        | Kind::FirewallTemplate
        | Kind::Location
        | Kind::Network
        | Kind::Offer
        | Kind::OutboundNat
        | Kind::PfSense
        | Kind::Policy
        | Kind::Pool
        | Kind::PortForward
        | Kind::PortRange
        | Kind::PromoCode
        | Kind::Proxmox
        | Kind::Quota
        | Kind::Tenant
        | Kind::Vlan
        | Kind::VlanRange
        | Kind::Vpn => declared(specs, thing),
    }
}

fn part(kind: Kind, name: &str) -> Part {
    Part { entry: Address::new(kind, name), why: None }
}

/// A plain resource: its own entry, and the connection.
fn declared(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let name = thing.address.name();
    let named = match thing.address.kind() {
        Kind::Container => specs.container.get(name).and_then(|entry| entry.docker.as_deref()),
        Kind::Network => specs.network.get(name).and_then(|entry| entry.docker.as_deref()),
        Kind::Volume => specs.volume.get(name).and_then(|entry| entry.docker.as_deref()),
        Kind::Vlan => specs.vlan.get(name).and_then(|entry| entry.pfsense.as_deref()),
        Kind::Alias => specs.alias.get(name).and_then(|entry| entry.pfsense.as_deref()),
        Kind::FirewallRule => {
            specs.firewall_rule.get(name).and_then(|entry| entry.pfsense.as_deref())
        }
        Kind::PortForward => {
            specs.port_forward.get(name).and_then(|entry| entry.pfsense.as_deref())
        }
        Kind::OutboundNat => {
            specs.outbound_nat.get(name).and_then(|entry| entry.pfsense.as_deref())
        }
        _ => specs.vpn.get(name).and_then(|entry| entry.pfsense.as_deref()),
    };
    let why = named.is_none().then_some("the only connection");
    let own = Part { entry: thing.address.clone(), why: None };
    vec![own, Part { entry: thing.place.clone(), why }]
}

fn instance_parts(specs: &Specs, name: &str, instance: &Instance, place: &Address) -> Vec<Part> {
    let mut parts = vec![part(Kind::Instance, name), part(Kind::Offer, &instance.offer)];
    let Some(offer) = specs.offer.get(&instance.offer) else { return parts };
    if offer.vm.is_some() {
        return hosting::guest_parts(specs, name, instance, offer, place);
    }
    if let Some(image) = specs.image_of(instance, offer) {
        let why = instance.image.is_none().then_some("the only one of its offer");
        parts.push(Part { why, ..part(Kind::Image, image) });
    }
    parts.push(part(Kind::Tenant, name.split_once('/').map_or(name, |(tenant, _)| tenant)));
    let hosts = specs.dockers_for(offer, instance.location.as_deref()).len();
    let why = if hosts == 1 { "the only host it may run on" } else { "chosen, see below" };
    parts.push(Part { entry: place.clone(), why: Some(why) });
    let location = specs.docker.get(place.name()).and_then(|docker| docker.location.as_deref());
    parts.extend(location.map(|location| Part {
        why: instance.location.is_none().then_some("where its host stands"),
        ..part(Kind::Location, location)
    }));
    let bridge = specs.bridge_on(place.name());
    parts.extend(
        bridge.map(|(name, _)| Part {
            why: Some("the bridge of its host"),
            ..part(Kind::Bridge, name)
        }),
    );
    let offered = offer.container.iter().flat_map(|container| &container.ports);
    let mut ranges: Vec<_> = offered.map(|port| port.range.as_str()).collect();
    ranges.sort_unstable();
    ranges.dedup();
    parts.extend(ranges.into_iter().map(|range| part(Kind::PortRange, range)));
    parts
}

/// The volume of an instance, which is there since its offer has disk.
fn volume_parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let name = thing.address.name();
    let offer = specs
        .instance
        .get(name)
        .map(|instance| Part { why: Some("has disk"), ..part(Kind::Offer, &instance.offer) });
    let own = part(Kind::Instance, name);
    let host = Part { entry: thing.place.clone(), why: Some("the host of its instance") };
    [own].into_iter().chain(offer).chain([host]).collect()
}

/// A tenant's network, which comes with the first instance that is on its host.
fn network_parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let Some((bridge, tenant)) = thing.address.name().split_once('/') else { return Vec::new() };
    let host = specs.bridge.get(bridge).map(|bridge| part(Kind::Docker, &bridge.docker));
    [part(Kind::Bridge, bridge), part(Kind::Tenant, tenant)].into_iter().chain(host).collect()
}

/// An image is there because something runs it: the first that does.
fn image_parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let Body::Image(image) = &thing.body else { return Vec::new() };
    let here = |container: &Container| {
        container.image == image.name
            && specs.docker_of(container.docker.as_deref()) == Some(thing.place.name())
    };
    let containers = specs.container.iter().filter(|(_, container)| here(container));
    let images = specs.image.iter().filter(|(_, entry)| {
        entry.container.as_ref().is_some_and(|container| container.reference == image.name)
    });
    let containers = containers.map(|(name, _)| part(Kind::Container, name));
    let images = images.map(|(name, _)| part(Kind::Image, name));
    let host = Part { entry: thing.place.clone(), why: None };
    containers.chain(images).take(1).chain([host]).collect()
}

/// Where each attribute of a thing comes from, by its path.
pub fn sources(specs: &Specs, thing: &Outlined) -> BTreeMap<String, Source> {
    let paths = thing.body.attributes().into_keys();
    paths.map(|path| (path.clone(), source(specs, thing, &path))).collect()
}

fn source(specs: &Specs, thing: &Outlined, path: &str) -> Source {
    let (field, key) = path.split_once('.').unwrap_or((path, ""));
    if thing.place.kind() != Kind::Docker {
        return hosting::source(specs, thing, field, key);
    }
    let name = thing.address.name();
    match (field, thing.address.kind()) {
        ("name", Kind::Image) => image_source(specs, thing),
        ("name", _) if thing.is_named_after(&thing.address) => Source::Own("from its address"),
        ("name", _) if thing.births.iter().any(|birth| thing.is_named_after(birth)) => {
            Source::Own("from the address it was made as")
        }
        ("name", _) => Source::Own("the first that was free"),
        ("no_new_privileges" | "running", _) => Source::Own("always"),
        (_, Kind::Instance) => instance_source(specs, name, field, key),
        (_, Kind::Machine) => machines::source(specs, name, field, key),
        ("subnet", Kind::Bridge) => {
            let bridge = name.split_once('/').map_or(name, |(bridge, _)| bridge);
            at(Kind::Bridge, bridge, &["supernet"])
        }
        (_, Kind::Volume) if !specs.volume.contains_key(name) => Source::Own("always"),
        ("mounts", _) => at(Kind::Container, name, &["volumes"]),
        ("env" | "labels" | "options", kind) => at(kind, name, &[field, key]),
        ("healthcheck", kind) => {
            at(kind, name, &["healthcheck", key.strip_suffix("_s").unwrap_or(key)])
        }
        ("logging", kind) => match key.split_once('.') {
            Some((options, option)) => at(kind, name, &["logging", options, option]),
            None => at(kind, name, &["logging", key]),
        },
        (_, kind) => at(kind, name, &[field]),
    }
}

fn at(kind: Kind, name: &str, path: &[&str]) -> Source {
    let path = path.iter().map(|&name| name.to_owned()).collect();
    Source::Field { entry: Address::new(kind, name), path }
}

fn image_source(specs: &Specs, thing: &Outlined) -> Source {
    let user = image_parts(specs, thing).into_iter().next().map(|part| part.entry);
    match user {
        Some(user) if user.kind() == Kind::Container => at(user.kind(), user.name(), &["image"]),
        Some(user) => at(user.kind(), user.name(), &["container", "ref"]),
        None => Source::Own("what runs it says so"),
    }
}

fn instance_source(specs: &Specs, name: &str, field: &str, key: &str) -> Source {
    let unknown = Source::Own("always");
    let Some(instance) = specs.instance.get(name) else { return unknown };
    let Some(offer) = specs.offer.get(&instance.offer) else { return unknown };
    let image = specs.image_of(instance, offer).unwrap_or_default();
    match field {
        "cpu" | "memory" | "pids" | "ports" => {
            at(Kind::Offer, &instance.offer, &["container", field])
        }
        "image" => at(Kind::Image, image, &["container", "ref"]),
        "command" => at(Kind::Image, image, &["container", "command"]),
        "mounts" if key.ends_with(".volume") => volume_source(instance, offer),
        "mounts" => at(Kind::Image, image, &["container", "data"]),
        "env" if instance.env.contains_key(key) => at(Kind::Instance, name, &["env", key]),
        "env" => at(Kind::Image, image, &["container", "env", key]),
        "networks" => Source::Own("its tenant's network on the bridge of its host"),
        _ => unknown,
    }
}

fn volume_source(instance: &Instance, offer: &Offer) -> Source {
    match offer.container.as_ref().and_then(|container| container.disk) {
        Some(_) => at(Kind::Offer, &instance.offer, &["container", "disk"]),
        None => Source::Own("always"),
    }
}

/// What was chosen for a thing and how, given what was remembered and seen before.
pub fn choices(
    outline: &Outline,
    thing: &Outlined,
    claims: &BTreeMap<ClaimKey, Claim>,
    world: &World,
) -> Vec<Choice> {
    let present = world
        .at(&thing.place)
        .and_then(|seen| thing.births.iter().find_map(|birth| seen.present.get(birth)));
    let own = outline.claims.iter().filter(|(key, _)| is_for(key, thing));
    own.map(|(key, value)| Choice {
        key: key.clone(),
        value: value.clone(),
        how: match how(key, value, thing, claims, present) {
            How::FirstFree { .. } if key.pool.ends_with("/node") => {
                let why = outline.reasons.get(&thing.address);
                How::Best(why.cloned().unwrap_or_default())
            }
            how => how,
        },
    })
    .collect()
}

/// Whether something is given out to a thing: its host, its ports, its tenant's subnet.
fn is_for(key: &ClaimKey, thing: &Outlined) -> bool {
    let (holder, own) = (key.holder.as_str(), thing.address.to_string());
    let rest = holder.strip_prefix(&own);
    let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    let pool = key.pool.strip_prefix("bridge.");
    let tenant = holder.strip_prefix("tenant.");
    let network = pool.zip(tenant).map(|(bridge, tenant)| tenant_network(bridge, tenant));
    let range = key.pool.strip_prefix("vlan_range.").and_then(|pool| pool.split_once('/'));
    let vlan = range.zip(tenant).map(|((range, _), tenant)| TenantVlan::address_of(range, tenant));
    // A public address is given to an instance, and is a thing of its own.
    let public = key.pool.strip_prefix("address_pool.");
    let public = public.zip(holder.strip_prefix("instance."));
    let public =
        public.map(|(pool, name)| Address::new(Kind::AddressPool, format!("{pool}/{name}")));
    match public {
        Some(public) => public == thing.address,
        None => is_own || [network, vlan].into_iter().flatten().any(|own| own == thing.address),
    }
}

fn how(
    key: &ClaimKey,
    value: &Claim,
    thing: &Outlined,
    claims: &BTreeMap<ClaimKey, Claim>,
    present: Option<&Present>,
) -> How {
    // A claim may still be under a name the entry had before.
    let own = thing.address.to_string();
    let part = key.holder.strip_prefix(&own).unwrap_or_default();
    let former = thing
        .births
        .iter()
        .skip(1)
        .map(|birth| ClaimKey { pool: key.pool.clone(), holder: format!("{birth}{part}") });
    let mut keys = std::iter::once(key.clone()).chain(former);
    if let Some(key) = keys.find(|key| claims.get(key) == Some(value)) {
        return How::Claimed(key);
    }
    if present.is_some_and(|present| has(present, thing, key, value)) {
        return How::Found;
    }
    How::FirstFree { instead_of: claims.get(key).cloned() }
}

/// Whether a thing that is there already has what was chosen.
fn has(present: &Present, thing: &Outlined, key: &ClaimKey, value: &Claim) -> bool {
    match &present.body {
        Body::Network(network) => network.subnet.is_some_and(|subnet| subnet.to_string() == *value),
        Body::Container(container) => {
            let on_host = key.pool == "docker" && docker_address(value) == thing.place;
            on_host || container.ports.iter().any(|port| port.host.to_string() == *value)
        }
        // Of a firewall and a cluster, what is chosen is the name or stands in the open.
        Body::Guest(guest) => {
            let address = guest.cloud_init.as_ref().map(|cloud_init| cloud_init.address);
            [&guest.name, &guest.node].contains(&value)
                || address.is_some_and(|address| address.to_string() == *value)
        }
        Body::Vlan(vlan) => {
            let subnet = vlan.interface.as_ref().and_then(InterfaceBody::subnet);
            vlan.tag.to_string() == *value
                || subnet.is_some_and(|subnet| subnet.to_string() == *value)
        }
        Body::Rule(_) | Body::PublicAddress(_) => present.body.name() == value,
        Body::Image(_)
        | Body::Volume(_)
        | Body::Pool(_)
        | Body::Vnet(_)
        | Body::Alias(_)
        | Body::Forward(_)
        | Body::Mapping(_)
        | Body::Outbound(_)
        | Body::Tunnel(_) => false,
    }
}
