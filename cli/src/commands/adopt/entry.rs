//! What an entry says, as TOML.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;

use lessor_plans::{Body, ContainerBody, HealthcheckBody, NetworkBody, VolumeBody};
use lessor_specs::EnvValue;
use lessor_specs::kinds::{Logging, Protocol, Restart};

use super::choose::{Chosen, Thing};
use super::files::{SECRETS, Value};

/// How a reference to a secret begins: plain text of that form has to be one.
const REFERENCE: &str = "secret://";

/// Writes one spec file, and says which secrets it refers to.
pub(super) struct Writer {
    text: String,
    /// By path from the spec directory.
    secrets: BTreeMap<String, Value>,
}

impl Writer {
    /// Begins the file that will stand at `output`.
    pub(super) fn new(dir: &Path, output: &str) -> Self {
        let mut text = String::new();
        let schema = "lessor.schema.json";
        if !output.contains('/') && dir.join(schema).exists() {
            let _ = writeln!(text, "#:schema ./{schema}\n");
        }
        text.push_str(
            "# Written by `lessor adopt`. `adopted` names a thing that was there before its entry,\n\
             # and stands for the mark that Docker gives to new things only. An entry that is taken\n\
             # out of this file leaves its thing as it is.\n",
        );
        Writer { text, secrets: BTreeMap::new() }
    }

    /// The file as far as it is written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The secrets it refers to, by path from the spec directory.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.secrets.iter().map(|(path, value)| (path.as_str(), value))
    }

    /// Declares the engine that `DOCKER_HOST` or the local socket leads to.
    pub(super) fn declare_host(&mut self, name: &str) {
        let _ = writeln!(self.text, "\n[docker.{}]", key(name));
    }

    /// Writes the entry of a thing; with its connection, if that has to be said.
    pub(super) fn entry(&mut self, thing: &Thing<'_>, chosen: &Chosen<'_>, docker: Option<&str>) {
        let address = &thing.address;
        self.text.push('\n');
        if !thing.found.beyond.is_empty() {
            let beyond = cleaned(&thing.found.beyond.join(", "));
            let _ = writeln!(self.text, "# A new one in its place would lose {beyond}.");
        }
        let _ = writeln!(self.text, "[{}.{}]", address.kind(), key(address.name()));
        if let Some(docker) = docker {
            self.field("docker", quoted(docker));
        }
        self.field("adopted", quoted(thing.found.body.name()));
        match &thing.found.body {
            Body::Network(network) => self.network(network),
            Body::Volume(volume) => self.volume(volume),
            Body::Container(container) => self.container(thing, container, chosen),
            // Only Docker is adopted from.
            _ => {}
        }
    }

    fn network(&mut self, body: &NetworkBody) {
        if let Some(subnet) = body.subnet {
            self.field("subnet", quoted(&subnet.to_string()));
        }
        if body.internal {
            self.field("internal", true);
        }
        self.pairs("labels", &body.labels);
    }

    fn volume(&mut self, body: &VolumeBody) {
        if body.driver != "local" {
            self.field("driver", quoted(&body.driver));
        }
        self.pairs("options", &body.options);
        self.pairs("labels", &body.labels);
    }

    fn container(&mut self, thing: &Thing<'_>, body: &ContainerBody, chosen: &Chosen<'_>) {
        self.field("image", quoted(&body.image));
        for (name, words) in [("entrypoint", &body.entrypoint), ("command", &body.command)] {
            if let Some(words) = words {
                self.field(name, list(words.iter().map(|word| quoted(word))));
            }
        }
        if let Some(user) = &body.user {
            self.field("user", quoted(user));
        }
        let entry = |sort, name: &str| {
            let entry = chosen.entries.iter().find(|((s, n), _)| *s == sort && *n == name);
            quoted(entry.map_or(name, |(_, address)| address.name()))
        };
        if !body.networks.is_empty() {
            self.field("networks", list(body.networks.iter().map(|name| entry("network", name))));
        }
        if !body.mounts.is_empty() {
            let mounts = body.mounts.iter().map(|(path, mount)| {
                let (volume, path) = (entry("volume", &mount.volume), quoted(path));
                let read_only = if mount.read_only { ", read_only = true" } else { "" };
                format!("{{ volume = {volume}, path = {path}{read_only} }}")
            });
            self.field("volumes", list(mounts));
        }
        self.ports(body);
        self.limits(body);
        if let Some(logging) = &body.logging {
            self.field("logging", logging_table(logging));
        }
        if let Some(check) = &body.healthcheck {
            self.field("healthcheck", health_table(check));
        }
        self.pairs("labels", &body.labels);
        self.env(thing, body);
    }

    fn ports(&mut self, body: &ContainerBody) {
        if body.ports.is_empty() {
            return;
        }
        let ports = body.ports.iter().map(|port| {
            let mut text = format!("{{ host = {}, container = {}", port.host, port.container);
            if port.protocol != Protocol::Tcp {
                let _ = write!(text, ", protocol = {}", quoted(&port.protocol.to_string()));
            }
            if port.bind != std::net::Ipv4Addr::UNSPECIFIED {
                let _ = write!(text, ", bind = {}", quoted(&port.bind.to_string()));
            }
            text + " }"
        });
        self.field("ports", list(ports));
    }

    fn limits(&mut self, body: &ContainerBody) {
        if let Some(cpu) = body.cpu {
            self.field("cpu", quoted(&cpu.to_string()));
        }
        if let Some(memory) = body.memory {
            self.field("memory", quoted(&memory.to_string()));
        }
        if let Some(pids) = body.pids {
            self.field("pids", pids);
        }
        let restart = match body.restart {
            Restart::No => "no",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
            Restart::UnlessStopped => return,
        };
        self.field("restart", quoted(restart));
    }

    /// Variables come last: they are a table of their own.
    fn env(&mut self, thing: &Thing<'_>, body: &ContainerBody) {
        let variables: Vec<_> = body
            .env
            .iter()
            .map(|(name, value)| (name, self.variable(thing, name, value)))
            .collect();
        if variables.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "[container.{}.env]", key(thing.address.name()));
        for (name, value) in variables {
            let _ = writeln!(self.text, "{} = {}", key(name), quoted(&value));
        }
    }

    fn variable(&mut self, thing: &Thing<'_>, name: &str, value: &EnvValue) -> String {
        let text = value.to_string();
        let value = match thing.found.secrets.get(name) {
            Some(secret) => Value::from(secret),
            None if text.starts_with(REFERENCE) => Value::from(&text.into()),
            None => return text,
        };
        let path = self.free_path(thing.address.name(), name);
        self.secrets.insert(path.clone(), value);
        format!("{REFERENCE}file/{path}")
    }

    /// Two variables may differ in nothing that a file's name can hold.
    fn free_path(&self, entry: &str, name: &str) -> String {
        let legal = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
        let name: String = name.chars().map(legal).collect();
        let plain = format!("{SECRETS}/{entry}/{name}");
        let numbered = (2..).map(|n| format!("{plain}.{n}"));
        let free = |path: &String| !self.secrets.contains_key(path);
        std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain.clone())
    }

    fn field(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name} = {value}");
    }

    fn pairs(&mut self, name: &str, pairs: &BTreeMap<String, String>) {
        if !pairs.is_empty() {
            self.field(name, table(pairs));
        }
    }
}

fn logging_table(logging: &Logging) -> String {
    let driver = quoted(&logging.driver);
    if logging.options.is_empty() {
        return format!("{{ driver = {driver} }}");
    }
    format!("{{ driver = {driver}, options = {} }}", table(&logging.options))
}

fn health_table(check: &HealthcheckBody) -> String {
    let command = list(check.command.iter().map(|word| quoted(word)));
    let defaults = HealthcheckBody {
        command: Vec::new(),
        interval_s: 30,
        timeout_s: 30,
        retries: 3,
        start_period_s: 0,
    };
    let mut text = format!("{{ command = {command}");
    for (name, seconds, default) in [
        ("interval", check.interval_s, defaults.interval_s),
        ("timeout", check.timeout_s, defaults.timeout_s),
        ("start_period", check.start_period_s, defaults.start_period_s),
    ] {
        if seconds != default {
            let seconds = lessor_specs::Duration::from_secs(seconds);
            let _ = write!(text, ", {name} = {}", quoted(&seconds.to_string()));
        }
    }
    if check.retries != defaults.retries {
        let _ = write!(text, ", retries = {}", check.retries);
    }
    text + " }"
}

fn table(pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// On one line, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// On one line, for a comment or a message.
pub(super) fn cleaned(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_reads_back_from_what_it_is_quoted_as() {
        for text in ["", "plain", "\"\\\n\r\t\u{7f}\u{1}\u{85}", "ü☃🦀", "a = 'b' # c"] {
            let read: toml::Table = format!("{} = {}", key(text), quoted(text)).parse().unwrap();
            assert_eq!(read[text].as_str(), Some(text));
        }
    }
}
