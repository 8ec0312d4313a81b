//! What happens around every call: it gets an id, limits, a log line, a count and headers.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;
use tracing::{error, info};
use ulid::Ulid;

use crate::{Problem, ProblemKind, Services};

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who calls, as far as can be told: the other end, or whom a trusted proxy there calls for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) IpAddr);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the call that is being answered.
pub(crate) fn request_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Answers a call, whatever becomes of it.
pub(crate) async fn around(
    State(services): State<Services>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = format!("req_{}", Ulid::generate());
    let begun = Instant::now();
    let (method, route) = (request.method().clone(), route(&request));
    let address = address(&services.settings.trusted_proxies, &request);
    request.extensions_mut().insert(Address(address));
    let answer = CURRENT.scope(id.clone(), answer(&services, address, request, next));
    let mut response = answer.await;

    let (status, took) = (response.status(), begun.elapsed());
    if !method.is_safe() && status.is_success() {
        // It may have been about an order; whoever carries them out finds out which.
        services.orders_moved.notify_one();
        services.outbox_moved.notify_one();
    }
    services.metrics.count(&method, &route, status, took);
    // The route, never the path: ids and names of people stand in paths.
    info!(request.id = %id, %method, route, status = status.as_u16(), took_ms = took.as_millis(),
        "answered a call");
    dress(response.headers_mut(), &id);
    response
}

async fn answer(services: &Services, address: IpAddr, request: Request, next: Next) -> Response {
    if let Err(problem) = services.limits.check_address(address) {
        return problem.into_response();
    }
    // Whatever is in the path, a database takes no NUL.
    if request.uri().path().contains("%00") {
        return Problem::not_found().into_response();
    }
    let answered = tokio::time::timeout(services.settings.timeout, next.run(request));
    answered.await.unwrap_or_else(|_| {
        error!(request.id = request_id(), "a call took too long");
        Problem::new(ProblemKind::Unavailable).into_response()
    })
}

/// What is answered when the code of a route fails in a way nobody thought of.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    error!(request.id = request_id(), "a call panicked");
    Problem::new(ProblemKind::Internal).into_response()
}

/// What is answered where there is nothing.
pub(crate) async fn not_found() -> Problem {
    Problem::not_found()
}

/// What is answered where there is something for other methods.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed)
}

fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or_else(|| "none".to_owned(), |matched| matched.as_str().to_owned())
}

/// The nearest address that is not one of our own proxies.
fn address(trusted: &[IpNet], request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.0.ip()).to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = request.headers().get_all(&FORWARDED_FOR).iter();
    let values = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let mut nearest = peer;
    for hop in values.rsplit(',') {
        // What cannot be read was not written by a proxy of ours.
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        nearest = hop.to_canonical();
        if !is_trusted(&nearest) {
            break;
        }
    }
    nearest
}

/// What every answer says, whatever it is about.
fn dress(headers: &mut HeaderMap, id: &str) {
    const ALWAYS: [(HeaderName, &str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // An answer may hold what only this caller may see, unless its route says otherwise.
    let usual = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// An answer without a body.
pub(crate) const NOTHING: StatusCode = StatusCode::NO_CONTENT;
