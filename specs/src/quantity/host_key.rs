use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

const ALGORITHM: &str = "SHA256:";

/// How many letters 32 bytes have in base64, without padding.
const LENGTH: usize = 43;

/// The fingerprint of a machine's ssh key, as `ssh-keygen -l` shows it: `SHA256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(String);

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let digest = text.strip_prefix(ALGORITHM).map(|digest| digest.trim_end_matches('='));
        let is_digest = |digest: &&str| {
            let letters = digest.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
            // The last letter stands for four bits, and the others of its six are zero.
            let whole = digest.ends_with(|last: char| "AEIMQUYcgkosw048".contains(last));
            letters && whole && digest.len() == LENGTH
        };
        match digest.filter(is_digest) {
            Some(digest) => Ok(HostKey(format!("{ALGORITHM}{digest}"))),
            None => Err(Malformed::new(
                Code::MalformedHostKey,
                "the fingerprint of an ssh key, `SHA256:` and 43 letters",
            )
            .hint(HINT)),
        }
    }
}

const HINT: &str = "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on that machine shows it";

impl TextQuantity for HostKey {
    const FORMAT: &'static str = "host-key";
    const PATTERN: &'static str = "^SHA256:[A-Za-z0-9+/]{43}=?$";
    const DESCRIPTION: &'static str =
        "The fingerprint of a machine's ssh key, as `ssh-keygen -l` shows it: `SHA256:…`.";
}

text_quantity!(HostKey, "HostKey");

#[cfg(test)]
mod tests {
    use super::HostKey;

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_shows() {
        let shown = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA";
        assert_eq!(shown.parse::<HostKey>().unwrap().to_string(), shown);
        assert_eq!(format!("{shown}=").parse::<HostKey>().unwrap().to_string(), shown);
        for wrong in [
            "uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PG",
            "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PG-",
            "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGB",
            "SHA256:",
        ] {
            assert!(wrong.parse::<HostKey>().is_err(), "{wrong}");
        }
    }
}
