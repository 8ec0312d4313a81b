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
