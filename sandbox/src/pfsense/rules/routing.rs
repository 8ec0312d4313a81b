//! Gateways and routes.

use crate::pfsense::checks::that;
use crate::pfsense::kind::Kind;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;

pub(super) fn gateway(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let number = |name| object.number(name).unwrap_or_default();
    let own = value.as_integer().unwrap_or_default();
    match name {
        "disabled" if value == Value::Bool(true) => is_unused(session, object)?,
        "interface" => has_address(session, object, &value.shown())?,
        "gateway" => family(object, &value.shown())?,
        "latencyhigh" => that(
            number("latencylow") <= own,
            "ROUTING_GATEWAY_WITH_LATENCY_LOW_GREATER_THAN_HIGH",
            "Routing gateway `latencyhigh` must be greater than `latencylow`.",
        )?,
        "losshigh" => that(
            number("losslow") <= own,
            "ROUTING_GATEWAY_WITH_LOSS_LOW_GREATER_THAN_HIGH",
            "Routing gateway `losshigh` must be greater than `losslow`.",
        )?,
        "loss_interval" => that(
            number("latencyhigh") <= own,
            "ROUTING_GATEWAY_WITH_LOSS_INTERVAL_GREATER_THAN_LATENCY_HIGH",
            "Routing gateway `loss_interval` must be greater than or equal to `latencyhigh`.",
        )?,
        "time_period" => that(
            own > 2 * number("interval") + number("loss_interval"),
            "ROUTING_GATEWAY_TIME_PERIOD_UNDER_MINIMUM",
            "Routing gateway `time_period` must be greater than twice the `interval` value plus \
             the `loss_interval` value.",
        )?,
        "alert_interval" => that(
            own > number("interval"),
            "ROUTING_GATEWAY_ALERT_INTERVAL_UNDER_MINIMUM",
            "Routing gateway `alert_interval` must be greater than or equal to the `interval`.",
        )?,
        _ => {}
    }
    Ok(value)
}

fn is_unused(session: &Session<'_>, object: &Object) -> Granted<()> {
    let is_on_it = |route: &Object| {
        route.get("gateway") == object.get("name") && *route.get("disabled") == Value::Bool(false)
    };
    let Some(route) = session.all(Kind::StaticRoute).into_iter().find(is_on_it) else {
        return Ok(());
    };
    Err(Refusal::invalid(
        "ROUTING_GATEWAY_DISABLED_NOT_ALLOWED_WITH_EXISTING_ROUTE",
        format!(
            "Gateway cannot be disabled because it is in use by gateway route with ID `{}`",
            route.id.shown()
        ),
    ))
}

fn has_address(session: &Session<'_>, object: &Object, interface: &str) -> Granted<()> {
    let id = session.interface_id(interface);
    let interface = session.config.at(&format!("interfaces/{id}"));
    // One that asks for its address has got one.
    let has = |name| interface.is_some_and(|interface| !interface.text(name).is_empty());
    let sort = object.text("ipprotocol");
    let message = |sort: &str, family: &str| {
        format!(
            "Field `interface` must be an interface with an existing {family} address when \
             `ipprotocol` is set to `{sort}`"
        )
    };
    that(
        sort != "inet" || has("ipaddr"),
        "ROUTING_GATEWAY_INTERFACE_HAS_NO_IPV4",
        message("inet", "IPv4"),
    )?;
    that(
        sort != "inet6" || has("ipaddrv6"),
        "ROUTING_GATEWAY_INTERFACE_HAS_NO_IPV6",
        message("inet6", "IPv6"),
    )
}

fn family(object: &Object, text: &str) -> Granted<()> {
    let sort = object.text("ipprotocol");
    let message = |sort: &str, family: &str| {
        format!("Field `gateway` must be an {family} address when `ipprotocol` is set to `{sort}`")
    };
    that(
        sort != "inet" || text == "dynamic" || net::is_v4(text),
        "ROUTING_GATEWAY_NO_IPV6_WITH_INET",
        message("inet", "IPv4"),
    )?;
    that(
        sort != "inet6" || text == "dynamic" || net::is_v6(text),
        "ROUTING_GATEWAY_NO_IPV4_WITH_INET6",
        message("inet6", "IPv6"),
    )
}

pub(super) fn route(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let network = object.text("network");
    let gateway = session.find(Kind::Gateway, "name", object.get("gateway"));
    match name {
        "network" if !session.is_alias(network, false) => {
            return routed(session, &value.shown()).map(Value::from);
        }
        "gateway" if !session.is_alias(network, false) => {
            let sort = gateway.as_ref().map_or("", |gateway| gateway.text("ipprotocol"));
            that(
                sort != "inet" || net::is_subnet_v4(network),
                "STATIC_ROUTE_NON_IPV4_NETWORK_WITH_IPV4_GATEWAY",
                "Cannot assign non-IPv4 `network` to IPv4 `gateway`.",
            )?;
            that(
                sort != "inet6" || net::is_subnet_v6(network),
                "STATIC_ROUTE_NON_IPV6_NETWORK_WITH_IPV6_GATEWAY",
                "Cannot assign non-IPv6 `network` to IPv6 `gateway`.",
            )?;
        }
        "disabled" => {
            let is_off = gateway.is_some_and(|gateway| *gateway.get("disabled") == true.into());
            that(
                !is_off || value == Value::Bool(true),
                "STATIC_ROUTE_GATEWAY_DISABLED",
                " Static route must also be `disabled` when the parent gateway is `disabled`.",
            )?;
        }
        _ => {}
    }
    Ok(value)
}

/// The subnet as it is stored, unless an interface is in it.
fn routed(session: &Session<'_>, text: &str) -> Granted<String> {
    let Some((address, bits)) = text.split_once('/') else { return Ok(text.to_owned()) };
    let bits = bits.parse().unwrap_or_default();
    let cut = |address: &str, bits: i64| match net::v4_net(address, bits) {
        Some(net) => net.network().to_string(),
        None => {
            net::v6_net(address, bits).map_or_else(String::new, |net| net.network().to_string())
        }
    };
    let network = cut(address, bits);
    let (address, bits_name, id) = if net::is_subnet_v4(text) {
        ("ipaddr", "subnet", "STATIC_ROUTE_CONFLICTS_WITH_IPV4_INTERFACE")
    } else {
        ("ipaddrv6", "subnetv6", "STATIC_ROUTE_CONFLICTS_WITH_IPV6_INTERFACE")
    };
    let is_same = |interface: &Value| {
        let bits = interface.text(bits_name).parse().unwrap_or_default();
        net::is_ip(interface.text(address)) && cut(interface.text(address), bits) == network
    };
    let routed = format!("{network}/{bits}");
    match session.interfaces().find(|(_, interface)| is_same(interface)) {
        None => Ok(routed),
        Some((interface, _)) => {
            let message = format!(
                "Destination network `{routed}` conflicts with the IP address of interface with \
                 ID `{interface}`"
            );
            Err(Refusal::invalid(id, message))
        }
    }
}

/// The family of a group of gateways is that of its first gateway.
pub(super) fn complete(session: &Session<'_>, group: &mut Object) {
    let first = group.get("priorities").as_list().and_then(<[Value]>::first);
    let name = first.and_then(|priority| priority.get("gateway"));
    let gateway = name.and_then(|name| session.find(Kind::Gateway, "name", name));
    let family = gateway.map_or("unknown".into(), |gateway| gateway.get("ipprotocol").clone());
    group.set("ipprotocol", family);
}
