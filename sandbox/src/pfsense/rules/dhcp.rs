//! DHCP servers, their pools and their mappings.

use ipnet::Ipv4Net;

use crate::pfsense::checks::that;
use crate::pfsense::kind::Kind;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;

pub(super) fn server(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let text = value.shown();
    let subnet = subnet_of(session, &object.id.shown());
    match name {
        "enable" => that(
            value != Value::Bool(true) || subnet.is_some(),
            "DHCP_SERVER_CANNOT_ENABLE_WITHOUT_STATIC_IPV4",
            format!(
                "DHCP server cannot be enabled because interface `{}` does not have a static \
                 IPv4 address assigned.",
                object.id.shown()
            ),
        )?,
        "range_from" if !text.is_empty() => {
            that(
                subnet.is_none_or(|subnet| subnet.network().to_string() != text),
                "DHCP_SERVER_RANGE_FROM_CANNOT_BE_NETWORK_ADDRESS",
                "DHCP server `range_from` cannot be the interface subnet`s network address.",
            )?;
            that(
                net::is_between(&text, "0.0.0.0", object.text("range_to")),
                "DHCP_SERVER_RANGE_FROM_CANNOT_BE_GREATER_THAN_RANGE_TO",
                "DHCP server `range_from` cannot be greater than `range_to`.",
            )?;
            that(
                is_in(subnet, &text),
                "DHCP_SERVER_RANGE_FROM_OUTSIDE_OF_SUBNET",
                "DHCP server `range_from` must lie within the interface`s subnet.",
            )?;
        }
        "range_to" if !text.is_empty() => {
            that(
                subnet.is_none_or(|subnet| subnet.broadcast().to_string() != text),
                "DHCP_SERVER_RANGE_FROM_CANNOT_BE_BROADCAST_ADDRESS",
                "DHCP server `range_to` cannot be the interface subnet`s broadcast address.",
            )?;
            that(
                is_in(subnet, &text),
                "DHCP_SERVER_RANGE_TO_OUTSIDE_OF_SUBNET",
                "DHCP server `range_to` must lie within the interface`s subnet.",
            )?;
        }
        "maxleasetime" => {
            lease_time(object, &value, "DHCP_SERVER_MAX_LEASE_TIME_LESS_THAN_DEFAULT")?;
        }
        "gateway" => that(
            text.is_empty() || is_in(subnet, &text),
            "DHCP_SERVER_GATEWAY_NOT_WITHIN_SUBNET",
            "DHCP server `gateway` must be within interface`s subnet.",
        )?,
        "nonak" => that(
            value != Value::Bool(true) || !object.get("failover_peerip").is_truthy(),
            "DHCP_SERVER_NONAK_WITH_FAILOVER_PEERIP_NOT_ALLOWED",
            "DHCP server `nonak` cannot be enabled while a `failover_peerip` is assigned.",
        )?,
        "staticarp" => that(
            value != Value::Bool(true)
                || mappings(session, &object.id).all(|mapping| !mapping.text("ipaddr").is_empty()),
            "DHCP_SERVER_STATICARP_WITH_NO_IP_STATIC_MAPPINGS",
            "DHCP server `staticarp` cannot be enabled while there are DHCP server static \
             mappings configured without an assigned IP.",
        )?,
        _ => {}
    }
    Ok(value)
}

/// The pool of a server must keep off what is given away already.
pub(super) fn whole(session: &Session<'_>, object: &Object) -> Granted<()> {
    let (from, to) = (object.text("range_from"), object.text("range_to"));
    let overlaps = |other: &Object| match other.kind {
        Kind::StaticMapping => net::is_between(other.text("ipaddr"), from, to),
        Kind::VirtualIp => net::is_between(other.text("subnet"), from, to),
        _ => {
            net::is_between(other.text("range_from"), from, to)
                || net::is_between(other.text("range_to"), from, to)
        }
    };
    let mut others = mappings(session, &object.id)
        .chain(pools(session, &object.id))
        .chain(session.all(Kind::VirtualIp));
    let Some(other) = others.find(overlaps) else { return Ok(()) };
    let message = format!(
        "This DHCP server`s primary address pool overlaps with {} object with ID `{}`. Adjust \
         your `range_from` and `range_to` values.",
        other.model.title,
        other.id.shown()
    );
    Err(Refusal::conflict("DHCP_SERVER_PRIMARY_POOL_OVERLAPS_EXISTING_OBJECT", message))
}

pub(super) fn pool(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let text = value.shown();
    let subnet = subnet_of(session, &object.parent_id.shown());
    match name {
        "range_from" => {
            that(
                subnet.is_none_or(|subnet| subnet.network().to_string() != text),
                "DHCP_SERVER_ADDRESS_POOL_RANGE_FROM_CANNOT_BE_NETWORK_ADDRESS",
                "DHCP server address pool `range_from` cannot be the interface subnet`s network \
                 address.",
            )?;
            that(
                net::is_between(&text, "0.0.0.0", object.text("range_to")),
                "DHCP_SERVER_ADDRESS_POOL_RANGE_FROM_CANNOT_BE_GREATER_THAN_RANGE_TO",
                "DHCP server address pool `range_from` cannot be greater than `range_to`.",
            )?;
            that(
                is_in(subnet, &text),
                "DHCP_SERVER_ADDRESS_POOL_RANGE_FROM_OUTSIDE_OF_SUBNET",
                "DHCP server address pool `range_from` must lie within the interface`s subnet.",
            )?;
        }
        "range_to" => {
            that(
                subnet.is_none_or(|subnet| subnet.broadcast().to_string() != text),
                "DHCP_SERVER_ADDRESS_POOL_RANGE_TO_CANNOT_BE_BROADCAST_ADDRESS",
                "DHCP server address pool `range_to` cannot be the interface subnet`s broadcast \
                 address.",
            )?;
            that(
                is_in(subnet, &text),
                "DHCP_SERVER_ADDRESS_POOL_RANGE_TO_OUTSIDE_OF_SUBNET",
                "DHCP server address pool `range_to` must lie within the interface`s subnet.",
            )?;
        }
        "maxleasetime" => {
            lease_time(
                object,
                &value,
                "DHCP_SERVER_ADDRESS_POOL_MAX_LEASE_TIME_LESS_THAN_DEFAULT",
            )?;
        }
        "gateway" => that(
            text.is_empty() || is_in(subnet, &text),
            "DHCP_SERVER_ADDRESS_POOL_GATEWAY_NOT_WITHIN_SUBNET",
            "DHCP server `gateway` must be within interface`s subnet.",
        )?,
        _ => {}
    }
    Ok(value)
}

pub(super) fn mapping(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let text = value.shown();
    let subnet = subnet_of(session, &object.parent_id.shown());
    match name {
        "ipaddr" => {
            if let Some((title, id)) = holder(session, object, &text) {
                let message = format!("Field `ipaddr` overlaps existing {title} with ID `{id}`.");
                return Err(Refusal::conflict(
                    "DHCP_SERVER_STATIC_MAPPING_IPADDR_OVERLAPS_EXISTING_OBJECT",
                    message,
                ));
            }
            that(
                is_in(subnet, &text),
                "DHCP_SERVER_STATIC_MAPPING_IPADDR_NOT_WITHIN_SUBNET",
                "Field `ipaddr` must be within the interface`s subnet.",
            )?;
        }
        "maxleasetime" => lease_time(
            object,
            &value,
            "DHCP_SERVER_STATIC_MAPPING_MAX_LEASE_TIME_LESS_THAN_DEFAULT",
        )?,
        "gateway" => that(
            text.is_empty() || is_in(subnet, &text),
            "DHCP_SERVER_STATIC_MAPPING_GATEWAY_NOT_WITHIN_SUBNET",
            "DHCP server `gateway` must be within interface`s subnet.",
        )?,
        _ => {}
    }
    Ok(value)
}

/// Who may give an address away already. For the pool of its server a mapping blames itself.
fn holder(session: &Session<'_>, object: &Object, address: &str) -> Option<(String, String)> {
    let name = |object: &Object| (object.model.title.to_owned(), object.id.shown());
    let has = |server: &Object| {
        net::is_between(address, server.text("range_from"), server.text("range_to"))
    };
    if object.parent.as_deref().is_some_and(has) {
        return Some(name(object));
    }
    let virtuals = session.all(Kind::VirtualIp).into_iter();
    pools(session, &object.parent_id)
        .find(has)
        .or_else(|| virtuals.into_iter().find(|other| other.text("subnet") == address))
        .map(|other| name(&other))
}

fn lease_time(object: &Object, value: &Value, id: &'static str) -> Granted<()> {
    that(
        value.as_integer() >= object.number("defaultleasetime"),
        id,
        "DHCP server `maxleasetime` cannot be less than the `defaultleasetime`",
    )
}

fn mappings(session: &Session<'_>, server: &Value) -> impl Iterator<Item = Object> {
    children(session, Kind::StaticMapping, server)
}

fn pools(session: &Session<'_>, server: &Value) -> impl Iterator<Item = Object> {
    children(session, Kind::DhcpPool, server)
}

fn children(session: &Session<'_>, kind: Kind, server: &Value) -> impl Iterator<Item = Object> {
    let server = server.clone();
    session.all(kind).into_iter().filter(move |child| child.parent_id == server)
}

/// The subnet of an interface with an address of its own.
fn subnet_of(session: &Session<'_>, interface: &str) -> Option<Ipv4Net> {
    let interface = session.config.at(&format!("interfaces/{interface}"))?;
    net::v4_net(interface.text("ipaddr"), interface.text("subnet").parse().ok()?)
}

fn is_in(subnet: Option<Ipv4Net>, address: &str) -> bool {
    let address = address.parse::<std::net::Ipv4Addr>();
    subnet.zip(address.ok()).is_some_and(|(subnet, address)| subnet.contains(&address))
}
