//! That a machine is the one we mean.

use std::fmt;
use std::sync::Arc;

use lessor_specs::HostKey;
use lessor_specs::kinds::SshEndpoint;
use russh::Preferred;
use russh::client::{Config, Handler};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKeyOrCertificate};
use tokio::net::TcpStream;

use super::{KEEPALIVE, KEEPALIVES, Session, SshError, Target};

/// Sorts of keys a machine may have, each asked for in a conversation of its own: a machine with
/// several shows only one, and a fingerprint does not say of which sort it is.
const SORTS: [&[Algorithm]; 2] = [
    &[Algorithm::Ed25519],
    &[
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    ],
];

/// Lets one key pass, or none, for those who only want to see it.
pub(super) struct Gatekeeper {
    expected: Option<HostKey>,
}

/// Why we turned away.
#[derive(Debug)]
pub(super) enum Turned {
    /// It shows another key.
    Away(Shown),
    /// It could not be talked to.
    Lost(russh::Error),
}

/// A key as a machine shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    sort: String,
    fingerprint: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.fingerprint, self.sort)
    }
}

impl From<russh::Error> for Turned {
    fn from(error: russh::Error) -> Self {
        Turned::Lost(error)
    }
}

impl Handler for Gatekeeper {
    type Error = Turned;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Turned> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        if self.expected.as_ref().is_some_and(|expected| fingerprint == expected.to_string()) {
            return Ok(true);
        }
        Err(Turned::Away(Shown { sort: key.algorithm().to_string(), fingerprint }))
    }
}

/// Reaches the machine and sees that it is the right one. Nobody has logged in yet.
///
/// # Errors
/// When it does not answer, or every key it has is another.
pub(super) async fn greet(target: &Target) -> Result<Session, SshError> {
    let mut shown = Vec::new();
    for sorts in SORTS {
        match greet_with(&target.endpoint, Some(&target.host_key), sorts).await {
            Ok(session) => return Ok(session),
            Err(Turned::Away(key)) => shown.push(key),
            Err(Turned::Lost(russh::Error::NoCommonAlgo {
                kind: russh::AlgorithmKind::Key,
                ..
            })) => {}
            Err(Turned::Lost(error)) => return Err(SshError::lost(&target.endpoint, &error)),
        }
    }
    let (host, port) = (target.endpoint.host.clone(), target.endpoint.port);
    Err(SshError::AnotherHost { host, port, expected: target.host_key.clone(), shown })
}

/// The fingerprint of the key that a machine shows, of the sort that is asked for first.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn look(endpoint: &SshEndpoint) -> Result<HostKey, String> {
    for sorts in SORTS {
        match greet_with(endpoint, None, sorts).await {
            Err(Turned::Away(key)) => {
                return key.fingerprint.parse().map_err(|malformed| format!("{malformed}"));
            }
            Err(Turned::Lost(russh::Error::NoCommonAlgo {
                kind: russh::AlgorithmKind::Key,
                ..
            }))
            | Ok(_) => {}
            Err(Turned::Lost(error)) => return Err(SshError::lost(endpoint, &error).to_string()),
        }
    }
    let SshEndpoint { host, port, .. } = endpoint;
    Err(format!("`{host}:{port}` has neither an ed25519 nor an ecdsa key"))
}

async fn greet_with(
    endpoint: &SshEndpoint,
    expected: Option<&HostKey>,
    sorts: &'static [Algorithm],
) -> Result<Session, Turned> {
    let address = (endpoint.host.as_str(), endpoint.port);
    let stream = TcpStream::connect(address).await.map_err(russh::Error::from)?;
    stream.set_nodelay(true).map_err(russh::Error::from)?;
    let config = Config {
        preferred: Preferred { key: sorts.into(), ..Preferred::DEFAULT },
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        ..Config::default()
    };
    let gatekeeper = Gatekeeper { expected: expected.cloned() };
    russh::client::connect_stream(Arc::new(config), stream, gatekeeper).await
}
