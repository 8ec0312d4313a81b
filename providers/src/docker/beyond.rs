//! What a thing has that no entry can say. It is left alone for as long as the thing lives, and a
//! new one in its place would not have it.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, HealthConfig, HostConfig, ImageConfig, Mount,
    MountType, Network, NetworkSettings, RestartPolicyNameEnum,
};
use serde_json::{Value, json};

use crate::survey::MAY_GAIN;

use super::read::{self, Source, bound_volume, shares_a_network};

/// So many letters of its id are a container's host name and an alias of it, unless somebody says
/// otherwise.
const SHORT_ID: usize = 12;

/// What stands in a container's `HostConfig`, in words. Where nothing is said it is empty, 0 or
/// false, or one of the values beside it.
const HOST: &[(&str, &str, &[&str])] = &[
    ("Privileged", "full privileges", &[]),
    ("CapAdd", "added capabilities", &[]),
    ("CapDrop", "dropped capabilities", &[]),
    ("Devices", "devices", &[]),
    ("DeviceRequests", "requested devices such as GPUs", &[]),
    ("DeviceCgroupRules", "device rules", &[]),
    ("VolumesFrom", "the volumes of another container", &[]),
    ("Tmpfs", "tmpfs mounts", &[]),
    ("ReadonlyRootfs", "a read-only root", &[]),
    ("ExtraHosts", "extra hosts", &[]),
    ("Dns", "DNS servers", &[]),
    ("DnsOptions", "DNS options", &[]),
    ("DnsSearch", "DNS search domains", &[]),
    ("Links", "links", &[]),
    ("PublishAllPorts", "published ports of the engine's choice", &[]),
    ("GroupAdd", "further groups", &[]),
    ("IpcMode", "an IPC mode", &["private", "shareable"]),
    ("PidMode", "a PID mode", &[]),
    ("UTSMode", "a UTS mode", &[]),
    ("UsernsMode", "a user namespace mode", &[]),
    ("CgroupParent", "a parent cgroup", &[]),
    ("Init", "an init process", &[]),
    ("AutoRemove", "removal when it stops", &[]),
    ("ShmSize", "a size of `/dev/shm`", &["67108864"]),
    ("Sysctls", "kernel parameters", &[]),
    ("Ulimits", "ulimits", &[]),
    ("Runtime", "a runtime", &["runc", "io.containerd.runc.v2"]),
    ("OomKillDisable", "no end when out of memory", &[]),
    ("OomScoreAdj", "an out-of-memory score", &[]),
    ("MemoryReservation", "reserved memory", &[]),
    ("MemorySwappiness", "a swappiness", &["-1"]),
    ("CpuShares", "a share of cores", &[]),
    ("CpusetCpus", "cores of its own", &[]),
    ("CpusetMems", "memory nodes of its own", &[]),
    ("CpuRealtimeRuntime", "real-time scheduling", &[]),
    ("BlkioWeight", "a weight of disk access", &[]),
    ("BlkioWeightDevice", "weights of disk access", &[]),
    ("BlkioDeviceReadBps", "limits of reading", &[]),
    ("BlkioDeviceWriteBps", "limits of writing", &[]),
    ("BlkioDeviceReadIOps", "limits of read operations", &[]),
    ("BlkioDeviceWriteIOps", "limits of write operations", &[]),
    ("StorageOpt", "storage options", &[]),
    ("Annotations", "annotations", &[]),
];

/// As [`HOST`], of its `Config`.
const CONFIG: &[(&str, &str, &[&str])] = &[
    ("Domainname", "a domain name", &[]),
    ("Tty", "a terminal", &[]),
    ("OpenStdin", "an open input", &[]),
    ("StopTimeout", "a time to stop in", &[]),
];

/// Of a container, as far as its image is known.
pub(super) fn of_container(inspect: &ContainerInspectResponse, source: &Source<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let id = inspect.id.as_deref().unwrap_or_default();
    if let Some(host) = &inspect.host_config {
        in_table(HOST, &json!(host), &mut found);
        mounts(host, &mut found);
        limits(host, &mut found);
        ports(host, &mut found);
        security(host, &mut found);
        if let Some(settings) = &inspect.network_settings {
            networks(inspect, host, settings, id, &mut found);
        }
    }
    anonymous_volumes(inspect, &mut found);
    if let Some(config) = &inspect.config {
        in_table(CONFIG, &json!(config), &mut found);
        process(config, source, id, &mut found);
    }
    found
}

/// Of a network.
pub(super) fn of_network(network: &Network) -> Vec<String> {
    let mut found = Vec::new();
    let driver = network.driver.as_deref().unwrap_or_default();
    if driver != "bridge" {
        found.push(format!("driver `{driver}`"));
    }
    let is = |flag: Option<bool>| flag.unwrap_or_default();
    let ipam = network.ipam.as_ref();
    let configs = ipam.and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
    let plain_ipam = |driver: &str| driver.is_empty() || driver == "default";
    for (said, what) in [
        (is(network.enable_ipv6), "IPv6"),
        (is(network.attachable), "being attachable"),
        (network.options.as_ref().is_some_and(|options| !options.is_empty()), "driver options"),
        (configs.len() > 1, "more than one range of addresses"),
        (configs.iter().any(|config| config.ip_range.is_some()), "a range to give addresses from"),
        (configs.iter().any(|c| c.auxiliary_addresses.is_some()), "set-aside addresses"),
        (
            ipam.is_some_and(|ipam| {
                !plain_ipam(ipam.driver.as_deref().unwrap_or_default())
                    || ipam.options.as_ref().is_some_and(|options| !options.is_empty())
            }),
            "own ways to give out addresses",
        ),
    ] {
        if said {
            found.push(what.to_owned());
        }
    }
    found
}

fn in_table(table: &[(&str, &str, &[&str])], value: &Value, found: &mut Vec<String>) {
    let is_default = |value: &Value, defaults: &[&str]| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => {
            number.as_i64() == Some(0) || defaults.contains(&number.to_string().as_str())
        }
        Value::String(text) => text.is_empty() || defaults.contains(&text.as_str()),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    let said = table.iter().filter(|(key, _, defaults)| !is_default(&value[key], defaults));
    found.extend(said.map(|(_, words, _)| (*words).to_owned()));
}

fn mounts(host: &HostConfig, found: &mut Vec<String>) {
    for bind in host.binds.iter().flatten() {
        if bound_volume(bind).is_none() {
            found.push(format!("bind mount `{bind}`"));
            continue;
        }
        let modes = bind.splitn(3, ':').nth(2).unwrap_or_default();
        let plain = |mode: &str| matches!(mode, "" | "rw" | "ro" | "z" | "Z");
        if !modes.split(',').all(plain) {
            found.push(format!("the options of the mount `{bind}`"));
        }
    }
    for mount in host.mounts.iter().flatten() {
        let target = mount.target.as_deref().unwrap_or_default();
        match mount.typ {
            Some(MountType::VOLUME) if has_options(mount) => {
                found.push(format!("the options of the mount at `{target}`"));
            }
            Some(MountType::VOLUME) => {}
            Some(MountType::BIND) => {
                let source = mount.source.as_deref().unwrap_or_default();
                found.push(format!("bind mount `{source}:{target}`"));
            }
            _ => found.push(format!("a mount at `{target}` that is no volume")),
        }
    }
}

fn has_options(mount: &Mount) -> bool {
    let empty = |value: Value| match value {
        Value::Object(fields) => {
            fields.values().all(|field| matches!(field, Value::Null | Value::Bool(false)))
        }
        other => other.is_null(),
    };
    mount.consistency.as_deref().is_some_and(|text| !matches!(text, "" | "default"))
        || !empty(json!(mount.volume_options))
}

/// What an engine made up for a path that is a volume's, by its image or by hand.
fn anonymous_volumes(inspect: &ContainerInspectResponse, found: &mut Vec<String>) {
    let host = inspect.host_config.as_ref();
    let binds = host.and_then(|host| host.binds.as_deref()).unwrap_or_default();
    let mounts = host.and_then(|host| host.mounts.as_deref()).unwrap_or_default();
    let named: Vec<String> = binds
        .iter()
        .filter_map(|bind| bound_volume(bind))
        .map(|(_, mount)| mount.volume)
        .chain(mounts.iter().filter_map(|mount| mount.source.clone()))
        .collect();
    let volumes = inspect.mounts.iter().flatten().filter(|m| m.typ.as_deref() == Some("volume"));
    for volume in volumes {
        let name = volume.name.as_deref().unwrap_or_default();
        if !named.iter().any(|named| named == name) {
            let target = volume.destination.as_deref().unwrap_or_default();
            found.push(format!("what is in the anonymous volume at `{target}`"));
        }
    }
}

fn limits(host: &HostConfig, found: &mut Vec<String>) {
    let positive = |value: Option<i64>| value.filter(|value| *value > 0);
    if let (Some(memory), Some(swap)) = (positive(host.memory), host.memory_swap)
        && swap != memory
    {
        found.push("swap beyond its memory".into());
    }
    if positive(host.nano_cpus).is_none() && positive(host.cpu_quota).is_some() {
        found.push("a quota of cores".into());
    }
    let policy = host.restart_policy.as_ref();
    if policy.is_some_and(|policy| {
        policy.name == Some(RestartPolicyNameEnum::ON_FAILURE)
            && positive(policy.maximum_retry_count).is_some()
    }) {
        found.push("a number of restarts".into());
    }
}

fn ports(host: &HostConfig, found: &mut Vec<String>) {
    let all = host.port_bindings.iter().flatten();
    let said = all.flat_map(|(key, bindings)| bindings.iter().flatten().map(move |b| (key, b)));
    let mut unsaid: Vec<_> = said
        .filter(|(key, binding)| read::port(key, binding).is_none())
        .map(|(key, binding)| match binding.host_port.as_deref() {
            None | Some("" | "0") => format!("port {key}, published at any that is free"),
            Some(port) => format!("published port {port} for {key}"),
        })
        .collect();
    unsaid.sort();
    found.extend(unsaid);
}

fn security(host: &HostConfig, found: &mut Vec<String>) {
    let options = host.security_opt.as_deref().unwrap_or_default();
    if options.iter().any(|option| !option.starts_with("no-new-privileges")) {
        found.push("security options".into());
    }
    if !read::no_new_privileges(host) {
        found.push(MAY_GAIN.into());
    }
}

fn networks(
    inspect: &ContainerInspectResponse,
    host: &HostConfig,
    settings: &NetworkSettings,
    id: &str,
    found: &mut Vec<String>,
) {
    let mode = host.network_mode.as_deref().unwrap_or_default();
    if shares_a_network(mode) {
        found.push(format!("network mode `{mode}`"));
        return;
    }
    let name = read::container_name(inspect).unwrap_or_default();
    let mut joined: Vec<_> = settings.networks.iter().flatten().collect();
    joined.sort_by_key(|(network, _)| *network);
    let on_default = joined.iter().any(|(network, _)| *network == "bridge");
    if on_default && joined.len() > 1 {
        found.push("the default bridge beside its networks".into());
    }
    for (network, endpoint) in joined {
        let own = |alias: &&String| *alias != name && !id.starts_with(alias.as_str());
        let aliases: Vec<_> = endpoint.aliases.iter().flatten().filter(own).collect();
        if !aliases.is_empty() {
            let aliases: Vec<_> = aliases.into_iter().map(|alias| format!("`{alias}`")).collect();
            found.push(format!("its name {} in network `{network}`", aliases.join(" and ")));
        }
        let fixed = endpoint.ipam_config.as_ref().is_some_and(|ipam| {
            let is_said = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
            is_said(&ipam.ipv4_address) || is_said(&ipam.ipv6_address)
        });
        if fixed {
            found.push(format!("its address in network `{network}`"));
        }
        if endpoint.driver_opts.as_ref().is_some_and(|options| !HashMap::is_empty(options)) {
            found.push(format!("options of network `{network}`"));
        }
    }
}

fn process(config: &ContainerConfig, source: &Source<'_>, id: &str, found: &mut Vec<String>) {
    let hostname = config.hostname.as_deref().unwrap_or_default();
    if !hostname.is_empty() && hostname != id.get(..SHORT_ID).unwrap_or_default() {
        found.push(format!("host name `{hostname}`"));
    }
    if let Source::Image(image) = source {
        differing_from_image(config, image, found);
    }
    if let Some(check) = &config.healthcheck {
        health(check, found);
    }
}

fn differing_from_image(config: &ContainerConfig, image: &ImageConfig, found: &mut Vec<String>) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    for (own, of_image, what) in [
        (&config.working_dir, &image.working_dir, "a working directory"),
        (&config.stop_signal, &image.stop_signal, "a signal to stop by"),
    ] {
        // An engine of today writes down the default where an older one left it out.
        if text(own) != text(of_image) && !matches!(text(own).as_str(), "" | "SIGTERM" | "/") {
            found.push(format!("{what}, `{}`", text(own)));
        }
    }
}

fn health(check: &HealthConfig, found: &mut Vec<String>) {
    if check.test.as_deref().is_some_and(|test| test.first().is_some_and(|kind| kind == "NONE")) {
        found.push("doing without its image's health check".into());
    }
    let times = [check.interval, check.timeout, check.start_period];
    if times.into_iter().flatten().any(|nanos| nanos % 1_000_000_000 != 0)
        || check.start_interval.is_some_and(|nanos| nanos != 0)
    {
        found.push("parts of a second in its health check".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(more: &Value, config: &Value) -> String {
        let mut inspect = json!({
            "Id": "9915e1d54126cb277a826cf90804cd5f",
            "Name": "/web",
            "Config": { "Image": "nginx:1.27", "Hostname": "9915e1d54126" },
            "HostConfig": {
                "NetworkMode": "default", "IpcMode": "private", "ShmSize": 67_108_864, "Dns": [],
                "Runtime": "runc", "SecurityOpt": ["no-new-privileges"], "Binds": ["data:/data:ro"],
            },
            "NetworkSettings": { "Networks": { "bridge": { "Aliases": null } } },
            "Mounts": [{ "Type": "volume", "Name": "data", "Destination": "/data" }],
        });
        for (part, more) in [("HostConfig", more), ("Config", config)] {
            let fields = more.as_object().unwrap().clone();
            inspect[part].as_object_mut().unwrap().extend(fields);
        }
        let inspect = serde_json::from_value(inspect).unwrap();
        of_container(&inspect, &Source::Image(&ImageConfig::default())).join("; ")
    }

    #[test]
    fn what_docker_run_gives_to_all_is_nothing_beyond() {
        assert_eq!(found(&json!({}), &json!({})), "");
        let unsafe_one = found(&json!({ "SecurityOpt": null }), &json!({}));
        assert_eq!(unsafe_one, "the right to gain privileges");
    }

    #[test]
    fn what_no_entry_can_say_is_named() {
        let host = json!({
            "Privileged": true,
            "Binds": ["/srv:/host:ro", "data:/data:nocopy"],
            "Memory": 67_108_864, "MemorySwap": 134_217_728,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "ExtraHosts": ["db:10.0.0.1"],
            "PortBindings": {
                "80/tcp": [{ "HostIp": "", "HostPort": "" }],
                "81/sctp": [{ "HostIp": "", "HostPort": "8081" }],
                "82/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8082" }],
            },
        });
        let config = json!({
            "Hostname": "web", "Tty": true, "WorkingDir": "/srv",
            "Healthcheck": { "Test": ["NONE"], "Interval": 1_500_000_000 },
        });

        assert_eq!(
            found(&host, &config),
            "full privileges; extra hosts; bind mount `/srv:/host:ro`; the options of the mount \
             `data:/data:nocopy`; swap beyond its memory; a number of restarts; port 80/tcp, \
             published at any that is free; published port 8081 for 81/sctp; a terminal; host name \
             `web`; a working directory, `/srv`; doing without its image's health check; parts of \
             a second in its health check"
        );
        assert_eq!(found(&json!({ "NetworkMode": "host" }), &json!({})), "network mode `host`");
    }

    #[test]
    fn a_volume_without_a_name_of_its_own_is_named_by_its_place() {
        let lost = found(&json!({ "Binds": null }), &json!({}));
        assert_eq!(lost, "what is in the anonymous volume at `/data`");
    }
}
