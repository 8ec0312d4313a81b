//! By which key a machine is known, for those who write that down.

use std::path::Path;

use lessor_specs::HostKey;
use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{Algorithm, HashAlg};

use crate::ssh;

/// The fingerprint of the key that the machine shows which answers at `host` and `port`. Nobody
/// vouches for it but the way there.
///
/// # Errors
/// Why there is none, naming the machine.
pub async fn shown_host_key(host: &str, port: u16) -> Result<HostKey, String> {
    ssh::shown_key(host, port).await
}

/// The fingerprint by which a machine is known in a file of known hosts, of the sort that is asked
/// for first; `None` when it is not known there.
///
/// # Errors
/// When it is known by no key that we use, or the file cannot be understood.
pub fn known_host_key(host: &str, port: u16, file: &Path) -> Result<Option<HostKey>, String> {
    let keys = known_host_keys_path(host, port, file)
        .map_err(|error| format!("`{}` cannot be understood: {error}", file.display()))?;
    if keys.is_empty() {
        return Ok(None);
    }
    let rank = |algorithm: &Algorithm| match algorithm {
        Algorithm::Ed25519 => Some(0),
        Algorithm::Ecdsa { .. } => Some(1),
        _ => None,
    };
    let used = keys.iter().filter_map(|(_, key)| Some((rank(&key.algorithm())?, key)));
    let Some((_, key)) = used.min_by_key(|(rank, _)| *rank) else {
        return Err(format!(
            "`{}` knows `{host}:{port}` by neither an ed25519 nor an ecdsa key",
            file.display()
        ));
    };
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    fingerprint.parse().map(Some).map_err(|malformed| format!("{malformed}"))
}
