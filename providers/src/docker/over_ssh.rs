//! Calls to an engine on another machine, each conversation a channel of one ssh connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use crate::ssh::{Conversation, Ssh, SshError};

/// The engine behind a machine's socket. Nobody is called yet.
pub(super) fn connect(
    ssh: &Arc<Ssh>,
    timeout: u64,
    version: &ClientVersion,
) -> Result<Docker, Error> {
    let client = Client::builder(TokioExecutor::new()).build(Channels(Arc::clone(ssh)));
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { answer.await.map_err(Error::from) }
    };
    // HTTP wants a host; whoever listens on a socket does not look at it.
    Docker::connect_with_custom_transport(transport, Some("http://docker"), timeout, version)
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
