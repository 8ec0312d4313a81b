//! Aliases, rules, schedules and virtual addresses.

use super::super::field::places::{ALIAS, ANY, INTERFACE, INTERFACE_IP, INVERT, IP, SELF, SUBNET};
use super::super::field::{
    Check, flag, foreign, interface_name, ip, nested, number, place, port, text, time, unique_id,
};
use super::super::kind::Kind;
use super::super::model::{Model, list};
use super::written;

pub(super) fn alias() -> Model {
    list("FirewallAlias", "Firewall Alias", "aliases/alias").subsystem("aliases").fields(vec![
        text("name").required().unique().fixed().longest(31).check(Check::FilterName),
        text("type").required().choices(&["host", "network", "port"]),
        text("descr").default("").empty(),
        text("address").many_by(" ").entries(0, 0).default_list(&[]).empty(),
        text("detail").many_by("||").entries(0, 0).default_list(&[]).empty(),
    ])
}

pub(super) fn rule() -> Model {
    list("FirewallRule", "Firewall Rule", "filter/rule")
        .at_least(1)
        .fields(vec![
            text("type").required().choices(&["pass", "block", "reject"]),
            interface_name("interface").required().many().empty(),
            text("ipprotocol").required().choices(&["inet", "inet6", "inet46"]),
            text("protocol").choices(PROTOCOLS).nullable(),
            text("icmptype")
                .many()
                .choices(ICMP_TYPES)
                .default_list(&["any"])
                .empty()
                .when("protocol", "icmp"),
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
            text("descr").default("").empty(),
            flag("disabled").default(false),
            flag("log").default(false),
            text("tag").default("").empty(),
            text("statetype")
                .choices(&["keep state", "sloppy state", "synproxy state", "none"])
                .default("keep state"),
            flag("tcp_flags_any").default(false).stored("tcpflags_any"),
            text("tcp_flags_out_of")
                .many()
                .choices(TCP_FLAGS)
                .empty()
                .nullable()
                .stored("tcpflags2")
                .when("tcp_flags_any", false),
            text("tcp_flags_set")
                .many()
                .choices(TCP_FLAGS)
                .empty()
                .nullable()
                .stored("tcpflags1")
                .when("tcp_flags_any", false),
            foreign("gateway", &[Kind::Gateway, Kind::GatewayGroup, Kind::GatewayStatus], "name")
                .nullable(),
            foreign("sched", &[Kind::Schedule], "name").nullable(),
            text("dnpipe").nullable(),
            text("pdnpipe").nullable(),
            foreign("defaultqueue", &[Kind::Queue], "name").nullable(),
            foreign("ackqueue", &[Kind::Queue], "name").nullable(),
            flag("floating").stored_as("yes", None).fixed().default(false),
            flag("quick").stored_as("yes", None).default(false).when("floating", true),
            text("direction").choices(&["any", "in", "out"]).default("any").when("floating", true),
            time("tracker").fixed().read_only().nullable(),
            text("associated_rule_id")
                .unique()
                .fixed()
                .read_only()
                .nullable()
                .stored("associated-rule-id"),
        ])
        .fields(written())
}

pub(super) fn schedule() -> Model {
    list("FirewallSchedule", "Firewall Schedule", "schedules/schedule")
        .applied_at_once()
        .sorted_by("name")
        .fields(vec![
            unique_id("schedlabel").unique().fixed().read_only().made().nullable(),
            text("name").required().unique().check(Check::FilterName),
            text("descr").default("").empty(),
            flag("active").read_only().shown_only().default(false).nullable(),
            nested("timerange", Kind::TimeRange).required(),
        ])
}

pub(super) fn time_range() -> Model {
    list("FirewallScheduleTimeRange", "Firewall Schedule Time Range", "timerange")
        .child_of(Kind::Schedule)
        .applied_at_once()
        .at_least(1)
        .fields(vec![
            number("position")
                .many()
                .entries(0, 7)
                .choices(&[1, 2, 3, 4, 5, 6, 7])
                .empty()
                .nullable(),
            number("month")
                .required()
                .many()
                .entries(1, 128)
                .choices(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
                .when_null("position"),
            number("day").required().many().entries(1, 128).range(1, 31).when_null("position"),
            text("hour").required().longest(11),
            text("rangedescr").default("").empty(),
        ])
}

pub(super) fn virtual_ip() -> Model {
    list("VirtualIP", "Virtual IP", "virtualip/vip").subsystem("vip").fields(vec![
        unique_id("uniqid").unique().fixed().read_only().made().nullable(),
        text("mode").required().choices(&["ipalias", "proxyarp", "carp", "other"]),
        interface_name("interface").required(),
        text("type").choices(&["single", "network"]).default("single"),
        text("subnet")
            .required()
            .unique()
            .address(ip().v4().v6())
            .check(Check::Apart(Kind::Interface, "ipaddr"))
            .check(Check::Apart(Kind::Interface, "ipaddrv6")),
        number("subnet_bits").required().range(1, 128),
        text("descr").default("").empty(),
        flag("noexpand").default(false).when_any("mode", &["proxyarp", "other"]),
        number("vhid").required().range(1, 255).when("mode", "carp"),
        number("advbase").default(1).range(1, 254).when("mode", "carp"),
        number("advskew").default(0).range(0, 254).when("mode", "carp"),
        text("password").required().sensitive().when("mode", "carp"),
        text("carp_status")
            .read_only()
            .shown_only()
            .default("")
            .empty()
            .nullable()
            .when("mode", "carp"),
        text("carp_mode").choices(&["mcast", "ucast"]).default("mcast").when("mode", "carp"),
        text("carp_peer").required().when("carp_mode", "ucast").address(ip().v4().v6()),
    ])
}

/// Protocols that rules tell apart.
const PROTOCOLS: &[&str] = &[
    "tcp", "udp", "tcp/udp", "icmp", "esp", "ah", "gre", "ipv6", "igmp", "pim", "ospf", "carp",
    "pfsync",
];

/// Sorts of ICMP that rules tell apart.
const ICMP_TYPES: &[&str] = &[
    "any",
    "althost",
    "dataconv",
    "echorep",
    "echoreq",
    "inforep",
    "inforeq",
    "ipv6-here",
    "ipv6-where",
    "maskrep",
    "maskreq",
    "mobredir",
    "mobregrep",
    "mobregreq",
    "paramprob",
    "photuris",
    "redir",
    "routeradv",
    "routersol",
    "skip",
    "squench",
    "timerep",
    "timereq",
    "timex",
    "trace",
    "unreach",
];

/// Flags of TCP that rules tell apart.
const TCP_FLAGS: &[&str] = &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
