//! Applying: what was written becomes what works, in the background.

use super::kind::Kind;
use super::refusal::{Granted, Refusal};
use super::session::Session;
use super::state::Work;
use super::value::{Value, map};

/// How much of one kind may be waiting.
const QUEUE_MAX: usize = 10;

/// After how long the package wants to be asked again, in seconds.
const RETRY_S: u32 = 300;

/// The subsystems that are applied together. What a write makes dirty here is shown as pending.
pub(super) fn subsystems(what: &str) -> &'static [&'static str] {
    match what {
        "firewall" => &["aliases", "natconf"],
        "interfaces" => &["interfaces"],
        "virtual_ips" => &["vip"],
        "dhcp" => &["dhcpd"],
        "dns" => &["unbound"],
        "routing" => &["staticroutes"],
        "wireguard" => &["wireguard"],
        _ => &[],
    }
}

/// What applies a subsystem.
pub(super) fn of_subsystem(subsystem: &str) -> Option<&'static str> {
    ["firewall", "interfaces", "virtual_ips", "dhcp", "dns", "routing", "wireguard"]
        .into_iter()
        .find(|what| subsystems(what).contains(&subsystem))
}

fn of_kind(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::FirewallApply => "firewall",
        Kind::InterfaceApply => "interfaces",
        Kind::VirtualIpApply => "virtual_ips",
        Kind::DhcpApply => "dhcp",
        Kind::DnsApply => "dns",
        Kind::RoutingApply => "routing",
        Kind::WireGuardApply => "wireguard",
        _ => return None,
    })
}

/// What waits to be applied.
pub(super) fn status(session: &Session<'_>, kind: Kind) -> Option<Value> {
    let what = of_kind(kind)?;
    let pending: Vec<Value> = if kind == Kind::InterfaceApply {
        let interfaces = session.state.pending_interfaces.iter();
        interfaces.map(|id| session.interface_shown(id).into()).collect()
    } else {
        let is_dirty = |subsystem: &&&str| session.state.dirty.contains(**subsystem);
        subsystems(what).iter().filter(is_dirty).map(|subsystem| (*subsystem).into()).collect()
    };
    Some(map([
        ("applied", pending.is_empty().into()),
        ("pending_subsystems", Value::List(pending.clone())),
        ("pending_interfaces", Value::List(pending)),
    ]))
}

/// Applies what an apply endpoint is for, and says what it says then.
///
/// # Errors
/// When too much is waiting already, or a package is missing.
pub(super) fn post(session: &mut Session<'_>, kind: Kind) -> Granted<Option<Value>> {
    let Some(what) = of_kind(kind) else { return Ok(None) };
    let package = super::WIREGUARD;
    if kind == Kind::WireGuardApply && !session.state.packages.contains(package) {
        let message = format!(
            "The requested action requires the `{package}` package but it is not installed."
        );
        return Err(Refusal::dependency("DISPATCHER_MISSING_REQUIRED_PACKAGE", message));
    }
    let before = session.only(kind);
    begin(session, what)?;
    // Interfaces are looked at before, even when somebody waits for them.
    let shown = if kind == Kind::InterfaceApply { before } else { session.only(kind) };
    Ok(Some(session.represent(&shown)))
}

/// Begins to apply, and goes on when it is done if the request waits for it.
///
/// # Errors
/// When too much is waiting already.
pub(super) fn begin(session: &mut Session<'_>, what: &str) -> Granted<()> {
    if session.wish.waits {
        session.state.finish(what);
        return Ok(());
    }
    let waiting = session.state.work.iter().filter(|work| work.what == what).count();
    if waiting >= QUEUE_MAX {
        let message = format!(
            "Dispatcher allows for a maximum of `{QUEUE_MAX}` processes to be queued at once, try \
             again after `{RETRY_S}` seconds."
        );
        let id = "DISPATCHER_TOO_MANY_QUEUED_PROCESSES";
        return Err(Refusal::unavailable(id, message, RETRY_S));
    }
    let due_ms = session.state.now_ms().saturating_add(session.state.apply_ms);
    session.state.work.push(Work { what: what.to_owned(), due_ms });
    Ok(())
}
