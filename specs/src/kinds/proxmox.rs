//! Hypervisors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Overcommit;
use crate::SecretRef;
use crate::quantity::{Fingerprint, HttpsUrl, VmIds};

/// A connection to one Proxmox VE cluster.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proxmox {
    /// Where one of its nodes listens, such as `https://pve1.example.net:8006`.
    pub endpoint: HttpsUrl,
    /// SHA-256 of the certificate it shows. Another one is refused.
    pub fingerprint: Option<Fingerprint>,
    /// Who vouches for its certificate instead, such as its `pve-root-ca.pem`: a path from the spec
    /// directory.
    pub ca: Option<String>,
    /// The token that speaks for us: a secret that holds `USER@REALM!NAME=UUID`.
    pub token: SecretRef,
    /// The `location` it stands in.
    pub location: Option<String>,
    /// Its nodes on which guests are made.
    #[schemars(length(min = 1))]
    pub nodes: Vec<String>,
    /// Nodes of these that get no new guests.
    #[serde(default)]
    pub cordoned: Vec<String>,
    /// Where disks are kept.
    #[schemars(length(min = 1), example = "local-lvm")]
    pub storage: String,
    /// The ids that are ours to give.
    pub vmid_range: VmIds,
    /// Which node a guest gets.
    #[serde(default)]
    pub placement: Placement,
    /// Whether rules of offers are kept by the hypervisor, too, before each guest.
    #[serde(default)]
    pub guest_firewall: bool,
    /// How often what a node has may be promised.
    pub overcommit: Option<Overcommit>,
}

/// Which node a guest gets.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// How nodes are filled.
    #[serde(default)]
    pub strategy: Strategy,
    /// Whether the guests of a tenant are kept on different nodes, as far as there are enough.
    #[serde(default)]
    pub apart: bool,
}

/// How nodes are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The node with the most room is next.
    #[default]
    Spread,
    /// The node with the least room that is enough is next.
    Pack,
}
