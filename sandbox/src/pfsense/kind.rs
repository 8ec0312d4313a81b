//! The kinds of objects there are, and the paths they are reached at.

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    AccessList,
    AccessNetwork,
    Alias,
    AllowedIp,
    ApiAccessEntry,
    ApiKey,
    ApiSettings,
    ApiVersion,
    Certificate,
    DefaultGateway,
    DhcpApply,
    DhcpOption,
    DhcpPool,
    DhcpServer,
    Dns,
    DnsApply,
    DomainOverride,
    FirewallApply,
    Gateway,
    GatewayGroup,
    GatewayPriority,
    GatewayStatus,
    HostAlias,
    HostOverride,
    Hostname,
    Interface,
    InterfaceApply,
    InterfaceGroup,
    InterfaceStatus,
    Lease,
    OneToOne,
    OutboundMapping,
    OutboundMode,
    Peer,
    Port,
    PortForward,
    Queue,
    Revision,
    RoutingApply,
    Rule,
    Schedule,
    Service,
    StaticMapping,
    StaticRoute,
    SystemStatus,
    SystemVersion,
    TimeRange,
    Token,
    Tunable,
    Tunnel,
    TunnelAddress,
    User,
    UserGroup,
    VirtualIp,
    VirtualIpApply,
    Vlan,
    WireGuardApply,
    WireGuardSettings,
}

/// A path and what can be done there.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Without `/api/v2`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// Whether it is about all objects of that kind.
    pub(super) is_many: bool,
    /// `GET`, …, in the order the package lists them.
    methods: &'static str,
    /// Whether it wants a name and a password, whatever the settings allow.
    pub(super) is_basic_only: bool,
}

impl Endpoint {
    /// The endpoint at a path without `/api/v2`.
    pub(super) fn at(path: &str) -> Option<&'static Endpoint> {
        ENDPOINTS.iter().find(|endpoint| endpoint.path == path)
    }

    /// Whether it knows the method.
    pub(super) fn knows(&self, method: &str) -> bool {
        self.methods.split(' ').any(|known| known == method)
    }

    /// What a caller must hold for a method, unless he holds `page-all`.
    pub(super) fn privilege(&self, method: &str) -> String {
        let path = self.path.replace(['/', '_'], "-");
        format!("api-v2{path}-{}", method.to_lowercase())
    }

    const fn basic_only(self) -> Self {
        Endpoint { is_basic_only: true, ..self }
    }
}

const fn one(path: &'static str, kind: Kind, methods: &'static str) -> Endpoint {
    Endpoint { path, kind, is_many: false, methods, is_basic_only: false }
}

const fn many(path: &'static str, kind: Kind, methods: &'static str) -> Endpoint {
    Endpoint { is_many: true, ..one(path, kind, methods) }
}

/// Every path of the package that is pretended.
static ENDPOINTS: &[Endpoint] = &[
    one("/auth/jwt", Kind::Token, "POST").basic_only(),
    one("/auth/key", Kind::ApiKey, "POST DELETE").basic_only(),
    many("/auth/keys", Kind::ApiKey, "GET DELETE"),
    one("/diagnostics/config_history/revision", Kind::Revision, "GET DELETE"),
    many("/diagnostics/config_history/revisions", Kind::Revision, "GET DELETE"),
    one("/firewall/alias", Kind::Alias, "GET POST PATCH DELETE"),
    many("/firewall/aliases", Kind::Alias, "GET PUT DELETE"),
    one("/firewall/apply", Kind::FirewallApply, "GET POST"),
    one("/firewall/nat/one_to_one/mapping", Kind::OneToOne, "GET POST PATCH DELETE"),
    many("/firewall/nat/one_to_one/mappings", Kind::OneToOne, "GET PUT DELETE"),
    one("/firewall/nat/outbound/mapping", Kind::OutboundMapping, "GET POST PATCH DELETE"),
    many("/firewall/nat/outbound/mappings", Kind::OutboundMapping, "GET PUT DELETE"),
    one("/firewall/nat/outbound/mode", Kind::OutboundMode, "GET PATCH"),
    one("/firewall/nat/port_forward", Kind::PortForward, "GET POST PATCH DELETE"),
    many("/firewall/nat/port_forwards", Kind::PortForward, "GET PUT DELETE"),
    one("/firewall/rule", Kind::Rule, "GET POST PATCH DELETE"),
    many("/firewall/rules", Kind::Rule, "GET PUT DELETE"),
    one("/firewall/schedule", Kind::Schedule, "GET POST PATCH DELETE"),
    one("/firewall/schedule/time_range", Kind::TimeRange, "GET POST PATCH DELETE"),
    many("/firewall/schedule/time_ranges", Kind::TimeRange, "GET DELETE"),
    many("/firewall/schedules", Kind::Schedule, "GET PUT DELETE"),
    one("/firewall/virtual_ip", Kind::VirtualIp, "GET POST PATCH DELETE"),
    one("/firewall/virtual_ip/apply", Kind::VirtualIpApply, "GET POST"),
    many("/firewall/virtual_ips", Kind::VirtualIp, "GET DELETE"),
    one("/interface", Kind::Interface, "GET POST PATCH DELETE"),
    one("/interface/apply", Kind::InterfaceApply, "GET POST"),
    many("/interface/available_interfaces", Kind::Port, "GET"),
    one("/interface/group", Kind::InterfaceGroup, "GET POST PATCH DELETE"),
    many("/interface/groups", Kind::InterfaceGroup, "GET PUT DELETE"),
    one("/interface/vlan", Kind::Vlan, "GET POST PATCH DELETE"),
    many("/interface/vlans", Kind::Vlan, "GET DELETE"),
    many("/interfaces", Kind::Interface, "GET DELETE"),
    one("/routing/apply", Kind::RoutingApply, "GET POST"),
    one("/routing/gateway", Kind::Gateway, "GET POST PATCH DELETE"),
    one("/routing/gateway/default", Kind::DefaultGateway, "GET PATCH"),
    one("/routing/gateway/group", Kind::GatewayGroup, "GET POST PATCH DELETE"),
    many("/routing/gateway/group/priorities", Kind::GatewayPriority, "GET DELETE"),
    one("/routing/gateway/group/priority", Kind::GatewayPriority, "GET POST PATCH DELETE"),
    many("/routing/gateway/groups", Kind::GatewayGroup, "GET DELETE"),
    many("/routing/gateways", Kind::Gateway, "GET DELETE"),
    one("/routing/static_route", Kind::StaticRoute, "GET POST PATCH DELETE"),
    many("/routing/static_routes", Kind::StaticRoute, "GET DELETE"),
    one("/services/dhcp_server", Kind::DhcpServer, "GET POST PATCH DELETE"),
    one("/services/dhcp_server/address_pool", Kind::DhcpPool, "GET POST PATCH DELETE"),
    many("/services/dhcp_server/address_pools", Kind::DhcpPool, "GET DELETE"),
    one("/services/dhcp_server/apply", Kind::DhcpApply, "GET POST"),
    one("/services/dhcp_server/custom_option", Kind::DhcpOption, "GET POST PATCH DELETE"),
    many("/services/dhcp_server/custom_options", Kind::DhcpOption, "GET DELETE"),
    one("/services/dhcp_server/static_mapping", Kind::StaticMapping, "GET POST PATCH DELETE"),
    many("/services/dhcp_server/static_mappings", Kind::StaticMapping, "GET DELETE"),
    many("/services/dhcp_servers", Kind::DhcpServer, "GET PUT"),
    one("/services/dns_resolver/access_list", Kind::AccessList, "GET POST PATCH DELETE"),
    one("/services/dns_resolver/access_list/network", Kind::AccessNetwork, "GET POST PATCH DELETE"),
    many("/services/dns_resolver/access_list/networks", Kind::AccessNetwork, "GET DELETE"),
    many("/services/dns_resolver/access_lists", Kind::AccessList, "GET PUT DELETE"),
    one("/services/dns_resolver/apply", Kind::DnsApply, "GET POST"),
    one("/services/dns_resolver/domain_override", Kind::DomainOverride, "GET POST PATCH DELETE"),
    many("/services/dns_resolver/domain_overrides", Kind::DomainOverride, "GET PUT DELETE"),
    one("/services/dns_resolver/host_override", Kind::HostOverride, "GET POST PATCH DELETE"),
    one("/services/dns_resolver/host_override/alias", Kind::HostAlias, "GET POST PATCH DELETE"),
    many("/services/dns_resolver/host_override/aliases", Kind::HostAlias, "GET DELETE"),
    many("/services/dns_resolver/host_overrides", Kind::HostOverride, "GET PUT DELETE"),
    many("/status/dhcp_server/leases", Kind::Lease, "GET DELETE"),
    many("/status/gateways", Kind::GatewayStatus, "GET"),
    many("/status/interfaces", Kind::InterfaceStatus, "GET"),
    many("/status/services", Kind::Service, "GET"),
    one("/status/system", Kind::SystemStatus, "GET"),
    one("/system/dns", Kind::Dns, "GET PATCH"),
    one("/system/hostname", Kind::Hostname, "GET PATCH"),
    many("/system/restapi/access_list", Kind::ApiAccessEntry, "GET PUT DELETE"),
    one("/system/restapi/access_list/entry", Kind::ApiAccessEntry, "GET POST PATCH DELETE"),
    one("/system/restapi/settings", Kind::ApiSettings, "GET PATCH"),
    one("/system/restapi/version", Kind::ApiVersion, "GET PATCH"),
    one("/system/tunable", Kind::Tunable, "GET POST PATCH DELETE"),
    many("/system/tunables", Kind::Tunable, "GET PUT DELETE"),
    one("/system/version", Kind::SystemVersion, "GET"),
    one("/user", Kind::User, "GET POST PATCH DELETE"),
    one("/user/group", Kind::UserGroup, "GET POST PATCH DELETE"),
    many("/user/groups", Kind::UserGroup, "GET PUT DELETE"),
    many("/users", Kind::User, "GET DELETE"),
    one("/vpn/wireguard/apply", Kind::WireGuardApply, "GET POST"),
    one("/vpn/wireguard/peer", Kind::Peer, "GET POST PATCH DELETE"),
    one("/vpn/wireguard/peer/allowed_ip", Kind::AllowedIp, "GET POST PATCH DELETE"),
    many("/vpn/wireguard/peer/allowed_ips", Kind::AllowedIp, "GET DELETE"),
    many("/vpn/wireguard/peers", Kind::Peer, "GET PUT DELETE"),
    one("/vpn/wireguard/settings", Kind::WireGuardSettings, "GET PATCH"),
    one("/vpn/wireguard/tunnel", Kind::Tunnel, "GET POST PATCH DELETE"),
    one("/vpn/wireguard/tunnel/address", Kind::TunnelAddress, "GET POST PATCH DELETE"),
    many("/vpn/wireguard/tunnel/addresses", Kind::TunnelAddress, "GET DELETE"),
    many("/vpn/wireguard/tunnels", Kind::Tunnel, "GET PUT DELETE"),
];
