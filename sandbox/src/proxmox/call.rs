//! A call that passed all checks, on its way to what answers it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::formats;
use super::refusal::{Refusal, Result};
use super::world::World;

/// What answers a method.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Value>;

/// A call that passed all checks.
pub(super) struct Call<'a> {
    pub(super) world: &'a mut World,
    pub(super) caller: Caller,
    /// The node of the path, or the one that answers.
    pub(super) node: String,
    pub(super) given: Params,
    /// Members that stand beside `data` in the answer.
    pub(super) siblings: Map<String, Value>,
    /// The path template, for handlers that serve several.
    pub(super) path: &'static str,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Caller {
    /// `root@pam`
    pub(super) user: String,
    /// The id of the token, when it is one.
    pub(super) token: Option<String>,
}

impl Caller {
    /// `root@pam!t1`, or `root@pam`.
    pub(super) fn id(&self) -> String {
        match &self.token {
            Some(token) => format!("{}!{token}", self.user),
            None => self.user.clone(),
        }
    }

    /// Whether it is root itself; a token of root is not.
    pub(super) fn is_root(&self) -> bool {
        self.user == "root@pam" && self.token.is_none()
    }
}

/// Parameters of a call, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Params(pub(super) BTreeMap<String, String>);

impl Params {
    /// The text of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text of a parameter that the tables demand.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a flag is given and set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }

    /// A number, when it is given and one.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|text| text.trim_start_matches('+').parse().ok())
    }

    /// The items of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        formats::items(self.text(name)).map(str::to_owned).collect()
    }

    /// The id of the guest in the path.
    pub(super) fn vmid(&self) -> u32 {
        self.number("vmid").and_then(|id| u32::try_from(id).ok()).unwrap_or_default()
    }

    /// Takes a parameter out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// All but these.
    pub(super) fn without(&self, names: &[&str]) -> BTreeMap<String, String> {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        kept.map(|(name, text)| (name.clone(), text.clone())).collect()
    }
}

impl Call<'_> {
    /// Goes on only with all these privileges.
    pub(super) fn demand(&self, path: &str, privileges: &[&str]) -> Result<()> {
        self.world.demand(&self.caller, path, privileges)
    }

    /// Whether the caller has all these privileges.
    pub(super) fn may(&self, path: &str, privileges: &[&str]) -> bool {
        self.demand(path, privileges).is_ok()
    }

    /// Whether the caller has one of these privileges.
    pub(super) fn may_any(&self, path: &str, privileges: &[&str]) -> bool {
        self.world.demand_any(&self.caller, path, privileges).is_ok()
    }

    /// Goes on only when the digest that was given, if any, is still that of the file.
    pub(super) fn same_digest(&self, digest: &str) -> Result<()> {
        match self.given.get("digest") {
            Some(given) if given != digest => Err(Refusal::failed(
                "detected modified configuration - file changed by other user? Try again.",
            )),
            _ => Ok(()),
        }
    }
}

/// A value as the real system writes it: numbers and flags of configuration files are numbers.
pub(super) fn typed(kind: super::tables::Kind, text: &str) -> Value {
    use super::tables::Kind;
    match kind {
        Kind::Integer | Kind::Flag => {
            text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
        }
        Kind::Text | Kind::Number | Kind::List => Value::from(text),
    }
}

/// SHA-1 of a file, as the real system makes digests.
pub(super) fn digest(file: &str) -> String {
    use sha1::{Digest as _, Sha1};
    let mut text = String::with_capacity(40);
    for byte in Sha1::digest(file.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Options as lines of a file.
pub(super) fn lines(options: &BTreeMap<String, String>) -> String {
    options.iter().fold(String::new(), |mut file, (key, value)| {
        file.push_str(&format!("{key}: {value}\n"));
        file
    })
}
