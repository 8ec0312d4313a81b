//! Aliases, rules and virtual addresses.

use crate::pfsense::Version;
use crate::pfsense::checks::that;
use crate::pfsense::kind::Kind;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;

pub(super) fn alias(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let text = value.shown();
    match name {
        "name" if session.version() == Version::V2_7_1 => that(
            net::is_alias_name(&text),
            "INVALID_FIREWALL_ALIAS_NAME",
            format!("Invalid firewall alias name `{text}`."),
        )?,
        "address" => alias_entry(session, object.text("type"), &text)?,
        "detail" => {
            let length = |name| object.get(name).as_list().map_or(0, <[Value]>::len);
            that(
                length("detail") <= length("address"),
                "TOO_MANY_ALIAS_DETAILS",
                "Aliases cannot contain more `detail` items than `address` items.",
            )?;
        }
        _ => {}
    }
    Ok(value)
}

fn alias_entry(session: &Session<'_>, sort: &str, text: &str) -> Granted<()> {
    let is_alias = |of_ports| session.is_alias(text, of_ports);
    match sort {
        "port" => that(
            net::is_port(text) || net::is_port_range(text) || is_alias(true),
            "INVALID_PORT_ALIAS_ADDRESS",
            format!("Port alias `address` value `{text}` is not a valid port, range, or alias."),
        ),
        "host" => that(
            net::is_ip(text) || is_alias(false) || net::is_fqdn(text),
            "INVALID_HOST_ALIAS_ADDRESS",
            format!("Host alias `address` value `{text}` is not a valid IP, FQDN, or alias."),
        ),
        _ => that(
            net::is_subnet(text) || is_network_alias(session, text) || net::is_fqdn(text),
            "INVALID_NETWORK_ALIAS_ADDRESS",
            format!("Host alias `address` value `{text}` is not a valid CIDR, FQDN, or alias."),
        ),
    }
}

fn is_network_alias(session: &Session<'_>, name: &str) -> bool {
    let found = session.find(Kind::Alias, "name", &name.into());
    found.is_some_and(|alias| alias.text("type") == "network")
}

pub(super) fn rule(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let text = value.shown();
    match name {
        "interface" => that(
            *object.get("floating") == Value::Bool(true)
                || object.get("interface").as_list().map_or(0, <[Value]>::len) < 2,
            "FIREWALL_RULE_MULTIPLE_INTERFACE_WITHOUT_FLOATING",
            "Field `interface` cannot contain more than one value unless `floating` is enabled.",
        )?,
        "statetype" if text == "synproxy state" => {
            that(
                object.text("protocol") == "tcp",
                "FIREWALL_RULE_SYNPROXY_STATE_TYPE_WITH_NON_TCP_PROTOCOL",
                "Field `statetype` cannot be set to `synproxy state` unless `protocol` is set to \
                 `tcp`.",
            )?;
            that(
                !object.get("gateway").is_truthy(),
                "FIREWALL_RULE_SYNPROXY_STATE_TYPE_WITH_GATEWAY",
                "Field `statetype` cannot be set to `synproxy state` when a `gateway` value is \
                 set.",
            )?;
        }
        "tcp_flags_set" => that(
            object.get("tcp_flags_out_of").as_list().unwrap_or_default().contains(&value),
            "FIREWALL_RULE_TCP_FLAGS_SET_NOT_IN_TCP_FLAGS_OUT_OF",
            format!("Field `tcp_flags_set` value `{text}` is not present in `tcp_flags_out_of`."),
        )?,
        // There is no traffic shaper here, so no limiter is ever found.
        "dnpipe" => return Err(no_limiter("dnpipe", "FIREWALL_RULE_DNPIPE_NOT_FOUND", &text)),
        "pdnpipe" => {
            that(
                object.get("dnpipe").is_truthy(),
                "FIREWALL_RULE_PDNPIPE_SET_WITHOUT_DNPIPE",
                "Field `pdnpipe` cannot be set unless `dnpipe` is also set.",
            )?;
            return Err(no_limiter("pdnpipe", "FIREWALL_RULE_PDNPIPE_NOT_FOUND", &text));
        }
        "updated_by" => return Ok(session.signature(&session.user).into()),
        _ => {}
    }
    Ok(value)
}

fn no_limiter(field: &str, id: &'static str, text: &str) -> Box<Refusal> {
    let message = format!(
        "Field `{field}` must be an existing Traffic Shaper Limiter or Limiter Queue. Could not \
         locate object with `name` value `{text}`"
    );
    Refusal::not_found(id, message)
}

pub(super) fn virtual_ip(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    match name {
        "type" => that(
            !matches!(object.text("mode"), "ipalias" | "carp")
                || value.as_text() != Some("network"),
            "VIRTUALIP_MODE_DOES_NOT_SUPPORT_NETWORK_TYPE",
            "Virtual IPs `type` cannot be `network` when `mode` is `ipalias` or `carp`",
        )?,
        "subnet_bits" => that(
            !net::is_v4(object.text("subnet")) || value.as_integer().is_some_and(|bits| bits <= 32),
            "VIRTUALIP_IPV4_SUBNET_BITS_EXCEEDED",
            "Virtual IP `subnet_bits` cannot exceed 32 when the `subnet` is an IPv4 address",
        )?,
        "vhid" => {
            let is_same = |other: &&Object| {
                other.id != object.id
                    && other.get("interface") == object.get("interface")
                    && *other.get("vhid") == value
            };
            if let Some(other) = session.all(Kind::VirtualIp).iter().find(is_same) {
                let message = format!(
                    "Virtual IP with ID `{}` is already using VHID `{}` on interface `{}`",
                    other.id.shown(),
                    value.shown(),
                    object.text("interface")
                );
                return Err(Refusal::conflict("VIRTUALIP_VHID_ALREADY_IN_USE", message));
            }
        }
        _ => {}
    }
    Ok(value)
}
