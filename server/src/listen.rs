//! Connections: taken, spoken to over TLS or plainly, and ended without cutting off an answer.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::{Peer, StartError};

/// How many connections are open at once. More wait to be taken, and cost us nothing.
const CONNECTIONS: usize = 1024;

/// How long somebody may take to agree on TLS, and to say what they want.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(15);

/// How long answers that are being given may take once the server is to end.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// How the server shows who it is.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// With a certificate, and those between it and one that others trust, and its key: PEM files.
    ///
    /// # Errors
    /// When a file cannot be read, or one does not fit the other.
    pub fn of_files(certificates: &Path, key: &Path) -> Result<Self, StartError> {
        let failed = |path: &Path, why: &dyn std::fmt::Display| {
            StartError::new(&format!("`{}` cannot be used: {why}", path.display()))
        };
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(certificates, &error))?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(certificates, &error))?
            .with_no_client_auth()
            .with_single_cert(chain, key_der)
            .map_err(|error| failed(key, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Tells an answer that goes on and on when the server is to end.
#[derive(Clone, Debug)]
pub(crate) struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Is there once the server is to end.
    pub(crate) async fn told(&mut self) {
        told_to_end(&mut self.0).await;
    }
}

/// A port that is listened on.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    tls: Option<Tls>,
}

impl Listening {
    /// Listens on `address`; calls wait until they are answered by [`Listening::serve`].
    ///
    /// # Errors
    /// When somebody else does, or it is not ours to listen on.
    pub async fn at(address: SocketAddr, tls: Option<Tls>) -> std::io::Result<Self> {
        Ok(Listening { listener: TcpListener::bind(address).await?, tls })
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers calls until `stop` is there. What was begun by then is finished, for a while.
    pub async fn serve(self, app: Router, stop: impl Future<Output = ()>) {
        let (ending, told) = watch::channel(false);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut stop = std::pin::pin!(stop);
        loop {
            let taken = tokio::select! {
                () = &mut stop => break,
                taken = take(&self.listener, &places) => taken,
            };
            if let Some((stream, peer, place)) = taken {
                let connection =
                    connection(stream, peer, self.tls.clone(), app.clone(), told.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
        }
        drop(self.listener);
        ending.send_replace(true);
        info!("finishing what was begun");
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        if timeout(LAST_ANSWERS, places.acquire_many(all)).await.is_err() {
            warn!("some answers took too long and were cut off");
        }
    }
}

type Taken = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// Takes the next connection, once there is a place for it.
async fn take(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Taken> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and somebody waits for them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            // Out of file descriptors, most likely: others end, and then it goes on.
            warn!(%error, "could not take a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    app: Router,
    told: watch::Receiver<bool>,
) {
    let Some(Tls(acceptor)) = tls else { return speak(stream, peer, app, told).await };
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, app, told).await,
        Ok(Err(error)) => debug!(%error, "no TLS could be agreed on"),
        Err(_) => debug!("agreeing on TLS took too long"),
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    app: Router,
    mut told: watch::Receiver<bool>,
) {
    let ending = Ending(told.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(ending.clone());
        app.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_end(&mut told) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

async fn told_to_end(told: &mut watch::Receiver<bool>) {
    // Whoever could tell us is gone when this fails, which says the same.
    let _ = told.wait_for(|is_ending| *is_ending).await;
}
