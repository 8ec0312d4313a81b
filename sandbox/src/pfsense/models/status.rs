//! What goes on at the moment, as far as anything does here.

use super::super::field::{interface_name, text};
use super::super::model::{Model, list};

/// Addresses that are given away, for a while or for good.
pub(super) fn lease() -> Model {
    list("DHCPServerLease", "DHCP Server Lease", "").applied_at_once().fields(vec![
        text("ip"),
        text("mac"),
        text("hostname"),
        interface_name("if"),
        text("starts"),
        text("ends"),
        text("active_status").stored("act"),
        text("online_status").stored("online"),
        text("descr"),
    ])
}

/// How gateways are reached.
pub(super) fn gateway_status() -> Model {
    let fields = ["name", "srcip", "monitorip", "delay", "stddev", "loss", "status", "substatus"];
    list("RoutingGatewayStatus", "Routing Gateway Status", "").fields(fields.map(text).into())
}

/// What went through interfaces.
pub(super) fn interface_status() -> Model {
    let fields = [
        "name",
        "descr",
        "hwif",
        "macaddr",
        "mtu",
        "enable",
        "status",
        "ipaddr",
        "subnet",
        "linklocal",
        "ipaddrv6",
        "subnetv6",
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
        "dhcplink",
        "media",
        "gateway",
        "gatewayv6",
    ];
    list("InterfaceStats", "Interface Stats", "").fields(fields.map(text).into())
}
