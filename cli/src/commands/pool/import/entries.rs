//! The file of entries: what a list says is written into it, and the rest stays as it is.

use std::fmt::Write as _;

use lessor_specs::HostKey;

use super::list::Listed;

/// What an entry shall say.
pub(super) struct Entry<'l> {
    pub(super) listed: &'l Listed,
    pub(super) host_key: HostKey,
    /// Where its password is kept.
    pub(super) secret: String,
}

/// A file as it is edited: what stands before the first table, and each table with its lines.
pub(super) struct Entries {
    blocks: Vec<Block>,
}

struct Block {
    /// The machine it declares, if that is what it does.
    machine: Option<String>,
    lines: Vec<String>,
}

/// What the file says when it is new.
const HEAD: &str = "#:schema ./lessor.schema.json\n\n\
    # Machines that already exist, out of a list. `lessor pool import` writes what the list says and leaves\n\
    # what is added here: labels, `cordoned`, or a `key` instead of a password.\n";

impl Entries {
    /// Of a file, or a new one.
    pub(super) fn of(text: Option<&str>) -> Entries {
        let mut blocks = vec![Block { machine: None, lines: Vec::new() }];
        for line in text.unwrap_or(HEAD).lines() {
            if line.trim_start().starts_with('[') {
                blocks.push(Block { machine: machine_of(line), lines: Vec::new() });
            }
            if let Some(block) = blocks.last_mut() {
                block.lines.push(line.to_owned());
            }
        }
        Entries { blocks }
    }

    /// The machines it declares, in order.
    pub(super) fn machines(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter_map(|block| block.machine.as_deref())
    }

    /// Declares a pool of machines that are entered over ssh.
    pub(super) fn add_pool(&mut self, pool: &str) {
        self.add(None, vec![format!("[pool.{}]", key(pool)), "access = \"ssh\"".into()]);
    }

    /// Writes what an entry shall say; whether its machine is entered by a key of its own, which
    /// then stays.
    pub(super) fn write(&mut self, pool: &str, entry: &Entry<'_>) -> bool {
        let name = &entry.listed.name;
        let is_own = |block: &&mut Block| block.machine.as_deref() == Some(name);
        let Some(block) = self.blocks.iter_mut().find(is_own) else {
            let header = format!("[machine.{}]", key(name));
            self.add(Some(name.clone()), vec![header]);
            return self.write(pool, entry);
        };
        let has_key = block.find("key").is_some();
        let Listed { host, port, user, .. } = entry.listed;
        let is_root = user == "root";
        block.set("pool", Some(quoted(pool)));
        block.set("host", Some(quoted(host)));
        block.set("port", (*port != 22).then(|| port.to_string()));
        block.set("user", (!is_root).then(|| quoted(user)));
        block.set("sudo", (!is_root).then(|| "true".into()));
        block.set("password", (!has_key).then(|| quoted(&entry.secret)));
        block.set("host_key", Some(quoted(&entry.host_key.to_string())));
        has_key
    }

    /// As a file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.blocks.iter().flat_map(|block| &block.lines) {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// A table at the end, with an empty line before it.
    fn add(&mut self, machine: Option<String>, lines: Vec<String>) {
        let last = self.blocks.last_mut();
        if let Some(last) = last.filter(|last| last.lines.last().is_some_and(|l| !l.is_empty())) {
            last.lines.push(String::new());
        }
        self.blocks.push(Block { machine, lines });
    }
}

impl Block {
    /// The line of a field.
    fn find(&self, field: &str) -> Option<usize> {
        let is_field = |line: &String| {
            let rest = line.trim_start().strip_prefix(field);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        self.lines.iter().position(is_field)
    }

    /// Writes a field, or takes it away. A line that says the same stays as it is written.
    fn set(&mut self, field: &str, value: Option<String>) {
        let there = self.find(field);
        let Some(value) = value else {
            if let Some(line) = there {
                self.lines.remove(line);
            }
            return;
        };
        let line = format!("{field} = {value}");
        match there {
            Some(at) if means_the_same(&self.lines[at], &line) => {}
            Some(at) => self.lines[at] = line,
            None => {
                let last = self.lines.iter().rposition(|line| !line.trim().is_empty());
                self.lines.insert(last.map_or(0, |last| last + 1), line);
            }
        }
    }
}

fn means_the_same(a: &str, b: &str) -> bool {
    let read = |line: &str| line.parse::<toml::Table>().ok();
    read(a).is_some_and(|a| Some(a) == read(b))
}

/// The machine that the header of a table declares.
fn machine_of(header: &str) -> Option<String> {
    let table: toml::Table = header.parse().ok()?;
    let machines = table.get("machine")?.as_table()?;
    let (name, entry) = machines.iter().next()?;
    entry.as_table().is_some_and(toml::Table::is_empty).then(|| name.clone())
}

/// A name as a part of a header: with quotes where it holds a dot.
fn key(name: &str) -> String {
    if name.contains('.') { quoted(name) } else { name.to_owned() }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
