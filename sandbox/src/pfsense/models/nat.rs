//! Address translation.

use super::super::field::places::{ALIAS, ANY, INTERFACE, INTERFACE_IP, INVERT, IP, SELF, SUBNET};
use super::super::field::{
    Check, flag, foreign, interface_name, number, place, port, target, text,
};
use super::super::kind::Kind;
use super::super::model::{Model, list, single};
use super::written;

pub(super) fn port_forward() -> Model {
    list("PortForward", "Port Forward", "nat/rule")
        .subsystem("natconf")
        .sorted_by("interface")
        .fields(vec![
            interface_name("interface").required(),
            text("ipprotocol").choices(&["inet", "inet6", "inet46"]).default("inet"),
            text("protocol").required().choices(&[
                "any", "tcp", "udp", "tcp/udp", "icmp", "esp", "ah", "gre", "ipv6", "igmp", "pim",
                "ospf",
            ]),
            place("source", INTERFACE | INTERFACE_IP | IP | SUBNET | ALIAS | ANY | SELF | INVERT)
                .required(),
            port("source_port")
                .alias()
                .ranges()
                .nullable()
                .within("source")
                .stored("port")
                .when_any("protocol", &["tcp", "udp", "tcp/udp"]),
            place(
                "destination",
                INTERFACE | INTERFACE_IP | IP | SUBNET | ALIAS | ANY | SELF | INVERT,
            )
            .required(),
            port("destination_port")
                .alias()
                .ranges()
                .nullable()
                .within("destination")
                .stored("port")
                .when_any("protocol", &["tcp", "udp", "tcp/udp"]),
            target("target", INTERFACE_IP | IP | ALIAS).required(),
            port("local_port")
                .alias()
                .required()
                .stored("local-port")
                .when_any("protocol", &["tcp", "udp", "tcp/udp"]),
            flag("disabled").default(false),
            flag("nordr").default(false),
            flag("nosync").default(false),
            text("descr").default("").empty(),
            text("natreflection").choices(&["enable", "disable", "purenat"]).nullable(),
            foreign("associated_rule_id", &[Kind::Rule], "associated_rule_id")
                .keywords(&["", "new", "pass"])
                .default("")
                .empty()
                .stored("associated-rule-id"),
        ])
        .fields(written())
}

pub(super) fn outbound_mapping() -> Model {
    list("OutboundNATMapping", "Outbound NAT Mapping", "nat/outbound/rule")
        .subsystem("natconf")
        .fields(vec![
            interface_name("interface").required(),
            text("protocol")
                .choices(&[
                    "tcp", "udp", "tcp/udp", "icmp", "esp", "ah", "gre", "ipv6", "igmp", "pim",
                    "ospf",
                ])
                .nullable(),
            flag("disabled").default(false),
            flag("nonat").default(false),
            flag("nosync").default(false),
            place("source", INTERFACE | SUBNET | ALIAS | ANY | SELF).required(),
            port("source_port").alias().ranges().nullable().stored("sourceport"),
            place("destination", INTERFACE | SUBNET | ALIAS | ANY | INVERT).required(),
            port("destination_port").alias().ranges().nullable().stored("dstport"),
            target("target", INTERFACE_IP | IP | ALIAS).required().when("nonat", false),
            number("target_subnet").default(128).range(1, 128).when("nonat", false),
            port("nat_port")
                .ranges()
                .default("")
                .empty()
                .stored("natport")
                .when("static_nat_port", false)
                .when("nonat", false),
            flag("static_nat_port").default(false).stored("staticnatport").when("nonat", false),
            text("poolopts")
                .choices(&[
                    "round-robin",
                    "round-robin sticky-address",
                    "random",
                    "random sticky-address",
                    "source-hash",
                    "bitmask",
                ])
                .nullable()
                .when("nonat", false),
            text("source_hash_key")
                .made()
                .when("poolopts", "source-hash")
                .when("nonat", false)
                .check(Check::Hex(16)),
            text("descr").default("").empty(),
        ])
}

pub(super) fn outbound_mode() -> Model {
    single("OutboundNATMode", "Outbound NAT Mode", "nat/outbound").fields(vec![
        text("mode").required().choices(&["automatic", "hybrid", "advanced", "disabled"]),
    ])
}

pub(super) fn one_to_one() -> Model {
    list("OneToOneNATMapping", "1:1 NAT Mapping", "nat/onetoone").subsystem("natconf").fields(vec![
        interface_name("interface").required(),
        flag("disabled").default(false),
        flag("nobinat").default(false),
        text("natreflection").choices(&["enable", "disable"]).nullable(),
        text("ipprotocol").choices(&["inet", "inet6"]).default("inet"),
        target("external", INTERFACE_IP | IP).required(),
        place("source", INTERFACE | INTERFACE_IP | IP | SUBNET | ANY | INVERT).required(),
        place("destination", INTERFACE | INTERFACE_IP | IP | SUBNET | ALIAS | ANY | INVERT)
            .required(),
        text("descr").default("").empty(),
    ])
}
