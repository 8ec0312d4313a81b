//! Addresses, subnets, ports and names, as pfSense tells them apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

pub(super) fn is_v4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

pub(super) fn is_v6(text: &str) -> bool {
    // A scope may follow a link-local address.
    text.split_once('%').map_or(text, |(address, _)| address).parse::<Ipv6Addr>().is_ok()
}

pub(super) fn is_ip(text: &str) -> bool {
    is_v4(text) || is_v6(text)
}

pub(super) fn is_subnet_v4(text: &str) -> bool {
    text.contains('/') && text.parse::<Ipv4Net>().is_ok()
}

pub(super) fn is_subnet_v6(text: &str) -> bool {
    text.contains('/') && text.parse::<Ipv6Net>().is_ok()
}

pub(super) fn is_subnet(text: &str) -> bool {
    is_subnet_v4(text) || is_subnet_v6(text)
}

/// The subnet of an IPv4 address with that many bits.
pub(super) fn v4_net(address: &str, bits: i64) -> Option<Ipv4Net> {
    Ipv4Net::new(address.parse().ok()?, u8::try_from(bits).ok()?).ok()
}

/// The subnet of an IPv6 address with that many bits.
pub(super) fn v6_net(address: &str, bits: i64) -> Option<Ipv6Net> {
    Ipv6Net::new(address.parse().ok()?, u8::try_from(bits).ok()?).ok()
}

/// Whether an address lies between two others, both included.
pub(super) fn is_between(address: &str, from: &str, to: &str) -> bool {
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    match (parse(address), parse(from), parse(to)) {
        (Some(address), Some(from), Some(to)) => from <= address && address <= to,
        _ => false,
    }
}

pub(super) fn is_port(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok_and(|port| port > 0)
}

pub(super) fn is_port_range(text: &str) -> bool {
    text.split_once(':').is_some_and(|(from, to)| is_port(from) && is_port(to))
}

pub(super) fn is_mac(text: &str) -> bool {
    let mut parts = 0;
    let are_bytes = text.split(':').all(|part| {
        parts += 1;
        part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    are_bytes && parts == 6
}

/// A name of a host, which may have dots in it.
pub(super) fn is_host_name(text: &str) -> bool {
    text.split('.').all(is_host_label)
}

fn is_host_label(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| is_letter(byte) || byte == b'-' || byte == b'_')
        && text.bytes().next().is_some_and(|byte| is_letter(byte) || byte == b'_')
        && text.bytes().last().is_some_and(is_letter)
}

/// Labels with dots between.
pub(super) fn is_domain(text: &str) -> bool {
    text.len() <= 255 && text.trim_end_matches('.').split('.').all(is_host_label)
}

/// A name with a dot in it, which an address is not.
pub(super) fn is_fqdn(text: &str) -> bool {
    text.contains('.') && is_domain(text) && !looks_like_v4(text)
}

/// A name that pfSense takes for tables.
pub(super) fn is_alias_name(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word
        && (1..=31).contains(&text.len())
        && !text.bytes().all(|byte| byte.is_ascii_digit())
        && !is_reserved(text)
}

/// Words of pf, and tables that pfSense keeps.
pub(super) fn is_reserved(text: &str) -> bool {
    RESERVED.contains(&text)
}

const RESERVED: &[&str] = &[
    "all",
    "anchor",
    "antispoof",
    "any",
    "binat",
    "block",
    "bogons",
    "bogonsv6",
    "drop",
    "from",
    "in",
    "inet",
    "inet6",
    "keep",
    "label",
    "log",
    "match",
    "nat",
    "negate_networks",
    "no",
    "on",
    "out",
    "pass",
    "port",
    "proto",
    "quick",
    "rdr",
    "return",
    "route-to",
    "scrub",
    "self",
    "set",
    "snort2c",
    "sshguard",
    "state",
    "table",
    "tag",
    "tagged",
    "to",
    "tonatsubnets",
    "user",
    "virusprot",
    "vpn_networks",
];

fn looks_like_v4(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
