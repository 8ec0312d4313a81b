//! What goes over the wire, in the order of the engine's own declarations.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A set; over the wire, `{"a":{},"b":{}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) BTreeSet<String>);

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|name| (name, Map::new())))
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Set, D::Error> {
        let fields = BTreeMap::<String, Value>::deserialize(from)?;
        Ok(Set(fields.into_keys().collect()))
    }
}

/// How a container's programs are started: `Config`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    pub(super) hostname: String,
    pub(super) domainname: String,
    pub(super) user: String,
    pub(super) attach_stdin: bool,
    pub(super) attach_stdout: bool,
    pub(super) attach_stderr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exposed_ports: Option<Set>,
    pub(super) tty: bool,
    pub(super) open_stdin: bool,
    pub(super) stdin_once: bool,
    pub(super) env: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) args_escaped: bool,
    pub(super) image: String,
    pub(super) volumes: Option<Set>,
    pub(super) working_dir: String,
    #[serde(deserialize_with = "words")]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) network_disabled: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) mac_address: String,
    pub(super) on_build: Option<Vec<String>>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_timeout: Option<i64>,
}

/// A list of words, or a single one.
fn words<'de, D: Deserializer<'de>>(words: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(match Option::<Value>::deserialize(words)? {
        None => None,
        Some(Value::String(word)) => Some(vec![word]),
        Some(other) => Some(serde_json::from_value(other).map_err(serde::de::Error::custom)?),
    })
}

/// How it is found out whether a container does its work. Spans are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Healthcheck {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) timeout: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) start_period: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What the host gives a container: `HostConfig`. What nothing here looks at is kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HostConfig {
    pub(super) binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    pub(super) container_id_file: String,
    pub(super) log_config: LogConfig,
    pub(super) network_mode: String,
    pub(super) port_bindings: Option<BTreeMap<String, Option<Vec<Binding>>>>,
    pub(super) restart_policy: RestartPolicy,
    pub(super) auto_remove: bool,
    pub(super) volume_driver: String,
    pub(super) volumes_from: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub(super) cap_add: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub(super) cap_drop: Option<Vec<String>>,
    pub(super) cgroupns_mode: String,
    pub(super) dns: Option<Vec<String>>,
    pub(super) dns_options: Option<Vec<String>>,
    pub(super) dns_search: Option<Vec<String>>,
    pub(super) extra_hosts: Option<Vec<String>>,
    pub(super) group_add: Option<Vec<String>>,
    pub(super) ipc_mode: String,
    pub(super) cgroup: String,
    pub(super) links: Option<Vec<String>>,
    pub(super) oom_score_adj: i64,
    pub(super) pid_mode: String,
    pub(super) privileged: bool,
    pub(super) publish_all_ports: bool,
    pub(super) readonly_rootfs: bool,
    pub(super) security_opt: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_opt: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tmpfs: Option<BTreeMap<String, String>>,
    #[serde(rename = "UTSMode")]
    pub(super) uts_mode: String,
    pub(super) userns_mode: String,
    pub(super) shm_size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sysctls: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) runtime: String,
    pub(super) console_size: [u32; 2],
    pub(super) isolation: String,
    #[serde(flatten)]
    pub(super) limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mounts: Option<Vec<MountPoint>>,
    pub(super) masked_paths: Option<Vec<String>>,
    pub(super) readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) init: Option<bool>,
}

/// How much a container may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Limits {
    pub(super) cpu_shares: i64,
    pub(super) memory: i64,
    pub(super) nano_cpus: i64,
    pub(super) cgroup_parent: String,
    pub(super) blkio_weight: i64,
    pub(super) blkio_weight_device: Value,
    pub(super) blkio_device_read_bps: Value,
    pub(super) blkio_device_write_bps: Value,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub(super) blkio_device_read_iops: Value,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub(super) blkio_device_write_iops: Value,
    pub(super) cpu_period: i64,
    pub(super) cpu_quota: i64,
    pub(super) cpu_realtime_period: i64,
    pub(super) cpu_realtime_runtime: i64,
    pub(super) cpuset_cpus: String,
    pub(super) cpuset_mems: String,
    pub(super) devices: Value,
    pub(super) device_cgroup_rules: Value,
    pub(super) device_requests: Value,
    pub(super) kernel_memory: i64,
    #[serde(rename = "KernelMemoryTCP")]
    pub(super) kernel_memory_tcp: i64,
    pub(super) memory_reservation: i64,
    pub(super) memory_swap: i64,
    pub(super) memory_swappiness: Option<i64>,
    pub(super) oom_kill_disable: Option<bool>,
    pub(super) pids_limit: Option<i64>,
    pub(super) ulimits: Value,
    pub(super) cpu_count: i64,
    pub(super) cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub(super) io_maximum_iops: i64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub(super) io_maximum_bandwidth: i64,
}

/// Where output goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct LogConfig {
    #[serde(rename = "Type")]
    pub(super) driver: String,
    pub(super) config: BTreeMap<String, String>,
}

/// A port of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Binding {
    pub(super) host_ip: String,
    pub(super) host_port: String,
}

/// What happens when a container ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RestartPolicy {
    pub(super) name: String,
    pub(super) maximum_retry_count: i64,
}

/// Something that is mounted, in the long form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MountPoint {
    #[serde(rename = "Type", skip_serializing_if = "String::is_empty")]
    pub(super) sort: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) consistency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bind_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tmpfs_options: Option<Value>,
}

/// How a volume is made that a container asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VolumeOptions {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) no_copy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) driver_config: Option<Value>,
}

/// Something that is mounted, as it came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Mounted {
    #[serde(rename = "Type")]
    pub(super) sort: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    pub(super) source: String,
    pub(super) destination: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) driver: String,
    pub(super) mode: String,
    #[serde(rename = "RW")]
    pub(super) is_writable: bool,
    pub(super) propagation: String,
}

/// A container in a network: `EndpointSettings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_field_names, reason = "the engine calls them so")]
pub(super) struct Endpoint {
    #[serde(rename = "IPAMConfig")]
    pub(super) ipam_config: Option<EndpointIpam>,
    pub(super) links: Option<Vec<String>>,
    pub(super) aliases: Option<Vec<String>>,
    #[serde(rename = "NetworkID")]
    pub(super) network_id: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint_id: String,
    pub(super) gateway: String,
    #[serde(rename = "IPAddress")]
    pub(super) ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub(super) ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    pub(super) ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub(super) global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub(super) global_ipv6_prefix_len: u8,
    pub(super) mac_address: String,
    pub(super) driver_opts: Option<BTreeMap<String, String>>,
}

impl Endpoint {
    /// The same, of a container that does not run.
    pub(super) fn unplugged(&self) -> Endpoint {
        Endpoint {
            ipam_config: self.ipam_config.clone(),
            links: self.links.clone(),
            aliases: self.aliases.clone(),
            network_id: self.network_id.clone(),
            driver_opts: self.driver_opts.clone(),
            ..Endpoint::default()
        }
    }
}

/// Addresses a container asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EndpointIpam {
    #[serde(rename = "IPv4Address", skip_serializing_if = "String::is_empty")]
    pub(super) ipv4_address: String,
    #[serde(rename = "IPv6Address", skip_serializing_if = "String::is_empty")]
    pub(super) ipv6_address: String,
    #[serde(rename = "LinkLocalIPs", skip_serializing_if = "Option::is_none")]
    pub(super) link_local_ips: Option<Vec<String>>,
}

/// Which addresses a network has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Ipam {
    pub(super) driver: String,
    pub(super) options: Option<BTreeMap<String, String>>,
    pub(super) config: Vec<Pool>,
}

/// A part of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Pool {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub(super) ip_range: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) gateway: String,
    #[serde(rename = "AuxiliaryAddresses", skip_serializing_if = "Option::is_none")]
    pub(super) auxiliary: Option<BTreeMap<String, String>>,
}
