//! What interfaces are called: by id here, and as the firewall is set there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// How a firewall calls its interfaces in what it says and in what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Manner {
    /// `opt2`.
    #[default]
    Id,
    /// `TENANTS`.
    Descr,
    /// `vtnet1.100`.
    If,
}

/// The interfaces of a firewall that calls them otherwise than by id.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<String, String>,
    shown: BTreeMap<String, String>,
}

impl Names {
    /// Of the interfaces in a listing, whose own ids are ids in every manner.
    pub(super) fn of(listing: &[Value], manner: Manner) -> Self {
        let mut names = Names::default();
        let text = |interface: &Value, field: &str| {
            interface.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for interface in listing {
            let id = text(interface, "id");
            let shown = match manner {
                Manner::Id => id.clone(),
                Manner::If => text(interface, "if"),
                Manner::Descr => match text(interface, "descr") {
                    // One without a description is called by its id, aloud.
                    none if none.is_empty() => id.to_uppercase(),
                    descr => descr,
                },
            };
            names.ids.insert(shown.clone(), id.clone());
            names.shown.insert(id, shown);
        }
        names
    }

    /// Whether the interfaces in these fields of an object are known by what they are shown as.
    pub(super) fn know(&self, object: &Map<String, Value>, fields: &[&str]) -> bool {
        let values = fields.iter().filter_map(|field| object.get(*field));
        let mut names = values.flat_map(|value| match value {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect::<Vec<_>>(),
        });
        names.all(|name| name.is_empty() || self.ids.contains_key(name))
    }

    /// Calls the interfaces in these fields by id.
    pub(super) fn by_id(&self, object: &mut Map<String, Value>, fields: &[&str]) {
        rename(object, fields, &self.ids);
    }

    /// Calls the interfaces in these fields as the firewall does.
    pub(super) fn as_shown(&self, object: &mut Map<String, Value>, fields: &[&str]) {
        rename(object, fields, &self.shown);
    }
}

fn rename(object: &mut Map<String, Value>, fields: &[&str], names: &BTreeMap<String, String>) {
    for field in fields {
        match object.get_mut(*field) {
            Some(Value::Array(values)) => {
                for value in values {
                    rename_one(value, names);
                }
            }
            Some(value) => rename_one(value, names),
            None => {}
        }
    }
}

/// An interface may stand as `!lan` and as `lan:ip`; what is none stays as it is.
fn rename_one(value: &mut Value, names: &BTreeMap<String, String>) {
    let Some(text) = value.as_str() else { return };
    let (not, bare) = match text.strip_prefix('!') {
        Some(bare) => ("!", bare),
        None => ("", text),
    };
    let (bare, address) = match bare.strip_suffix(":ip") {
        Some(bare) => (bare, ":ip"),
        None => (bare, ""),
    };
    if let Some(name) = names.get(bare) {
        *value = Value::String(format!("{not}{name}{address}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_interface_is_found_wherever_it_may_stand_and_nothing_else_is_touched() {
        let listing = [
            json!({"id": "lan", "if": "vtnet1", "descr": "LAN"}),
            json!({"id": "opt1", "if": "vtnet2", "descr": ""}),
        ];
        let rule = json!({"interface": ["LAN", "OPT1"], "source": "!LAN", "destination": "OPT1:ip",
            "descr": "LAN", "target": "10.0.0.1", "gateway": null});
        let Value::Object(rule) = rule else { unreachable!() };
        let fields = ["interface", "source", "destination", "target", "gateway", "none"];
        let names = Names::of(&listing, Manner::Descr);

        let mut ours = rule.clone();
        names.by_id(&mut ours, &fields);

        let expected = json!({"interface": ["lan", "opt1"], "source": "!lan",
            "destination": "opt1:ip", "descr": "LAN", "target": "10.0.0.1", "gateway": null});
        assert_eq!(Value::Object(ours.clone()), expected);
        names.as_shown(&mut ours, &fields);
        assert_eq!(ours, rule);
        assert!(names.know(&rule, &["interface", "none"]) && !names.know(&rule, &["target"]));
    }
}
