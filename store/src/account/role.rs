//! What somebody may be: words that stand in columns and in answers.

use std::fmt;
use std::str::FromStr;

/// Declares a list of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// As it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| {
                    let words = Self::ALL.iter().map(|word| format!("`{word}`"));
                    format!("expected {}: {}", $what, words.collect::<Vec<_>>().join(", "))
                })
            }
        }
    };
}

words!(
    /// What a member of a tenant may do there.
    Role,
    "a role",
    /// Everything, and decides who else does.
    Owner = "owner",
    /// Everything but what only owners decide.
    Admin = "admin",
    /// Orders and runs things.
    Operator = "operator",
    /// Looks.
    Viewer = "viewer"
);

words!(
    /// What somebody may do in every tenant.
    PlatformRole,
    "a role",
    /// Everything.
    Admin = "admin",
    /// What is about money.
    Billing = "billing",
    /// Looks, and helps to run things.
    Support = "support",
    /// Looks, at what was done too.
    Auditor = "auditor"
);

words!(
    /// Whether an account may be used.
    Status,
    "a status",
    /// It may.
    Active = "active",
    /// It may not for now.
    Suspended = "suspended",
    /// It may never again.
    Banned = "banned"
);
