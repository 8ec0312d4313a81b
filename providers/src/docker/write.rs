//! From bodies to the calls that make them so.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Ipam, IpamConfig, Mount, MountType, NetworkCreateRequest,
    NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use lessor_engine::ApplyError;
use lessor_plans::{ContainerBody, HealthcheckBody, NetworkBody, PortBody, VolumeBody};
use lessor_specs::kinds::Restart;
use lessor_specs::{ByteSize, Cpu, EnvValue};
use secrecy::ExposeSecret;

use crate::Secrets;

const NANOS_PER_MILLI: i64 = 1_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The call that makes a network.
pub(super) fn network(
    body: &NetworkBody,
    labels: BTreeMap<String, String>,
) -> NetworkCreateRequest {
    let ipam = body.subnet.map(|subnet| Ipam {
        config: Some(vec![IpamConfig {
            subnet: Some(subnet.to_string()),
            ..IpamConfig::default()
        }]),
        ..Ipam::default()
    });
    NetworkCreateRequest {
        name: body.name.clone(),
        driver: Some("bridge".into()),
        internal: Some(body.internal),
        ipam,
        labels: Some(labels.into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}

/// The call that makes a volume.
pub(super) fn volume(body: &VolumeBody, labels: BTreeMap<String, String>) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(body.name.clone()),
        driver: Some(body.driver.clone()),
        driver_opts: Some(body.options.clone().into_iter().collect()),
        labels: Some(labels.into_iter().collect()),
        ..VolumeCreateRequest::default()
    }
}

/// The call that makes a container, joined to the first of its networks. Up to API 1.43 there can
/// be only one; the others are connected afterwards.
///
/// # Errors
/// When the value of a secret cannot be had.
pub(super) fn container(
    body: &ContainerBody,
    labels: BTreeMap<String, String>,
    secrets: &Secrets,
) -> Result<ContainerCreateBody, ApplyError> {
    let exposed = body.ports.iter().map(port_key).collect();
    Ok(ContainerCreateBody {
        image: Some(body.image.clone()),
        entrypoint: body.entrypoint.clone(),
        cmd: body.command.clone(),
        user: body.user.clone(),
        env: Some(env(&body.env, secrets)?),
        labels: Some(labels.into_iter().collect()),
        exposed_ports: Some(exposed),
        healthcheck: body.healthcheck.as_ref().map(healthcheck),
        host_config: Some(host_config(body)),
        networking_config: body.networks.first().map(|name| joined(name)),
        ..ContainerCreateBody::default()
    })
}

/// The call that changes what differs, among the attributes that can change in place; `None` when
/// no call is needed for them.
pub(super) fn update(body: &ContainerBody, differing: &[String]) -> Option<ContainerUpdateBody> {
    let differs = |path: &str| differing.iter().any(|other| other == path);
    let mut update = ContainerUpdateBody::default();
    if differs("cpu") {
        update.nano_cpus = body.cpu.map(nanos);
    }
    if differs("memory") {
        update.memory = body.memory.map(bytes);
        update.memory_swap = update.memory;
    }
    if differs("pids") {
        // 0 takes the limit away.
        update.pids_limit = Some(body.pids.map_or(0, i64::from));
    }
    if differs("restart") {
        update.restart_policy = Some(restart(body.restart));
    }
    (update != ContainerUpdateBody::default()).then_some(update)
}

fn env(
    variables: &BTreeMap<String, EnvValue>,
    secrets: &Secrets,
) -> Result<Vec<String>, ApplyError> {
    let line = |(name, value): (&String, &EnvValue)| match value {
        EnvValue::Plain(text) => Ok(format!("{name}={text}")),
        EnvValue::Secret(reference) => {
            let value = secrets.needed(name, reference)?;
            Ok(format!("{name}={}", value.expose_secret()))
        }
    };
    variables.iter().map(line).collect()
}

fn host_config(body: &ContainerBody) -> HostConfig {
    let logging = body.logging.as_ref().map(|logging| HostConfigLogConfig {
        typ: Some(logging.driver.clone()),
        config: Some(logging.options.clone().into_iter().collect()),
    });
    HostConfig {
        network_mode: body.networks.first().cloned(),
        mounts: Some(mounts(body)),
        port_bindings: Some(port_bindings(body)),
        nano_cpus: body.cpu.map(nanos),
        memory: body.memory.map(bytes),
        // Memory and swap together: as much as memory alone leaves no swap.
        memory_swap: body.memory.map(bytes),
        pids_limit: body.pids.map(i64::from),
        restart_policy: Some(restart(body.restart)),
        security_opt: body.no_new_privileges.then(|| vec!["no-new-privileges:true".into()]),
        log_config: logging,
        ..HostConfig::default()
    }
}

fn joined(network: &str) -> NetworkingConfig {
    let endpoints = HashMap::from([(network.to_owned(), EndpointSettings::default())]);
    NetworkingConfig { endpoints_config: Some(endpoints) }
}

fn mounts(body: &ContainerBody) -> Vec<Mount> {
    let mount = |(target, mount): (&String, &lessor_plans::MountBody)| Mount {
        typ: Some(MountType::VOLUME),
        source: Some(mount.volume.clone()),
        target: Some(target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    };
    body.mounts.iter().map(mount).collect()
}

fn port_bindings(body: &ContainerBody) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &body.ports {
        let binding = PortBinding {
            host_ip: Some(port.bind.to_string()),
            host_port: Some(port.host.to_string()),
        };
        bindings.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn port_key(port: &PortBody) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn healthcheck(check: &HealthcheckBody) -> HealthConfig {
    let seconds =
        |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(NANOS_PER_SECOND);
    let start_period = match check.start_period_s {
        // 0 would mean that of the image's own check; this is the least an engine takes.
        0 => NANOS_PER_MILLI,
        period => seconds(period),
    };
    HealthConfig {
        test: Some([&["CMD".to_owned()], check.command.as_slice()].concat()),
        interval: Some(seconds(check.interval_s)),
        timeout: Some(seconds(check.timeout_s)),
        retries: Some(check.retries.into()),
        start_period: Some(start_period),
        ..HealthConfig::default()
    }
}

fn restart(restart: Restart) -> RestartPolicy {
    let name = match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

fn nanos(cpu: Cpu) -> i64 {
    i64::from(cpu.millis()) * NANOS_PER_MILLI
}

fn bytes(memory: ByteSize) -> i64 {
    i64::try_from(memory.bytes()).unwrap_or(i64::MAX)
}
