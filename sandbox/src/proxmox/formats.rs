//! What texts of a named format look like, and what the real system says of others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::property;
use super::tables::tables;

macro_rules! pattern {
    ($name:ident, $pattern:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

pattern!(
    DNS_NAME,
    r"^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$"
);
pattern!(MAC, r"^(?i:[a-f0-9][02468ace](:[a-f0-9]{2}){5})$");
pattern!(CONFIG_ID, r"^(?i:[a-z][a-z0-9_-]+)$");
pattern!(NODE, r"^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$");
pattern!(STORAGE_ID, r"^(?i:[a-z][a-z0-9_.-]*[a-z0-9])$");
pattern!(TAG, r"^(?i:[a-z0-9_][a-z0-9_+.-]*)$");
pattern!(VMID, r"^[1-9][0-9]{2,8}$");
pattern!(POOL, r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){0,2}$");
pattern!(NAME, r"^[A-Za-z0-9._-]+$");
pattern!(USER, r"^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$");
pattern!(TOKEN, r"^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+!(?i:[a-z][a-z0-9._-]+)$");
pattern!(REALM, r"^[A-Za-z][A-Za-z0-9.\-_]+$");
pattern!(INTERFACE, r"^(?i:[a-z][a-z0-9_]{1,20}([:.][0-9]+)?)$");
pattern!(BRIDGE, r"^[-_.A-Za-z0-9]+$");
pattern!(VOLUME, r"^[^:]+:.+$");
pattern!(URL_ENCODED, r"^[-%a-zA-Z0-9_.!~*'()]*$");
pattern!(SIZE, r"^[0-9]+(\.[0-9]+)?([KMGT](iB)?)?$");
pattern!(EMAIL, r"^[\w+.~-]+@[a-zA-Z0-9.-]+$");
pattern!(SDN_ID, r"^(?i:[a-z][a-z0-9]*)$");
pattern!(SUBNET_ID, r"^(?i:[a-z0-9][a-z0-9.:/-]*)$");
pattern!(
    HOTPLUG,
    r"^(?:[01]|(?:network|disk|cpu|memory|usb|cloudinit)(?:,(?:network|disk|cpu|memory|usb|cloudinit))*)$"
);
pattern!(STARTUP, r"^(?:(?:order=)?\d+|up=\d+|down=\d+)(?:,(?:(?:order=)?\d+|up=\d+|down=\d+))*$");
pattern!(BOOT_DEVICE, r"^(?:net|hostpci|usb|ide|sata|scsi|virtio)\d+$");
pattern!(ALIAS, r"^[a-zA-Z][A-Za-z0-9_-]+$");
pattern!(PORTS, r"^[0-9a-zA-Z:,_-]+$");

fn is(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Whether the text could be an alias of the firewall.
pub(super) fn is_alias(text: &str) -> bool {
    is(&ALIAS, text)
}

/// The items of a list: commas, semicolons, blanks and zeroes divide them.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\t', '\n', '\0']).filter(|item| !item.is_empty())
}

/// Says what is wrong with a text of that format, with its line break.
pub(super) fn check(format: &str, text: &str) -> Result<(), String> {
    if let Some(of) = format.strip_suffix("-list") {
        return items(text).try_for_each(|item| check(of, item));
    }
    if let Some(of) = format.strip_suffix("-opt") {
        return if text.is_empty() { Ok(()) } else { check(of, text) };
    }
    if tables().property_strings.contains_key(format) {
        return property::parse(format, text).map(|_| ());
    }
    let said = complaint(format, text);
    said.map_or(Ok(()), |said| Err(format!("{said}\n")))
}

/// What the real system says unless the text is fine.
fn complaint(format: &str, text: &str) -> Option<String> {
    let fixed = |fine: bool, said: &str| (!fine).then(|| said.to_owned());
    let looks = |fine: bool, what: &str| fixed(fine, &format!("value does not look like {what}"));
    match format {
        "pve-vmid" => looks(is(&VMID, text), "a valid VM ID"),
        "dns-name" => looks(text.len() < 254 && is(&DNS_NAME, text), "a valid DNS name"),
        "mac-addr" => looks(is(&MAC, text), "a valid unicast MAC address"),
        "ipv4" => looks(text.parse::<Ipv4Addr>().is_ok(), "a valid IPv4 address"),
        "ipv6" => looks(text.parse::<Ipv6Addr>().is_ok(), "a valid IPv6 address"),
        "ip" => looks(text.parse::<IpAddr>().is_ok(), "a valid IP address"),
        "CIDRv4" => looks(is_cidr4(text), "a valid IPv4 CIDR network"),
        "CIDRv6" => looks(is_cidr6(text), "a valid IPv6 CIDR network"),
        "CIDR" => looks(is_cidr(text), "a valid CIDR network"),
        "IPorCIDR" => looks(is_ip_or_cidr(text), "a valid IP address or CIDR network"),
        "IPorCIDRorAlias" => {
            looks(is_ip_or_cidr(text) || is_alias(text), "a valid IP address or CIDR network")
        }
        "ipv4mask" => looks(is_mask(text), "a valid IP netmask"),
        "pve-ipv4-config" => looks(
            matches!(text, "dhcp" | "manual") || is_cidr4(text),
            "a valid ipv4 network configuration",
        ),
        "pve-ipv6-config" => looks(
            matches!(text, "auto" | "dhcp" | "manual") || is_cidr6(text),
            "a valid ipv6 network configuration",
        ),
        "pve-node" => looks(is(&NODE, text), "a valid node name"),
        "pve-userid" => {
            fixed(is(&USER, text), &format!("value '{text}' does not look like a valid user name"))
        }
        "pve-tokenid" => {
            fixed(is(&TOKEN, text), &format!("value '{text}' does not look like a valid token ID"))
        }
        "pve-realm" => fixed(is(&REALM, text), "value does not look like a valid realm"),
        "pve-groupid" => {
            fixed(is(&NAME, text), &format!("group name '{text}' contains invalid characters"))
        }
        "pve-roleid" => {
            fixed(is(&NAME, text), &format!("role name '{text}' contains invalid characters"))
        }
        "pve-priv" => {
            fixed(super::access::is_privilege(text), &format!("invalid privilege '{text}'"))
        }
        "pve-poolid" => {
            fixed(is(&POOL, text), &format!("value '{text}' contains invalid characters"))
        }
        "pve-configid" => {
            fixed(is(&CONFIG_ID, text), &format!("invalid configuration ID '{text}'"))
        }
        "pve-storage-id" => fixed(
            is(&STORAGE_ID, text),
            &format!("storage ID '{text}' contains illegal characters"),
        ),
        "pve-storage-content" => fixed(
            matches!(
                text,
                "images" | "rootdir" | "vztmpl" | "iso" | "backup" | "snippets" | "import" | "none"
            ),
            &format!("invalid content type '{text}'"),
        ),
        "pve-storage-path" => looks(text.starts_with('/'), "a valid absolute path"),
        "pve-iface" => {
            fixed(is(&INTERFACE, text), &format!("invalid network interface name '{text}'"))
        }
        "pve-bridge-id" => fixed(is(&BRIDGE, text), &format!("invalid bridge ID '{text}'")),
        "pve-volume-id" => fixed(is(&VOLUME, text), &format!("unable to parse volume ID '{text}'")),
        "pve-tag" => fixed(is(&TAG, text), "invalid characters in tag"),
        "urlencoded" => {
            fixed(is(&URL_ENCODED, text), &format!("invalid urlencoded string: {text}"))
        }
        "disk-size" => {
            fixed(is(&SIZE, text), &format!("value does not look like a valid disk size: {text}"))
        }
        "email" => looks(is(&EMAIL, text), "a valid email address"),
        "address" => fixed(
            text.parse::<IpAddr>().is_ok() || is(&DNS_NAME, text),
            &format!("value does not look like a valid address: {text}"),
        ),
        "pve-hotplug-features" => fixed(is(&HOTPLUG, text), "unable to parse hotplug option"),
        "pve-startup-order" => fixed(is(&STARTUP, text), "unable to parse startup options"),
        "pve-qm-bootdev" => fixed(is(&BOOT_DEVICE, text), &format!("invalid boot device '{text}'")),
        "pve-sdn-zone-id" => {
            fixed(is(&SDN_ID, text), &format!("zone ID '{text}' contains illegal characters"))
        }
        "pve-sdn-vnet-id" => {
            fixed(is(&SDN_ID, text), &format!("vnet ID '{text}' contains illegal characters"))
        }
        "pve-sdn-subnet-id" => looks(is(&SUBNET_ID, text), "a valid subnet"),
        "pve-vlan-id-or-range" => fixed(is_vlan_range(text), &format!("invalid VLAN tag '{text}'")),
        "pve-fw-dport-spec" | "pve-fw-sport-spec" => ports(text),
        "pve-fw-addr-spec" => super::firewall::address_complaint(text),
        "pve-fw-protocol-spec" => super::firewall::protocol_complaint(text),
        _ => None,
    }
}

/// What is wrong with a list of ports and ranges of them.
fn ports(text: &str) -> Option<String> {
    if !is(&PORTS, text) {
        return Some(format!("invalid port '{text}'"));
    }
    text.split(',').flat_map(|item| item.split(':')).find_map(|port| {
        let fine = match port.parse::<u64>() {
            Ok(number) => number <= 65535,
            // A service by its name.
            Err(_) => !port.is_empty(),
        };
        (!fine).then(|| format!("invalid port '{port}'"))
    })
}

fn is_vlan_range(text: &str) -> bool {
    let tag = |text: &str| text.parse::<u16>().is_ok_and(|tag| (2..=4094).contains(&tag));
    match text.split_once('-') {
        Some((low, high)) => tag(low) && tag(high),
        None => tag(text),
    }
}

fn is_cidr4(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        address.parse::<Ipv4Addr>().is_ok()
            && length.parse::<u8>().is_ok_and(|length| (8..=32).contains(&length))
    })
}

fn is_cidr6(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        address.parse::<Ipv6Addr>().is_ok()
            && length.parse::<u8>().is_ok_and(|length| length <= 128)
    })
}

/// Whether it is an address with the length of its prefix.
pub(super) fn is_cidr(text: &str) -> bool {
    is_cidr4(text) || is_cidr6(text)
}

/// Whether it is an address, with or without the length of its prefix.
pub(super) fn is_ip_or_cidr(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_cidr(text)
}

/// Whether it is a netmask in the dotted form.
fn is_mask(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok_and(|mask| {
        let bits = mask.to_bits();
        bits != 0 && bits.leading_ones() + bits.trailing_zeros() == 32
    })
}
