//! The interface: methods, their parameters, and the keys of property strings.
//!
//! Tables are text, one file for each theme, because their rows are many and alike:
//!
//! ```text
//! group NAME                       parameters that several methods share
//! VERB /path/{variable} RIGHT …    a method; `relayed`: the root daemon answers; `no-token`
//!   use NAME                       the parameters of a group
//!   name? type format 1..5 chars:2..8 =one|two needs:other ~pattern
//!   key -> other model             another name of `other`, which also says what `model` is
//! ```
//!
//! `?` marks what may be absent, `*` the key whose name may be left out, `name[0-3]` a family.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// What is known of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    pub(super) kind: Kind,
    pub(super) optional: bool,
    /// In a property string: the key whose name may be left out.
    pub(super) is_default: bool,
    /// What the text must look like, by name: a format or a property string.
    pub(super) format: Option<String>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) shortest: Option<usize>,
    pub(super) longest: Option<usize>,
    pub(super) choices: Vec<String>,
    pub(super) pattern: Option<Regex>,
    /// Another parameter that must be there as well.
    pub(super) needs: Option<String>,
    /// In a property string: this is another name of that key …
    pub(super) alias: Option<String>,
    /// … and says what this key is.
    pub(super) key_alias: Option<String>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Text,
    Integer,
    Number,
    Flag,
    List,
}

impl Kind {
    /// What the real system calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Flag => "boolean",
            Kind::List => "array",
        }
    }
}

/// Names and what is known of their values.
pub(super) type Fields = BTreeMap<String, Schema>;

/// A method of the interface.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) verb: &'static str,
    pub(super) path: &'static str,
    /// Who may call it; `access` reads this.
    pub(super) right: String,
    /// Whether the root daemon answers it.
    pub(super) relayed: bool,
    /// Whether API tokens are refused.
    pub(super) no_token: bool,
    pub(super) parameters: Fields,
}

/// The whole interface.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) methods: Vec<Method>,
    pub(super) groups: BTreeMap<&'static str, Fields>,
    pub(super) property_strings: BTreeMap<&'static str, Fields>,
    /// What lists what: the path, the key of its rows, and their values.
    pub(super) indexes: BTreeMap<&'static str, (&'static str, Vec<&'static str>)>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    for text in [
        include_str!("tables/access.txt"),
        include_str!("tables/cluster.txt"),
        include_str!("tables/firewall.txt"),
        include_str!("tables/lxc.txt"),
        include_str!("tables/network.txt"),
        include_str!("tables/nodes.txt"),
        include_str!("tables/pools.txt"),
        include_str!("tables/property_strings.txt"),
        include_str!("tables/qemu.txt"),
        include_str!("tables/sdn.txt"),
        include_str!("tables/storage.txt"),
        include_str!("tables/tasks.txt"),
    ] {
        read(text, &mut tables);
    }
    for line in include_str!("tables/indexes.txt").lines() {
        let mut words = line.split(' ');
        if let (Some(path), Some(key)) = (words.next(), words.next()) {
            tables.indexes.insert(path, (key, words.collect()));
        }
    }
    tables
});

/// The interface.
pub(super) fn tables() -> &'static Tables {
    &TABLES
}

/// What the lines under a head belong to.
enum Section {
    Group(&'static str),
    PropertyString(&'static str),
    Method,
}

fn read(text: &'static str, tables: &mut Tables) {
    let mut section = Section::Method;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let Some(row) = line.strip_prefix("  ") else {
            section = head(line, tables);
            continue;
        };
        let shared = row.strip_prefix("use ").and_then(|name| tables.groups.get(name).cloned());
        let fields = match section {
            Section::Group(name) => tables.groups.entry(name).or_default(),
            Section::PropertyString(name) => tables.property_strings.entry(name).or_default(),
            Section::Method => match tables.methods.last_mut() {
                Some(method) => &mut method.parameters,
                None => continue,
            },
        };
        match shared {
            Some(shared) => fields.extend(shared),
            None => fields.extend(rows(row)),
        }
    }
}

fn head(line: &'static str, tables: &mut Tables) -> Section {
    let mut words = line.split(' ');
    match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("group", name) => Section::Group(name),
        ("propstring", name) => Section::PropertyString(name),
        (verb, path) => {
            let rest: Vec<&str> = words.collect();
            tables.methods.push(Method {
                verb,
                path,
                right: rest.first().copied().unwrap_or("root").to_owned(),
                relayed: rest.contains(&"relayed"),
                no_token: rest.contains(&"no-token"),
                parameters: path_parameters(path),
            });
            Section::Method
        }
    }
}

/// What every path with these variables takes.
fn path_parameters(path: &str) -> Fields {
    let mut fields = Fields::new();
    for (name, row) in
        [("{node}", "node string pve-node"), ("{vmid}", "vmid integer pve-vmid 100..999999999")]
    {
        if path.contains(name) {
            fields.extend(rows(row));
        }
    }
    fields
}

/// A row; a family is as many of them as it has members.
fn rows(row: &str) -> Vec<(String, Schema)> {
    let (name, rest) = row.split_once(' ').unwrap_or((row, "string"));
    let optional = name.ends_with('?');
    let is_default = name.starts_with('*');
    let name = name.trim_matches(['?', '*']);
    let schema = Schema { optional, is_default, ..schema(rest) };
    let Some((stem, bounds)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return vec![(name.to_owned(), schema)];
    };
    let (_, last) = bounds.split_once('-').unwrap_or(("0", bounds));
    let last: usize = last.parse().unwrap_or_default();
    (0..=last).map(|n| (format!("{stem}{n}"), schema.clone())).collect()
}

fn schema(text: &str) -> Schema {
    let mut schema = Schema::default();
    let (text, pattern) = match text.split_once(" ~") {
        Some((text, pattern)) => (text, Some(pattern)),
        None => (text, None),
    };
    // Every pattern stands in a table; one that is none would match nothing, and a test says so.
    schema.pattern = pattern.and_then(compiled);
    let mut words = text.split(' ');
    match words.next() {
        Some("->") => {
            schema.alias = words.next().map(Into::into);
            schema.key_alias = words.next().map(Into::into);
            return schema;
        }
        Some("integer") => schema.kind = Kind::Integer,
        Some("number") => schema.kind = Kind::Number,
        Some("boolean") => schema.kind = Kind::Flag,
        Some("array") => schema.kind = Kind::List,
        _ => {}
    }
    for word in words {
        if let Some(choices) = word.strip_prefix('=') {
            schema.choices = choices.split('|').flat_map(choices_of).collect();
        } else if let Some(other) = word.strip_prefix("needs:") {
            schema.needs = Some(other.into());
        } else if let Some((least, most)) =
            word.strip_prefix("chars:").and_then(|word| word.split_once(".."))
        {
            schema.shortest = least.parse().ok();
            schema.longest = most.parse().ok();
        } else if word.starts_with("for:") {
            // Which types of a storage or a realm take it: nothing that is checked here.
        } else if let Some((least, most)) = word.split_once("..") {
            schema.minimum = least.parse().ok();
            schema.maximum = most.parse().ok();
        } else {
            schema.format = Some(word.into());
        }
    }
    schema
}

/// A pattern, for the whole of a text.
fn compiled(pattern: &str) -> Option<Regex> {
    let whole = format!("^(?:{pattern})$");
    // One pattern repeats a class of all letters there are.
    RegexBuilder::new(&whole).size_limit(64 << 20).build().ok()
}

/// `scsi0..30` is thirty-one choices.
fn choices_of(text: &str) -> Vec<String> {
    let family = text.split_once("..").and_then(|(first, last)| {
        let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
        let from: usize = first[stem.len()..].parse().ok()?;
        let to: usize = last.parse().ok()?;
        Some((from..=to).map(|n| format!("{stem}{n}")).collect())
    });
    family.unwrap_or_else(|| vec![text.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        let texts = [
            include_str!("tables/access.txt"),
            include_str!("tables/cluster.txt"),
            include_str!("tables/firewall.txt"),
            include_str!("tables/lxc.txt"),
            include_str!("tables/nodes.txt"),
            include_str!("tables/property_strings.txt"),
            include_str!("tables/qemu.txt"),
            include_str!("tables/sdn.txt"),
            include_str!("tables/storage.txt"),
        ];
        let lines = texts.into_iter().flat_map(str::lines);
        let patterns = lines.filter_map(|line| line.split_once(" ~"));
        let broken: Vec<_> = patterns.filter(|(_, pattern)| compiled(pattern).is_none()).collect();
        assert_eq!(broken, []);
    }

    #[test]
    fn a_row_says_what_a_value_may_be() {
        let of = |row| rows(row).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(of("net[0-2]? string"), ["net0", "net1", "net2"]);
        let (_, disk) = rows("*disk? string chars:2..9 =ide0..1|efidisk0 needs:size").remove(0);
        assert_eq!((disk.is_default, disk.optional), (true, true));
        assert_eq!(disk.choices, ["ide0", "ide1", "efidisk0"]);
        assert_eq!((disk.shortest, disk.longest), (Some(2), Some(9)));
        assert_eq!(disk.needs.as_deref(), Some("size"));
    }
}
