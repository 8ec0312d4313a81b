use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// How many bytes a key has.
const LENGTH: usize = 32;

/// The public key of an end of a `WireGuard` tunnel, as `wg pubkey` shows it: 32 bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(String);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PublicKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match STANDARD.decode(text) {
            Ok(bytes) if bytes.len() == LENGTH => Ok(PublicKey(text.into())),
            _ => Err(Malformed::new(
                Code::MalformedPublicKey,
                "a public key of WireGuard, 43 letters and `=`",
            )
            .hint("`wg pubkey < private.key` shows it")),
        }
    }
}

impl TextQuantity for PublicKey {
    const FORMAT: &'static str = "public-key";
    const PATTERN: &'static str = "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$";
    const DESCRIPTION: &'static str = "A public key of WireGuard, as `wg pubkey` shows it.";
}

text_quantity!(PublicKey, "PublicKey");

#[cfg(test)]
mod tests {
    use super::PublicKey;

    #[test]
    fn a_public_key_is_what_wg_shows() {
        let shown = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
        assert_eq!(shown.parse::<PublicKey>().unwrap().to_string(), shown);
        for wrong in [
            "",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dh=",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8D==",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8D-=",
            "AAAAC3NzaC1lZDI1NTE5AAAAIPvUgfY1rZ1NHL9sf5W2HqWb1Yc=",
        ] {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
    }
}
