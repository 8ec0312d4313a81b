//! Property strings: `virtio=02:00:00:AA:BB:01,bridge=vmbr0,firewall=1`.

use std::collections::BTreeMap;

use super::check;
use super::tables::{Fields, Kind, Schema, tables};

/// Keys and values of a property string.
pub(super) type Properties = BTreeMap<String, String>;

/// Takes a property string of that format apart.
///
/// # Errors
/// What the real system says of it, with its line breaks.
pub(super) fn parse(format: &str, text: &str) -> Result<Properties, String> {
    let Some(fields) = tables().property_strings.get(format) else {
        return Err(format!("undefined format '{format}'\n"));
    };
    let mut found = Properties::new();
    let mut default_seen = None;
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        match part.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                insert(fields, &mut found, key, value)?;
            }
            Some(_) => return Err("missing key in comma-separated list property\n".into()),
            None => {
                let duplicate =
                    |key: &str| format!("duplicate key in comma-separated list property: {key}\n");
                if let Some(key) = default_seen {
                    return Err(duplicate(key));
                }
                let default = fields.iter().find(|(_, schema)| schema.is_default);
                let Some((key, schema)) = default else {
                    return Err(
                        "value without key, but schema does not define a default key\n".into()
                    );
                };
                if found.contains_key(key) {
                    return Err(duplicate(key));
                }
                found.insert(key.clone(), spelled(schema, part));
                default_seen = Some(key);
            }
        }
    }
    let mut errors = BTreeMap::new();
    check::fields(fields, &found, "", &mut errors);
    if errors.is_empty() {
        return Ok(found);
    }
    Err(check::format_error(&errors))
}

fn insert(fields: &Fields, found: &mut Properties, key: &str, value: &str) -> Result<(), String> {
    if found.contains_key(key) {
        return Err(format!("duplicate key in comma-separated list property: {key}\n"));
    }
    let mut key = key;
    let mut schema = fields.get(key);
    if let Some(alias) = schema.and_then(|schema| schema.alias.as_deref()) {
        if let Some(kind) = schema.and_then(|schema| schema.key_alias.as_deref()) {
            if found.contains_key(kind) {
                return Err(format!("key alias '{kind}' is already defined\n"));
            }
            found.insert(kind.to_owned(), key.to_owned());
        }
        key = alias;
        schema = fields.get(key);
    }
    let value = schema.map_or_else(|| value.to_owned(), |schema| spelled(schema, value));
    found.insert(key.to_owned(), value);
    Ok(())
}

/// Flags have more spellings inside of property strings than outside.
fn spelled(schema: &Schema, value: &str) -> String {
    let flag = (schema.kind == Kind::Flag).then(|| flag(value)).flatten();
    flag.map_or_else(|| value.to_owned(), |flag| if flag { "1".into() } else { "0".into() })
}

/// The flag that a text spells.
fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// Puts a property string together as the real system does: first the key whose name may be left
/// out, without its name, then what must be there, then the rest, each in order of the alphabet.
pub(super) fn print(format: &str, properties: &Properties) -> String {
    let empty = Fields::new();
    let fields = tables().property_strings.get(format).unwrap_or(&empty);
    let mut parts = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for key in fields.iter().filter(|(_, schema)| schema.is_default).map(|(key, _)| key) {
        let Some(value) = properties.get(key) else { continue };
        done.push(key);
        // `virtio=MAC`: the value of one key is the name of another.
        let named = fields.get(value.as_str()).filter(|named| named.key_alias.is_some());
        let other = named.and_then(|named| named.alias.as_deref());
        match other.and_then(|other| properties.get(other).map(|text| (other, text))) {
            Some((other, text)) => {
                done.push(other);
                parts.push(format!("{value}={text}"));
            }
            None => parts.push(value.clone()),
        }
    }
    let required = |key: &str| fields.get(key).is_some_and(|schema| !schema.optional);
    for must in [true, false] {
        for (key, value) in properties {
            if !done.contains(&key.as_str()) && required(key) == must {
                parts.push(format!("{key}={value}"));
            }
        }
    }
    parts.join(",")
}
