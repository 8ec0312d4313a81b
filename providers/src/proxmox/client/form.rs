//! What is sent: parameters, and the parts of a path.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

/// All but what never has a meaning of its own. A bare `;` parts parameters just as `&` does, so
/// what looks harmless is encoded too.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters of a call, in order.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, Given)>);

#[derive(Clone)]
enum Given {
    Open(String),
    Secret(SecretString),
}

impl Form {
    /// No parameters yet.
    pub fn new() -> Self {
        Form::default()
    }

    /// With another one.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Display) -> Self {
        self.0.push((key.into(), Given::Open(value.to_string())));
        self
    }

    /// With another one, if there is a value.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With `key=1`, if so. Words such as `true` are not understood here.
    #[must_use]
    pub fn with_flag(self, key: &str, on: bool) -> Self {
        if on { self.with(key, 1) } else { self }
    }

    /// With `key=1` or `key=0`.
    #[must_use]
    pub fn with_switch(self, key: &str, on: bool) -> Self {
        self.with(key, u8::from(on))
    }

    /// With one that is shown to nobody but the cluster.
    #[must_use]
    pub fn with_secret(mut self, key: impl Into<String>, value: SecretString) -> Self {
        self.0.push((key.into(), Given::Secret(value)));
        self
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn encoded(&self) -> String {
        let pair = |(key, given): &(String, Given)| {
            let value = match given {
                Given::Open(value) => value,
                Given::Secret(value) => value.expose_secret(),
            };
            format!("{}={}", encoded(key), encoded(value))
        };
        self.0.iter().map(pair).collect::<Vec<_>>().join("&")
    }

    /// A text of the cluster without the secrets that it repeats.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (_, given)| match given {
            Given::Secret(secret) if !secret.expose_secret().is_empty() => {
                text.replace(secret.expose_secret(), "…")
            }
            _ => text,
        })
    }
}

/// Names alone: values may be anybody's.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

/// The text with every character encoded that could mean something.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

pub(super) fn path(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| encoded(part)).collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parts_parameters_is_encoded() {
        let form = Form::new()
            .with("tags", "b;a & c=d")
            .with("description", "zwei\nZeilen ä+%")
            .with_flag("full", true)
            .with_flag("start", false)
            .with_switch("enable", false)
            .with_some("pool", None::<&str>)
            .with_secret("cipassword", SecretString::from("a;b"));
        let encoded = "tags=b%3Ba%20%26%20c%3Dd&description=zwei%0AZeilen%20%C3%A4%2B%25&full=1\
                       &enable=0&cipassword=a%3Bb";
        assert_eq!(form.encoded(), encoded);
        assert_eq!(path(&["nodes", "n1", "local:iso/x y"]), "/nodes/n1/local%3Aiso%2Fx%20y");
    }

    #[test]
    fn no_value_is_shown() {
        let form = Form::new().with_secret("password", SecretString::from("hunter2"));
        assert_eq!(format!("{form:?}"), r#"["password"]"#);
        assert_eq!(form.scrubbed("got 'hunter2'"), "got '…'");
    }
}
