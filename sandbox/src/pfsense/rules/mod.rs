//! What single models add to what is said of their fields.

mod dhcp;
mod firewall;
mod interfaces;
mod nat;
mod routing;
mod schedule;
mod system;
mod wireguard;

pub(super) use interfaces::forget;
pub(super) use nat::{after_create, after_delete, after_update, before_create};
pub(super) use system::{hash_of, hashed, make_key};

use super::Version;
use super::field::{Field, Form};
use super::kind::Kind;
use super::object::Object;
use super::refusal::Granted;
use super::session::Session;
use super::value::Value;
use super::views;

/// Checks one value of a field that has passed what is said of it, and gives what it becomes.
///
/// # Errors
/// When the model has something against it.
pub(super) fn check(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    match object.kind {
        Kind::Alias => firewall::alias(session, object, name, value),
        Kind::Rule => firewall::rule(session, object, name, value),
        Kind::TimeRange => schedule::time_range(name, value),
        Kind::VirtualIp => firewall::virtual_ip(session, object, name, value),
        Kind::OutboundMapping => nat::outbound(session, object, name, value),
        Kind::OneToOne => nat::one_to_one(object, name, value),
        Kind::Vlan => interfaces::vlan(session, object, name, value),
        Kind::Interface => interfaces::interface(session, object, name, value),
        Kind::DhcpServer => dhcp::server(session, object, name, value),
        Kind::DhcpPool => dhcp::pool(session, object, name, value),
        Kind::StaticMapping => dhcp::mapping(session, object, name, value),
        Kind::Gateway => routing::gateway(session, object, name, value),
        Kind::StaticRoute => routing::route(session, object, name, value),
        Kind::Tunnel => wireguard::tunnel(session, object, name, value),
        Kind::Peer => wireguard::peer(name, value),
        _ => Ok(value),
    }
}

/// Checks an object as a whole, and completes it.
///
/// # Errors
/// When the model has something against it.
pub(super) fn check_whole(session: &Session<'_>, object: &mut Object) -> Granted<()> {
    match object.kind {
        Kind::Tunnel => {
            wireguard::complete(object);
            Ok(())
        }
        Kind::DhcpServer => dhcp::whole(session, object),
        Kind::TimeRange => schedule::whole(object),
        Kind::TunnelAddress => wireguard::address(session, object),
        Kind::GatewayGroup => {
            routing::complete(session, object);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What may be chosen from, where that depends on what is there.
pub(super) fn choices(session: &Session<'_>, object: &Object, field: &Field) -> Option<Vec<Value>> {
    if object.kind == Kind::Interface && field.name == "if" {
        return Some(views::ports(session).into_iter().map(|port| port.name.into()).collect());
    }
    let Form::Interface = field.form else { return None };
    let mut choices: Vec<Value> =
        session.interfaces().map(|(id, _)| session.interface_shown(id).into()).collect();
    let groups = session.config.at("ifgroups/ifgroupentry").and_then(Value::as_list);
    if matches!(object.kind, Kind::Rule | Kind::PortForward | Kind::OutboundMapping) {
        choices.extend(
            groups.unwrap_or_default().iter().map(|group| Value::from(group.text("ifname"))),
        );
    }
    if object.kind == Kind::Rule {
        choices.extend(["enc0", "openvpn"].map(Value::from));
        if session.version() == Version::V2_10_0 {
            choices.push("any".into());
        }
    }
    Some(choices)
}

/// A default that is made at the moment.
pub(super) fn made(session: &mut Session<'_>, object: &Object, field: &Field) -> Value {
    match (object.kind, field.name) {
        (_, "created_by" | "updated_by") => session.signature(&session.author).into(),
        (_, "uniqid" | "schedlabel") => session.state.chance.hex(7)[..13].into(),
        (Kind::OutboundMapping, "source_hash_key") => {
            format!("0x{}", session.state.chance.hex(16)).into()
        }
        (Kind::User, "uid") => system::next_number(session, "system/user", "uid"),
        (Kind::UserGroup, "gid") => system::next_number(session, "system/group", "gid"),
        (Kind::Tunnel, "name") => wireguard::next_name(session),
        _ => Value::Null,
    }
}

impl Session<'_> {
    /// Sets what is not stored but follows from what is.
    pub(super) fn derive(&self, object: &mut Object) {
        match object.kind {
            Kind::Interface => interfaces::derive(object),
            Kind::GatewayGroup => routing::complete(self, object),
            Kind::DhcpServer => {
                object.set("interface", self.interface_shown(&object.id.shown()).into());
            }
            _ => {}
        }
    }
}
