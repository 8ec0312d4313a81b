//! What instances run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ready;
use crate::EnvValue;
use crate::quantity::MountPath;

/// What an instance runs: as a container, as a virtual machine, or either.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// How it runs as a container.
    pub container: Option<ContainerImage>,
    /// How it runs as a virtual machine.
    pub vm: Option<VmImage>,
}

/// An image for containers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerImage {
    /// The reference to pull; a digest keeps it from moving.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1), example = "nginx:1.27")]
    pub reference: String,
    /// The command, instead of the image's own.
    pub command: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    /// Where the instance's volume is mounted.
    #[serde(default)]
    pub data: MountPath,
    /// When an instance counts as ready.
    pub ready: Option<Ready>,
}

/// An image for virtual machines.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmImage {
    /// What customers know it as, such as `ubuntu`.
    pub family: Option<String>,
    /// The template's id on each Proxmox connection.
    #[serde(default)]
    pub template: BTreeMap<String, u32>,
    /// Whether the template is an LXC container rather than a virtual machine.
    #[serde(default)]
    pub lxc: bool,
    /// Whether guests share the disk of the template instead of getting a copy.
    #[serde(default)]
    pub linked: bool,
    /// Whether cloud-init sets it up.
    #[serde(default)]
    pub cloud_init: bool,
    /// Whether guests ask for their address, by DHCP. Machines that cloud-init does not set up always
    /// do.
    #[serde(default)]
    pub dhcp: bool,
}

impl VmImage {
    /// Whether a guest is given its address by the firewall rather than when it is made.
    pub fn asks_for_address(&self) -> bool {
        !self.cloud_init && (self.dhcp || !self.lxc)
    }
}
