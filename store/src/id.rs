//! Ids of what is remembered: a word that says what it is, and a number that sorts by time.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

/// A text is no id of the sort that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}` and 26 characters")]
pub struct NotAnId {
    /// What the id begins with.
    pub prefix: &'static str,
}

/// Declares a sort of id.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What all of them begin with.
            pub const PREFIX: &'static str = $prefix;

            /// Made from a number that nobody had before.
            pub fn new(number: Ulid) -> Self {
                $name(format!("{}{number}", $prefix))
            }

            /// As it is written everywhere.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let number = text.strip_prefix($prefix).filter(|number| is_number(number));
                number.map(|_| $name(text.to_owned())).ok_or(NotAnId { prefix: $prefix })
            }
        }
    };
}

id!(
    /// Of a person.
    AccountId,
    "usr_"
);
id!(
    /// Of a login.
    SessionId,
    "ses_"
);
id!(
    /// Of a key of a program; not the key itself.
    KeyId,
    "key_"
);

/// Whether a text is a number as it is written by us, and not one of the other ways to write it.
fn is_number(text: &str) -> bool {
    Ulid::from_string(text).is_ok_and(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_one_way_only() {
        let id = AccountId::new(Ulid::from_parts(1, 2));
        assert_eq!(id.as_str(), "usr_00000000010000000000000002");
        assert_eq!(id.as_str().parse(), Ok(id));
        for wrong in [
            "",
            "usr_",
            "key_00000000010000000000000002",
            "usr_0000000001000000000000000",
            "usr_0000000001000000000000000l",
            "usr_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "usr_000000000100000000000000O2",
        ] {
            assert_eq!(wrong.parse::<AccountId>(), Err(NotAnId { prefix: "usr_" }), "{wrong}");
        }
    }
}
