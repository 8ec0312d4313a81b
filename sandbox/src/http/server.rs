//! Listening.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::connection::{self, Manner};
use super::{Identity, Site};

/// What TLS begins with: a record of the handshake.
const HANDSHAKE: u8 = 0x16;

/// A system that listens, for as long as this is kept.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    listening: JoinHandle<()>,
}

/// How long nothing is accepted after an accept that failed.
const RESPITE: Duration = Duration::from_millis(50);

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on `{address}`: {why}")]
pub struct ServerError {
    address: SocketAddr,
    why: io::Error,
}

impl Server {
    /// Begins to answer at `address`, behind TLS when there is an identity. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn listen(
        address: SocketAddr,
        identity: Option<&Identity>,
        site: Arc<dyn Site>,
    ) -> Result<Server, ServerError> {
        let failed = |why| ServerError { address, why };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config()));
        let listening = tokio::spawn(accept(listener, acceptor, site));
        Ok(Server { address, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, site: Arc<dyn Site>) {
    // Conversations end with the listener.
    let mut conversations = tokio::task::JoinSet::new();
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                // Most likely there are too many; others have to end first.
                sleep(RESPITE).await;
                continue;
            }
        };
        let (acceptor, site) = (acceptor.clone(), Arc::clone(&site));
        conversations.spawn(async move {
            if let Err(error) = converse(stream, client, acceptor, &site).await {
                debug!(%client, %error, "a connection broke");
            }
        });
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    site: &Arc<dyn Site>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        return connection::serve(stream, client, site, Manner::Usual).await;
    };
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(());
    }
    if first[0] != HANDSHAKE {
        return connection::serve(stream, client, site, Manner::InClear).await;
    }
    connection::serve(acceptor.accept(stream).await?, client, site, Manner::Usual).await
}
