//! The models of the package, in its own order of fields.

mod dhcp;
mod dns;
mod firewall;
mod interfaces;
mod nat;
mod routing;
mod status;
mod system;
mod views;
mod wireguard;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Version;
use super::field::{Field, flag, text, time};
use super::kind::Kind;
use super::model::Model;

/// How many entries a list may have from 2.10.0 on, where nothing else is said.
const ENTRIES_LATER: usize = 65535;

/// The models of a version.
pub(super) type Models = BTreeMap<Kind, Model>;

static EARLIER: LazyLock<Models> = LazyLock::new(|| all(Version::V2_7_1));
static LATER: LazyLock<Models> = LazyLock::new(|| all(Version::V2_10_0));

/// The model of a kind.
pub(super) fn of(version: Version, kind: Kind) -> &'static Model {
    let models: &'static Models = match version {
        Version::V2_7_1 => &EARLIER,
        Version::V2_10_0 => &LATER,
    };
    &models[&kind]
}

fn all(version: Version) -> Models {
    let mut models: Models = KINDS.iter().map(|kind| (*kind, model(*kind))).collect();
    if version == Version::V2_10_0 {
        for (kind, model) in &mut models {
            renew(*kind, model);
        }
    }
    models
}

/// Who wrote an object first and last, and when.
fn written() -> Vec<Field> {
    vec![
        time("created_time").fixed().read_only().nullable().within("created").stored("time"),
        text("created_by")
            .fixed()
            .read_only()
            .made()
            .nullable()
            .within("created")
            .stored("username"),
        time("updated_time").renewed().read_only().nullable().within("updated").stored("time"),
        text("updated_by").read_only().made().nullable().within("updated").stored("username"),
    ]
}

/// Makes a model of 2.7.1 one of 2.10.0.
fn renew(kind: Kind, model: &mut Model) {
    for field in &mut model.fields {
        if let Some(many) = field.many.as_mut().filter(|many| many.most == 128) {
            many.most = ENTRIES_LATER;
        }
    }
    match kind {
        Kind::Rule => {
            let before = model.position("tag").unwrap_or_default();
            let dscp = text("dscp").choices(DSCP).empty().nullable();
            model.fields.insert(before, dscp);
        }
        Kind::PortForward => model.sorted_by = None,
        Kind::ApiSettings => {
            let before = model.position("hateoas").unwrap_or_default();
            let flag = flag("allow_development_packages").stored_as("enabled", Some("disabled"));
            model.fields.insert(before, flag.default(false));
        }
        Kind::Peer => {
            for field in model.fields.iter_mut().filter(|field| field.name == "presharedkey") {
                (field.is_write_only, field.is_sensitive) = (false, true);
            }
        }
        Kind::User => {
            for field in model.fields.iter_mut().filter(|field| field.name == "ipsecpsk") {
                field.is_sensitive = true;
            }
        }
        _ => {}
    }
}

/// Marks of packets that rules of 2.10.0 can ask for.
const DSCP: &[&str] = &[
    "", "af11", "af12", "af13", "af21", "af22", "af23", "af31", "af32", "af33", "af41", "af42",
    "af43", "VA", "EF", "cs1", "cs2", "cs3", "cs4", "cs5", "cs6", "cs7", "0x01", "0x02", "0x04",
];

const KINDS: &[Kind] = &[
    Kind::AccessList,
    Kind::AccessNetwork,
    Kind::Alias,
    Kind::AllowedIp,
    Kind::ApiAccessEntry,
    Kind::ApiKey,
    Kind::ApiSettings,
    Kind::ApiVersion,
    Kind::Certificate,
    Kind::DefaultGateway,
    Kind::DhcpApply,
    Kind::DhcpOption,
    Kind::DhcpPool,
    Kind::DhcpServer,
    Kind::Dns,
    Kind::DnsApply,
    Kind::DomainOverride,
    Kind::FirewallApply,
    Kind::Gateway,
    Kind::GatewayGroup,
    Kind::GatewayPriority,
    Kind::GatewayStatus,
    Kind::HostAlias,
    Kind::HostOverride,
    Kind::Hostname,
    Kind::Interface,
    Kind::InterfaceApply,
    Kind::InterfaceGroup,
    Kind::InterfaceStatus,
    Kind::Lease,
    Kind::OneToOne,
    Kind::OutboundMapping,
    Kind::OutboundMode,
    Kind::Peer,
    Kind::Port,
    Kind::PortForward,
    Kind::Queue,
    Kind::Revision,
    Kind::RoutingApply,
    Kind::Rule,
    Kind::Schedule,
    Kind::Service,
    Kind::StaticMapping,
    Kind::StaticRoute,
    Kind::SystemStatus,
    Kind::SystemVersion,
    Kind::TimeRange,
    Kind::Token,
    Kind::Tunable,
    Kind::Tunnel,
    Kind::TunnelAddress,
    Kind::User,
    Kind::UserGroup,
    Kind::VirtualIp,
    Kind::VirtualIpApply,
    Kind::Vlan,
    Kind::WireGuardApply,
    Kind::WireGuardSettings,
];

fn model(kind: Kind) -> Model {
    match kind {
        Kind::AccessList => dns::access_list(),
        Kind::AccessNetwork => dns::access_network(),
        Kind::Alias => firewall::alias(),
        Kind::AllowedIp => wireguard::allowed_ip(),
        Kind::ApiAccessEntry => system::api_access_entry(),
        Kind::ApiKey => system::api_key(),
        Kind::ApiSettings => system::api_settings(),
        Kind::ApiVersion => views::api_version(),
        Kind::Certificate => views::certificate(),
        Kind::DefaultGateway => routing::default_gateway(),
        Kind::DhcpApply => views::dhcp_apply(),
        Kind::DhcpOption => dhcp::dhcp_option(),
        Kind::DhcpPool => dhcp::dhcp_pool(),
        Kind::DhcpServer => dhcp::dhcp_server(),
        Kind::Dns => system::dns(),
        Kind::DnsApply => views::dns_apply(),
        Kind::DomainOverride => dns::domain_override(),
        Kind::FirewallApply => views::firewall_apply(),
        Kind::Gateway => routing::gateway(),
        Kind::GatewayGroup => routing::gateway_group(),
        Kind::GatewayPriority => routing::gateway_priority(),
        Kind::GatewayStatus => status::gateway_status(),
        Kind::HostAlias => dns::host_alias(),
        Kind::HostOverride => dns::host_override(),
        Kind::Hostname => system::hostname(),
        Kind::Interface => interfaces::interface(),
        Kind::InterfaceApply => views::interface_apply(),
        Kind::InterfaceGroup => interfaces::interface_group(),
        Kind::InterfaceStatus => status::interface_status(),
        Kind::Lease => status::lease(),
        Kind::OneToOne => nat::one_to_one(),
        Kind::OutboundMapping => nat::outbound_mapping(),
        Kind::OutboundMode => nat::outbound_mode(),
        Kind::Peer => wireguard::peer(),
        Kind::Port => views::port(),
        Kind::PortForward => nat::port_forward(),
        Kind::Queue => views::queue(),
        Kind::Revision => views::revision(),
        Kind::RoutingApply => views::routing_apply(),
        Kind::Rule => firewall::rule(),
        Kind::Schedule => firewall::schedule(),
        Kind::Service => status::service(),
        Kind::StaticMapping => dhcp::static_mapping(),
        Kind::StaticRoute => routing::static_route(),
        Kind::SystemStatus => status::system_status(),
        Kind::SystemVersion => views::system_version(),
        Kind::TimeRange => firewall::time_range(),
        Kind::Token => views::token(),
        Kind::Tunable => system::tunable(),
        Kind::Tunnel => wireguard::tunnel(),
        Kind::TunnelAddress => wireguard::tunnel_address(),
        Kind::User => system::user(),
        Kind::UserGroup => system::user_group(),
        Kind::VirtualIp => firewall::virtual_ip(),
        Kind::VirtualIpApply => views::virtual_ip_apply(),
        Kind::Vlan => interfaces::vlan(),
        Kind::WireGuardApply => views::wire_guard_apply(),
        Kind::WireGuardSettings => wireguard::wire_guard_settings(),
    }
}
