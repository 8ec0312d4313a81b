//! What an engine behind TLS is shown, and what it has to show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why a file of a connection is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct KeysError(String);

/// Files of a TLS connection, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// Who vouches for the engine. Nobody else is believed: what this machine trusts on the web has
    /// nothing to say about it.
    pub(crate) ca: PathBuf,
    /// What we show, with whatever stands between it and the one who vouches for us.
    pub(crate) certificate: PathBuf,
    /// The key to it.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// [`KeysError`], which names the file.
    pub(super) fn config(&self) -> Result<ClientConfig, KeysError> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unread(&self.key, "private key", &error))?;
        let chain = certificates(&self.certificate)?;
        let mut vouching = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            vouching.add(certificate).map_err(|error| unfit(&self.ca, &error))?;
        }
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| KeysError(error.to_string()))?
            .with_root_certificates(vouching)
            .with_client_auth_cert(chain, key)
            .map_err(|error| unfit(&self.key, &error))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, KeysError> {
    let unread = |error: pem::Error| unread(path, "certificate", &error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unread)?.collect();
    match found.map_err(unread)? {
        none if none.is_empty() => Err(unread(pem::Error::NoItemsFound)),
        found => Ok(found),
    }
}

fn unread(path: &Path, what: &str, error: &pem::Error) -> KeysError {
    let path = path.display();
    KeysError(match error {
        pem::Error::Io(error) => format!("`{path}` cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("`{path}` holds no {what}"),
        error => format!("`{path}` holds no {what} in PEM: {error}"),
    })
}

fn unfit(path: &Path, error: &rustls::Error) -> KeysError {
    KeysError(format!("`{}` cannot be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_that_is_not_what_it_shall_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("empty"), "").unwrap();
        let torn = "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n";
        std::fs::write(path("torn"), torn).unwrap();
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(path("odd"), odd).unwrap();
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        std::fs::write(path("key"), key).unwrap();

        let said = |ca: &str, certificate: &str, key: &str| {
            let files = TlsFiles { ca: path(ca), certificate: path(certificate), key: path(key) };
            let why = files.config().unwrap_err().to_string();
            why.replace(&format!("{}/", directory.path().display()), "")
        };

        let missing = "`absent` cannot be read: No such file or directory (os error 2)";
        assert_eq!(said("empty", "empty", "absent"), missing);
        assert_eq!(said("empty", "empty", "empty"), "`empty` holds no private key");
        assert_eq!(said("empty", "empty", "key"), "`empty` holds no certificate");
        let torn = "`torn` holds no certificate in PEM: base64 decode error: InvalidCharacter(63)";
        assert_eq!(said("empty", "torn", "key"), torn);
        let odd = "`odd` cannot be used: invalid peer certificate: BadEncoding";
        assert_eq!(said("odd", "odd", "key"), odd);
    }
}
