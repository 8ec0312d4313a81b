//! `WireGuard` tunnels, and who may use them.

use lessor_engine::ApplyError;
use lessor_plans::{Body, Mark, PeerBody, TunnelBody};
use secrecy::SecretString;

use super::super::estate::{Estate, TunnelParts};
use super::super::keys::{Note, public_half};
use super::super::read;
use super::Step;
use crate::pfsense::{Edit, Peer, Subnet, Tunnel, WriteOnly};

/// The tunnel first, whose name its firewall chooses; then who may use it.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &TunnelBody,
) -> Result<Vec<Edit>, ApplyError> {
    let own = estate.tunnels.ours_or_free("tunnel", &body.name)?;
    let mark = match own {
        Some(own) => {
            let seen = read::tunnel(estate, step.secrets, &body.name, &own.parts);
            step.check(own, seen, &Body::Tunnel(body.clone()))?;
            own.mark.clone()
        }
        None => step.new_mark("tunnel", &body.name)?,
    };
    let blank = TunnelParts::default();
    let parts = own.map_or(&blank, |own| &own.parts);
    let (wished, is_as_wished) = wished(step, parts.tunnel, body, &mark)?;
    let tunnel = match parts.tunnel {
        None => return Ok(vec![Edit::create(wished)]),
        Some(tunnel) if !is_as_wished => {
            return Ok(vec![Edit::update_seen(tunnel, wished, None)]);
        }
        Some(tunnel) => tunnel,
    };
    let edits = peers(step, parts, tunnel, body, &mark)?;
    let works = estate.world.wireguard.as_ref().is_ok_and(|works| *works);
    if edits.is_empty() && body.enabled && !works {
        return Err(ApplyError::Refused {
            why: format!(
                "tunnel `{}` is stored and does not work, since WireGuard is switched off there",
                body.name
            ),
            hint: Some("switch it on at the firewall under VPN > WireGuard > Settings".into()),
        });
    }
    Ok(edits)
}

/// Who may use it first, then the tunnel.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let Some(own) = estate.tunnels.ours_or_gone("tunnel", name)? else { return Ok(Vec::new()) };
    let peers: Vec<Edit> =
        own.parts.peers.values().map(|(peer, _)| Edit::delete_seen(*peer)).collect();
    if !peers.is_empty() {
        return Ok(peers);
    }
    Ok(own.parts.tunnel.map(Edit::delete_seen).into_iter().collect())
}

/// How the tunnel shall be, and whether it is so: of its key, only the public half is to be seen.
fn wished(
    step: &Step<'_>,
    tunnel: Option<&Tunnel>,
    body: &TunnelBody,
    mark: &Mark,
) -> Result<(Tunnel, bool), ApplyError> {
    let mut wished = tunnel.cloned().unwrap_or_else(|| Tunnel { mtu: 1420, ..Tunnel::default() });
    wished.descr = Note { key: body.private_key.clone(), ..Note::default() }.beside(mark);
    wished.enabled = body.enabled;
    wished.listenport = body.port;
    let address =
        Subnet { address: body.address.to_string(), mask: body.prefix, ..Subnet::default() };
    let is_there = |known: &Subnet| known.address == address.address && known.mask == address.mask;
    if !matches!(wished.addresses.as_slice(), [known] if is_there(known)) {
        wished.addresses = vec![address];
    }
    let mut is_as_wished = tunnel == Some(&wished);
    if let Some(reference) = &body.private_key {
        let private = step.secrets.needed("private_key", reference)?;
        let public = public_half(private).ok_or_else(|| no_key(&reference.to_string()))?;
        if tunnel.is_none_or(|tunnel| tunnel.publickey != public) {
            wished.privatekey = WriteOnly::of(private.clone());
            // The firewall computes it; only so can what is there be held against it.
            wished.publickey = public;
            is_as_wished = false;
        }
    }
    Ok((wished, is_as_wished))
}

/// All that is to be done about peers; what goes may make room for what comes.
fn peers(
    step: &Step<'_>,
    parts: &TunnelParts<'_>,
    tunnel: &Tunnel,
    body: &TunnelBody,
    mark: &Mark,
) -> Result<Vec<Edit>, ApplyError> {
    let unwanted = parts.peers.iter().filter(|(called, _)| !body.peers.contains_key(*called));
    let mut edits: Vec<Edit> = unwanted.map(|(_, (peer, _))| Edit::delete_seen(*peer)).collect();
    for (called, wish) in &body.peers {
        let known = parts.peers.get(called);
        let wished = peer(step, known, called, wish, tunnel, mark)?;
        match known {
            None => edits.push(Edit::create(wished)),
            Some((peer, _)) if **peer != wished => {
                edits.push(Edit::update_seen(*peer, wished, None));
            }
            Some(_) => {}
        }
    }
    Ok(edits)
}

fn peer(
    step: &Step<'_>,
    known: Option<&(&Peer, Note)>,
    called: &str,
    wish: &PeerBody,
    tunnel: &Tunnel,
    mark: &Mark,
) -> Result<Peer, ApplyError> {
    let note = Note {
        peer: Some(called.to_owned()),
        version: wish.version,
        key: wish.preshared_key.clone(),
    };
    let mut wished = known.map(|(peer, _)| (*peer).clone()).unwrap_or_default();
    wished.enabled = true;
    wished.tun.clone_from(&tunnel.name);
    wished.publickey.clone_from(&wish.public_key);
    wished.descr = note.beside(mark);
    let address = wish.address.to_string();
    let is_there = |known: &Subnet| known.address == address && known.mask == 32;
    if !matches!(wished.allowedips.as_slice(), [known] if is_there(known)) {
        wished.allowedips = vec![Subnet { address, mask: 32, ..Subnet::default() }];
    }
    if known.is_none_or(|(_, written)| *written != note) {
        wished.presharedkey = match &wish.preshared_key {
            Some(reference) => {
                let name = format!("peers.{called}.preshared_key");
                WriteOnly::of(step.secrets.needed(&name, reference)?.clone())
            }
            // There may be one from before.
            None => WriteOnly::of(SecretString::from(String::new())),
        };
    }
    Ok(wished)
}

fn no_key(reference: &str) -> ApplyError {
    ApplyError::Refused {
        why: format!("`private_key` needs a WireGuard key, and `{reference}` holds none"),
        hint: Some("`wg genkey` makes one".into()),
    }
}
