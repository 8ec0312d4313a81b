//! The cluster, its nodes, and what we may do there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::guest::GuestKind;
use super::{CallError, Client, Form, scalar};

/// Which Proxmox VE this is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// `9.2.11`.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub version: String,
    /// `9.2`.
    #[serde(default, deserialize_with = "scalar::text")]
    pub release: Option<String>,
}

impl Version {
    /// The first number, if it begins with one.
    pub fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }
}

/// A node, as the cluster sees it. What we may not see is not there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Node {
    /// Its name.
    #[serde(rename = "node", deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// `online`, `offline` or `unknown`.
    #[serde(default, deserialize_with = "scalar::text")]
    pub status: Option<String>,
    /// SHA-256 of its certificate, in hex with colons.
    #[serde(default, deserialize_with = "scalar::text")]
    pub ssl_fingerprint: Option<String>,
    /// The share of its processors that is busy.
    #[serde(default, deserialize_with = "scalar::share")]
    pub cpu: Option<f64>,
    /// How many processors it has.
    #[serde(default, rename = "maxcpu", deserialize_with = "scalar::number")]
    pub cpus: Option<u64>,
    /// Memory in use, in bytes.
    #[serde(default, rename = "mem", deserialize_with = "scalar::number")]
    pub memory_used: Option<u64>,
    /// Memory it has, in bytes.
    #[serde(default, rename = "maxmem", deserialize_with = "scalar::number")]
    pub memory: Option<u64>,
}

impl Node {
    /// Whether it answers.
    pub fn is_online(&self) -> bool {
        self.status.as_deref() == Some("online")
    }
}

/// A member of the cluster, or the cluster itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// `node` or `cluster`.
    #[serde(rename = "type", deserialize_with = "scalar::text_needed")]
    pub sort: String,
    /// Its name.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// Whether it is the node we talk to.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub local: bool,
    /// Whether it answers the others.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub online: bool,
    /// Of a cluster: whether enough of it agree to change anything.
    #[serde(default, deserialize_with = "scalar::flag")]
    pub quorate: Option<bool>,
}

/// What the cluster knows of anywhere. It lags up to ten seconds: good for finding the node of an
/// id, and not for how it looks there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Resource {
    /// `qemu/100`, `storage/n1/local`, …
    #[serde(deserialize_with = "scalar::text_needed")]
    pub id: String,
    /// `qemu`, `lxc`, `storage`, `node`, `pool`, `sdn`, …
    #[serde(rename = "type", deserialize_with = "scalar::text_needed")]
    pub sort: String,
    /// Where it is.
    #[serde(default, deserialize_with = "scalar::text")]
    pub node: Option<String>,
    /// Of a guest: its number.
    #[serde(default, deserialize_with = "scalar::number")]
    pub vmid: Option<u64>,
    /// Of a guest: its name, a little later than the guest itself.
    #[serde(default, deserialize_with = "scalar::text")]
    pub name: Option<String>,
    /// `running`, `stopped`, `unknown`, `available`, …
    #[serde(default, deserialize_with = "scalar::text")]
    pub status: Option<String>,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub template: bool,
    /// Tags, as they are kept.
    #[serde(default, deserialize_with = "scalar::text")]
    pub tags: Option<String>,
    /// The pool it is in.
    #[serde(default, deserialize_with = "scalar::text")]
    pub pool: Option<String>,
    /// What it is locked for.
    #[serde(default, deserialize_with = "scalar::text")]
    pub lock: Option<String>,
    /// Of a storage: its name.
    #[serde(default, deserialize_with = "scalar::text")]
    pub storage: Option<String>,
    /// Of a storage: whether it is the same one on every node.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub shared: bool,
}

impl Resource {
    /// What sort of guest it is, if it is one.
    pub fn guest(&self) -> Option<GuestKind> {
        match self.sort.as_str() {
            "qemu" => Some(GuestKind::Qemu),
            "lxc" => Some(GuestKind::Lxc),
            _ => None,
        }
    }
}

/// The clock of a node, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Time {
    /// What it shows.
    #[serde(rename = "time", deserialize_with = "scalar::number_needed")]
    pub seconds: u64,
}

/// What we may do, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<String, BTreeMap<String, bool>>);

impl Permissions {
    /// Whether we have the privilege at that path. Where the path itself is not listed, the nearest
    /// one above it decides, by what it hands on.
    pub fn has(&self, path: &str, privilege: &str) -> bool {
        if let Some(held) = self.0.get(path) {
            return held.contains_key(privilege);
        }
        let mut paths = std::iter::successors(above(path), |path| above(path));
        let nearest = paths.find_map(|path| self.0.get(path));
        nearest.and_then(|held| held.get(privilege)).is_some_and(|handed_on| *handed_on)
    }

    /// Whether there are none at all, as a token with privileges of its own begins.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }
}

/// The path above: `/` of `/vms`, and nothing of `/`.
fn above(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (above, _) => Some(above),
    }
}

impl Client {
    /// Which Proxmox VE this is. Everybody with a login may ask.
    pub async fn version(&self) -> Result<Version, CallError> {
        self.get(&["version"], &Form::new()).await
    }

    /// The nodes of the cluster.
    pub async fn nodes(&self) -> Result<Vec<Node>, CallError> {
        self.get(&["nodes"], &Form::new()).await
    }

    /// The members of the cluster. From here on, what is asked without a node waits in the lane of
    /// the node that answers it.
    pub async fn cluster_status(&self) -> Result<Vec<Member>, CallError> {
        let members: Vec<Member> = self.get(&["cluster", "status"], &Form::new()).await?;
        if let Some(home) = members.iter().find(|member| member.local && member.sort == "node") {
            self.lanes.at_home(&home.name);
        }
        Ok(members)
    }

    /// What there is of one sort: `vm`, `storage`, `node` or `sdn`; of all without one.
    pub async fn cluster_resources(&self, sort: Option<&str>) -> Result<Vec<Resource>, CallError> {
        self.get(&["cluster", "resources"], &Form::new().with_some("type", sort)).await
    }

    /// The bridges of a node that guests can be connected to, in order of name.
    pub async fn bridges(&self, node: &str) -> Result<Vec<String>, CallError> {
        let query = Form::new().with("type", "any_bridge");
        let found: Vec<Bridge> = self.get(&["nodes", node, "network"], &query).await?;
        let names: BTreeSet<String> = found.into_iter().map(|bridge| bridge.name).collect();
        Ok(names.into_iter().collect())
    }

    /// The clock of a node.
    pub async fn node_time(&self, node: &str) -> Result<Time, CallError> {
        self.get(&["nodes", node, "time"], &Form::new()).await
    }

    /// What our user or token may do, at every path where that changes.
    pub async fn permissions(&self) -> Result<Permissions, CallError> {
        self.permitted(&Form::new()).await
    }

    /// The privileges of `needed` that we lack at `path`, by the cluster's own reckoning.
    pub async fn permissions_lacking<'p>(
        &self,
        path: &str,
        needed: &[&'p str],
    ) -> Result<BTreeSet<&'p str>, CallError> {
        let held = self.permitted(&Form::new().with("path", path)).await?;
        Ok(needed.iter().copied().filter(|privilege| !held.has(path, privilege)).collect())
    }

    async fn permitted(&self, query: &Form) -> Result<Permissions, CallError> {
        let listed: BTreeMap<String, BTreeMap<String, Flag>> =
            self.get(&["access", "permissions"], query).await?;
        let privileges = |held: BTreeMap<String, Flag>| {
            held.into_iter().map(|(name, Flag(handed_on))| (name, handed_on)).collect()
        };
        Ok(Permissions(listed.into_iter().map(|(path, held)| (path, privileges(held))).collect()))
    }
}

#[derive(Deserialize)]
struct Bridge {
    #[serde(rename = "iface", deserialize_with = "scalar::text_needed")]
    name: String,
}

/// Whether a privilege is handed on to what is below.
#[derive(Deserialize)]
#[serde(transparent)]
struct Flag(#[serde(deserialize_with = "scalar::is_on")] bool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_holds_where_it_is_given_and_below_if_it_is_handed_on() {
        let held = |pairs: &[(&str, bool)]| {
            pairs.iter().map(|(name, handed_on)| ((*name).to_owned(), *handed_on)).collect()
        };
        let permissions = Permissions(BTreeMap::from([
            ("/".into(), held(&[("Sys.Audit", true), ("Pool.Audit", false)])),
            ("/vms/150".into(), held(&[("VM.Audit", true)])),
        ]));
        assert!(permissions.has("/", "Sys.Audit") && permissions.has("/nodes/n1", "Sys.Audit"));
        assert!(permissions.has("/", "Pool.Audit") && !permissions.has("/pool/a", "Pool.Audit"));
        assert!(permissions.has("/vms/150", "VM.Audit"));
        // What is listed replaces what is above.
        assert!(!permissions.has("/vms/150", "Sys.Audit") && !permissions.has("/vms", "VM.Audit"));
        assert!(Permissions::default().is_empty() && !permissions.is_empty());
    }
}
