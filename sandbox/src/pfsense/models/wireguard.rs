//! Tunnels and their peers.

use super::super::field::{flag, foreign, ip, nested, number, port, text};
use super::super::kind::Kind;
use super::super::model::{Model, list, single};

pub(super) fn tunnel() -> Model {
    list("WireGuardTunnel", "WireGuard Tunnel", "installedpackages/wireguard/tunnels/item")
        .subsystem("wireguard")
        .package("pfSense-pkg-WireGuard")
        .fields(vec![
            text("name").unique().fixed().read_only().made().nullable(),
            flag("enabled").stored_as("yes", Some("no")).default(true),
            text("descr").default("").empty(),
            port("listenport").unique().default("51820"),
            text("publickey").read_only().nullable(),
            text("privatekey").required().sensitive(),
            number("mtu").default(1420),
            nested("addresses", Kind::TunnelAddress)
                .default_list(&[])
                .empty()
                .within("addresses")
                .stored("row"),
        ])
}

pub(super) fn tunnel_address() -> Model {
    list("WireGuardTunnelAddress", "WireGuard Tunnel Address", "addresses/row")
        .child_of(Kind::Tunnel)
        .package("pfSense-pkg-WireGuard")
        .unique_together(&["address", "mask"])
        .fields(vec![
            text("address").required().address(ip().v4().v6()),
            number("mask").required().range(1, 128),
            text("descr").default("").empty(),
        ])
}

pub(super) fn peer() -> Model {
    list("WireGuardPeer", "WireGuard Peer", "installedpackages/wireguard/peers/item")
        .subsystem("wireguard")
        .package("pfSense-pkg-WireGuard")
        .fields(vec![
            flag("enabled").stored_as("yes", Some("no")).default(false),
            foreign("tun", &[Kind::Tunnel], "name").keywords(&["unassigned"]).default("unassigned"),
            text("endpoint").nullable().address(ip().v4().v6().fqdn()),
            port("port").default("51820").when_null("!endpoint"),
            text("descr").default("").empty(),
            number("persistentkeepalive").nullable().range(0, 65535),
            text("publickey").required().unique(),
            text("presharedkey").write_only().default("").empty().nullable(),
            nested("allowedips", Kind::AllowedIp)
                .default_list(&[])
                .empty()
                .within("allowedips")
                .stored("row"),
        ])
}

pub(super) fn allowed_ip() -> Model {
    list("WireGuardPeerAllowedIP", "WireGuard Peer Allowed IP", "allowedips/row")
        .child_of(Kind::Peer)
        .package("pfSense-pkg-WireGuard")
        .unique_together(&["address", "mask"])
        .fields(vec![
            text("address").required().address(ip().v4().v6()),
            number("mask").required().range(0, 128),
            text("descr").default("").empty(),
        ])
}

pub(super) fn wire_guard_settings() -> Model {
    single("WireGuardSettings", "WireGuard Settings", "installedpackages/wireguard/config/0")
        .subsystem("wireguard")
        .package("pfSense-pkg-WireGuard")
        .fields(vec![
            flag("enable").stored_as("on", Some("off")).default(false),
            flag("keep_conf").stored_as("yes", Some("no")).default(true),
            flag("resolve_interval_track").stored_as("yes", Some("no")).default(false),
            number("resolve_interval").default(300).when("resolve_interval_track", false),
            text("interface_group").choices(&["all", "unassigned", "none"]).default("all"),
            flag("hide_secrets").stored_as("yes", Some("no")).default(false),
            flag("hide_peers").stored_as("yes", Some("no")).default(false),
        ])
}
