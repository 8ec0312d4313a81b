//! Tunnels, peers, and their keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::MontgomeryPoint;

use super::interfaces;
use crate::pfsense::checks::that;
use crate::pfsense::net;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::{Granted, Refusal};
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;

pub(super) fn tunnel(
    session: &Session<'_>,
    object: &Object,
    name: &str,
    value: Value,
) -> Granted<Value> {
    match name {
        "enabled" => {
            let tunnel = object.text("name");
            let is_assigned =
                session.interfaces().any(|(_, interface)| interface.text("if") == tunnel);
            if value == Value::Bool(false) && is_assigned {
                return Err(Refusal::conflict(
                    "WIREGUARD_TUNNEL_CANNOT_BE_DISABLED_WHILE_IN_USE_BY_INTERFACE",
                    "Field `enabled` cannot be `false` because this WireGuard Tunnel is in use \
                     by an existing interface object.",
                ));
            }
        }
        "privatekey" => {
            let Some(mut key) = key(&value.shown()) else {
                return Err(Refusal::invalid(
                    "WIREGUARD_TUNNEL_INVALID_PRIVATE_KEY",
                    "Field `privatekey` must be a valid WireGuard private key.",
                ));
            };
            clamp(&mut key);
            return Ok(STANDARD.encode(key).into());
        }
        _ => {}
    }
    Ok(value)
}

pub(super) fn peer(name: &str, value: Value) -> Granted<Value> {
    let text = value.shown();
    that(
        name != "presharedkey" || text.is_empty() || key(&text).is_some(),
        "WIREGUARD_PEER_PRESHAREDKEY_INVALID",
        "Field `presharedkey` must be a valid WireGuard pre-shared key.",
    )?;
    Ok(value)
}

/// An address of a tunnel must not be in the subnet of an interface.
pub(super) fn address(session: &Session<'_>, address: &Object) -> Granted<()> {
    let bits = address.number("mask").unwrap_or(32);
    let net = net::v4_net(address.text("address"), bits);
    if !net.is_some_and(|net| interfaces::is_taken(session, address, net)) {
        return Ok(());
    }
    Err(Refusal::conflict(
        "WIREGUARD_TUNNEL_ADDRESS_AND_MASK_ALREADY_IN_USE",
        "This tunnel's `address` and `mask` is already in use on this system.",
    ))
}

/// Sets the public half of the key of a tunnel.
pub(super) fn complete(tunnel: &mut Object) {
    if let Some(private) = key(tunnel.text("privatekey")) {
        let public = MontgomeryPoint::mul_base_clamped(private).to_bytes();
        tunnel.set("publickey", STANDARD.encode(public).into());
    }
}

/// The lowest name that no tunnel has.
pub(super) fn next_name(session: &Session<'_>) -> Value {
    let tunnels = session.config.at("installedpackages/wireguard/tunnels/item");
    let tunnels = tunnels.and_then(Value::as_list).unwrap_or_default();
    let is_free = |name: &String| !tunnels.iter().any(|tunnel| tunnel.text("name") == name);
    (0..=tunnels.len()).map(|n| format!("tun_wg{n}")).find(is_free).map_or(Value::Null, Value::from)
}

/// A key of 32 bytes in base64.
fn key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Sets the bits that every private key has set, and clears those none has.
fn clamp(key: &mut [u8; 32]) {
    key[0] &= 0b1111_1000;
    key[31] = (key[31] & 0b0111_1111) | 0b0100_0000;
}
