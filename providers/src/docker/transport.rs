//! HTTP to an engine, over whatever leads to it. Connections are used again: to make one for each
//! call, as the library does, costs the engine as much as many an answer.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use hyper::HeaderMap;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tower_service::Service;

use crate::ssh::{Conversation, Ssh, SshError};

/// HTTP wants a host; whoever listens on a socket does not look at it.
const NO_HOST: &str = "http://docker";

/// In each answer of an engine: the newest version of the API that it speaks
/// (<https://docs.docker.com/reference/api/engine/>, `GET /_ping`).
const API_VERSION: &str = "api-version";

/// How to talk to an engine.
pub(super) struct Line {
    pub(super) docker: Docker,
    /// The newest version of the API that the engine speaks, once it has answered.
    pub(super) speaks: Arc<OnceLock<ClientVersion>>,
}

/// The engine behind a socket of this machine. Nobody is called yet, as in the others.
pub(super) fn over_unix(socket: &Path, timeout: u64) -> Result<Line, Error> {
    over(Socket(socket.into()), NO_HOST, timeout)
}

/// The engine at `address`, `host:port`, in the open.
pub(super) fn over_tcp(address: &str, timeout: u64) -> Result<Line, Error> {
    over(HttpConnector::new(), &format!("http://{address}"), timeout)
}

/// The engine at `address`, `host:port`, behind TLS.
pub(super) fn over_tls(address: &str, config: ClientConfig, timeout: u64) -> Result<Line, Error> {
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    over(https.build(), &format!("https://{address}"), timeout)
}

/// The engine behind another machine's socket; each connection is a channel of one ssh connection.
pub(super) fn over_ssh(ssh: &Arc<Ssh>, timeout: u64) -> Result<Line, Error> {
    over(Channels(Arc::clone(ssh)), NO_HOST, timeout)
}

fn over(
    connector: impl Connect + Clone + Send + Sync + 'static,
    address: &str,
    timeout: u64,
) -> Result<Line, Error> {
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let speaks = Arc::new(OnceLock::new());
    let heard = Arc::clone(&speaks);
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        let heard = Arc::clone(&heard);
        async move {
            let answer = answer.await?;
            if let Some(version) = version(answer.headers()) {
                heard.get_or_init(|| version);
            }
            Ok(answer)
        }
    };
    let docker = Docker::connect_with_custom_transport(
        transport,
        Some(address),
        timeout,
        API_DEFAULT_VERSION,
    )?;
    Ok(Line { docker, speaks })
}

fn version(headers: &HeaderMap) -> Option<ClientVersion> {
    let (major, minor) = headers.get(API_VERSION)?.to_str().ok()?.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// Connects to a socket for each connection that HTTP wants.
#[derive(Clone)]
struct Socket(Arc<Path>);

impl<Uri> Service<Uri> for Socket {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = Arc::clone(&self.0);
        Box::pin(async move { UnixStream::connect(socket).await.map(TokioIo::new) })
    }
}

/// Opens a channel for each connection that HTTP wants.
#[derive(Clone)]
struct Channels(Arc<Ssh>);

impl<Uri> Service<Uri> for Channels {
    type Response = TokioIo<Channel>;
    type Error = SshError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SshError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SshError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let ssh = Arc::clone(&self.0);
        Box::pin(async move { Ok(TokioIo::new(Channel(ssh.socket().await?))) })
    }
}

/// A conversation, in the form that HTTP wants.
struct Channel(Conversation);

impl Connection for Channel {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
