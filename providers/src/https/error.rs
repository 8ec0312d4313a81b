//! What can go wrong between us and a system, and whether it may have heard us.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::trust::{OtherPin, Pin};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// The endpoint, or whom to trust there, cannot be used. Nobody was called.
    #[error("{0}")]
    Unusable(String),
    /// The name leads nowhere.
    #[error("the name of `{place}` was not resolved: {why}")]
    Unresolved {
        /// Whom we called.
        place: String,
        /// What the resolver said.
        why: String,
    },
    /// The machine is there and nobody listens.
    #[error("nobody listens at `{place}`: connection refused")]
    Refused {
        /// Whom we called.
        place: String,
    },
    /// There is no way to it, or it hung up before it heard us.
    #[error("`{place}` cannot be reached: {why}")]
    Unreachable {
        /// Whom we called.
        place: String,
        /// What happened.
        why: String,
    },
    /// It is another system, it has a new certificate, or somebody stands between.
    #[error("`{place}` shows the certificate {found}, and {expected} is pinned")]
    OtherCertificate {
        /// Whom we called.
        place: String,
        /// What it should show.
        expected: Pin,
        /// What it shows.
        found: Pin,
    },
    /// Nobody we believe says that it is the one.
    #[error("nobody trusted vouches for `{place}`: {why}")]
    NotVouched {
        /// Whom we called.
        place: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// It speaks no TLS, or none that we speak.
    #[error("no TLS with `{place}`: {why}")]
    Tls {
        /// Whom we called.
        place: String,
        /// What happened.
        why: String,
    },
    /// No connection in time. It heard nothing.
    #[error("`{place}` did not take a connection within {}", shown(*.within))]
    NotConnected {
        /// Whom we called.
        place: String,
        /// How long we waited.
        within: Duration,
    },
    /// It was asked, and did not answer in time. It may yet do what it was asked for.
    #[error("`{place}` did not answer within {}", shown(*.within))]
    Silent {
        /// Whom we called.
        place: String,
        /// How long we waited.
        within: Duration,
    },
    /// It may have been asked; the connection ended before the answer did.
    #[error("the connection to `{place}` broke: {why}")]
    Broken {
        /// Whom we called.
        place: String,
        /// What happened.
        why: String,
    },
}

impl HttpsError {
    /// Whether the system may have heard the request, so that nobody knows what became of it.
    pub fn was_heard(&self) -> bool {
        matches!(self, HttpsError::Silent { .. } | HttpsError::Broken { .. })
    }

    /// Whether the same question may be answered a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            HttpsError::Unresolved { .. }
            | HttpsError::Refused { .. }
            | HttpsError::Unreachable { .. }
            | HttpsError::NotConnected { .. }
            | HttpsError::Silent { .. }
            | HttpsError::Broken { .. } => true,
            HttpsError::Unusable(_)
            | HttpsError::OtherCertificate { .. }
            | HttpsError::NotVouched { .. }
            | HttpsError::Tls { .. } => false,
        }
    }

    /// Something one can do now.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            HttpsError::OtherCertificate { found, .. } => format!(
                "look at the certificate at the system itself; change `fingerprint` to \"{found}\" \
                 only if it is that one, or else somebody listens in"
            ),
            HttpsError::NotVouched { .. } => "pin the certificate of the system with \
                 `fingerprint`, or name the file of who vouches for it with `ca`"
                .into(),
            HttpsError::Tls { .. } => "check that `endpoint` names the port of its HTTPS".into(),
            HttpsError::Unresolved { .. } | HttpsError::Refused { .. } => {
                "check the host and the port of `endpoint`".into()
            }
            _ => return None,
        })
    }

    /// What the library says of a request to `place` that brought no answer.
    pub(super) fn explained(error: &reqwest::Error, place: &str, waits: Waits) -> Self {
        let place = place.to_owned();
        let why = causes(error).last().map(ToString::to_string).unwrap_or_default();
        if !error.is_connect() {
            return if error.is_timeout() {
                HttpsError::Silent { place, within: waits.answer }
            } else {
                HttpsError::Broken { place, why }
            };
        }
        if let Some(tls) = causes(error).find_map(of_tls) {
            return of_handshake(tls, place);
        }
        let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            _ if error.is_dns() => HttpsError::Unresolved { place, why },
            Some(io::ErrorKind::ConnectionRefused) => HttpsError::Refused { place },
            _ if error.is_timeout() => HttpsError::NotConnected { place, within: waits.connection },
            _ => HttpsError::Unreachable { place, why },
        }
    }
}

/// How long is waited.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    /// For a connection.
    pub(super) connection: Duration,
    /// For an answer.
    pub(super) answer: Duration,
}

fn of_handshake(error: &rustls::Error, place: String) -> HttpsError {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        error => return HttpsError::Tls { place, why: error.to_string() },
    };
    if let CertificateError::Other(other) = certificate
        && let Some(&OtherPin { expected, found }) = other.0.downcast_ref::<OtherPin>()
    {
        return HttpsError::OtherCertificate { place, expected, found };
    }
    HttpsError::NotVouched { place, why: wrong_with(certificate) }
}

fn wrong_with(certificate: &CertificateError) -> String {
    match certificate {
        // One who bears the name of an authority has another key than it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by somebody else".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".into()
        }
        CertificateError::Other(other) => other.0.to_string(),
        other => other.to_string(),
    }
}

fn causes<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next: Option<&'e (dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An error of the library of TLS. It comes inside one of input and output, which shows the causes
/// of what it holds, and not that itself.
fn of_tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut io = error.downcast_ref::<io::Error>();
    while let Some(inner) = io.and_then(io::Error::get_ref) {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        io = inner.downcast_ref::<io::Error>();
    }
    error.downcast_ref::<rustls::Error>()
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}
