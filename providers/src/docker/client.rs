//! Every call to an engine, each with a deadline and an error that says what to do.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStatsResponse, ContainerSummary,
    ContainerUpdateBody, ExecConfig, ImageInspect, ImageSummary, Network, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect, SystemInfo, Volume,
    VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, StatsOptionsBuilder,
};
use bollard::{BollardRequest, ClientVersion};
use futures_util::{Stream, StreamExt, TryStreamExt};
use lessor_engine::{ApplyError, LogsAsked};
use tokio::sync::OnceCell;

use super::tls::TlsFiles;
use super::transport::{self, Line};
use crate::ssh::{Ssh, SshError};

/// How long one call may take. An engine under load answers an inspect in seconds; one that takes
/// a minute is stuck.
const DEADLINE: Duration = Duration::from_mins(1);

/// How long a pull may take in total: a large image on a slow line.
const PULL_DEADLINE: Duration = Duration::from_mins(30);

/// How long a pull may say nothing. An engine reports progress several times a second.
const PULL_SILENCE: Duration = Duration::from_mins(2);

/// The oldest API we are tested with: Docker 20.10.
const OLDEST_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// Where an engine listens, and how to get in.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// A socket on this machine.
    Unix(String),
    /// `host:port`, in clear unless there are keys.
    Tcp(String, Option<TlsFiles>),
    /// A socket on another machine.
    Ssh(Arc<Ssh>),
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Unix(path) => write!(f, "unix://{path}"),
            Door::Tcp(address, _) => write!(f, "tcp://{address}"),
            Door::Ssh(ssh) => fmt::Display::fmt(ssh.endpoint(), f),
        }
    }
}

/// One engine. It is not called before the first question.
pub(super) struct Client {
    door: Door,
    agreed: OnceCell<Agreed>,
}

/// An engine that was reached, and the version of its API that every call names.
struct Agreed {
    api: bollard::Docker,
    version: ClientVersion,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// Something else is there already, or is using it.
    #[error("the engine refused: {0}")]
    Conflict(String),
    /// Another network has these addresses.
    #[error("the engine refused: {0}")]
    SubnetTaken(String),
    /// The engine says no, and will say it again.
    #[error("the engine refused: {0}")]
    Refused(String),
    /// We may not talk to it.
    #[error("no permission to use the Docker socket `{socket}`")]
    Denied {
        /// Where it is.
        socket: String,
    },
    /// It is too old.
    #[error("{0}")]
    Outdated(String),
    /// The keys for it cannot be used.
    #[error("{0}")]
    Keys(String),
    /// The machine it runs on cannot be reached, or not in this way.
    #[error("{0}")]
    Ssh(SshError),
    /// No answer, half an answer, or “not now”.
    #[error("{0}")]
    Unanswered(String),
    /// An answer that makes no sense.
    #[error("the engine's answer was not understood: {0}")]
    Garbled(String),
}

impl CallError {
    /// Something one can do now.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            CallError::Denied { .. } => Some(
                "add your user to the `docker` group and log in again, or run lessor as root"
                    .into(),
            ),
            CallError::Outdated(_) => Some("lessor needs Docker 20.10 or newer".into()),
            CallError::Keys(_) => Some("check the files named in the entry's `tls`".into()),
            CallError::Ssh(error) => Some(error.hint()),
            _ => None,
        }
    }
}

impl From<CallError> for ApplyError {
    fn from(error: CallError) -> Self {
        let (why, hint) = (error.to_string(), error.hint());
        match error {
            // What a step builds on was seen or made before it.
            CallError::Missing(_) => ApplyError::Stale { why },
            CallError::Unanswered(_) | CallError::Garbled(_) => ApplyError::Transient { why },
            CallError::Ssh(error) if error.may_pass() => ApplyError::Transient { why },
            CallError::Conflict(_)
            | CallError::SubnetTaken(_)
            | CallError::Refused(_)
            | CallError::Denied { .. }
            | CallError::Outdated(_)
            | CallError::Ssh(_)
            | CallError::Keys(_) => ApplyError::Refused { why, hint },
        }
    }
}

impl Client {
    pub(super) fn new(door: Door) -> Self {
        Client { door, agreed: OnceCell::new() }
    }

    /// Where the engine listens.
    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    /// Containers, running or not; only those with `label` when there is one.
    pub(super) async fn containers(
        &self,
        label: Option<&str>,
    ) -> Result<Vec<ContainerSummary>, CallError> {
        let options =
            ListContainersOptionsBuilder::new().all(true).filters(&filters("label", label));
        self.call(self.api().await?.list_containers(Some(options.build()))).await
    }

    /// Networks; only those with `label` when there is one.
    pub(super) async fn networks(&self, label: Option<&str>) -> Result<Vec<Network>, CallError> {
        let options = ListNetworksOptionsBuilder::new().filters(&filters("label", label));
        self.call(self.api().await?.list_networks(Some(options.build()))).await
    }

    /// Networks of this name. An engine before 25 can have several.
    pub(super) async fn networks_named(&self, name: &str) -> Result<Vec<Network>, CallError> {
        let options = ListNetworksOptionsBuilder::new().filters(&filters("name", Some(name)));
        let found = self.call(self.api().await?.list_networks(Some(options.build()))).await?;
        let mut named = Vec::new();
        for network in found {
            let network = whole(network, |network| network.id.is_some() && network.name.is_some())?;
            // The filter takes every name that has this one in it.
            if network.name.as_deref() == Some(name) {
                named.push(network);
            }
        }
        Ok(named)
    }

    /// Volumes; only those with `label` when there is one.
    pub(super) async fn volumes(&self, label: Option<&str>) -> Result<Vec<Volume>, CallError> {
        let options = ListVolumesOptionsBuilder::new().filters(&filters("label", label));
        let answer = self.call(self.api().await?.list_volumes(Some(options.build()))).await?;
        // Without volumes, the list is empty and still there.
        answer.volumes.ok_or_else(|| CallError::Garbled("it has no list of volumes".into()))
    }

    /// Every image.
    pub(super) async fn images(&self) -> Result<Vec<ImageSummary>, CallError> {
        let options = ListImagesOptionsBuilder::new().digests(true).build();
        self.call(self.api().await?.list_images(Some(options))).await
    }

    /// Where the output of containers goes unless somebody says otherwise.
    pub(super) async fn logging_driver(&self) -> Result<String, CallError> {
        let info = self.call(self.api().await?.info()).await?;
        Ok(info.logging_driver.unwrap_or_default())
    }

    /// All about one container, by name or id; `None` when there is none.
    pub(super) async fn container(
        &self,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, CallError> {
        let answer = found(self.call(self.api().await?.inspect_container(name, None)).await)?;
        let is_one = |container: &ContainerInspectResponse| {
            container.id.is_some() && container.name.is_some() && container.config.is_some()
        };
        answer.map(|container| whole(container, is_one)).transpose()
    }

    /// All about one network, by id; `None` when there is none.
    pub(super) async fn network(&self, id: &str) -> Result<Option<NetworkInspect>, CallError> {
        let answer = found(self.call(self.api().await?.inspect_network(id, None)).await)?;
        answer.map(|network| whole(network, |network| network.id.is_some())).transpose()
    }

    /// All about one volume; `None` when there is none.
    pub(super) async fn volume(&self, name: &str) -> Result<Option<Volume>, CallError> {
        found(self.call(self.api().await?.inspect_volume(name)).await)
    }

    /// All about one image, by reference or id; `None` when there is none.
    pub(super) async fn image(&self, reference: &str) -> Result<Option<ImageInspect>, CallError> {
        let answer = found(self.call(self.api().await?.inspect_image(reference)).await)?;
        answer.map(|image| whole(image, |image| image.id.is_some())).transpose()
    }

    /// Makes a container and answers with its id.
    pub(super) async fn create_container(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, CallError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let answer = self.api().await?.create_container(Some(options), body);
        Ok(self.call(answer).await?.id)
    }

    /// Makes a network and answers with its id.
    pub(super) async fn create_network(
        &self,
        body: NetworkCreateRequest,
    ) -> Result<String, CallError> {
        Ok(self.call(self.api().await?.create_network(body)).await?.id)
    }

    /// Makes a volume, or answers with the one that has the name already.
    pub(super) async fn create_volume(
        &self,
        body: VolumeCreateRequest,
    ) -> Result<Volume, CallError> {
        self.call(self.api().await?.create_volume(body)).await
    }

    /// Changes limits and the restart policy of a container.
    pub(super) async fn update_container(
        &self,
        id: &str,
        body: ContainerUpdateBody,
    ) -> Result<(), CallError> {
        self.call(self.api().await?.update_container(id, body)).await
    }

    /// Starts a container; one that runs stays as it is.
    pub(super) async fn start_container(&self, id: &str) -> Result<(), CallError> {
        self.call(self.api().await?.start_container(id, None)).await
    }

    /// Lets a paused container go on.
    pub(super) async fn unpause_container(&self, id: &str) -> Result<(), CallError> {
        self.call(self.api().await?.unpause_container(id)).await
    }

    /// Stops a container, which may take `grace`; one that does not run stays as it is.
    pub(super) async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), CallError> {
        let call = self.api().await?.stop_container(id, None);
        self.call_within(DEADLINE + grace, call).await
    }

    /// Removes a container that does not run; with its anonymous volumes, if those shall go.
    pub(super) async fn remove_container(
        &self,
        id: &str,
        with_volumes: bool,
    ) -> Result<(), CallError> {
        let options = RemoveContainerOptionsBuilder::new().v(with_volumes).build();
        gone(self.call(self.api().await?.remove_container(id, Some(options))).await)
    }

    /// Removes a network nobody is connected to.
    pub(super) async fn remove_network(&self, id: &str) -> Result<(), CallError> {
        gone(self.call(self.api().await?.remove_network(id)).await)
    }

    /// Removes a volume nobody mounts, with what is in it.
    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), CallError> {
        let call = self.api().await?.remove_volume(name, None::<RemoveVolumeOptions>);
        gone(self.call(call).await)
    }

    /// Connects a container to a network.
    pub(super) async fn connect_network(
        &self,
        network: &str,
        container: &str,
    ) -> Result<(), CallError> {
        let body = NetworkConnectRequest {
            container: container.into(),
            ..NetworkConnectRequest::default()
        };
        self.call(self.api().await?.connect_network(network, body)).await
    }

    /// Disconnects a container from a network.
    pub(super) async fn disconnect_network(
        &self,
        network: &str,
        container: &str,
    ) -> Result<(), CallError> {
        let body = NetworkDisconnectRequest { container: container.into(), force: Some(true) };
        gone(self.call(self.api().await?.disconnect_network(network, body)).await)
    }

    /// The last `lines` a container wrote.
    pub(super) async fn logs(&self, id: &str, lines: usize) -> Result<String, CallError> {
        let tail = lines.to_string();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&tail).build();
        let output = self.api().await?.logs(id, Some(options));
        let output: Vec<_> = self.call(output.try_collect()).await?;
        Ok(output.iter().map(ToString::to_string).collect())
    }

    /// What a container wrote, piece by piece, and goes on to write if that is asked for. There is
    /// no deadline: it may write nothing for long.
    pub(super) async fn output(
        &self,
        id: &str,
        asked: LogsAsked,
    ) -> Result<impl Stream<Item = Result<LogOutput, CallError>> + use<>, CallError> {
        let tail = asked.tail.to_string();
        let since = asked.since.map_or(0, |since| since.as_second().max(0));
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(asked.follow)
            .since(i32::try_from(since).unwrap_or(i32::MAX))
            .tail(&tail);
        let output = self.api().await?.logs(id, Some(options.build()));
        let door = self.door.clone();
        Ok(output.map(move |piece| piece.map_err(|error| explained(&door, error))))
    }

    /// What a container uses, right now.
    pub(super) async fn stats(&self, id: &str) -> Result<ContainerStatsResponse, CallError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut readings = Box::pin(self.api().await?.stats(id, Some(options)));
        let reading = self.call(async { readings.next().await.transpose() }).await?;
        reading.ok_or_else(|| CallError::Unanswered("the engine counted nothing".into()))
    }

    /// Stops a container, which may take `grace`, and starts it again.
    pub(super) async fn restart_container(
        &self,
        id: &str,
        grace: Duration,
    ) -> Result<(), CallError> {
        let call = self.api().await?.restart_container(id, None);
        self.call_within(DEADLINE + grace, call).await
    }

    /// What the engine says of itself, and the version of the API we agreed on.
    pub(super) async fn info(&self) -> Result<(SystemInfo, ClientVersion), CallError> {
        let Agreed { api, version } = self.agreed().await?;
        let info = self.call(api.info()).await?;
        if info.server_version.is_none() {
            return Err(CallError::Garbled("it does not name the engine's version".into()));
        }
        Ok((info, *version))
    }

    /// Fetches an image by name and tag or digest.
    pub(super) async fn pull(&self, name: &str, version: &str) -> Result<(), CallError> {
        let options = CreateImageOptionsBuilder::new().from_image(name).tag(version).build();
        let progress = self.api().await?.create_image(Some(options), None, None);
        self.call_within(PULL_DEADLINE, follow(progress)).await
    }

    /// Makes ready to run a command as root in a container, and answers with its id.
    pub(super) async fn exec_create(&self, id: &str, argv: &[&str]) -> Result<String, CallError> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: Some("0".into()),
            cmd: Some(argv.iter().map(ToString::to_string).collect()),
            ..ExecConfig::default()
        };
        Ok(self.call(self.api().await?.create_exec(id, config)).await?.id)
    }

    /// Starts it, and stays with it.
    pub(super) async fn exec_start(&self, exec: &str) -> Result<StartExecResults, CallError> {
        self.call(self.api().await?.start_exec(exec, None)).await
    }

    /// The code it ended with; `None` while it runs.
    pub(super) async fn exec_ended(&self, exec: &str) -> Result<Option<i64>, CallError> {
        let answer = self.call(self.api().await?.inspect_exec(exec)).await?;
        Ok(answer.exit_code.filter(|_| answer.running != Some(true)))
    }

    /// A piece of what it writes.
    pub(super) fn piece(&self, piece: Result<LogOutput, Error>) -> Result<LogOutput, CallError> {
        piece.map_err(|error| explained(&self.door, error))
    }

    fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, CallError>> {
        self.call_within(DEADLINE, call)
    }

    /// The library's futures are large, and many of ours hold one: on the heap it is a pointer.
    fn call_within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, CallError>> {
        let call = tokio::time::timeout(deadline, Box::pin(call));
        async move {
            let answer = call.await.unwrap_or(Err(Error::RequestTimeoutError));
            answer.map_err(|error| self.explain(error))
        }
    }

    async fn api(&self) -> Result<&bollard::Docker, CallError> {
        Ok(&self.agreed().await?.api)
    }

    async fn agreed(&self) -> Result<&Agreed, CallError> {
        self.agreed.get_or_try_init(|| self.open()).await
    }

    /// Agrees on the version of the API and keeps to it: the library itself would leave the version
    /// out of its calls, and an engine would answer in its newest.
    ///
    /// The engine is asked whether it is there, and says the version with that. To be asked for its
    /// version, as the library does, costs it many times more: it asks all it is made of.
    async fn open(&self) -> Result<Agreed, CallError> {
        let Line { docker, speaks } = self.dial()?;
        self.call(docker.ping()).await?;
        let door = &self.door;
        let Some(theirs) = speaks.get() else {
            let why = "it does not say which version of the API it speaks";
            return Err(CallError::Garbled(why.into()));
        };
        if *theirs < OLDEST_API {
            return Err(CallError::Outdated(format!(
                "the engine at `{door}` speaks API {theirs}, and {OLDEST_API} is the oldest \
                 lessor knows"
            )));
        }
        let ours = docker.client_version();
        let version = if *theirs < ours { *theirs } else { ours };
        let prefix = format!("/v{version}");
        let api = docker.with_request_modifier(move |request| pinned(request, &prefix));
        Ok(Agreed { api, version })
    }

    fn dial(&self) -> Result<Line, CallError> {
        // Ours are the deadlines that count; the library's is for the slowest call of all.
        let timeout = PULL_DEADLINE.as_secs() + 1;
        let line = match &self.door {
            Door::Unix(socket) => transport::over_unix(Path::new(socket), timeout),
            Door::Tcp(address, None) => transport::over_tcp(address, timeout),
            Door::Tcp(address, Some(files)) => {
                let config = files.config().map_err(|error| CallError::Keys(error.to_string()))?;
                transport::over_tls(address, config, timeout)
            }
            Door::Ssh(ssh) => transport::over_ssh(ssh, timeout),
        };
        line.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: Error) -> CallError {
        match plainly(&self.door, error) {
            Ok(error) => error,
            Err(error) => self.not_reached(&error),
        }
    }

    fn not_reached(&self, error: &Error) -> CallError {
        if let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<SshError>()) {
            return CallError::Ssh(error.clone());
        }
        let io = match error {
            // It shows the causes of what it holds, and not that itself.
            Error::IOError { err } => Some(err),
            error => causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()),
        };
        let denied = io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if let (true, Door::Unix(socket)) = (denied, &self.door) {
            return CallError::Denied { socket: socket.clone() };
        }
        let absent = io.is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
        let why = match error {
            _ if absent && matches!(self.door, Door::Unix(_)) => "there is no such socket".into(),
            Error::RequestTimeoutError => "it took too long".into(),
            error => causes(error).last().map(ToString::to_string).unwrap_or_default(),
        };
        // An engine that answered once has accepted our keys, and we its.
        if io.is_some_and(is_of_tls) && !self.agreed.initialized() {
            return CallError::Keys(format!("no TLS with the engine at `{}`: {why}", self.door));
        }
        CallError::Unanswered(format!("no answer from the engine at `{}`: {why}", self.door))
    }
}

/// What went wrong in the middle of an answer that comes piece by piece.
fn explained(door: &Door, error: Error) -> CallError {
    plainly(door, error).unwrap_or_else(|error| {
        let why = causes(&error).last().map(ToString::to_string).unwrap_or_default();
        CallError::Unanswered(format!("no answer from the engine at `{door}`: {why}"))
    })
}

/// What an error says by itself; given back where it is about getting through.
fn plainly(door: &Door, error: Error) -> Result<CallError, Error> {
    Ok(match error {
        Error::DockerResponseServerError { status_code, message } => answered(status_code, message),
        Error::DockerStreamError { error } => streamed(error),
        Error::JsonDataError { message, .. } => CallError::Garbled(message),
        Error::JsonSerdeError { err } if err.is_eof() => {
            CallError::Unanswered(format!("the answer of `{door}` was cut short"))
        }
        Error::JsonSerdeError { err } => CallError::Garbled(err.to_string()),
        Error::APIVersionParseError {} => {
            CallError::Garbled("it names no version of its API".into())
        }
        error => return Err(error),
    })
}

fn filters(by: &str, value: Option<&str>) -> HashMap<String, Vec<String>> {
    value.map(|value| (by.to_owned(), vec![value.to_owned()])).into_iter().collect()
}

/// Reads the progress of a pull to its end.
async fn follow(
    progress: impl Stream<Item = Result<bollard::models::CreateImageInfo, Error>>,
) -> Result<(), Error> {
    let mut progress = std::pin::pin!(progress);
    loop {
        let Ok(next) = tokio::time::timeout(PULL_SILENCE, progress.next()).await else {
            return Err(Error::RequestTimeoutError);
        };
        match next.transpose()? {
            Some(line) => tracing::debug!(layer = line.id, status = line.status, "pulling"),
            None => return Ok(()),
        }
    }
}

fn pinned(mut request: BollardRequest, prefix: &str) -> BollardRequest {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let (scheme, authority) = (uri.scheme_str(), uri.authority());
    if let (Some(scheme), Some(authority)) = (scheme, authority)
        && let Ok(uri) = format!("{scheme}://{authority}{prefix}{path}").parse()
    {
        *request.uri_mut() = uri;
    }
    request
}

/// Every part of an answer may be left out, as far as the library is concerned: JSON of anything
/// else would read as a thing without properties.
fn whole<T>(answer: T, is_one: impl Fn(&T) -> bool) -> Result<T, CallError> {
    if is_one(&answer) {
        return Ok(answer);
    }
    Err(CallError::Garbled("it has no name or id".into()))
}

fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(thing) => Ok(Some(thing)),
        Err(CallError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn gone(answer: Result<(), CallError>) -> Result<(), CallError> {
    found(answer).map(drop)
}

fn answered(status: u16, message: String) -> CallError {
    match status {
        404 => CallError::Missing(message),
        409 if message.contains("in progress") => CallError::Unanswered(message),
        409 => CallError::Conflict(message),
        403 if message.contains("Pool overlaps") => CallError::SubnetTaken(message),
        // Failing to take a port is an error of the server to the engine; to us it is the plan's.
        500 if message.contains("already allocated") || message.contains("already in use") => {
            CallError::Conflict(message)
        }
        429 | 500.. => CallError::Unanswered(format!("the engine failed: {message}")),
        _ => CallError::Refused(message),
    }
}

/// Once a pull is under way, its failures come without a status.
fn streamed(message: String) -> CallError {
    const FINAL: [&str; 5] =
        ["not found", "denied", "unauthorized", "no matching manifest", "manifest unknown"];
    if FINAL.iter().any(|part| message.contains(part)) {
        return CallError::Refused(message);
    }
    CallError::Unanswered(format!("the engine failed: {message}"))
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether the library of TLS speaks: its errors are of this kind, and come in one of ours when
/// there is no connection yet.
fn is_of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    inner.unwrap_or(error).kind() == io::ErrorKind::InvalidData
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_it_is_worth_asking_again() {
        let apply = |status, message: &str| ApplyError::from(answered(status, message.into()));
        for (status, message) in [
            (500, "containerd is restarting"),
            (503, ""),
            (429, "too many requests"),
            (409, "removal of container abc is already in progress"),
        ] {
            assert!(matches!(apply(status, message), ApplyError::Transient { .. }), "{message}");
        }
        for (status, message) in [
            (400, "invalid mount"),
            (403, "Pool overlaps with other one on this address space"),
            (409, "the container name is already in use"),
            (500, "Bind for 0.0.0.0:80 failed: port is already allocated"),
        ] {
            assert!(matches!(apply(status, message), ApplyError::Refused { .. }), "{message}");
        }
        assert!(matches!(apply(404, "No such image"), ApplyError::Stale { .. }));
    }

    #[tokio::test]
    async fn a_socket_nobody_listens_on_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        drop(tokio::net::UnixListener::bind(&socket).unwrap());
        let path = socket.display().to_string();
        let client = Client::new(Door::Unix(path.clone()));

        let error = client.images().await.unwrap_err();

        let why = format!(
            "no answer from the engine at `unix://{path}`: Connection refused (os error 111)"
        );
        assert_eq!(error, CallError::Unanswered(why));
    }

    #[test]
    fn a_socket_we_may_not_use_says_what_to_do() {
        let client = Client::new(Door::Unix("/var/run/docker.sock".into()));
        let err = io::Error::from(io::ErrorKind::PermissionDenied);

        let error = client.explain(Error::IOError { err });

        let why = "no permission to use the Docker socket `/var/run/docker.sock`";
        assert_eq!(error.to_string(), why);
        let hint = "add your user to the `docker` group and log in again, or run lessor as root"
            .to_owned();
        let refused = ApplyError::Refused { why: why.into(), hint: Some(hint) };
        assert_eq!(ApplyError::from(error), refused);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_read_are_named() {
        let there = tempfile::NamedTempFile::new().unwrap();
        let there = || there.path().to_owned();
        let tls = TlsFiles { ca: there(), certificate: there(), key: "/nowhere/key.pem".into() };
        let client = Client::new(Door::Tcp("127.0.0.1:1".into(), Some(tls)));

        let error = client.images().await.unwrap_err();

        let why = "`/nowhere/key.pem` cannot be read: No such file or directory (os error 2)";
        assert_eq!(error, CallError::Keys(why.into()));
    }
}
