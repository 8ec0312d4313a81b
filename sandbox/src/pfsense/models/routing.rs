//! Gateways and routes.

use super::super::field::{Check, flag, foreign, interface_name, ip, nested, number, subnet, text};
use super::super::kind::Kind;
use super::super::model::{Model, list, single};

pub(super) fn gateway() -> Model {
    list("RoutingGateway", "Routing Gateway", "gateways/gateway_item")
        .subsystem("staticroutes")
        .unique_together(&["interface", "ipprotocol", "gateway"])
        .fields(vec![
            text("name").required().unique().fixed().longest(31).check(Check::FilterName),
            text("descr").default("").empty(),
            flag("disabled").default(false),
            text("ipprotocol").required().choices(&["inet", "inet6"]),
            interface_name("interface").required(),
            text("gateway").required().address(ip().v4().v6().keywords(&["dynamic"])),
            flag("monitor_disable").default(false),
            text("monitor").nullable().when("monitor_disable", false).address(ip().v4().v6()),
            flag("action_disable").default(false),
            flag("force_down").default(false),
            flag("dpinger_dont_add_static_route").default(false),
            text("gw_down_kill_states").choices(&["", "none", "down"]).default("").empty(),
            flag("nonlocalgateway").default(true),
            number("weight").default(1).range(1, 30),
            number("data_payload").default(1).least(1),
            number("latencylow").default(200).least(1),
            number("latencyhigh").default(500).least(2),
            number("losslow").default(10).range(1, 99),
            number("losshigh").default(20).range(2, 100),
            number("interval").default(500).range(1, 3_600_000),
            number("loss_interval").default(2000).least(1),
            number("time_period").default(60000).least(1),
            number("alert_interval").default(1000).least(1),
        ])
}

pub(super) fn gateway_group() -> Model {
    list("RoutingGatewayGroup", "Routing Gateway Group", "gateways/gateway_group")
        .subsystem("staticroutes")
        .fields(vec![
            text("name").required().unique().fixed().longest(31).check(Check::FilterName),
            text("trigger")
                .choices(&["down", "downloss", "downlatency", "downlosslatency"])
                .default("down"),
            text("descr").default("").empty().longest(255),
            text("ipprotocol").read_only().shown_only().default("unknown").nullable(),
            nested("priorities", Kind::GatewayPriority).required().stored("item"),
        ])
}

pub(super) fn gateway_priority() -> Model {
    list("RoutingGatewayGroupPriority", "Routing Gateway Group Priority", "item")
        .child_of(Kind::GatewayGroup)
        .subsystem("staticroutes")
        .at_least(1)
        .fields(vec![
            foreign("gateway", &[Kind::Gateway], "name").required().unique(),
            number("tier").required().range(1, 5),
            foreign("virtual_ip", &[Kind::VirtualIp], "uniqid")
                .keywords(&["address"])
                .default("address"),
        ])
}

pub(super) fn default_gateway() -> Model {
    single("DefaultGateway", "Default Gateway", "gateways").subsystem("staticroutes").fields(vec![
        foreign("defaultgw4", &[Kind::Gateway, Kind::GatewayGroup], "name")
            .keywords(&["", "-"])
            .default("")
            .empty(),
        foreign("defaultgw6", &[Kind::Gateway, Kind::GatewayGroup], "name")
            .keywords(&["", "-"])
            .default("")
            .empty(),
    ])
}

pub(super) fn static_route() -> Model {
    list("StaticRoute", "Static Route", "staticroutes/route").subsystem("staticroutes").fields(
        vec![
            text("network").required().address(subnet().v4().v6().alias()),
            foreign("gateway", &[Kind::Gateway, Kind::GatewayGroup], "name").required(),
            text("descr").default("").empty(),
            flag("disabled").default(false),
        ],
    )
}
