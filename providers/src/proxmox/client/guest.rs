//! Guests: virtual machines and containers, which share their numbers and most calls.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use super::{CallError, Client, Form, Kind, Upid, scalar};

/// What sort of guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestKind {
    /// A virtual machine.
    Qemu,
    /// A container.
    Lxc,
}

impl GuestKind {
    /// As it stands in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            GuestKind::Qemu => "qemu",
            GuestKind::Lxc => "lxc",
        }
    }

    /// The parameter that holds its name.
    pub fn name_key(self) -> &'static str {
        match self {
            GuestKind::Qemu => "name",
            GuestKind::Lxc => "hostname",
        }
    }
}

/// One guest, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guest {
    /// What sort.
    pub kind: GuestKind,
    /// The node it is on.
    pub node: String,
    /// Its number, which is its own in the whole cluster.
    pub vmid: u32,
}

impl Guest {
    /// A virtual machine.
    pub fn qemu(node: impl Into<String>, vmid: u32) -> Self {
        Guest { kind: GuestKind::Qemu, node: node.into(), vmid }
    }

    /// A container.
    pub fn lxc(node: impl Into<String>, vmid: u32) -> Self {
        Guest { kind: GuestKind::Lxc, node: node.into(), vmid }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on {}", self.kind.as_str(), self.vmid, self.node)
    }
}

/// A guest in the list of its node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GuestListed {
    /// Its number.
    #[serde(deserialize_with = "vmid")]
    pub vmid: u32,
    /// Its name.
    #[serde(default, deserialize_with = "scalar::text")]
    pub name: Option<String>,
    /// `running` or `stopped`.
    #[serde(default, deserialize_with = "scalar::text")]
    pub status: Option<String>,
    /// Tags, as they are kept.
    #[serde(default, deserialize_with = "scalar::text")]
    pub tags: Option<String>,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub template: bool,
    /// What it is locked for.
    #[serde(default, deserialize_with = "scalar::text")]
    pub lock: Option<String>,
    /// How many processors it may use; of a container, parts of them too.
    #[serde(default, deserialize_with = "scalar::share")]
    pub cpus: Option<f64>,
    /// Memory it may use, in bytes.
    #[serde(default, rename = "maxmem", deserialize_with = "scalar::number")]
    pub memory: Option<u64>,
}

/// How a guest is right now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GuestStatus {
    /// `running` or `stopped`.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub status: String,
    /// Of a machine: more closely, such as `paused`.
    #[serde(default, deserialize_with = "scalar::text")]
    pub qmpstatus: Option<String>,
    /// For how many seconds it has been running.
    #[serde(default, deserialize_with = "scalar::number")]
    pub uptime: Option<u64>,
    /// What it is locked for.
    #[serde(default, deserialize_with = "scalar::text")]
    pub lock: Option<String>,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub template: bool,
    /// The share of its processors that is busy.
    #[serde(default, deserialize_with = "scalar::share")]
    pub cpu: Option<f64>,
    /// How many processors it may use; of a container, parts of them too.
    #[serde(default, deserialize_with = "scalar::share")]
    pub cpus: Option<f64>,
    /// Memory in use, in bytes.
    #[serde(default, rename = "mem", deserialize_with = "scalar::number")]
    pub memory: Option<u64>,
    /// Memory it may use, in bytes.
    #[serde(default, rename = "maxmem", deserialize_with = "scalar::number")]
    pub memory_limit: Option<u64>,
    /// Bytes that came to it since it was started.
    #[serde(default, rename = "netin", deserialize_with = "scalar::number")]
    pub received: Option<u64>,
    /// Bytes that it sent.
    #[serde(default, rename = "netout", deserialize_with = "scalar::number")]
    pub sent: Option<u64>,
    /// Bytes that it read from disk.
    #[serde(default, rename = "diskread", deserialize_with = "scalar::number")]
    pub read: Option<u64>,
    /// Bytes that it wrote to disk.
    #[serde(default, rename = "diskwrite", deserialize_with = "scalar::number")]
    pub written: Option<u64>,
    #[serde(default)]
    ha: Ha,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Ha {
    #[serde(deserialize_with = "scalar::is_on")]
    managed: bool,
}

impl GuestStatus {
    /// Whether it runs, paused or not.
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }

    /// How much of its processors is busy, in thousandths of one.
    pub fn cpu_busy(&self) -> Option<u64> {
        let busy = self.cpu? * self.cpus? * 1_000.0;
        let is_sane = busy.is_finite() && (0.0..1e12).contains(&busy);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within bounds"
        )]
        is_sane.then(|| busy.round() as u64)
    }

    /// Whether the cluster starts and moves it by itself; then a task about its power ends before
    /// anything has happened.
    pub fn is_managed(&self) -> bool {
        self.ha.managed
    }
}

/// The configuration of a guest. Every value is text, as it is kept; what is not set is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestConfig {
    /// Changes with anything in it.
    pub digest: String,
    values: BTreeMap<String, String>,
}

impl GuestConfig {
    /// A value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Everything that is set, by name, without the digest.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What is numbered: `net0`, `net1`, … for `net`.
    pub fn numbered<'c>(&'c self, name: &'c str) -> impl Iterator<Item = (u32, &'c str)> {
        let number = move |key: &str| {
            let digits = key.strip_prefix(name)?;
            let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        self.iter().filter_map(move |(key, value)| Some((number(key)?, value)))
    }

    /// What it is locked for.
    pub fn lock(&self) -> Option<&str> {
        self.get("lock")
    }

    /// Whether it is a template.
    pub fn is_template(&self) -> bool {
        self.get("template").and_then(scalar::of_word).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for GuestConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut values: BTreeMap<String, String> = BTreeMap::<String, Text>::deserialize(from)?
            .into_iter()
            .filter_map(|(key, Text(value))| Some((key, value?)))
            .collect();
        Ok(GuestConfig { digest: values.remove("digest").unwrap_or_default(), values })
    }
}

/// One value of a guest, with what is going to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pending {
    /// Its name.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub key: String,
    /// What it is now.
    #[serde(default, deserialize_with = "scalar::text")]
    pub value: Option<String>,
    /// What it will be after a stop and a start.
    #[serde(default, deserialize_with = "scalar::text")]
    pub pending: Option<String>,
    /// Whether it will be gone then: 1, or 2 if by force.
    #[serde(default, deserialize_with = "scalar::number")]
    pub delete: Option<u64>,
}

impl Pending {
    /// Whether it waits for a stop and a start.
    pub fn waits(&self) -> bool {
        self.pending.is_some() || self.delete.is_some_and(|delete| delete > 0)
    }
}

impl Client {
    /// The guests of one sort on a node that we may see.
    pub async fn guests(&self, node: &str, kind: GuestKind) -> Result<Vec<GuestListed>, CallError> {
        self.get(&["nodes", node, kind.as_str()], &Form::new()).await
    }

    /// Makes a guest. The form names its `vmid` and everything else.
    pub async fn guest_create(
        &self,
        node: &str,
        kind: GuestKind,
        form: &Form,
    ) -> Result<Upid, CallError> {
        self.post(&["nodes", node, kind.as_str()], form).await
    }

    /// How a guest is configured, with what waits for a restart as if it were there already; `None`
    /// when the node says that it has no such guest.
    pub async fn guest_config(&self, guest: &Guest) -> Result<Option<GuestConfig>, CallError> {
        found(self.guest_get(guest, &["config"], &Form::new()).await)
    }

    /// How a guest runs, whatever waits for a restart.
    pub async fn guest_config_current(
        &self,
        guest: &Guest,
    ) -> Result<Option<GuestConfig>, CallError> {
        found(self.guest_get(guest, &["config"], &Form::new().with("current", 1)).await)
    }

    /// Every value of a guest with what is going to be.
    pub async fn guest_pending(&self, guest: &Guest) -> Result<Vec<Pending>, CallError> {
        self.guest_get(guest, &["pending"], &Form::new()).await
    }

    /// How a guest is right now; `None` when there is none.
    pub async fn guest_status(&self, guest: &Guest) -> Result<Option<GuestStatus>, CallError> {
        found(self.guest_get(guest, &["status", "current"], &Form::new()).await)
    }

    /// A number that is free now. Nothing keeps it free.
    pub async fn guest_next_id(&self) -> Result<u32, CallError> {
        let NextId(vmid) = self.get(&["cluster", "nextid"], &Form::new()).await?;
        Ok(vmid)
    }

    /// Whether no guest of the cluster has a number, not even one that we may not see.
    pub async fn guest_id_is_free(&self, vmid: u32) -> Result<bool, CallError> {
        let asked: Result<NextId, _> =
            self.get(&["cluster", "nextid"], &Form::new().with("vmid", vmid)).await;
        match asked {
            Ok(NextId(free)) => Ok(free == vmid),
            Err(error) if error.about("vmid").is_some() && error.kind() == Kind::Exists => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn guest_get<T: serde::de::DeserializeOwned>(
        &self,
        guest: &Guest,
        below: &[&str],
        query: &Form,
    ) -> Result<T, CallError> {
        self.get(&path(guest, &guest.vmid.to_string(), below), query).await
    }

    pub(super) async fn guest_post<T: serde::de::DeserializeOwned>(
        &self,
        guest: &Guest,
        below: &[&str],
        form: &Form,
    ) -> Result<T, CallError> {
        self.post(&path(guest, &guest.vmid.to_string(), below), form).await
    }

    pub(super) async fn guest_put<T: serde::de::DeserializeOwned>(
        &self,
        guest: &Guest,
        below: &[&str],
        form: &Form,
    ) -> Result<T, CallError> {
        self.put(&path(guest, &guest.vmid.to_string(), below), form).await
    }

    pub(super) async fn guest_remove<T: serde::de::DeserializeOwned>(
        &self,
        guest: &Guest,
        below: &[&str],
        query: &Form,
    ) -> Result<T, CallError> {
        self.delete(&path(guest, &guest.vmid.to_string(), below), query).await
    }
}

fn path<'p>(guest: &'p Guest, vmid: &'p str, below: &[&'p str]) -> Vec<&'p str> {
    let mut path = vec!["nodes", guest.node.as_str(), guest.kind.as_str(), vmid];
    path.extend(below);
    path
}

/// A guest is absent only when its node says so.
fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(thing) => Ok(Some(thing)),
        Err(error) if error.is_no_guest() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn vmid<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    scalar::number_needed(from)?.try_into().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
#[serde(transparent)]
struct NextId(#[serde(deserialize_with = "vmid")] u32);

#[derive(Deserialize)]
#[serde(transparent)]
struct Text(#[serde(deserialize_with = "scalar::text")] Option<String>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_text_by_name_whatever_its_scalars_are() {
        let json = r#"{"cores":2,"memory":"512","cpulimit":"1.50","onboot":1,"template":1,
            "net1":"virtio=BC:24:11:00:00:01,bridge=vmbr0","net0":"virtio","netx":"?",
            "digest":"4b00","lock":"backup"}"#;
        let config: GuestConfig = serde_json::from_str(json).unwrap();
        assert_eq!(config.digest, "4b00");
        assert_eq!((config.get("cores"), config.get("memory")), (Some("2"), Some("512")));
        assert_eq!((config.get("cpulimit"), config.get("digest")), (Some("1.50"), None));
        assert!(config.is_template() && config.lock() == Some("backup"));
        let nets: Vec<_> = config.numbered("net").collect();
        assert_eq!(nets, [(0, "virtio"), (1, "virtio=BC:24:11:00:00:01,bridge=vmbr0")]);
    }
}
