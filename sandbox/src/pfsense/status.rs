//! What goes on at the moment. No packet moves here, so it follows from the configuration.

use super::net;
use super::session::Session;
use super::value::{Map, Value, map};

/// What counts packets, and has counted none.
const COUNTERS: [&str; 11] = [
    "inerrs",
    "outerrs",
    "collisions",
    "inbytes",
    "inbytespass",
    "outbytes",
    "outbytespass",
    "inpkts",
    "inpktspass",
    "outpkts",
    "outpktspass",
];

/// Addresses that are given away: those that are reserved, for nobody asks for any.
pub(super) fn leases(session: &Session<'_>) -> Vec<Value> {
    let reserved = |id: &String| {
        let mappings = session.config.at(&format!("dhcpd/{id}/staticmap")).and_then(Value::as_list);
        let lease = |mapping: &Value| {
            map([
                ("ip", mapping.text("ipaddr").into()),
                ("mac", mapping.text("mac").into()),
                ("hostname", mapping.text("hostname").into()),
                ("if", id.as_str().into()),
                ("starts", "".into()),
                ("ends", "".into()),
                ("act", "static".into()),
                ("online", "idle/offline".into()),
                ("descr", mapping.text("descr").into()),
            ])
        };
        mappings.unwrap_or_default().iter().map(lease).collect::<Vec<_>>()
    };
    session.interfaces().flat_map(|(id, _)| reserved(id)).collect()
}

/// How gateways are reached: without loss, unless they are forced to be down.
pub(super) fn gateways(session: &Session<'_>) -> Vec<Value> {
    let gateways = session.config.at("gateways/gateway_item").and_then(Value::as_list);
    let watched = gateways.unwrap_or_default().iter().filter(|gateway| {
        gateway.get("disabled").is_none() && gateway.get("monitor_disable").is_none()
    });
    let status = |gateway: &Value| {
        let monitor = match gateway.text("monitor") {
            "" => gateway.text("gateway"),
            monitor => monitor,
        };
        let interface = session.config.at(&format!("interfaces/{}", gateway.text("interface")));
        let is_down = gateway.get("force_down").is_some();
        map([
            ("name", gateway.text("name").into()),
            ("srcip", interface.map_or("", |interface| interface.text("ipaddr")).into()),
            ("monitorip", monitor.into()),
            ("delay", Value::Float(0.0)),
            ("stddev", Value::Float(0.0)),
            ("loss", Value::Float(0.0)),
            ("status", if is_down { "down" } else { "online" }.into()),
            ("substatus", if is_down { "force_down" } else { "none" }.into()),
        ])
    };
    watched.map(status).collect()
}

/// What went through interfaces: nothing.
pub(super) fn interfaces(session: &Session<'_>) -> Vec<Value> {
    let status = |(id, interface): (&String, &Value)| {
        let is_on = interface.get("enable").is_some();
        let card = session.state.ports.iter().find(|card| card.name == interface.text("if"));
        let mask = interface.text("subnet").parse().ok();
        let mask = mask.and_then(|bits| net::v4_net(interface.text("ipaddr"), bits));
        let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let mut row = map([
            ("name", id.as_str().into()),
            ("descr", interface.text("descr").into()),
            ("hwif", interface.text("if").into()),
            ("macaddr", card.map_or(Value::Null, |card| card.mac.as_str().into())),
            ("mtu", "1500".into()),
            ("enable", is_on.into()),
            ("status", if is_on { "up" } else { "down" }.into()),
        ]);
        if let Some(net) = mask {
            row.set("ipaddr", interface.text("ipaddr").into());
            row.set("subnet", net.netmask().to_string().into());
        }
        if interface.text("ipaddr") == "dhcp" {
            row.set("dhcplink", "up".into());
        }
        row.set("gateway", or_null(interface.text("gateway")));
        if let Value::Map(row) = &mut row {
            let counters: Map =
                COUNTERS.iter().map(|name| ((*name).to_owned(), Value::Integer(0))).collect();
            row.extend(counters);
        }
        row
    };
    session.interfaces().map(status).collect()
}

/// What runs: all that is switched on.
pub(super) fn services(session: &Session<'_>) -> Vec<Value> {
    let is_on = |path: &str| session.config.at(path).is_some();
    let hands_out = |(id, _): (&String, &Value)| is_on(&format!("dhcpd/{id}/enable"));
    let tunnels = session.config.at("installedpackages/wireguard/config/0");
    let tunnels_on = tunnels.is_some_and(|settings| settings.text("enable") == "on");
    let has_tunnels = session.state.packages.contains(super::WIREGUARD);
    let known = [
        ("wireguard", "WireGuard", has_tunnels, tunnels_on),
        ("unbound", "DNS Resolver", true, true),
        ("ntpd", "NTP clock sync", true, true),
        ("syslogd", "System Logger Daemon", true, true),
        ("dhcpd", "DHCP Service", true, session.interfaces().any(hands_out)),
        ("dpinger", "Gateway Monitoring Daemon", true, !gateways(session).is_empty()),
    ];
    let row = |(name, description, _, is_on): (&str, &str, bool, bool)| {
        map([
            ("name", name.into()),
            ("description", description.into()),
            ("enabled", is_on.into()),
            ("status", is_on.into()),
        ])
    };
    known.into_iter().filter(|(.., is_there, _)| *is_there).map(row).collect()
}

/// The machine: one processor with nothing to do.
pub(super) fn system(session: &Session<'_>) -> Value {
    let first = session.state.history.first().unwrap_or(&session.state.live);
    let seconds = session.now.saturating_sub(first.time).max(0);
    let uptime = format!(
        "{} Days {:02} Hours {:02} Minutes {:02} Seconds",
        seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    let idle = || Value::Float(0.0);
    map([
        ("platform", "KVM Guest".into()),
        ("serial", "".into()),
        ("netgate_id", "".into()),
        ("uptime", uptime.into()),
        ("bios_vendor", "SeaBIOS".into()),
        ("bios_version", "1.16.3".into()),
        ("bios_date", "Tue Apr 1 2014".into()),
        ("kernel_pti", false.into()),
        ("mds_mitigation", "inactive".into()),
        ("cpu_model", "QEMU Virtual CPU".into()),
        ("cpu_load_avg", [idle(), idle(), idle()].into_iter().collect()),
        ("cpu_count", Value::Integer(1)),
        ("cpu_usage", idle()),
        ("mbuf_usage", idle()),
        ("mem_usage", idle()),
        ("swap_usage", idle()),
        ("disk_usage", idle()),
    ])
}
