//! Address translation, and the rules that port forwards bring along.

use crate::pfsense::actions;
use crate::pfsense::checks::that;
use crate::pfsense::kind::Kind;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::{Map, Value, map};

pub(super) fn outbound(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    let target = object.text("target");
    let is_address = net::is_ip(target) || session.is_alias(target, false);
    match name {
        "poolopts" => that(
            is_address,
            "OUTBOUND_NAT_MAPPING_POOLOPTS_SET_WITHOUT_MULTI_HOST_TARGET",
            "Field `poolopts` cannot be set if `target` is not an IP address or alias.",
        )?,
        "target_subnet" => {
            that(
                !net::is_v4(target) || value.as_integer().is_some_and(|bits| bits <= 32),
                "OUTBOUND_NAT_MAPPING_TARGET_SUBNET_TOO_LARGE_FOR_IPV4",
                "Field `target_subnet` must be 32 or less when `target` is an IPv4 address.",
            )?;
            if !is_address {
                return Ok(Value::Null);
            }
        }
        _ => {}
    }
    Ok(value)
}

pub(super) fn one_to_one(object: &Object, name: &str, value: Value) -> Granted<Value> {
    let text = value.shown();
    let is_v4_asked = object.text("ipprotocol") == "inet";
    let is_other_ip = if is_v4_asked { net::is_v6(&text) } else { net::is_v4(&text) };
    let is_other_subnet =
        if is_v4_asked { net::is_subnet_v6(&text) } else { net::is_subnet_v4(&text) };
    let (ip, subnet) = match name {
        "external" => ("ONE_TO_ONE_NAT_MAPPING_EXTERNAL_IP_DOES_NOT_MATCH_IPPROTOCOL", ""),
        "source" => (
            "ONE_TO_ONE_NAT_MAPPING_SOURCE_IP_DOES_NOT_MATCH_IPPROTOCOL",
            "ONE_TO_ONE_NAT_MAPPING_SOURCE_SUBNET_DOES_NOT_MATCH_IPPROTOCOL",
        ),
        // The package itself spells these two so.
        "destination" => (
            "ONE_TO_ONE_NAT_MAPPING_destination_IP_DOES_NOT_MATCH_IPPROTOCOL",
            "ONE_TO_ONE_NAT_MAPPING_destination_SUBNET_DOES_NOT_MATCH_IPPROTOCOL",
        ),
        _ => return Ok(value),
    };
    let message =
        format!("Field `{name}` is not an IP address of the IP family assigned in `ipprotocol`.");
    that(!is_other_ip, ip, message)?;
    let message =
        format!("Field `{name}` is not an subnet of the IP family assigned in `ipprotocol`.");
    that(!is_other_subnet || subnet.is_empty(), subnet, message)?;
    Ok(value)
}

/// Gives a port forward that wants a rule of its own the name by which the two know each other.
pub(in crate::pfsense) fn before_create(session: &mut Session<'_>, object: &mut Object) {
    if object.kind == Kind::PortForward && object.text("associated_rule_id") == "new" {
        let hex = session.state.chance.hex(7);
        let digits = session.state.chance.number() % 100_000_000;
        let id = format!("nat_{}.{digits:08}", &hex[..13]);
        object.set("associated_rule_id", id.into());
    }
}

/// Creates the rule of a port forward.
///
/// # Errors
/// When the rule is refused; the port forward is stored all the same.
pub(in crate::pfsense) fn after_create(session: &mut Session<'_>, object: &Object) -> Granted<()> {
    let Some(id) = rule_id(object) else { return Ok(()) };
    let mut said = rule_of(object);
    let descr = format!("Associated rule for port forward rule {id}");
    said.insert("descr".into(), descr.into());
    said.insert("associated_rule_id".into(), id.into());
    let mut rule = session.blank(Kind::Rule);
    rule.take(&said);
    quietly(session, |session| actions::create_object(session, rule)).map_err(|refusal| {
        let message = format!(
            "Failed to create associated firewall rule for port forward rule: {}",
            refusal.message
        );
        Refusal::broken("PORT_FORWARD_ASSOCIATED_FIREWALL_RULE_CREATION_FAILED", message)
    })
}

/// Changes the rule of a port forward with it.
///
/// # Errors
/// When the change is refused; that of the port forward is stored all the same.
pub(in crate::pfsense) fn after_update(session: &mut Session<'_>, object: &Object) -> Granted<()> {
    let Some(mut rule) = linked(session, object) else { return Ok(()) };
    rule.before = Some(rule.values.clone());
    rule.take(&rule_of(object));
    quietly(session, |session| actions::update_object(session, rule)).map_err(|refusal| {
        let message = format!(
            "Failed to update associated firewall rule for port forward rule: {}",
            refusal.message
        );
        Refusal::broken("PORT_FORWARD_ASSOCIATED_FIREWALL_RULE_UPDATE_FAILED", message)
    })
}

/// Deletes the rule of a port forward with it.
///
/// # Errors
/// When the rule has to stay; the port forward is gone all the same.
pub(in crate::pfsense) fn after_delete(session: &mut Session<'_>, object: &Object) -> Granted<()> {
    let Some(rule) = linked(session, object) else { return Ok(()) };
    quietly(session, |session| actions::delete_object(session, rule))
}

fn linked(session: &Session<'_>, object: &Object) -> Option<Object> {
    let id = rule_id(object)?;
    session.find(Kind::Rule, "associated_rule_id", &id.into())
}

fn rule_id(object: &Object) -> Option<&str> {
    let id = object.text("associated_rule_id");
    (object.kind == Kind::PortForward && !id.is_empty() && id != "pass").then_some(id)
}

/// Does something with the rule that the request did not ask for: its wishes are about the port
/// forward.
fn quietly(
    session: &mut Session<'_>,
    act: impl FnOnce(&mut Session<'_>) -> Granted<Object>,
) -> Granted<()> {
    let wish = std::mem::take(&mut session.wish);
    let author = std::mem::replace(&mut session.author, session.user.clone());
    let outcome = act(session);
    (session.wish, session.author) = (wish, author);
    outcome.map(|_| ())
}

fn rule_of(object: &Object) -> Map {
    let value = |name: &str| object.get(name).clone();
    let said = map([
        ("type", "pass".into()),
        ("disabled", value("disabled")),
        ("interface", Value::List(vec![value("interface")])),
        ("ipprotocol", value("ipprotocol")),
        ("protocol", value("protocol")),
        ("source", value("source")),
        ("source_port", value("source_port")),
        ("destination", value("target")),
        ("destination_port", value("local_port")),
    ]);
    match said {
        Value::Map(said) => said,
        _ => Map::new(),
    }
}
