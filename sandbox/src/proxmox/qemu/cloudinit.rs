//! What a machine is told about itself at its first start.

use std::net::IpAddr;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{drives, machine};
use crate::proxmox::call::{Call, digest};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::property;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::{Options, World};

/// Options that cloud-init is made of, as the list shows them.
const OPTIONS: [&str; 8] = [
    "cicustom",
    "cipassword",
    "citype",
    "ciupgrade",
    "ciuser",
    "nameserver",
    "searchdomain",
    "sshkeys",
];

/// A password as it is kept.
pub(super) fn hashed(password: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(password.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn relevant(guest: &Guest) -> Options {
    let kept = guest.config.iter().filter(|(key, _)| OPTIONS.contains(&key.as_str()));
    kept.map(|(key, text)| (key.clone(), text.clone())).collect()
}

/// Makes the drive anew, if there is one.
pub(super) fn generate(world: &mut World, node: &str, vmid: u32) -> Result<()> {
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    let has = guest.config.iter().any(|(key, text)| {
        drives::is_drive(key) && drives::is_cloud_init(&drives::parse(key, text))
    });
    if has {
        guest.cloud_init = Some(relevant(guest));
    }
    Ok(())
}

/// What the drive says, and what it will say when it is made anew.
pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let guest = machine(call.world, &call.node, call.given.vmid())?;
    let now = relevant(guest);
    let used = guest.cloud_init.clone().unwrap_or_else(|| now.clone());
    let shown = |key: &str, text: &str| match key {
        "cipassword" => "**********".into(),
        key => guest.typed_one(key, text),
    };
    let mut rows = Vec::new();
    for key in OPTIONS {
        let row = match (used.get(key), now.get(key)) {
            (Some(used), Some(now)) if used == now => {
                json!({ "key": key, "value": shown(key, used) })
            }
            (Some(used), Some(now)) => {
                json!({ "key": key, "value": shown(key, used), "pending": shown(key, now) })
            }
            (Some(used), None) => json!({ "key": key, "value": shown(key, used), "delete": 1 }),
            (None, Some(now)) => json!({ "key": key, "pending": shown(key, now) }),
            (None, None) => continue,
        };
        rows.push(row);
    }
    Ok(rows.into())
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    let guest = machine(call.world, &node, vmid)?;
    guest.unlocked()?;
    generate(call.world, &node, vmid)?;
    Ok(Value::Null)
}

pub(super) fn dump(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    let node = call.world.nodes.get(&guest.node);
    let resolver = node.map(|node| node.resolver.clone()).unwrap_or_default();
    let text = match call.given.text("type") {
        "user" => user(guest, vmid),
        "network" => network(guest, &resolver),
        "meta" => {
            let both = user(guest, vmid) + &network(guest, &resolver);
            format!("instance-id: {}\n", digest(&both))
        }
        other => return Err(Refusal::failed(format!("unknown type '{other}'"))),
    };
    Ok(text.into())
}

/// Who can log in.
fn user(guest: &Guest, vmid: u32) -> String {
    let option = |key: &str| guest.config.get(key).map(String::as_str);
    let name = option("name").map_or_else(|| format!("VM{vmid}"), str::to_owned);
    let host = name.split('.').next().unwrap_or_default();
    let mut text = format!("#cloud-config\nhostname: {host}\nmanage_etc_hosts: true\n");
    if name.contains('.') {
        text.push_str(&format!("fqdn: {name}\n"));
    } else if let Some(domain) = option("searchdomain") {
        text.push_str(&format!("fqdn: {name}.{domain}\n"));
    }
    let is_root = option("ciuser") == Some("root");
    if let Some(user) = option("ciuser") {
        text.push_str(&format!("user: {user}\n"));
        if is_root {
            text.push_str("disable_root: False\n");
        }
    }
    if let Some(password) = option("cipassword") {
        text.push_str(&format!("password: {password}\n"));
    }
    if let Some(keys) = option("sshkeys") {
        text.push_str("ssh_authorized_keys:\n");
        let keys = percent_encoding::percent_decode_str(keys).decode_utf8_lossy();
        for key in keys.lines().filter(|key| !key.trim().is_empty()) {
            text.push_str(&format!("  - {key}\n"));
        }
    }
    text.push_str("chpasswd:\n  expire: False\n");
    if !is_root {
        text.push_str("users:\n  - default\n");
    }
    if option("ciupgrade") != Some("0") {
        text.push_str("package_upgrade: true\n");
    }
    text
}

/// How it reaches others.
fn network(guest: &Guest, resolver: &Options) -> String {
    let mut text = String::from("version: 1\nconfig:\n");
    for n in 0..32 {
        let (Some(card), Some(config)) =
            (guest.config.get(&format!("net{n}")), guest.config.get(&format!("ipconfig{n}")))
        else {
            continue;
        };
        let card = property::parse("qemu.net", card).unwrap_or_default();
        let config = property::parse("pve-qm-ipconfig", config).unwrap_or_default();
        let mac = card.get("macaddr").map(|mac| mac.to_lowercase()).unwrap_or_default();
        text.push_str(&format!(
            "    - type: physical\n      name: eth{n}\n      mac_address: '{mac}'\n      subnets:\n"
        ));
        address(&mut text, config.get("ip"), config.get("gw"));
        address(&mut text, config.get("ip6"), config.get("gw6"));
    }
    let own = |key: &str| guest.config.get(key).map(String::as_str);
    let inherited = own("nameserver").is_none() && own("searchdomain").is_none();
    let given = |key: &str, fallback: &str| {
        let fallback = inherited.then(|| resolver.get(fallback).map(String::as_str)).flatten();
        let text = own(key).or(fallback).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let (servers, domains) = (given("nameserver", "dns1"), given("searchdomain", "search"));
    if servers.is_empty() && domains.is_empty() {
        return text;
    }
    text.push_str("    - type: nameserver\n");
    for (key, values) in [("address", servers), ("search", domains)] {
        if !values.is_empty() {
            text.push_str(&format!("      {key}:\n"));
        }
        for value in values {
            text.push_str(&format!("      - '{value}'\n"));
        }
    }
    text
}

fn address(text: &mut String, address: Option<&String>, gateway: Option<&String>) {
    let Some(address) = address else { return };
    let (host, length) = address.split_once('/').unwrap_or((address, ""));
    match (address.as_str(), host.parse::<IpAddr>()) {
        ("dhcp", _) => text.push_str("      - type: dhcp4\n"),
        ("auto", _) => text.push_str("      - type: ipv6_slaac\n"),
        (_, Ok(IpAddr::V4(_))) => {
            let length: u32 = length.parse().unwrap_or(32);
            let bits = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            let mask = std::net::Ipv4Addr::from_bits(bits);
            text.push_str(&format!(
                "      - type: static\n        address: '{host}'\n        netmask: '{mask}'\n"
            ));
        }
        (_, Ok(IpAddr::V6(_))) => {
            text.push_str(&format!("      - type: static6\n        address: '{address}'\n"));
        }
        _ => {}
    }
    if let Some(gateway) = gateway {
        text.push_str(&format!("        gateway: '{gateway}'\n"));
    }
}
