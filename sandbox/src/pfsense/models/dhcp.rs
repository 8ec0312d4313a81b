//! DHCP servers.

use super::super::field::{Check, Field, coded, flag, interface_name, ip, nested, number, text};
use super::super::kind::Kind;
use super::super::model::{Model, list};

pub(super) fn dhcp_server() -> Model {
    list("DHCPServer", "DHCP Server", "dhcpd")
        .named()
        .subsystem("dhcpd")
        .fields(vec![
            interface_name("interface").required().shown_only(),
            flag("enable").default(false),
            text("range_from")
                .default("")
                .empty()
                .longest(15)
                .within("range")
                .stored("from")
                .address(ip().v4()),
            text("range_to")
                .default("")
                .empty()
                .longest(15)
                .within("range")
                .stored("to")
                .address(ip().v4()),
            text("domain").default("").empty().longest(255),
            text("failover_peerip").default("").empty().longest(255).address(ip().v4().v6().fqdn()),
        ])
        .fields(handed_out())
        .fields(vec![
            flag("staticarp").default(false),
            flag("ignorebootp").default(false),
            flag("ignoreclientuids").default(false),
            flag("nonak").default(false),
            flag("disablepingcheck").stored_as("yes", None).default(false),
            flag("dhcpleaseinlocaltime").stored_as("yes", None).default(false),
            flag("statsgraph").stored_as("yes", None).default(false),
            text("denyunknown").choices(&["enabled", "class"]).empty().nullable(),
            nested("pool", Kind::DhcpPool).default_list(&[]).empty(),
            nested("numberoptions", Kind::DhcpOption)
                .default_list(&[])
                .empty()
                .within("numberoptions")
                .stored("item"),
            nested("staticmap", Kind::StaticMapping).default_list(&[]).empty(),
        ])
}

/// What clients are told beside their address, by a server and by each of its pools.
fn handed_out() -> Vec<Field> {
    vec![
        text("mac_allow").many().default_list(&[]).empty().longest(17).check(Check::Mac),
        text("mac_deny").many().default_list(&[]).empty().longest(17).check(Check::Mac),
        text("domainsearchlist")
            .many_by(";")
            .default_list(&[])
            .empty()
            .longest(255)
            .address(ip().fqdn()),
        number("defaultleasetime").default(7200).nullable().least(60),
        number("maxleasetime").default(86400).nullable().least(60),
        text("gateway").default("").empty().longest(15).address(ip().v4().keywords(&["none"])),
        text("dnsserver")
            .many_apart()
            .entries(0, 4)
            .default_list(&[])
            .empty()
            .longest(15)
            .address(ip().v4()),
        text("winsserver")
            .many_apart()
            .entries(0, 2)
            .default_list(&[])
            .empty()
            .longest(15)
            .address(ip().v4()),
        text("ntpserver")
            .many_apart()
            .entries(0, 4)
            .default_list(&[])
            .empty()
            .longest(256)
            .address(ip().v4().fqdn()),
    ]
}

pub(super) fn dhcp_pool() -> Model {
    list("DHCPServerAddressPool", "DHCP Server Address Pool", "pool")
        .child_of(Kind::DhcpServer)
        .subsystem("dhcpd")
        .fields(vec![
            text("range_from")
                .required()
                .longest(15)
                .within("range")
                .stored("from")
                .address(ip().v4()),
            text("range_to").required().longest(15).within("range").stored("to").address(ip().v4()),
            text("domain").default("").empty().longest(255),
        ])
        .fields(handed_out())
        .fields(vec![
            flag("ignorebootp").default(false),
            flag("ignoreclientuids").default(false),
            text("denyunknown").choices(&["enabled", "class"]).empty().nullable(),
        ])
}

pub(super) fn dhcp_option() -> Model {
    list("DHCPServerCustomOption", "DHCP Server Custom Option", "numberoptions/item")
        .child_of(Kind::DhcpServer)
        .subsystem("dhcpd")
        .fields(vec![
            number("number").required().unique().range(1, 254),
            text("type").required().choices(&[
                "text",
                "string",
                "boolean",
                "unsigned integer 8",
                "unsigned integer 16",
                "unsigned integer 32",
                "signed integer 8",
                "signed integer 16",
                "signed integer 32",
                "ip-address",
            ]),
            coded("value").required(),
        ])
}

pub(super) fn static_mapping() -> Model {
    list("DHCPServerStaticMapping", "DHCP Server Static Mapping", "staticmap")
        .child_of(Kind::DhcpServer)
        .subsystem("dhcpd")
        .sorted_by("ipaddr")
        .natural()
        .fields(vec![
            text("mac").required().unique().check(Check::Mac),
            text("ipaddr").empty().nullable().address(ip().v4()),
            text("cid").empty().nullable(),
            text("hostname").empty().nullable().check(Check::Hostname {
                plain: true,
                domain: false,
                fqdn: false,
            }),
            text("domain").default("").empty().longest(255),
            text("domainsearchlist")
                .many_by(";")
                .default_list(&[])
                .empty()
                .longest(255)
                .address(ip().fqdn()),
            number("defaultleasetime").default(7200).nullable().least(60),
            number("maxleasetime").default(86400).nullable().least(60),
            text("gateway").default("").empty().longest(15).address(ip().v4().keywords(&["none"])),
            text("dnsserver")
                .many_apart()
                .entries(0, 4)
                .default_list(&[])
                .empty()
                .longest(15)
                .address(ip().v4()),
            text("winsserver")
                .many_apart()
                .entries(0, 2)
                .default_list(&[])
                .empty()
                .longest(15)
                .address(ip().v4()),
            text("ntpserver")
                .many_apart()
                .entries(0, 3)
                .default_list(&[])
                .empty()
                .longest(256)
                .address(ip().v4().fqdn()),
            flag("arp_table_static_entry").default(false),
            text("descr").default("").empty().longest(255),
        ])
}
