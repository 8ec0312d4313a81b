//! Interfaces, VLANs and groups.

use super::super::field::{Check, Field, flag, foreign, interface_name, ip, number, subnet, text};
use super::super::kind::Kind;
use super::super::model::{Model, list};

pub(super) fn interface() -> Model {
    let fields = [own_fields(), dhcp_fields(), v6_fields()].concat();
    list("NetworkInterface", "Network Interface", "interfaces")
        .named()
        .subsystem("interfaces")
        .fields(fields)
}

fn own_fields() -> Vec<Field> {
    vec![
        text("if").required().unique().longest(128),
        flag("enable").default(false),
        text("descr")
            .required()
            .unique()
            .longest(128)
            .check(Check::FilterName)
            .check(Check::Apart(Kind::Alias, "name")),
        text("spoofmac").default("").empty().longest(17).check(Check::Mac),
        number("mtu").nullable().range(1280, 8192),
        number("mss").nullable().range(576, 65535),
        text("media").default("").empty(),
        text("mediaopt").default("").empty(),
        flag("blockpriv").default(false),
        flag("blockbogons").default(false),
        text("typev4").required().shown_only().choices(&["static", "dhcp", "none"]),
        text("ipaddr")
            .required()
            .when_any("typev4", &["static", "dhcp"])
            .address(ip().v4().keywords(&["dhcp"])),
        number("subnet").required().range(1, 32).when("typev4", "static"),
        foreign("gateway", &[Kind::Gateway, Kind::GatewayGroup], "name")
            .nullable()
            .when("typev4", "static"),
    ]
}

/// For an interface that asks for its IPv4 address.
fn dhcp_fields() -> Vec<Field> {
    vec![
        text("dhcphostname").default("").empty().when("typev4", "dhcp").address(ip().fqdn()),
        text("alias_address")
            .default("")
            .empty()
            .stored("alias-address")
            .when("typev4", "dhcp")
            .address(ip().v4()),
        number("alias_subnet")
            .default(32)
            .nullable()
            .range(0, 32)
            .stored("alias-subnet")
            .when("typev4", "dhcp"),
        text("dhcprejectfrom")
            .many()
            .default_list(&[])
            .empty()
            .when("typev4", "dhcp")
            .address(ip().v4()),
        flag("adv_dhcp_config_advanced")
            .stored_as("yes", None)
            .default(false)
            .when("typev4", "dhcp"),
        text("adv_dhcp_pt_values")
            .choices(&["SavedCfg"])
            .default("SavedCfg")
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_timeout")
            .nullable()
            .least(1)
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_retry")
            .nullable()
            .least(1)
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_select_timeout")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_reboot")
            .nullable()
            .least(1)
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_backoff_cutoff")
            .nullable()
            .least(1)
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        number("adv_dhcp_pt_initial_interval")
            .nullable()
            .least(1)
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        text("adv_dhcp_send_options")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        text("adv_dhcp_request_options")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        text("adv_dhcp_required_options")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        text("adv_dhcp_option_modifiers")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_advanced", true),
        flag("adv_dhcp_config_file_override")
            .stored_as("yes", None)
            .default(false)
            .when("typev4", "dhcp"),
        text("adv_dhcp_config_file_override_path")
            .nullable()
            .when("typev4", "dhcp")
            .when("adv_dhcp_config_file_override", true),
    ]
}

fn v6_fields() -> Vec<Field> {
    vec![
        text("typev6")
            .shown_only()
            .choices(&["staticv6", "dhcp6", "slaac", "6rd", "track6", "6to4", "none"])
            .nullable(),
        text("ipaddrv6")
            .required()
            .when_any("typev6", &["staticv6", "dhcp6", "slaac", "6rd", "track6", "6to4"])
            .address(ip().v6().keywords(&["dhcp6", "slaac", "6rd", "track6", "6to4"])),
        number("subnetv6").required().range(1, 128).when("typev6", "staticv6"),
        foreign("gatewayv6", &[Kind::Gateway, Kind::GatewayGroup], "name")
            .nullable()
            .when("typev6", "staticv6"),
        flag("ipv6usev4iface").default(false).when("typev6", "staticv6"),
        flag("slaacusev4iface").default(false).when("typev6", "slaac"),
        text("prefix_6rd")
            .required()
            .unique()
            .stored("prefix-6rd")
            .when("typev6", "6rd")
            .address(subnet().v6()),
        text("gateway_6rd")
            .required()
            .stored("gateway-6rd")
            .when("typev6", "6rd")
            .address(ip().v4()),
        number("prefix_6rd_v4plen")
            .required()
            .range(0, 32)
            .stored("prefix-6rd-v4plen")
            .when("typev6", "6rd"),
        interface_name("track6_interface")
            .required()
            .stored("track6-interface")
            .when("typev6", "track6"),
        text("track6_prefix_id_hex")
            .default("0")
            .stored("track6-prefix-id--hex")
            .when("typev6", "track6"),
    ]
}

pub(super) fn vlan() -> Model {
    list("InterfaceVLAN", "VLAN Interface", "vlans/vlan")
        .applied_at_once()
        .unique_together(&["if", "tag"])
        .fields(vec![
            text("if").required().fixed().longest(32),
            number("tag").required().range(1, 4094),
            text("vlanif").read_only().default("").empty().nullable(),
            number("pcp").nullable().range(0, 7),
            text("descr").default("").empty(),
        ])
}

pub(super) fn interface_group() -> Model {
    list("InterfaceGroup", "Interface Group", "ifgroups/ifgroupentry").applied_at_once().fields(
        vec![
            text("ifname").required().unique().fixed().longest(15).check(Check::FilterName),
            interface_name("members").many_by(" ").default_list(&[]).empty(),
            text("descr").default("").empty(),
        ],
    )
}
