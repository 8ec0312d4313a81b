//! The schema as an editor shows it.

use lessor_specs::json_schema;
use serde_json::Value;

/// An editor shows a description beside every field it completes and at every word one points at.
#[test]
fn every_part_of_the_schema_says_what_it_means() {
    let schema = json_schema();
    let mut silent = Vec::new();
    for (name, part) in schema["definitions"].as_object().into_iter().flatten() {
        silent.extend(silent_parts(name, part));
    }
    silent.extend(silent_parts("a spec file", &schema));
    assert!(silent.is_empty(), "nothing is said of {}", silent.join(", "));
}

/// The type itself and its fields, as far as they, or the words to choose from, are not described.
fn silent_parts(name: &str, part: &Value) -> Vec<String> {
    let is_silent = |part: &Value| part["description"].as_str().is_none_or(|text| text.len() < 4);
    let fields = part["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(field, part)| (format!("`{field}` of {name}"), part));
    let parts = [(name.to_owned(), part)].into_iter().chain(fields);
    parts
        .filter(|(_, part)| is_silent(part) || has_silent_words(part))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_schema_knows_no_null_and_forbids_unknown_fields_where_they_stand() {
    let text = json_schema().to_string();
    assert!(!text.contains("null"), "TOML has no null");
    assert!(
        !text.contains(r#""additionalProperties":false"#),
        "an editor would mark all around it"
    );
    assert!(text.contains("no field has this name"));
    assert!(!text.contains("oneOf"), "what may be chosen is listed");
}

/// Whether some word to choose from is not described.
fn has_silent_words(part: &Value) -> bool {
    let said = part["x-taplo"]["docs"]["enumValues"].as_array().map_or(0, |said| {
        said.iter().filter(|said| said.as_str().is_some_and(|said| !said.is_empty())).count()
    });
    part["enum"].as_array().is_some_and(|words| words.len() != said)
}
