//! When a container counts as ready.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum};
use lessor_engine::ApplyError;
use lessor_plans::ContainerBody;
use lessor_specs::EnvValue;
use lessor_specs::kinds::{Protocol, Ready};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::client::CallError;
use super::{Docker, Door};

/// How often it is looked at: soon enough for a person, seldom enough for an engine.
const EVERY: Duration = Duration::from_millis(200);

/// How long one try to connect may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// How long a connection has to stay open to count. The proxy of an engine takes connections for
/// a container that does not listen yet, and drops them at once.
const STAYS_OPEN: Duration = Duration::from_millis(250);

/// How much of its output stands in the message about a container that stopped.
const LAST_LINES: usize = 10;

/// Waits until the container is ready.
///
/// # Errors
/// [`ApplyError::Refused`] when it stops before, or is not ready in time.
pub(super) async fn wait(
    docker: &Docker,
    id: &str,
    body: &ContainerBody,
    ready: &Ready,
) -> Result<(), ApplyError> {
    let in_time = Duration::from_secs(ready.timeout.secs());
    timeout(in_time, poll(docker, id, body, ready)).await.unwrap_or_else(|_| {
        Err(ApplyError::Refused {
            why: format!(
                "container `{}` was not ready within {}: {}",
                body.name,
                ready.timeout,
                expectation(ready)
            ),
            hint: Some(format!("`docker logs {}` on the host may say why", body.name)),
        })
    })
}

async fn poll(
    docker: &Docker,
    id: &str,
    body: &ContainerBody,
    ready: &Ready,
) -> Result<(), ApplyError> {
    loop {
        let Some(inspect) = docker.client.container(id).await? else {
            let why = format!("container `{}` went away before it was ready", body.name);
            return Err(ApplyError::Stale { why });
        };
        if let Some(code) = exit_code(&inspect) {
            return Err(stopped(docker, id, body, code).await);
        }
        let healthy = !ready.healthy || is_healthy(&inspect);
        if healthy && listens(docker, &inspect, body, ready.tcp).await? {
            return Ok(());
        }
        sleep(EVERY).await;
    }
}

fn expectation(ready: &Ready) -> String {
    match ready.tcp {
        Some(port) if ready.healthy => {
            format!("nothing answers on its port {port}, or it is not healthy")
        }
        Some(port) => format!("nothing answers on its port {port}"),
        None => "the engine does not call it healthy".into(),
    }
}

/// The exit code of a container that stopped and will not be started again.
fn exit_code(inspect: &ContainerInspectResponse) -> Option<i64> {
    let state = inspect.state.as_ref()?;
    let over = matches!(
        state.status,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD)
    );
    over.then(|| state.exit_code.unwrap_or_default())
}

async fn stopped(docker: &Docker, id: &str, body: &ContainerBody, code: i64) -> ApplyError {
    let mut why =
        format!("container `{}` stopped with exit code {code} before it was ready", body.name);
    // What a program prints may hold what it was given.
    let has_secrets = body.env.values().any(|value| matches!(value, EnvValue::Secret(_)));
    if !has_secrets && let Ok(output) = docker.client.logs(id, LAST_LINES).await {
        let lines = output.lines().map(|line| format!("\n  {}", line.trim_end()));
        why.extend(lines);
    }
    ApplyError::Refused { why, hint: None }
}

fn is_healthy(inspect: &ContainerInspectResponse) -> bool {
    let health = inspect.state.as_ref().and_then(|state| state.health.as_ref());
    health.and_then(|health| health.status) == Some(HealthStatusEnum::HEALTHY)
}

/// Whether something in a container listens on a port.
pub(super) async fn listens(
    docker: &Docker,
    inspect: &ContainerInspectResponse,
    body: &ContainerBody,
    port: Option<u16>,
) -> Result<bool, ApplyError> {
    let Some(port) = port else { return Ok(true) };
    for (host, port) in doors(docker, inspect, body, port) {
        if answers(docker.client.door(), &host, port).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a port of the container can be reached: on its host by the container's own addresses,
/// and everywhere where it is published. Over ssh, we are on its host.
fn doors(
    docker: &Docker,
    inspect: &ContainerInspectResponse,
    body: &ContainerBody,
    port: u16,
) -> Vec<(String, u16)> {
    let mut doors = Vec::new();
    let host = match docker.client.door() {
        Door::Tcp(address, _) => address.rsplit_once(':').map_or("", |(host, _)| host),
        Door::Unix(_) | Door::Ssh(_) => {
            doors.extend(own_addresses(inspect).map(|address| (address, port)));
            "127.0.0.1"
        }
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let published =
        |p: &&lessor_plans::PortBody| p.container == port && p.protocol == Protocol::Tcp;
    doors.extend(body.ports.iter().filter(published).map(|published| {
        let everywhere = published.bind.is_unspecified();
        let host = if everywhere { host.to_owned() } else { published.bind.to_string() };
        (host, published.host)
    }));
    doors
}

fn own_addresses(inspect: &ContainerInspectResponse) -> impl Iterator<Item = String> {
    let networks = inspect.network_settings.as_ref().and_then(|s| s.networks.as_ref());
    let endpoints = networks.into_iter().flat_map(|networks| networks.values());
    endpoints.filter_map(|endpoint| endpoint.ip_address.clone().filter(|ip| !ip.is_empty()))
}

/// Whether a connection is taken and stays open, or brings something.
async fn answers(door: &Door, host: &str, port: u16) -> Result<bool, ApplyError> {
    match door {
        Door::Unix(_) | Door::Tcp(..) => {
            match timeout(CONNECT_DEADLINE, TcpStream::connect((host, port))).await {
                Ok(Ok(stream)) => Ok(stays_open(stream).await),
                Ok(Err(_)) | Err(_) => Ok(false),
            }
        }
        Door::Ssh(ssh) => {
            match timeout(CONNECT_DEADLINE, ssh.port(host, port)).await.unwrap_or(Ok(None)) {
                Ok(Some(conversation)) => Ok(stays_open(conversation).await),
                Ok(None) => Ok(false),
                Err(error) => Err(CallError::Ssh(error).into()),
            }
        }
    }
}

async fn stays_open(mut stream: impl AsyncRead + Unpin) -> bool {
    match timeout(STAYS_OPEN, stream.read(&mut [0; 1])).await {
        Ok(Ok(read)) => read > 0,
        Ok(Err(_)) => false,
        Err(_) => true,
    }
}
