use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// So many digits of an id are what `docker ps` shows, and all of them.
const ID_DIGITS: std::ops::RangeInclusive<usize> = 12..=64;

/// The name or the id of a thing that was there before its entry: `shop_db_1`, `3f2a9c41b07e`,
/// `120`.
///
/// Of what Docker holds, what is written in 12 to 64 lower-case hexadecimal digits is an id, whole or from its beginning;
/// anything else is a name. Volumes have no ids, so for them it is always a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Adopted(String);

impl Adopted {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an id, for things that have ids.
    pub fn is_id(&self) -> bool {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ID_DIGITS.contains(&self.0.len()) && self.0.bytes().all(digit)
    }
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Adopted {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(inner);
        good.then(|| Adopted(text.into())).ok_or_else(|| {
            Malformed::new(
                Code::MalformedAdopted,
                "the name or the id of a thing as its host shows it, such as `shop_db_1`",
            )
        })
    }
}

impl TextQuantity for Adopted {
    const FORMAT: &'static str = "adopted";
    const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
    const DESCRIPTION: &'static str =
        "The name or the id of a thing that was there before its entry, such as `shop_db_1`.";
}

text_quantity!(Adopted, "Adopted");

#[cfg(test)]
mod tests {
    use super::Adopted;

    #[test]
    fn twelve_hexadecimal_digits_are_an_id_and_all_else_is_a_name() {
        let is_id = |text: &str| text.parse::<Adopted>().unwrap().is_id();
        assert!(is_id("3f2a9c41b07e") && is_id(&"a".repeat(64)));
        for name in ["shop_db_1", "3f2a9c41b07", "3F2A9C41B07E", &"a".repeat(65)] {
            assert!(!is_id(name), "{name}");
        }
        for bad in ["", "_a", "/web", "a b", "ü"] {
            assert!(bad.parse::<Adopted>().is_err(), "{bad}");
        }
    }
}
