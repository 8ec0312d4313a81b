//! Which certificate is believed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// Who says that a system is the one it claims to be. There is no way to ask for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This certificate and no other, whatever name and dates stand in it.
    Pinned(Pin),
    /// Only who is vouched for by a certificate in this file (PEM), under the name we call it.
    Ca(PathBuf),
    /// Who is vouched for by the authorities this machine trusts on the web.
    System,
}

/// SHA-256 of a certificate; shown as browsers and consoles show it: `4A:8E:…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256 fingerprint of a certificate: 32 bytes in hex, such as `4A:8E:…`")]
pub struct PinError(String);

/// Why nobody can be trusted in the way that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(String);

impl Pin {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Pin(Sha256::digest(certificate).into())
    }
}

impl FromStr for Pin {
    type Err = PinError;

    /// Reads hex in either case, with colons or without, behind `sha256:` or not.
    fn from_str(text: &str) -> Result<Self, PinError> {
        let error = || PinError(text.to_owned());
        let prefixed = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sha256:"));
        let hex = if prefixed { &text[7..] } else { text };
        let bytes: Option<Vec<u8>> = if hex.contains(':') {
            hex.split(':').map(byte).collect()
        } else {
            (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2).and_then(byte)).collect()
        };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Pin).ok_or_else(error)
    }
}

fn byte(hex: &str) -> Option<u8> {
    let whole = hex.len() == 2 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let colon = if n > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Trust {
    /// How TLS is spoken with who is trusted in this way.
    ///
    /// # Errors
    /// [`TrustError`], which names the file that is of no use.
    pub fn config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Trust::Pinned(pin) => Arc::new(Pinned { pin: *pin, provider: Arc::clone(&provider) }),
            Trust::Ca(path) => vouched(named_in(path)?, &provider)
                .map_err(|why| TrustError(format!("`{}` cannot be used: {why}", path.display())))?,
            Trust::System => vouched(known_here()?, &provider).map_err(TrustError)?,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError(error.to_string()))?
            // Each verifier above checks the certificate; none of them lets everybody in.
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(config.with_no_client_auth())
    }
}

/// Where no TLS is spoken: should it ever be, nobody is believed.
///
/// # Errors
/// As of [`Trust::config`].
pub(super) fn trusting_nobody() -> Result<ClientConfig, TrustError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError(error.to_string()))?
        .with_root_certificates(RootCertStore::empty());
    Ok(config.with_no_client_auth())
}

fn vouched(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|error| error.to_string())
}

fn named_in(path: &Path) -> Result<RootCertStore, TrustError> {
    let shown = path.display();
    let unread = |error: pem::Error| {
        TrustError(match error {
            pem::Error::Io(error) => format!("`{shown}` cannot be read: {error}"),
            pem::Error::NoItemsFound => format!("`{shown}` holds no certificate"),
            error => format!("`{shown}` holds no certificate in PEM: {error}"),
        })
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        let added = roots.add(certificate.map_err(unread)?);
        added.map_err(|error| TrustError(format!("`{shown}` cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(unread(pem::Error::NoItemsFound));
    }
    Ok(roots)
}

fn known_here() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // A machine has odd ones among many good ones; those vouch for nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TrustError(
            "this machine trusts no authority of the web; name a `fingerprint` or a `ca` file \
             instead, or install `ca-certificates`"
                .into(),
        ));
    }
    Ok(roots)
}

/// Believes one certificate. Who shows it still has to prove that the key to it is his.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

/// Somebody showed another certificate than the one that is pinned.
#[derive(Debug, thiserror::Error)]
#[error("the certificate has the fingerprint {found}, and {expected} is pinned")]
pub(super) struct OtherPin {
    pub(super) expected: Pin,
    pub(super) found: Pin,
}

/// Somebody showed the certificate that is pinned, as anybody could.
#[derive(Debug, thiserror::Error)]
#[error("it does not have the key to the certificate that it shows")]
pub(super) struct NotItsKey;

/// A signature that is wrong is told from a certificate that is.
fn its_key(
    verified: Result<HandshakeSignatureValid, rustls::Error>,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    verified.map_err(|error| match error {
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateError::Other(OtherError(Arc::new(NotItsKey))).into()
        }
        error => error,
    })
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (expected, found) = (self.pin, Pin::of(certificate));
        if expected == found {
            return Ok(ServerCertVerified::assertion());
        }
        let why = OtherError(Arc::new(OtherPin { expected, found }));
        Err(CertificateError::Other(why).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        its_key(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        its_key(verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_however_it_was_copied_and_shown_in_one_way() {
        let pin = Pin::of(b"certificate");
        let colons = pin.to_string();
        let bare = colons.replace(':', "").to_lowercase();

        for text in [&colons, &bare, &format!("sha256:{bare}"), &format!("SHA256:{colons}")] {
            assert_eq!(text.parse(), Ok(pin), "{text}");
        }
        let odd = format!("{}:+F", &colons[..92]);
        for wrong in ["", "sha256:", "4A:8E", &colons[1..], &bare[2..], &odd, "äöüäöüä"] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_vouches_for_nobody_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let said = |name: &str, text: Option<&str>| {
            let path = directory.path().join(name);
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let why = Trust::Ca(path).config().unwrap_err().to_string();
            why.replace(&format!("{}/", directory.path().display()), "")
        };

        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let missing = "`absent` cannot be read: No such file or directory (os error 2)";
        assert_eq!(said("absent", None), missing);
        assert_eq!(said("empty", Some("")), "`empty` holds no certificate");
        let why = "`odd` cannot be used: invalid peer certificate: BadEncoding";
        assert_eq!(said("odd", Some(odd)), why);
    }
}
