//! Who a pretend system says it is.

use std::fmt::Write as _;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

/// A certificate that nobody but itself vouches for, as a fresh installation has, and its key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    fingerprint: String,
    pem: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not take it.
    #[error("the certificate could not be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// Makes one for these host names and addresses.
    ///
    /// # Errors
    /// When a name is none, or the machine has no randomness.
    pub fn new(names: &[&str]) -> Result<Identity, IdentityError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        let fingerprint = colon_hex(&Sha256::digest(cert.der()));
        Ok(Identity { config: Arc::new(config), fingerprint, pem: cert.pem() })
    }

    /// SHA-256 of the certificate: `4A:8E:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn colon_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (n, byte) in bytes.iter().enumerate() {
        let colon = if n > 0 { ":" } else { "" };
        // Writing to text cannot fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}
