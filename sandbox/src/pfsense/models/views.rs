//! What is only looked at, or only done: nothing of it lives in the configuration.

use super::super::field::text;
use super::super::model::{Model, list, single};

pub(super) fn token() -> Model {
    single("RESTAPIJWT", "REST API JWT", "").fields(vec![text("token")])
}

pub(super) fn system_version() -> Model {
    let fields = ["version", "base", "patch", "buildtime"];
    single("SystemVersion", "System Version", "").fields(fields.map(text).into())
}

pub(super) fn api_version() -> Model {
    let fields = [
        "current_version",
        "latest_version",
        "latest_version_release_date",
        "update_available",
        "available_versions",
    ];
    single("RESTAPIVersion", "REST API Version", "").fields(fields.map(text).into())
}

pub(super) fn revision() -> Model {
    let fields = ["time", "description", "version", "filesize"];
    list("ConfigHistoryRevision", "Configuration History Revision", "")
        .fields(fields.map(text).into())
}

pub(super) fn port() -> Model {
    let fields = ["if", "mac", "dmesg", "in_use_by"];
    list("AvailableInterface", "Available Interface", "").named().fields(fields.map(text).into())
}

pub(super) fn firewall_apply() -> Model {
    apply("FirewallApply").fields(vec![text("applied"), text("pending_subsystems")])
}

pub(super) fn interface_apply() -> Model {
    apply("InterfaceApply").fields(vec![text("applied"), text("pending_interfaces")])
}

pub(super) fn virtual_ip_apply() -> Model {
    apply("VirtualIPApply")
}

pub(super) fn dhcp_apply() -> Model {
    apply("DHCPServerApply")
}

pub(super) fn dns_apply() -> Model {
    apply("DNSResolverApply")
}

pub(super) fn routing_apply() -> Model {
    apply("RoutingApply")
}

pub(super) fn wire_guard_apply() -> Model {
    apply("WireGuardApply")
}

/// Queues of the traffic shaper; there are none here.
pub(super) fn queue() -> Model {
    nothing("TrafficShaperQueue")
}

/// Certificates; there are none here.
pub(super) fn certificate() -> Model {
    nothing("Certificate")
}

fn apply(name: &'static str) -> Model {
    single(name, name, "").fields(vec![text("applied")])
}

fn nothing(name: &'static str) -> Model {
    list(name, name, "").fields(vec![text("name"), text("refid")])
}
