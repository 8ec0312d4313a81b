//! Reading requests: strictly, and saying where something is wrong.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path as FieldPath, Segment};
use sha2::{Digest as _, Sha256};

use crate::{Problem, ProblemKind, Services};

/// The largest body that is read, in bytes. What customers send is a few hundred.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A body in JSON. A field that nobody knows is refused, not skipped: it is a word misspelt.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Services> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = read(request, services).await?;
        parse(&bytes).map(Json)
    }
}

/// A body in JSON that must not count twice, however often it is sent: with the key by which a
/// repetition is recognised, and a digest by which a key that is used for something else is.
pub struct Idempotent<T> {
    /// What the client calls this request.
    pub key: String,
    /// Of all that was asked for.
    pub digest: String,
    /// What was asked for.
    pub body: T,
}

/// As [`Idempotent`], for clients that were written before there were keys: without one, it counts
/// each time.
pub(crate) struct MaybeIdempotent<T> {
    /// What the client calls this request, if it calls it anything.
    pub(crate) key: Option<String>,
    /// Of all that was asked for.
    pub(crate) digest: String,
    /// What was asked for.
    pub(crate) body: T,
}

impl<T: DeserializeOwned> FromRequest<Services> for Idempotent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let key = idempotency_key(request.headers())?;
        let MaybeIdempotent { digest, body, .. } =
            MaybeIdempotent::from_request(request, services).await?;
        Ok(Idempotent { key, digest, body })
    }
}

impl<T: DeserializeOwned> FromRequest<Services> for MaybeIdempotent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let is_named = request.headers().contains_key(&IDEMPOTENCY_KEY);
        let key = is_named.then(|| idempotency_key(request.headers())).transpose()?;
        let target = format!("{} {}\n", request.method(), request.uri());
        let bytes = read(request, services).await?;
        let digest = Sha256::new().chain_update(target).chain_update(&bytes).finalize();
        let digest = digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(MaybeIdempotent { key, digest, body: parse(&bytes)? })
    }
}

/// The parameters of a query. One that nobody knows is refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Services> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Services) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        match query {
            Ok(axum::extract::Query(query)) => Ok(Query(query)),
            Err(rejection) => Err(Problem::parameter("query", source_text(&rejection))),
        }
    }
}

/// Parameters of the path. Whatever is wrong with them, there is nothing there.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Services> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, services).await;
        path.map(|axum::extract::Path(path)| Path(path)).map_err(|_| Problem::not_found())
    }
}

/// Which version of a thing the client means to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IfMatch(pub(crate) i64);

impl FromRequestParts<Services> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Services) -> Result<Self, Problem> {
        let Some(value) = only(&parts.headers, &header::IF_MATCH)? else {
            return Err(Problem::new(ProblemKind::PreconditionRequired)
                .detail("send the `ETag` of what you looked at"));
        };
        let version = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let version = version.and_then(|version| version.parse().ok());
        // Any other tag was never one of ours, so it does not match.
        version.map(IfMatch).ok_or_else(|| Problem::new(ProblemKind::Outdated))
    }
}

/// The entity tag of a version.
pub(crate) fn etag(version: i64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

/// The value of a header that may stand once.
pub(crate) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Problem::new(ProblemKind::Malformed).detail(format!("`{name}` stands twice")));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| Problem::new(ProblemKind::Malformed).detail(format!("`{name}` is no text")))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let found = only(headers, &header::CONTENT_TYPE)?.unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let expected = "send `content-type: application/json`";
    Err(Problem::new(ProblemKind::MediaType).detail(expected))
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = only(headers, &IDEMPOTENCY_KEY)?.unwrap_or("").to_owned();
    let is_good = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good {
        return Ok(key);
    }
    Err(Problem::parameter("Idempotency-Key", "expected 1 to 255 visible ASCII characters"))
}

async fn read(request: Request, services: &Services) -> Result<Bytes, Problem> {
    Bytes::from_request(request, services).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(failed)
            if failed.status() == ProblemKind::TooLarge.status() =>
        {
            let detail = format!("at most {BODY_LIMIT} bytes are read");
            Problem::new(ProblemKind::TooLarge).detail(detail)
        }
        _ => Problem::new(ProblemKind::Malformed).detail("the body ended too early"),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde takes a list for the fields of a struct in their order, which no client relies on knowing.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Problem::field("", "expected an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            let text = without_place(&inner.to_string());
            return Problem::field(&pointer(error.path(), &text), text);
        }
        unreadable(inner)
    })?;
    json.end().map_err(|error| unreadable(&error))?;
    // NUL is a character for JSON and the end of a text for a database.
    if bytes.windows(6).any(|window| window.eq_ignore_ascii_case(b"\\u0000")) {
        return Err(Problem::new(ProblemKind::Malformed).detail("text holds a NUL character"));
    }
    Ok(parsed)
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let place = format!("line {} column {}", error.line(), error.column());
    Problem::new(ProblemKind::Malformed).detail(format!("the body is not JSON at {place}"))
}

/// The JSON pointer of a field. A field that is missing, or that nobody knows, is named in the text
/// and not in the path.
fn pointer(path: &FieldPath, text: &str) -> String {
    let mut pointer = String::new();
    let mut last = None;
    for segment in path {
        let name = match segment {
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Seq { index } => index.to_string(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        let _ = write!(pointer, "/{name}");
        last = Some(name);
    }
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match named {
        Some(named) if last.as_deref() != Some(named) => format!("{pointer}/{named}"),
        _ => pointer,
    }
}

/// “invalid type: string, expected u32 at line 1 column 9”, without the place, which the pointer
/// says better.
fn without_place(text: &str) -> String {
    text.rsplit_once(" at line ").map_or(text, |(before, _)| before).to_owned()
}

fn source_text(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), source_text_of)
}

fn source_text_of(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), source_text_of)
}
