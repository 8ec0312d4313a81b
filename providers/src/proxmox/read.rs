//! From what a cluster says of a guest to how it looks.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use lessor_plans::{CloudInit, GuestBody, GuestNetwork, MadeFrom};
use lessor_specs::ByteSize;

use super::client::{GuestKind, flag_of_word};
use super::property::text::{ssh_keys_read, tags};
use super::property::{Property, Shape};
use super::values::{Values, size};
use super::whose::Seen;

/// What stands before the name of an image in a description.
const IMAGE: &str = "image ";

/// What stands before the date until which a guest is kept for its data.
const KEPT: &str = "kept until ";

/// Memory of a machine that does not say how much it has.
const MEMORY_MIB: u64 = 512;

/// A description that tells which image a guest was made from, below its mark.
pub(super) fn described(mark: &str, image: &str) -> String {
    format!("{mark}\n{IMAGE}{image}")
}

/// Until when a guest is kept, as its description says.
fn kept_until(description: &str) -> Option<Timestamp> {
    description.lines().find_map(kept_line)
}

fn kept_line(line: &str) -> Option<Timestamp> {
    line.trim().strip_prefix(KEPT)?.trim().parse().ok()
}

/// A description that says until when its guest is kept, below the image it was made from; nothing
/// else of it is touched. `None` when it says so already.
pub(super) fn kept_by(description: &str, until: Option<Timestamp>) -> Option<String> {
    if kept_until(description) == until {
        return None;
    }
    let said = until.map(|until| format!("{KEPT}{until}"));
    let mut lines: Vec<&str> = description.split('\n').filter(|l| kept_line(l).is_none()).collect();
    let image = lines.iter().position(|line| line.trim().starts_with(IMAGE));
    let below = image.map_or(lines.len(), |image| image + 1);
    lines.splice(below..below, said.as_deref());
    Some(lines.join("\n"))
}

/// How a guest of ours looks. What waits for a restart does not count yet, and is named.
///
/// # Errors
/// Why nobody can tell.
pub(super) fn body(seen: &Seen) -> Result<GuestBody, String> {
    let (kind, values) = (seen.guest.kind, &seen.values);
    if values.now("template").and_then(flag_of_word) == Some(true) {
        return Err("it was made a template".into());
    }
    let image = { values.description().lines() }.find_map(|line| line.trim().strip_prefix(IMAGE));
    // One that others made does not say what from.
    let image = image.or(seen.adopted.then_some("")).ok_or_else(|| {
        format!("its description does not say its image any more; add a line `{IMAGE}NAME`")
    })?;
    let disk = values.first_disk(kind).map(|(_, disk)| size(&disk));
    Ok(GuestBody {
        name: seen.guest.vmid.to_string(),
        node: seen.guest.node.clone(),
        lxc: kind == GuestKind::Lxc,
        hostname: values.now(kind.name_key()).unwrap_or_default().into(),
        made_from: MadeFrom { image: image.trim().into(), template: None, storage: None },
        pool: seen.pool.clone().unwrap_or_default(),
        tags: values.now("tags").map(|text| tags(text, false)).unwrap_or_default(),
        cpu: cores(kind, |key| values.now(key)),
        memory: ByteSize::from_bytes(memory_mib(values.now("memory")) << 20),
        disk: ByteSize::from_bytes(disk.unwrap_or_default()),
        network: network(kind, values),
        cloud_init: cloud_init(kind, values),
        firewall: seen.filter.as_ref().and_then(|filter| filter.rules(&card(kind, values))),
        on_boot: flag(values.now("onboot")),
        running: seen.running,
        waiting: values.waiting_of_ours().map(str::to_owned).collect(),
        kept_until: kept_until(values.description()),
    })
}

/// How many cores values come to; 0 is as many as there are.
pub(super) fn cores<'v>(kind: GuestKind, value: impl Fn(&str) -> Option<&'v str>) -> u32 {
    let number = |key, default| {
        value(key).map_or(default, |text| text.trim().parse::<u32>().unwrap_or_default())
    };
    match kind {
        GuestKind::Qemu => number("cores", 1).saturating_mul(number("sockets", 1)),
        GuestKind::Lxc => number("cores", 0),
    }
}

/// Memory in MiB: a number, or one called `current` among others.
pub(super) fn memory_mib(text: Option<&str>) -> u64 {
    let parts = text.unwrap_or_default().split(',');
    let number = { parts }.find_map(|part| part.trim_start_matches("current=").parse().ok());
    number.unwrap_or(MEMORY_MIB)
}

pub(super) fn flag(text: Option<&str>) -> bool {
    text.and_then(flag_of_word).unwrap_or_default()
}

/// The first network card, as it is; nothing is set where there is none.
pub(super) fn card(kind: GuestKind, values: &Values) -> Property {
    card_of(kind, values.now("net0"))
}

pub(super) fn card_of(kind: GuestKind, text: Option<&str>) -> Property {
    let shape = match kind {
        GuestKind::Qemu => Shape::QemuNet,
        GuestKind::Lxc => Shape::LxcNet,
    };
    text.and_then(|text| Property::parse(shape, text).ok()).unwrap_or_else(|| Property::new(shape))
}

/// What a card calls its hardware address.
pub(super) fn mac_key(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Qemu => "macaddr",
        GuestKind::Lxc => "hwaddr",
    }
}

fn network(kind: GuestKind, values: &Values) -> GuestNetwork {
    let card = card(kind, values);
    GuestNetwork {
        mac: card.get(mac_key(kind)).unwrap_or_default().to_ascii_uppercase(),
        bridge: card.get("bridge").unwrap_or_default().into(),
        tag: card.get("tag").and_then(|tag| tag.parse().ok()),
        dhcp: kind == GuestKind::Lxc && card.get("ip") == Some("dhcp"),
    }
}

/// What cloud-init sets up, where that is an address of its own and there is a drive to read it
/// from. Others than us may leave it to DHCP.
fn cloud_init(kind: GuestKind, values: &Values) -> Option<CloudInit> {
    match kind {
        GuestKind::Lxc => address(&card(kind, values)).map(|(address, prefix, gateway)| {
            CloudInit { address, prefix, gateway, user: None, keys: BTreeSet::new() }
        }),
        GuestKind::Qemu if !values.has_cloud_init_drive() => None,
        GuestKind::Qemu => {
            let text = values.now("ipconfig0")?;
            let (address, prefix, gateway) =
                address(&Property::parse(Shape::IpConfig, text).ok()?)?;
            let user = values.now("ciuser").map(str::to_owned);
            let keys = keys(values.now("sshkeys"));
            Some(CloudInit { address, prefix, gateway, user, keys })
        }
    }
}

/// Public keys, as they are kept.
pub(super) fn keys(kept: Option<&str>) -> BTreeSet<String> {
    let lines = kept.and_then(ssh_keys_read).unwrap_or_default();
    lines.lines().map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// An address with its prefix and its gateway.
pub(super) fn address(property: &Property) -> Option<(Ipv4Addr, u8, Ipv4Addr)> {
    let (address, prefix) = property.get("ip")?.split_once('/')?;
    let gateway = property.get("gw").and_then(|gateway| gateway.parse().ok());
    let nowhere = Ipv4Addr::UNSPECIFIED;
    Some((address.parse().ok()?, prefix.parse().ok()?, gateway.unwrap_or(nowhere)))
}
