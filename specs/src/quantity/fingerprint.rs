use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// SHA-256 of the certificate that an API shows: `sha256:` and 64 hexadecimal digits.
///
/// The form with colons, as `openssl` and Proxmox VE show it, is read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = || {
            Malformed::new(
                Code::MalformedFingerprint,
                "the SHA-256 fingerprint of a certificate, `sha256:` and 64 hexadecimal digits",
            )
            .hint("`openssl x509 -noout -fingerprint -sha256 -in FILE` shows it")
        };
        let digits = text.get(..7).filter(|name| name.eq_ignore_ascii_case("sha256:"));
        let digits = digits.map_or(text, |name| &text[name.len()..]);
        let pairs: Vec<&str> = if digits.contains(':') {
            digits.split(':').collect()
        } else if digits.is_ascii() && digits.len() % 2 == 0 {
            (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect()
        } else {
            return Err(expected());
        };
        let byte = |pair: &&str| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            u8::from_str_radix(pair, 16).ok().filter(|_| is_pair)
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Fingerprint).ok_or_else(expected)
    }
}

impl TextQuantity for Fingerprint {
    const FORMAT: &'static str = "fingerprint";
    const PATTERN: &'static str = "^([sS][hH][aA]256:)?([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$";
    const DESCRIPTION: &'static str =
        "The SHA-256 fingerprint of a certificate: `sha256:` and 64 hexadecimal digits.";
}

text_quantity!(Fingerprint, "Fingerprint");

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn a_fingerprint_is_read_as_tools_show_it() {
        let canonical = format!("sha256:{}", "4a8e".repeat(16));
        let colons = vec!["4A:8E"; 16].join(":");
        for text in [&canonical, &"4a8e".repeat(16), &colons, &format!("SHA256:{colons}")] {
            assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), canonical);
        }
        for wrong in ["", "sha256:", "4a", &"4a8e".repeat(15), &"zz8e".repeat(16), &"é".repeat(32)]
        {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
