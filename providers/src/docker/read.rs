//! From an engine's answers to bodies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    HealthConfig, HostConfig, ImageConfig, Ipam, MountType, NetworkSettings, PortBinding, PortMap,
    RestartPolicyNameEnum,
};
use lessor_plans::{
    Body, ContainerBody, Fingerprint, HealthcheckBody, MountBody, NetworkBody, PortBody, Present,
    VolumeBody,
};
use lessor_specs::kinds::{Logging, Protocol, Restart};
use lessor_specs::quantity::looks_secret;
use lessor_specs::{ByteSize, Cidr, Cpu, EnvValue};

use super::labels;
use crate::Secrets;

/// The time slice a quota is of, unless a container says so.
const DEFAULT_PERIOD_US: u64 = 100_000;

/// How a thing looks, and what of that is not our doing.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) body: Body,
    pub(super) inherited: BTreeSet<String>,
    pub(super) secrets: BTreeMap<String, Fingerprint>,
}

/// What a container has from its image, as far as that can be told.
pub(super) enum Source<'a> {
    /// The image is there.
    Image(&'a ImageConfig),
    /// The image was removed. All that it could have brought along counts as brought along: what
    /// was asked for is compared all the same.
    Removed,
}

/// Who made a container: what we would never have made is no answer that makes sense, and is left
/// aside on anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// We did.
    ByUs,
    /// It was there before.
    Before,
}

/// Reads a network, by name, labels, addresses and whether it is internal.
pub(super) fn network(
    name: &str,
    labels: &BTreeMap<String, String>,
    ipam: Option<&Ipam>,
    internal: Option<bool>,
) -> Look {
    let asked = labels.get(labels::SUBNET).is_some_and(|value| value == labels::ASKED);
    let body = Body::Network(NetworkBody {
        name: name.into(),
        subnet: subnets(ipam).next(),
        internal: internal.unwrap_or_default(),
        labels: labels::without_ours(labels),
    });
    let inherited = if asked { BTreeSet::new() } else { ["subnet".to_owned()].into() };
    Look { body, inherited, secrets: BTreeMap::new() }
}

/// The IPv4 addresses of a network.
pub(super) fn subnets(ipam: Option<&Ipam>) -> impl Iterator<Item = Cidr> {
    let configs = ipam.and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
    configs.iter().filter_map(|config| config.subnet.as_deref()?.parse().ok())
}

/// Reads a volume.
pub(super) fn volume(
    name: &str,
    driver: &str,
    options: &HashMap<String, String, impl BuildHasher>,
    labels: &BTreeMap<String, String>,
) -> Look {
    let body = Body::Volume(VolumeBody {
        name: name.into(),
        driver: driver.into(),
        options: sorted(options),
        labels: labels::without_ours(labels),
    });
    Look { body, inherited: BTreeSet::new(), secrets: BTreeMap::new() }
}

/// Reads a container, as far as an entry could say how it looks.
///
/// # Errors
/// What is missing from the answer or makes no sense in it.
pub(super) fn container(
    inspect: &ContainerInspectResponse,
    source: &Source<'_>,
    made: Made,
) -> Result<Look, String> {
    let part = |name: &str| format!("the engine's answer has no `{name}`");
    let name = container_name(inspect).ok_or_else(|| part("Name"))?;
    let config = inspect.config.as_ref().ok_or_else(|| part("Config"))?;
    let host = inspect.host_config.as_ref().ok_or_else(|| part("HostConfig"))?;
    let state = inspect.state.as_ref().ok_or_else(|| part("State"))?;
    let network = inspect.network_settings.as_ref().ok_or_else(|| part("NetworkSettings"))?;
    let all_labels = sorted(config.labels.as_ref().unwrap_or(&HashMap::new()));
    let mut body = ContainerBody {
        name: name.into(),
        image: config.image.clone().ok_or_else(|| part("Config.Image"))?,
        entrypoint: entrypoint(config, source),
        command: config.cmd.clone().filter(|command| !command.is_empty()),
        user: config.user.clone().filter(|user| !user.is_empty()),
        env: env(config.env.as_deref()),
        labels: labels::without_ours(&all_labels),
        networks: networks(host, network, made),
        mounts: mounts(host)?,
        ports: ports(host.port_bindings.as_ref(), made)?,
        cpu: cpu(host),
        memory: host.memory.and_then(positive).map(ByteSize::from_bytes),
        pids: host.pids_limit.and_then(positive).map(clamped),
        restart: restart(host),
        no_new_privileges: no_new_privileges(host),
        healthcheck: config
            .healthcheck
            .as_ref()
            .and_then(|check| healthcheck(check, config.shell.as_deref())),
        logging: logging(host, &all_labels),
        running: running(state)?,
    };
    let mut inherited = inherited(&body, source);
    if !all_labels.contains_key(labels::LOGGING) {
        inherited.insert("logging".into());
    }
    if made == Made::Before {
        inherited.insert("no_new_privileges".into());
    }
    let secrets = hide(&mut body.env, &labels::secret_names(&all_labels));
    Ok(Look { body: Body::Container(body.into()), inherited, secrets })
}

/// The name of a container, without the slash in front of it.
pub(super) fn container_name(inspect: &ContainerInspectResponse) -> Option<&str> {
    inspect.name.as_deref()?.strip_prefix('/')
}

/// A map in order of its keys.
pub(super) fn sorted(map: &HashMap<String, String, impl BuildHasher>) -> BTreeMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// An entry point that was taken away differs from one that the image never had.
fn entrypoint(config: &ContainerConfig, source: &Source<'_>) -> Option<Vec<String>> {
    let own = config.entrypoint.clone().filter(|entrypoint| !entrypoint.is_empty());
    let of_image = match source {
        Source::Image(image) => image.entrypoint.as_ref().is_some_and(|e| !e.is_empty()),
        Source::Removed => false,
    };
    own.or_else(|| of_image.then(Vec::new))
}

/// Every variable of a container with its value, be it secret or not.
pub(super) fn variables(inspect: &ContainerInspectResponse) -> BTreeMap<String, EnvValue> {
    env(inspect.config.as_ref().and_then(|config| config.env.as_deref()))
}

fn env(lines: Option<&[String]>) -> BTreeMap<String, EnvValue> {
    let pair = |line: &String| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.to_owned(), EnvValue::Plain(value.to_owned()))
    };
    lines.unwrap_or_default().iter().map(pair).collect()
}

/// Replaces values that may be secret, and gives their fingerprints.
fn hide(
    env: &mut BTreeMap<String, EnvValue>,
    known: &BTreeSet<&str>,
) -> BTreeMap<String, Fingerprint> {
    let mut secrets = BTreeMap::new();
    for (name, value) in env {
        if let EnvValue::Plain(text) = value
            && (known.contains(name.as_str()) || looks_secret(name, text))
        {
            secrets.insert(name.clone(), Secrets::fingerprint(text));
            *value = Present::hidden();
        }
    }
    secrets
}

/// The default bridge is what a container has without any network.
fn networks(host: &HostConfig, settings: &NetworkSettings, by: Made) -> BTreeSet<String> {
    let mode = host.network_mode.as_deref().unwrap_or("default");
    if by == Made::Before && shares_a_network(mode) {
        return BTreeSet::new();
    }
    let by_default = |name: &str| name == "bridge" && matches!(mode, "" | "default" | "bridge");
    let names = settings.networks.iter().flat_map(HashMap::keys);
    names.filter(|name| !by_default(name)).cloned().collect()
}

/// Whether it has no network of its own: the host's, another container's, or none at all.
pub(super) fn shares_a_network(mode: &str) -> bool {
    matches!(mode, "host" | "none") || mode.starts_with("container:")
}

fn mounts(host: &HostConfig) -> Result<BTreeMap<String, MountBody>, String> {
    let mounts = host.mounts.as_deref().unwrap_or_default();
    let volumes = mounts.iter().filter(|mount| mount.typ == Some(MountType::VOLUME));
    let mounted = volumes.filter_map(|mount| {
        let Some(target) = &mount.target else {
            return Some(Err("the engine's answer has a mount without a place".into()));
        };
        let volume = mount.source.clone().filter(|volume| !volume.is_empty())?;
        let read_only = mount.read_only.unwrap_or_default();
        Some(Ok((place(target), MountBody { volume, read_only })))
    });
    let bound = host.binds.iter().flatten().filter_map(|bind| bound_volume(bind)).map(Ok);
    mounted.chain(bound).collect()
}

/// A volume as `docker run --volume` writes it: `data:/var/lib/data:ro`. A path of the host is none.
pub(super) fn bound_volume(bind: &str) -> Option<(String, MountBody)> {
    let mut parts = bind.splitn(3, ':');
    let (volume, target) = (parts.next()?, parts.next()?);
    let read_only = parts.next().is_some_and(|modes| modes.split(',').any(|mode| mode == "ro"));
    let volume = (!volume.starts_with('/')).then(|| volume.to_owned())?;
    Some((place(target), MountBody { volume, read_only }))
}

/// An engine takes a slash at the end and passes over it.
fn place(target: &str) -> String {
    target.trim_end_matches('/').to_owned()
}

fn ports(bindings: Option<&PortMap>, made: Made) -> Result<BTreeSet<PortBody>, String> {
    let mut ports = BTreeSet::new();
    for (key, bindings) in bindings.into_iter().flatten() {
        for binding in bindings.iter().flatten() {
            match (port(key, binding), made) {
                (Some(port), _) => drop(ports.insert(port)),
                (None, Made::Before) => {}
                (None, Made::ByUs) => {
                    let why = "the engine's answer has a published port";
                    return Err(format!("{why} `{key}` that makes no sense"));
                }
            }
        }
    }
    Ok(ports)
}

/// A published port; `None` when no entry could say it: of another protocol, or any that is free.
pub(super) fn port(key: &str, binding: &PortBinding) -> Option<PortBody> {
    let bind = binding.host_ip.as_deref().filter(|bind| !bind.is_empty()).unwrap_or("0.0.0.0");
    let (container, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some(PortBody {
        container: container.parse().ok()?,
        protocol,
        bind: bind.parse().ok()?,
        host: binding.host_port.as_deref()?.parse().ok().filter(|port| *port > 0)?,
    })
}

/// Cores may be limited in two ways; `docker update --cpu-quota` takes the second.
fn cpu(host: &HostConfig) -> Option<Cpu> {
    let nanos = host.nano_cpus.and_then(positive).map(|nanos| nanos / 1_000_000);
    let millis = nanos.or_else(|| {
        let quota = host.cpu_quota.and_then(positive)?;
        Some(quota * 1000 / host.cpu_period.and_then(positive).unwrap_or(DEFAULT_PERIOD_US))
    })?;
    Some(Cpu::from_millis(clamped(millis)))
}

/// 0 and -1 both stand for “no limit”.
fn positive(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|value| *value > 0)
}

fn clamped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn restart(host: &HostConfig) -> Restart {
    let name = host.restart_policy.as_ref().and_then(|policy| policy.name);
    match name {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => Restart::No,
        Some(RestartPolicyNameEnum::ON_FAILURE) => Restart::OnFailure,
        Some(RestartPolicyNameEnum::ALWAYS) => Restart::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::UnlessStopped,
    }
}

pub(super) fn no_new_privileges(host: &HostConfig) -> bool {
    let options = host.security_opt.as_deref().unwrap_or_default();
    options.iter().any(|option| {
        matches!(
            option.as_str(),
            "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true"
        )
    })
}

fn healthcheck(check: &HealthConfig, shell: Option<&[String]>) -> Option<HealthcheckBody> {
    let command = match check.test.as_deref()? {
        [] => return None,
        [kind, ..] if kind == "NONE" => return None,
        [kind, command @ ..] if kind == "CMD" => command.to_vec(),
        // What the engine makes of it.
        [kind, command @ ..] if kind == "CMD-SHELL" => {
            let default = ["/bin/sh".to_owned(), "-c".to_owned()];
            let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or(&default);
            [shell, command].concat()
        }
        other => other.to_vec(),
    };
    // 0 is the engine's own default.
    let seconds = |nanos: Option<i64>, default| {
        nanos.and_then(positive).map_or(default, |nanos| nanos / 1_000_000_000)
    };
    Some(HealthcheckBody {
        command,
        interval_s: seconds(check.interval, 30),
        timeout_s: seconds(check.timeout, 30),
        retries: check.retries.and_then(positive).map_or(3, clamped),
        start_period_s: seconds(check.start_period, 0),
    })
}

/// The driver, with the options that were asked for: an engine adds its own.
pub(super) fn logging(host: &HostConfig, labels: &BTreeMap<String, String>) -> Option<Logging> {
    let log = host.log_config.as_ref()?;
    let mut options = log.config.as_ref().map(sorted).unwrap_or_default();
    if let Some(asked) = labels.get(labels::LOGGING) {
        let asked: BTreeSet<&str> = asked.split(',').collect();
        options.retain(|name, _| asked.contains(name.as_str()));
    }
    Some(Logging { driver: log.typ.clone()?, options })
}

/// Whether it does its work, or will without our doing. One that is paused does not.
fn running(state: &ContainerState) -> Result<bool, String> {
    if state.status.is_none() {
        return Err("the engine's answer has no `State.Status`".into());
    }
    if is_removed(state) {
        return Err("it is being removed".into());
    }
    let is = |flag: Option<bool>| flag.unwrap_or_default();
    Ok((is(state.running) && !is(state.paused)) || is(state.restarting))
}

/// Whether it is being removed.
pub(super) fn is_going(inspect: &ContainerInspectResponse) -> bool {
    inspect.state.as_ref().is_some_and(is_removed)
}

fn is_removed(state: &ContainerState) -> bool {
    use ContainerStateStatusEnum::{DEAD, REMOVING};
    matches!(state.status, Some(REMOVING | DEAD))
}

/// The attributes a container has from its image.
fn inherited(body: &ContainerBody, source: &Source<'_>) -> BTreeSet<String> {
    let image = match source {
        Source::Image(image) => *image,
        Source::Removed => return everything_an_image_can_bring(body),
    };
    let from_image = env(image.env.as_deref());
    let same_env = body.env.iter().filter(|(name, value)| from_image.get(*name) == Some(value));
    let mut paths: BTreeSet<String> = same_env.map(|(name, _)| format!("env.{name}")).collect();
    let labels = image.labels.as_ref();
    let of_image = |name: &String| labels.and_then(|labels| labels.get(name));
    let same_labels = body.labels.iter().filter(|(name, value)| of_image(name) == Some(value));
    paths.extend(same_labels.map(|(name, _)| format!("labels.{name}")));
    let check = image.healthcheck.as_ref();
    let check = check.and_then(|check| healthcheck(check, image.shell.as_deref()));
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let scalars = [
        ("entrypoint", list(&body.entrypoint) == list(&image.entrypoint)),
        ("command", list(&body.command) == list(&image.cmd)),
        ("user", text(&body.user) == text(&image.user)),
        ("healthcheck", body.healthcheck == check),
    ];
    paths.extend(scalars.into_iter().filter(|(_, same)| *same).map(|(path, _)| path.to_owned()));
    paths
}

fn everything_an_image_can_bring(body: &ContainerBody) -> BTreeSet<String> {
    let env = body.env.keys().map(|name| format!("env.{name}"));
    let labels = body.labels.keys().map(|name| format!("labels.{name}"));
    let scalars = ["entrypoint", "command", "user", "healthcheck"].map(str::to_owned);
    env.chain(labels).chain(scalars).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A container as an engine shows it, with parts of it replaced.
    fn looked_at(config: serde_json::Value, host: serde_json::Value, source: &Source<'_>) -> Look {
        let mut inspect = json!({
            "Id": "abc",
            "Name": "/web",
            "State": { "Status": "running", "Running": true },
            "Config": { "Image": "nginx:1.27", "Env": ["PATH=/bin"], "Labels": {} },
            "HostConfig": {
                "NetworkMode": "default",
                "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m" } },
            },
            "NetworkSettings": { "Networks": { "bridge": {} } },
        });
        for (part, more) in [("Config", config), ("HostConfig", host)] {
            let fields = more.as_object().unwrap().clone();
            inspect[part].as_object_mut().unwrap().extend(fields);
        }
        container(&serde_json::from_value(inspect).unwrap(), source, Made::ByUs).unwrap()
    }

    fn body(look: Look) -> ContainerBody {
        let Body::Container(body) = look.body else { panic!("{look:?}") };
        std::sync::Arc::unwrap_or_clone(body)
    }

    #[test]
    fn an_engines_defaults_are_no_wishes() {
        let image = ImageConfig::default();

        let look = looked_at(json!({}), json!({}), &Source::Image(&image));

        assert!(look.inherited.contains("logging"));
        let body = body(look);
        assert_eq!((body.networks.len(), body.restart), (0, Restart::No));
        assert_eq!((body.cpu, body.memory, body.pids), (None, None, None));
    }

    #[test]
    fn a_quota_is_a_limit_of_cores() {
        let image = ImageConfig::default();
        let host = json!({ "CpuQuota": 50_000, "CpuPeriod": 0, "PidsLimit": -1 });

        let body = body(looked_at(json!({}), host, &Source::Image(&image)));

        assert_eq!((body.cpu, body.pids), (Some(Cpu::from_millis(500)), None));
    }

    #[test]
    fn logging_options_that_the_engine_added_are_left_out() {
        let image = ImageConfig::default();
        let config = json!({ "Labels": { "lessor.logging": "max-file" } });
        let host = json!({ "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m", "max-file": "2" } } });

        let look = looked_at(config, host, &Source::Image(&image));

        assert!(!look.inherited.contains("logging"));
        let options = body(look).logging.unwrap().options;
        assert_eq!(options, [("max-file".to_owned(), "2".to_owned())].into());
    }

    #[test]
    fn a_removed_image_may_have_brought_along_all_that_an_image_can() {
        let config = json!({ "User": "app", "Labels": { "tier": "front" } });

        let look = looked_at(config, json!({}), &Source::Removed);

        for path in ["env.PATH", "labels.tier", "user", "command", "entrypoint", "healthcheck"] {
            assert!(look.inherited.contains(path), "{path}");
        }
    }

    #[test]
    fn an_entry_point_that_was_taken_away_is_not_the_images() {
        let image =
            ImageConfig { entrypoint: Some(vec!["/entry".into()]), ..ImageConfig::default() };

        let look = looked_at(json!({ "Entrypoint": null }), json!({}), &Source::Image(&image));

        assert!(!look.inherited.contains("entrypoint"));
        assert_eq!(body(look).entrypoint, Some(Vec::new()));
    }
}
