//! Secrets that are shown once: drawn here, and remembered as digests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_store::SecretDigest;

/// Declares a sort of secret: a word that says what it is, for people and for scanners of leaked
/// secrets, and 256 random bits.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        pub struct $name(String);

        impl $name {
            /// Draws one.
            #[expect(clippy::new_without_default, reason = "no two are the same")]
            pub fn new() -> Self {
                $name(format!("{}{}", $prefix, random()))
            }

            /// The secret itself, to be shown to the one it is for.
            pub fn reveal(&self) -> &str {
                &self.0
            }

            /// What is remembered of it.
            pub fn digest(&self) -> SecretDigest {
                SecretDigest::of(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!($prefix, "…"))
            }
        }
    };
}

secret!(
    /// A key of a program.
    KeySecret,
    "lsk_"
);
secret!(
    /// What is in a link that can be used once.
    LinkSecret,
    "lsl_"
);
secret!(
    /// A session's cookie, or one of its tokens.
    TokenSecret,
    "lst_"
);

/// How many characters of a key may be shown: enough to tell two apart.
const SHOWN: usize = 10;

impl KeySecret {
    /// What may be shown of it later.
    pub fn prefix(&self) -> &str {
        &self.0[..SHOWN]
    }

    /// Whether a text claims to be one.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.starts_with("lsk_")
    }
}

/// What a page has to show beside the cookie of its session.
pub(crate) fn csrf_token(cookie: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new().chain_update("lessor-csrf\n").chain_update(cookie).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
