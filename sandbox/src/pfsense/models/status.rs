//! What goes on at the moment, as far as anything does here.

use super::super::field::{interface_name, text};
use super::super::model::{Model, list, single};

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

/// What runs beside the packet filter.
pub(super) fn service() -> Model {
    let fields = ["name", "description", "enabled", "status"];
    list("Service", "Service", "").fields(fields.map(text).into())
}

/// The machine.
pub(super) fn system_status() -> Model {
    let fields = [
        "platform",
        "serial",
        "netgate_id",
        "uptime",
        "bios_vendor",
        "bios_version",
        "bios_date",
        "kernel_pti",
        "mds_mitigation",
        "temp_c",
        "temp_f",
        "cpu_model",
        "cpu_load_avg",
        "cpu_count",
        "cpu_usage",
        "mbuf_usage",
        "mem_usage",
        "swap_usage",
        "disk_usage",
    ];
    single("SystemStatus", "System Status", "").fields(fields.map(text).into())
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
