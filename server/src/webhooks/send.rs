//! One message on its way: to an address that was looked at, once, and not further.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::place::Endpoint;
use crate::settings::WebhookSettings;

/// How long connecting may take, and all of it.
const CONNECTING: Duration = Duration::from_secs(5);
const IN_ALL: Duration = Duration::from_secs(15);

/// How much of an answer is read. It is thrown away: what stands there is nobody's business.
const ANSWER: usize = 16 * 1024;

/// A message, ready to go.
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    pub(super) seconds: i64,
    pub(super) signature: String,
    pub(super) body: String,
}

/// Sends a message and answers with the status of the answer.
///
/// # Errors
/// Why there was none, in words for who made the endpoint.
pub(super) async fn send(
    settings: &WebhookSettings,
    endpoint: &Endpoint,
    message: Message<'_>,
) -> Result<StatusCode, String> {
    let sent = timeout(IN_ALL, send_at(settings, endpoint, message)).await;
    sent.unwrap_or_else(|_| Err(format!("no answer within {} s", IN_ALL.as_secs())))
}

async fn send_at(
    settings: &WebhookSettings,
    endpoint: &Endpoint,
    message: Message<'_>,
) -> Result<StatusCode, String> {
    let address = endpoint.resolve(&settings.allowed).await?;
    let connecting = timeout(CONNECTING, TcpStream::connect(address)).await;
    let stream = match connecting {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("no connection: {}", error.kind())),
        Err(_) => return Err(format!("no connection within {} s", CONNECTING.as_secs())),
    };
    let request = request(endpoint, message)?;
    if !endpoint.is_tls {
        return ask(stream, request).await;
    }
    let config = settings.tls().map_err(|why| format!("no TLS: {why}"))?;
    let name = ServerName::try_from(endpoint.host.clone());
    let name = name.map_err(|_| "no TLS: its name is none".to_owned())?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    ask(stream.map_err(|error| format!("no TLS: {error}"))?, request).await
}

fn request(endpoint: &Endpoint, message: Message<'_>) -> Result<Request<Body>, String> {
    let Endpoint { host, port, is_tls, path } = endpoint;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let is_usual = *port == if *is_tls { 443 } else { 80 };
    let host = if is_usual { host } else { format!("{host}:{port}") };
    let request = Request::post(path.as_str())
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("lessor/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("webhook-id", message.id)
        .header("webhook-timestamp", message.seconds)
        .header("webhook-signature", message.signature);
    request.body(Body::from(message.body)).map_err(|_| "its address cannot be called".to_owned())
}

/// Asks over what leads there. Where an answer points to is not followed.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<StatusCode, String> {
    let broken = |error: hyper::Error| format!("the conversation broke off: {error}");
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asking = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        // To its end, if that is near, so that its sender is not cut off. It may be longer.
        let _ = to_bytes(Body::new(answer.into_body()), ANSWER).await;
        Ok(status)
    };
    tokio::pin!(asking);
    tokio::select! {
        biased;
        status = &mut asking => status,
        // It may end together with the answer, which is there then.
        ended = connection => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(broken(error)),
        },
    }
}
