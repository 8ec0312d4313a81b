//! Which interfaces a file can hold together.

use super::Interface;
use crate::proxmox::formats::items;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::Options;

/// Options that name interfaces which belong to this one.
const PORTS: [&str; 4] = ["bridge_ports", "ovs_ports", "slaves", "ovs_bonds"];

fn ports(options: &Options) -> impl Iterator<Item = (&'static str, &str)> {
    let lists = PORTS.iter().filter_map(|key| Some((*key, options.get(*key)?)));
    lists.flat_map(|(key, list)| items(list).map(move |port| (key, port)))
}

/// Goes on only when no other interface has what only one can have.
pub(super) fn unique(others: &[Interface], name: &str, given: &Options) -> Result<()> {
    let others = || others.iter().filter(|other| other.name != name);
    for (key, title) in [("gateway", "Default gateway"), ("gateway6", "Default ipv6 gateway")] {
        if !given.contains_key(key) {
            continue;
        }
        if let Some(other) = others().find(|other| other.options.contains_key(key)) {
            let why = format!("{title} already exists on interface '{}'.", other.name);
            return Err(Refusal::parameter(key, why));
        }
    }
    let Some((first, _)) = ports(given).next() else { return Ok(()) };
    for other in others() {
        for (_, taken) in ports(&other.options) {
            if ports(given).any(|(_, port)| port == taken) {
                let why = format!("{taken} is already used on interface '{}'.", other.name);
                return Err(Refusal::parameter(first, why));
            }
        }
    }
    Ok(())
}

/// An interface by its name.
fn named<'i>(all: &'i [Interface], name: &str) -> Option<&'i Interface> {
    all.iter().find(|interface| interface.name == name)
}

/// Goes on only with interfaces that fit together.
pub(super) fn whole(all: &[Interface]) -> Result<()> {
    for interface in all {
        match interface.kind() {
            "bond" => bond(all, interface)?,
            "vlan" => vlan(all, interface)?,
            "bridge" => bridge(all, interface)?,
            _ => {}
        }
    }
    Ok(())
}

/// Goes on only when what carries lets through as much as what is carried.
fn mtu(parent: &Interface, child: &Interface) -> Result<()> {
    let mtu = |interface: &Interface| -> Option<u32> { interface.options.get("mtu")?.parse().ok() };
    let Some(of_child) = mtu(child) else { return Ok(()) };
    // A bond takes over what its slaves have.
    let implied = if parent.kind() == "bond" { of_child } else { 1500 };
    let of_parent = mtu(parent).unwrap_or(implied);
    if of_parent < of_child {
        return Err(Refusal::failed(format!(
            "interface '{}' - mtu {of_parent} is lower than '{}' - mtu {of_child}",
            parent.name, child.name
        )));
    }
    Ok(())
}

fn bond(all: &[Interface], bond: &Interface) -> Result<()> {
    let name = &bond.name;
    let slaves = bond.options.get("slaves").map(String::as_str).unwrap_or_default();
    for slave in items(slaves) {
        let Some(found) = named(all, slave) else {
            let why = format!("bond '{name}' - unable to find slave '{slave}'");
            return Err(Refusal::failed(why));
        };
        let kind = found.kind();
        if !matches!(kind, "eth" | "bond") {
            return Err(Refusal::failed(format!(
                "bond '{name}' - wrong interface type on slave '{slave}' ('{kind}' != 'eth or bond')"
            )));
        }
        mtu(bond, found)?;
    }
    if let Some(primary) = bond.options.get("bond-primary")
        && !items(slaves).any(|slave| slave == primary)
    {
        let at = "at /usr/share/perl5/PVE/Network/Interfaces.pm line 908.";
        let why = format!("bond '{name}' - bond-primary interface is not a slave {at}");
        return Err(Refusal::failed(why));
    }
    Ok(())
}

fn vlan(all: &[Interface], vlan: &Interface) -> Result<()> {
    let name = &vlan.name;
    let at = "at /usr/share/perl5/PVE/Network/Interfaces.pm line";
    let Some((parent, tag)) = vlan.carrier() else {
        return Err(Refusal::failed(format!("missing vlan-raw-device option {at} 954.")));
    };
    let Some(tag) = tag else {
        return Err(Refusal::failed(format!("missing vlan-id option {at} 962.")));
    };
    if tag.parse::<u32>().is_ok_and(|tag| tag > 4094) {
        let why = format!("vlan '{name}' - vlan-id {tag} should be <= 4094");
        return Err(Refusal::failed(why));
    }
    let Some(found) = named(all, parent) else {
        let why = format!("vlan '{name}' - unable to find parent '{parent}'");
        return Err(Refusal::failed(why));
    };
    let kind = found.kind();
    if !matches!(kind, "eth" | "bridge" | "bond" | "vlan") {
        return Err(Refusal::failed(format!(
            "vlan '{name}' - wrong interface type on parent '{parent}' \
             ('{kind}' != 'eth|bond|bridge|vlan' )"
        )));
    }
    mtu(found, vlan)
}

fn bridge(all: &[Interface], bridge: &Interface) -> Result<()> {
    let name = &bridge.name;
    let ports = bridge.options.get("bridge_ports").map(String::as_str).unwrap_or_default();
    for port in items(ports) {
        let Some(found) = named(all, port) else {
            // A VLAN of an interface needs no words of its own.
            if port.rsplit_once('.').is_some_and(|(_, tag)| tag.parse::<u32>().is_ok()) {
                continue;
            }
            let why = format!("bridge '{name}' - unable to find bridge port '{port}'");
            return Err(Refusal::failed(why));
        };
        if found.is_static() {
            return Err(Refusal::failed(format!(
                "iface {port} - ip address can't be set on interface if bridged in {name}"
            )));
        }
        mtu(found, bridge)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(text: &str) -> Interface {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let options = words.filter_map(|word| word.split_once('='));
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Interface { name, options: options.collect(), active: false }
    }

    fn complaint(texts: &[&str]) -> String {
        let all: Vec<Interface> = texts.iter().map(|text| interface(text)).collect();
        whole(&all).map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
    }

    #[test]
    fn interfaces_that_do_not_fit_together_are_refused() {
        let found = [
            complaint(&["eno1 type=eth", "vmbr1 type=bridge bridge_ports=eno1,eno1.5"]),
            complaint(&["vmbr1 type=bridge bridge_ports=eno1"]),
            complaint(&["eno1 type=eth method=static", "vmbr1 type=bridge bridge_ports=eno1"]),
            complaint(&["eno1 type=eth", "vmbr1 type=bridge bridge_ports=eno1 mtu=9000"]),
            complaint(&["eno1 type=eth mtu=9000", "bond0 type=bond slaves=eno1"]),
            complaint(&["bond0 type=bond slaves=vmbr0", "vmbr0 type=bridge"]),
            complaint(&["vmbr1.5 type=vlan"]),
        ];
        assert_eq!(
            found,
            [
                "",
                "bridge 'vmbr1' - unable to find bridge port 'eno1'",
                "iface eno1 - ip address can't be set on interface if bridged in vmbr1",
                "interface 'eno1' - mtu 1500 is lower than 'vmbr1' - mtu 9000",
                "",
                "bond 'bond0' - wrong interface type on slave 'vmbr0' ('bridge' != 'eth or bond')",
                "vlan 'vmbr1.5' - unable to find parent 'vmbr1'",
            ]
        );
    }

    #[test]
    fn only_one_interface_has_the_gateway_or_a_port() {
        let all = [interface("vmbr0 type=bridge gateway=10.0.0.1 bridge_ports=eno1")];
        let refused = |name: &str, text: &str| {
            let refusal = unique(&all, name, &interface(text).options).err();
            refusal.map(|refusal| refusal.errors.into_values().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            [
                refused("vmbr0", "- gateway=10.0.0.2"),
                refused("vmbr1", "- gateway=10.0.0.2"),
                refused("bond0", "- slaves=eno2,eno1"),
            ],
            [
                None,
                Some("Default gateway already exists on interface 'vmbr0'.".to_owned()),
                Some("eno1 is already used on interface 'vmbr0'.".to_owned()),
            ]
        );
    }
}
