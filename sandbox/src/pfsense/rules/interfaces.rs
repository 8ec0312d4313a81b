//! Interfaces and VLANs.

use ipnet::Ipv4Net;

use crate::pfsense::checks::that;
use crate::pfsense::kind::Kind;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;
use crate::pfsense::views;

pub(super) fn vlan(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    match name {
        "if" => {
            let text = value.shown();
            that(
                views::ports(session).iter().any(|port| port.name == text),
                "VLAN_INTERFACE_PARENT_NOT_FOUND",
                format!("Parent interface `{text}` does not exist."),
            )?;
        }
        "vlanif" => {
            let tag = object.get("tag").shown();
            return Ok(format!("{}.{tag}", object.text("if")).into());
        }
        _ => {}
    }
    Ok(value)
}

/// What sort of addresses an interface has follows from the addresses.
pub(super) fn derive(object: &mut Object) {
    let v4 = match object.text("ipaddr") {
        "dhcp" => "dhcp",
        address if net::is_v4(address) => "static",
        _ => "none",
    };
    let v6 = match object.text("ipaddrv6") {
        address if net::is_v6(address) => "staticv6",
        "dhcp6" => "dhcp6",
        "slaac" => "slaac",
        "6rd" => "6rd",
        "6to4" => "6to4",
        "track6" => "track6",
        _ => "none",
    };
    object.set("typev4", v4.into());
    object.set("typev6", v6.into());
}

pub(super) fn interface(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    match name {
        "descr" => descr(object, &value.shown())?,
        "media" => that(
            value.as_text() == Some(""),
            "NETWORK_INTERFACE_WITH_UNSUPPORTED_MEDIA_TYPE",
            format!(
                "Interface does not support media type `{}`, supported options are: []",
                value.shown()
            ),
        )?,
        "typev4" => typev4(session, object, &value.shown())?,
        "ipaddr" => return ipaddr(session, object, &value.shown()).map(Value::from),
        "subnet" => that(
            value.as_integer().is_some_and(|bits| bits <= 30) || !has_dhcp(session, object),
            "NETWORK_INTERFACE_SUBNET_MAXIMUM_EXCEEDED_WHILE_DHCP_SERVER_ENABLED",
            "Field `subnet` cannot be greater than 30 while a DHCP server is enabled on this \
             interface`. Disable the DHCP server on this interface before changing the `subnet` \
             value.",
        )?,
        "ipaddrv6" => ipaddrv6(object, &value.shown())?,
        _ => {}
    }
    Ok(value)
}

fn descr(object: &Object, text: &str) -> Granted<()> {
    let sorts = [
        ("ovpn", "an OpenVPN interface", "NETWORK_INTERFACE_DESCR_OPENVPN_MAX_LENGTH_EXCEEDED"),
        ("ipsec", "an IPsec interface", "NETWORK_INTERFACE_DESCR_IPSEC_MAX_LENGTH_EXCEEDED"),
        ("gif", "a GIF interface", "NETWORK_INTERFACE_DESCR_GIF_MAX_LENGTH_EXCEEDED"),
        ("gre", "a GRE interface", "NETWORK_INTERFACE_DESCR_GRE_MAX_LENGTH_EXCEEDED"),
    ];
    for (prefix, sort, id) in sorts {
        let message = format!("Field `descr` must be 22 characters or less when `if` is {sort}");
        that(!object.text("if").starts_with(prefix) || text.len() <= 22, id, message)?;
    }
    Ok(())
}

fn has_dhcp(session: &Session<'_>, object: &Object) -> bool {
    let server = session.config.at(&format!("dhcpd/{}", object.id.shown()));
    server.is_some_and(|server| server.get("enable").is_some())
}

fn typev4(session: &Session<'_>, object: &Object, sort: &str) -> Granted<()> {
    that(
        sort == "static" || !has_dhcp(session, object),
        "NETWORK_INTERFACE_CANNOT_CHANGE_TYPEV4_WHILE_DHCP_SERVER_ENABLED",
        "Field `typev4` cannot be changed from `static` while a DHCP server is enabled on this \
         interface. Disable the DHCP server on this interface before changing `typev4`.",
    )?;
    let virtuals = session.config.at("virtualip/vip").and_then(Value::as_list).unwrap_or_default();
    let is_here = |virtual_ip: &Value| {
        net::is_v4(virtual_ip.text("subnet")) && virtual_ip.text("interface") == object.id.shown()
    };
    that(
        sort != "none" || !virtuals.iter().any(is_here),
        "NETWORK_INTERFACE_NO_TYPEV4_NONE_WITH_EXISTING_VIRTUAL_IPS",
        "Field `typev4` cannot be changed to `none` because there are existing virtual IPs on \
         this interface.",
    )
}

fn ipaddr(session: &Session<'_>, object: &Object, text: &str) -> Granted<String> {
    let sort = object.text("typev4");
    if sort != "static" {
        return Ok(sort.to_owned());
    }
    that(
        net::is_v4(text),
        "INTERFACE_IPADDR_NOT_IPV4_WHEN_STATIC",
        "Interface `ipaddr` must be an IPv4 address when `typev4` is set to `static`",
    )?;
    let Some(net) = net::v4_net(text, object.number("subnet").unwrap_or(32)) else {
        return Ok(text.to_owned());
    };
    that(
        !is_taken(session, object, net),
        "INTERFACE_IPADDR_ALREADY_IN_USE",
        format!("Interface `ipaddr` cannot use `{text}` because it is currently in use"),
    )?;
    let cannot =
        |why: &str| format!("Interface `ipaddr` cannot use `{text}` because it is the {why}");
    that(
        net.prefix_len() > 30 || net.network().to_string() != text,
        "NETWORK_INTERFACE_IPADDR_CANNOT_USE_NETWORK_ADDRESS",
        cannot("network address"),
    )?;
    that(
        net.prefix_len() > 30 || net.broadcast().to_string() != text,
        "NETWORK_INTERFACE_IPADDR_CANNOT_USE_BROADCAST_ADDRESS",
        cannot("broadcast address"),
    )?;
    let subnet = net.trunc().to_string();
    let routes = session.config.at("staticroutes/route").and_then(Value::as_list);
    let routes = routes.unwrap_or_default();
    match routes.iter().position(|route| route.text("network") == subnet) {
        None => Ok(text.to_owned()),
        Some(n) => Err(Refusal::invalid(
            "NETWORK_INTERFACE_IPADDR_CONFLICTS_WITH_STATIC_ROUTE",
            format!(
                "Interface `ipaddr` cannot be used because it conflicts with a static route with \
                 ID `{n}`"
            ),
        )),
    }
}

/// Whether an interface beside the object is in that subnet, or a virtual address is that one.
pub(super) fn is_taken(session: &Session<'_>, object: &Object, net: Ipv4Net) -> bool {
    let overlaps = |other: &Value| {
        let bits = other.text("subnet").parse().unwrap_or(32);
        net::v4_net(other.text("ipaddr"), bits)
            .is_some_and(|other| other.contains(&net.trunc()) || net.contains(&other.trunc()))
    };
    let virtuals = session.config.at("virtualip/vip").and_then(Value::as_list).unwrap_or_default();
    let address = net.addr().to_string();
    let is_itself = |id: &str| object.kind == Kind::Interface && object.id.as_text() == Some(id);
    session.interfaces().any(|(id, other)| !is_itself(id) && overlaps(other))
        || virtuals.iter().any(|virtual_ip| virtual_ip.text("subnet") == address)
}

fn ipaddrv6(object: &Object, text: &str) -> Granted<()> {
    let sorts = [
        ("dhcp6", "dhcp", "INTERFACE_IPADDRV6_IS_DHCP6_WITH_NON_DHCP6_TYPEV6"),
        ("slaac", "slaac", "INTERFACE_IPADDRV6_IS_SLAAC_WITH_NON_SLAAC_TYPEV6"),
        ("6rd", "6rd", "INTERFACE_IPADDRV6_IS_6RD_WITH_NON_6RD_TYPEV6"),
        ("6to4", "6to4", "INTERFACE_IPADDRV6_IS_6TO4_WITH_NON_6TO4_TYPEV6"),
        ("track6", "track6", "INTERFACE_IPADDRV6_IS_TRACK6_WITH_NON_TRACK6_TYPEV6"),
    ];
    for (keyword, named, id) in sorts {
        let message =
            format!("Interface `ipaddrv6` cannot be `{keyword}` unless `typev6` is also `{named}`");
        that(text != keyword || object.text("typev6") == keyword, id, message)?;
    }
    Ok(())
}

/// Takes an interface out of the configuration, and with it its DHCP server and its rules.
///
/// # Errors
/// When it is the one to the outside, or in a group.
pub(in crate::pfsense) fn forget(session: &mut Session<'_>, object: &Object) -> Granted<()> {
    let id = object.id.shown();
    that(
        id != "wan",
        "NETWORK_INTERFACE_WAN_CANNOT_BE_DELETED",
        "Interface `wan` cannot be deleted.",
    )?;
    let is_member =
        |group: &Object| group.get("members").as_list().unwrap_or_default().contains(&object.id);
    that(
        !session.all(Kind::InterfaceGroup).iter().any(is_member),
        "NETWORK_INTERFACE_IN_USE_BY_INTERFACE_GROUP",
        format!("Interface `{id}` cannot be deleted because it is in use by an interface group."),
    )?;
    session.config.remove(&format!("interfaces/{id}"));
    session.config.remove(&format!("dhcpd/{id}"));
    session.config.remove(&format!("dhcpdv6/{id}"));
    for path in ["filter/rule", "nat/rule"] {
        let rules = session.config.at(path).and_then(Value::as_list).unwrap_or_default();
        let rest: Vec<Value> =
            rules.iter().filter(|rule| rule.text("interface") != id).cloned().collect();
        session.config.set(path, Value::List(rest));
    }
    Ok(())
}
