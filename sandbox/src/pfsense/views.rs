//! What is not in the configuration: ports, versions, history, and what is not applied.

use super::Version;
use super::apply;
use super::kind::Kind;
use super::session::{CONFIG_VERSION, Session};
use super::state::Card;
use super::status;
use super::value::{Value, map};

/// The objects of a kind that does not live in the configuration; nothing for one that does.
pub(super) fn entries(session: &Session<'_>, kind: Kind) -> Option<Vec<(Value, Value)>> {
    match kind {
        Kind::Port => Some(port_entries(session)),
        Kind::Revision => Some(revision_entries(session)),
        Kind::Lease => Some(numbered(status::leases(session))),
        Kind::GatewayStatus => Some(numbered(status::gateways(session))),
        Kind::InterfaceStatus => Some(numbered(status::interfaces(session))),
        Kind::Service => Some(numbered(status::services(session))),
        Kind::Queue | Kind::Certificate => Some(Vec::new()),
        _ => None,
    }
}

/// The only object of a kind that does not live in the configuration.
pub(super) fn only(session: &Session<'_>, kind: Kind) -> Option<Value> {
    match kind {
        Kind::SystemVersion => Some(map([
            ("version", "2.8.1-RELEASE".into()),
            ("base", "2.8.1".into()),
            ("patch", "0".into()),
            ("buildtime", "Fri Sep 12 20:13:00 UTC 2025".into()),
        ])),
        Kind::SystemStatus => Some(status::system(session)),
        Kind::ApiVersion => Some(api_version(session.version())),
        _ => apply::status(session, kind),
    }
}

fn api_version(version: Version) -> Value {
    let name: Value = version.name().into();
    map([
        ("current_version", name.clone()),
        ("latest_version", name.clone()),
        ("latest_version_release_date", Value::Null),
        ("update_available", false.into()),
        ("available_versions", Value::List(vec![name])),
    ])
}

/// The ports that interfaces can be assigned to: cards, VLANs and tunnels.
pub(super) fn ports(session: &Session<'_>) -> Vec<Card> {
    let named = |path: &str, name: &str| -> Vec<Card> {
        let entries = session.config.at(path).and_then(Value::as_list).unwrap_or_default();
        let card = |entry: &Value| Card { name: entry.text(name).to_owned(), mac: String::new() };
        entries.iter().map(card).collect()
    };
    let mut ports = session.state.ports.clone();
    ports.extend(named("vlans/vlan", "vlanif"));
    ports.extend(named("installedpackages/wireguard/tunnels/item", "name"));
    ports
}

fn port_entries(session: &Session<'_>) -> Vec<(Value, Value)> {
    let entry = |port: Card| {
        let user = session.interfaces().find(|(_, interface)| interface.text("if") == port.name);
        let mac = if port.mac.is_empty() { Value::Null } else { port.mac.into() };
        let shown = map([
            ("if", port.name.as_str().into()),
            ("mac", mac),
            ("dmesg", Value::Null),
            ("in_use_by", user.map_or(Value::Null, |(id, _)| id.as_str().into())),
        ]);
        (Value::from(port.name), shown)
    };
    ports(session).into_iter().map(entry).collect()
}

fn revision_entries(session: &Session<'_>) -> Vec<(Value, Value)> {
    let shown = |revision: &super::state::Revision| {
        map([
            ("time", revision.time.into()),
            ("description", revision.description.as_str().into()),
            ("version", CONFIG_VERSION.into()),
            ("filesize", revision.size.into()),
        ])
    };
    numbered(session.state.history.iter().rev().map(shown).collect())
}

/// Objects whose ids are their positions.
fn numbered(objects: Vec<Value>) -> Vec<(Value, Value)> {
    let numbers = (0_i64..).map(Value::Integer);
    numbers.zip(objects).collect()
}
