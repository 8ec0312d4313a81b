use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

const SCHEME: &str = "secret://";

/// Where a secret is kept: `secret://env/NAME` or `secret://file/path`.
///
/// The value itself is never part of a spec, a plan or a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// An environment variable of the process that runs lessor.
    Env(String),
    /// A file, relative to the spec directory; one line break at its end is not part of the value.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "{SCHEME}env/{name}"),
            SecretRef::File(path) => write!(f, "{SCHEME}file/{path}"),
        }
    }
}

impl FromStr for SecretRef {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = || {
            Malformed::new(
                Code::MalformedSecret,
                "a reference to a secret, `secret://env/NAME` or `secret://file/path`",
            )
            .hint("a secret never stands in a spec file; keep it elsewhere and point to it")
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(expected)?;
        match rest.split_once('/') {
            Some(("env", name)) if is_variable(name) => Ok(SecretRef::Env(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.into())),
            _ => Err(expected()),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl TextQuantity for SecretRef {
    const FORMAT: &'static str = "secret-ref";
    const PATTERN: &'static str = "^secret://(env/[A-Za-z0-9_]+|file/.+)$";
    const DESCRIPTION: &'static str =
        "Where a secret is kept: `secret://env/NAME` or `secret://file/path`.";
}

text_quantity!(SecretRef, "SecretRef");

/// The value of an environment variable: plain text, or where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvValue {
    /// Text, as it stands.
    Plain(String),
    /// A reference, resolved at the edge.
    Secret(SecretRef),
}

impl fmt::Display for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvValue::Plain(text) => f.write_str(text),
            EnvValue::Secret(secret) => fmt::Display::fmt(secret, f),
        }
    }
}

impl FromStr for EnvValue {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.starts_with(SCHEME) {
            return text.parse().map(EnvValue::Secret);
        }
        if text.contains('\0') {
            return Err(Malformed::new(Code::MalformedVariable, "text without a NUL character"));
        }
        Ok(EnvValue::Plain(text.into()))
    }
}

impl TextQuantity for EnvValue {
    const FORMAT: &'static str = "env-value";
    const PATTERN: &'static str = "";
    const DESCRIPTION: &'static str = "Text, or where a secret is kept: `secret://env/NAME`.";
}

text_quantity!(EnvValue, "EnvValue");

/// Whether a variable called `name` with this plain `value` is very likely a secret.
///
/// A name that ends in a word for secrets counts unless the value is a mere switch or number
/// (`MYSQL_ALLOW_EMPTY_PASSWORD=yes`), and so does a URL with a password in it.
pub fn looks_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
    ];
    let switch = matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "yes" | "no" | "true" | "false" | "on" | "off"
    ) || value.bytes().all(|b| b.is_ascii_digit()) && value.len() < 4;
    let upper = name.to_ascii_uppercase();
    (WORDS.iter().any(|word| upper.ends_with(word)) && !switch) || url_password(value)
}

fn url_password(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    plain
        && user
            .and_then(|user| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::looks_secret;

    #[test]
    fn what_looks_like_a_secret_is_told_from_switches() {
        for (name, value) in [
            ("DB_PASSWORD", "hunter2"),
            ("api_token", "abc"),
            ("DATABASE_URL", "postgres://app:hunter2@db/app"),
        ] {
            assert!(looks_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"),
            ("TOKEN_TTL", "3600"),
            ("PASSWORD", ""),
            ("HOME_URL", "https://example.net/a:b@c"),
            ("DATABASE_URL", "postgres://app@db/app"),
        ] {
            assert!(!looks_secret(name, value), "{name}={value}");
        }
    }
}
