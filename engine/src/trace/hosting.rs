//! Where virtual machines and things of firewalls come from.

use lessor_specs::kinds::{Instance, Offer, OutboundNat};
use lessor_specs::{Address, Kind, Specs};

use super::{Part, Source, at, part};
use crate::desire::TenantVlan;
use crate::outline::Outlined;

/// The entries that had a say in an instance that is a virtual machine.
pub(super) fn guest_parts(
    specs: &Specs,
    name: &str,
    instance: &Instance,
    offer: &Offer,
    place: &Address,
) -> Vec<Part> {
    let mut parts = vec![part(Kind::Instance, name), part(Kind::Offer, &instance.offer)];
    let image = specs.image_of(instance, offer);
    if let Some(image) = image {
        let why = instance.image.is_none().then_some("the only one of its offer");
        parts.push(Part { why, ..part(Kind::Image, image) });
    }
    parts.push(part(Kind::Tenant, name.split_once('/').map_or(name, |(tenant, _)| tenant)));
    let vm = image.and_then(|image| specs.image.get(image)?.vm.as_ref());
    let clusters =
        vm.map_or(0, |vm| specs.proxmoxes_for(offer, vm, instance.location.as_deref()).len());
    let why = if clusters == 1 { "the only cluster it may run on" } else { "chosen, see below" };
    parts.push(Part { entry: place.clone(), why: Some(why) });
    let proxmox = specs.proxmox.get(place.name());
    let location = proxmox.and_then(|proxmox| proxmox.location.as_deref());
    parts.extend(location.map(|location| Part {
        why: instance.location.is_none().then_some("where its cluster stands"),
        ..part(Kind::Location, location)
    }));
    parts.extend(specs.vlan_range_on(place.name()).map(|(range, _)| Part {
        why: Some("the range of its cluster"),
        ..part(Kind::VlanRange, range)
    }));
    parts.extend(offer.firewall.iter().map(|template| part(Kind::FirewallTemplate, template)));
    parts
}

/// The entries that had a say in what comes with an instance or a tenant.
pub(super) fn derived_parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let bringer = thing.address.bringer();
    let template = template_of(thing).filter(|name| specs.firewall_template.contains_key(*name));
    let pool = thing.address.name().split('/').next();
    let pool = pool.filter(|_| thing.address.kind() == Kind::AddressPool);
    bringer
        .map(|entry| Part { entry, why: None })
        .into_iter()
        .chain(template.map(|name| part(Kind::FirewallTemplate, name)))
        .chain(pool.map(|name| part(Kind::AddressPool, name)))
        .chain([Part { entry: thing.place.clone(), why: None }])
        .collect()
}

/// The template that the rule of an instance is of.
fn template_of(thing: &Outlined) -> Option<&str> {
    let of_instance = thing.address.bringer().is_some_and(|b| b.kind() == Kind::Instance);
    let is_rule = thing.address.kind() == Kind::FirewallRule && of_instance;
    thing.address.name().rsplit('/').next().filter(|_| is_rule)
}

/// Where an attribute of a thing of a cluster or a firewall comes from.
pub(super) fn source(specs: &Specs, thing: &Outlined, field: &str, key: &str) -> Source {
    let name = thing.address.name();
    match (thing.address.kind(), field) {
        (_, "enabled" | "running" | "on_boot" | "tags") => Source::Own("always"),
        (_, "after") => Source::Own("its place among the rules of ours"),
        (Kind::Instance, _) => guest_source(specs, thing, field, key),
        (_, "name") => Source::Own("chosen, see above"),
        (Kind::FirewallRule, _) if thing.address.is_derived() => rule_source(thing, field),
        (Kind::VlanRange, "mac") => Source::Own("from the id of its instance"),
        (Kind::VlanRange, "hostname") => Source::Own("from the address of its instance"),
        (Kind::VlanRange, "address") => Source::Own("the address of its instance"),
        (Kind::VlanRange, "parent") => at(Kind::VlanRange, range(name), &["parent"]),
        (Kind::VlanRange, "tag") => at(Kind::VlanRange, range(name), &["ids"]),
        (Kind::VlanRange, _) => at(Kind::VlanRange, range(name), &["supernet"]),
        (Kind::Vlan, "zone") => at(Kind::VlanRange, range(name), &["sdn_zone"]),
        (Kind::Vlan, "tag") if thing.address.is_derived() => {
            at(Kind::VlanRange, range(name), &["ids"])
        }
        (Kind::Vlan, "tag") => at(Kind::Vlan, name, &["id"]),
        (Kind::Vlan, "interface") => at(Kind::Vlan, name, &["subnet"]),
        (Kind::AddressPool, "interface") => at(Kind::AddressPool, range(name), &["interface"]),
        (Kind::AddressPool, _) | (Kind::Alias, "addresses") if thing.address.is_derived() => {
            Source::Own("the address of its instance")
        }
        (Kind::OutboundNat, "target")
            if specs.outbound_nat.get(name).is_some_and(has_no_target) =>
        {
            Source::Own("the address of the interface")
        }
        (Kind::Vpn, "address" | "prefix") => at(Kind::Vpn, name, &["subnet"]),
        (Kind::Vpn, "peers") => {
            let path: Vec<_> = ["peers"].into_iter().chain(key.split('.')).collect();
            at(Kind::Vpn, name, &path)
        }
        (kind, field) => at(kind, name, &[field]),
    }
}

fn has_no_target(entry: &OutboundNat) -> bool {
    entry.target.is_none()
}

fn range(name: &str) -> &str {
    name.split_once('/').map_or(name, |(range, _)| range)
}

fn rule_source(thing: &Outlined, field: &str) -> Source {
    let name = thing.address.name();
    let Some(template) = template_of(thing) else {
        let rule = name.rsplit('/').next().unwrap_or_default();
        let known = TenantVlan::RULES.contains(&rule);
        let world = "every tenant reaches the world, and neither the firewall nor others";
        return Source::Own(if known { world } else { "always" });
    };
    match field {
        "destination" => Source::Own("the alias of its instance"),
        "interface" => Source::Own("where its public address arrives"),
        "direction" => Source::Own("always"),
        field => at(Kind::FirewallTemplate, template, &[field]),
    }
}

fn guest_source(specs: &Specs, thing: &Outlined, field: &str, key: &str) -> Source {
    let name = thing.address.name();
    let unknown = Source::Own("always");
    let Some(instance) = specs.instance.get(name) else { return unknown };
    let Some(offer) = specs.offer.get(&instance.offer) else { return unknown };
    let image = specs.image_of(instance, offer).unwrap_or_default();
    let cluster = thing.place.name();
    let range = specs.vlan_range_on(cluster).map_or("", |(range, _)| range);
    let sized = |is_said: bool| {
        if is_said {
            return at(Kind::Instance, name, &[field]);
        }
        at(Kind::Offer, &instance.offer, &["vm", field, "min"])
    };
    match (field, key) {
        ("cpu", _) => sized(instance.cpu.is_some()),
        ("memory", _) => sized(instance.memory.is_some()),
        ("disk", _) => sized(instance.disk.is_some()),
        ("name" | "node", _) => Source::Own("chosen, see above"),
        ("hostname", _) => Source::Own("from its address"),
        ("pool", _) => Source::Own("what its tenant has on the cluster"),
        ("lxc", _) => at(Kind::Image, image, &["vm", "lxc"]),
        ("made_from", "image") if instance.image.is_some() => at(Kind::Instance, name, &["image"]),
        ("made_from", "image") => at(Kind::Offer, &instance.offer, &["images"]),
        ("made_from", "template") => at(Kind::Image, image, &["vm", "template", cluster]),
        ("made_from", _) => at(Kind::Proxmox, cluster, &["storage"]),
        ("network", "mac") => Source::Own("from its id"),
        ("network", "bridge") => at(Kind::VlanRange, range, &["bridge"]),
        ("network", _) => at(Kind::VlanRange, range, &["ids"]),
        ("cloud_init", "user" | "keys") => at(Kind::Instance, name, &[key]),
        ("cloud_init", _) => at(Kind::VlanRange, range, &["supernet"]),
        ("firewall", _) => at(Kind::Offer, &instance.offer, &["firewall"]),
        _ => unknown,
    }
}
