//! Rules of what can be rented and of what is.

use super::{Checker, at};
use crate::kinds::{ContainerOffer, Instance, Offer, Tenant};
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, offer) in &checker.specs.offer {
        let from = Address::new(Kind::Offer, &**name);
        one_shape(checker, &from, offer);
        if offer.container.is_some() || offer.vm.is_some() {
            images(checker, &from, offer);
        }
        if let Some(container) = &offer.container {
            checker.memory(&from, at!["container", "memory"], Some(container.memory));
        }
    }
    for (name, tenant) in &checker.specs.tenant {
        owners(checker, &Address::new(Kind::Tenant, &**name), tenant);
    }
    for (name, instance) in &checker.specs.instance {
        any_instance(checker, &Address::new(Kind::Instance, &**name), instance);
    }
}

pub(super) fn any_instance(checker: &mut Checker<'_>, from: &Address, instance: &Instance) {
    checker.env(from, ["env"], &instance.env);
    if let Some(offer) = checker.specs.offer.get(&instance.offer) {
        self::instance(checker, from, instance, offer);
    }
}

fn one_shape(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    let shapes = [
        ("container", offer.container.is_some()),
        ("vm", offer.vm.is_some()),
        ("machine", offer.machine.is_some()),
    ];
    let given: Vec<_> = shapes.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let message = format!("`{from}` does not say what is rented");
            checker.find(Code::OfferEmpty, from.clone(), Vec::new(), message).hint = Some(format!(
                "add one of the tables `[{}.container]`, `.vm` and `.machine`",
                from.header()
            ));
        }
        [_, second, ..] => {
            let message = format!("`{from}` is both {}", given.join(" and "));
            checker.find(Code::OfferAmbiguous, from.clone(), at![*second], message).hint =
                Some("an offer is exactly one of container, vm and machine".into());
        }
    }
}

/// An offer has images, each for what is rented: a container or a virtual machine.
fn images(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    if offer.images.is_empty() {
        let message = format!("`{from}` has no image to run");
        checker.find(Code::OfferWithoutImage, from.clone(), Vec::new(), message).hint =
            Some("add `images = [\"…\"]`".into());
    }
    for (index, name) in offer.images.iter().enumerate() {
        let Some(image) = checker.specs.image.get(name) else { continue };
        let (code, rented, table) = if offer.container.is_some() && image.container.is_none() {
            (Code::ImageNotForContainers, "containers", "container")
        } else if offer.vm.is_some() && image.vm.is_none() {
            (Code::ImageNotForGuests, "virtual machines", "vm")
        } else {
            continue;
        };
        let message = format!("`{from}` rents {rented}, and `image.{name}` is not for them");
        let image = Address::new(Kind::Image, &**name);
        checker.find(code, from.clone(), at!["images", index], message).hint =
            Some(format!("add a table `[{}.{table}]`", image.header()));
    }
}

fn owners(checker: &mut Checker<'_>, from: &Address, tenant: &Tenant) {
    for (index, owner) in tenant.owners.iter().enumerate() {
        let good = owner.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !owner.contains(char::is_whitespace)
        });
        if !good {
            let message = format!("`{from}` has an owner that is not a mail address");
            checker.find(Code::MalformedOwner, from.clone(), at!["owners", index], message).hint =
                Some("write `name@example.net`".into());
        }
    }
}

fn instance(checker: &mut Checker<'_>, from: &Address, instance: &Instance, offer: &Offer) {
    let sold = format!("offer.{}", instance.offer);
    if offer.machine.is_some() {
        let message =
            format!("`{from}` is one of `{sold}`, whose machines are reserved for a while");
        checker.find(Code::OnlyReserved, from.clone(), at!["offer"], message).hint = Some(
            "choose an offer of containers or of virtual machines, or remove the entry".into(),
        );
        return;
    }
    match (&instance.image, offer.images.len()) {
        (Some(image), 1..) if !offer.images.contains(image) => {
            let message = format!("`{from}` runs image `{image}`, which `{sold}` does not have");
            let names = offer.images.iter().map(String::as_str);
            let hint = crate::diagnostic::did_you_mean(image, names)
                .unwrap_or_else(|| format!("it has {}", offer.images.join(", ")));
            checker.find(Code::ImageNotOffered, from.clone(), at!["image"], message).hint =
                Some(hint);
        }
        (None, 2..) => {
            let message = format!("`{from}` does not say which image it runs");
            checker.find(Code::WhichImage, from.clone(), Vec::new(), message).hint =
                Some(format!("add `image = \"…\"`: `{sold}` has {}", offer.images.join(", ")));
        }
        _ => {}
    }
    if let Some(location) = instance.location.as_ref().filter(|l| !offer.locations.contains(l))
        && !offer.locations.is_empty()
    {
        let message = format!("`{from}` runs in `{location}`, where `{sold}` is not sold");
        checker.find(Code::LocationNotOffered, from.clone(), at!["location"], message).hint =
            Some(format!("it is sold in {}", offer.locations.join(", ")));
    }
    if let Some(container) = &offer.container {
        host(checker, from, instance, offer, container);
    }
}

/// There is a host for it, and on each host a network for its tenant.
fn host(
    checker: &mut Checker<'_>,
    from: &Address,
    instance: &Instance,
    offer: &Offer,
    container: &ContainerOffer,
) {
    let specs = checker.specs;
    let ranges_known =
        container.ports.iter().all(|port| specs.port_range.contains_key(&port.range));
    let hosts = specs.dockers_for(offer, instance.location.as_deref());
    if hosts.is_empty() && ranges_known {
        let message = format!("`{from}` has no host to run on");
        let finding = checker.find(Code::NoHost, from.clone(), at!["offer"], message);
        finding.hint = Some(
            "a `docker` connection must stand in a location of the offer and own its port ranges"
                .into(),
        );
        finding.dangling = true;
    }
    if let Some(host) = hosts.iter().find(|host| specs.bridge_on(host).is_none()) {
        let message =
            format!("`{from}` may run on `docker.{host}`, which has no bridge for tenants");
        let finding = checker.find(Code::NoBridge, from.clone(), at!["offer"], message);
        finding.hint = Some(format!("declare a `[bridge.…]` with `docker = \"{host}\"`"));
        finding.dangling = true;
    }
}
