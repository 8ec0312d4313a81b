//! What stands in the database in place of a secret.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// The digest of a secret that was drawn at random and is long, so that nobody can guess it from
/// this. Passwords are neither; they are stored by other means.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// Of a secret.
    pub fn of(secret: &str) -> Self {
        SecretDigest(hex(&Sha256::digest(secret.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    /// Shows too little to look anything up by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretDigest({}…)", &self.0[..8])
    }
}

/// Bytes as they are written here.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
