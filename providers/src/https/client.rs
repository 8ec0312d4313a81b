//! A request, and its answer.

use std::fmt;
use std::time::Duration;

use hyper::ext::ReasonPhrase;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{HttpsError, Waits};
use super::trust::{Trust, trusting_nobody};

pub use reqwest::Method;

/// How long a connection may take, with the name and the handshake.
const CONNECTION: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request. Proxmox VE drops it after 5 s without
/// notice, and a request that meets this is lost.
const IDLE: Duration = Duration::from_secs(3);

/// The most an answer may hold. A list of 30 guests has 8 KiB, so this is enough for 100 000.
const ANSWER_MAX: usize = 32 << 20;

/// A system behind HTTPS, or without TLS where [that is asked for](Https::plain). It is not called
/// before the first request.
///
/// HTTP/1.1 alone is spoken, redirects are not followed, and proxies that the environment names are
/// not used: whoever answers is the one that was called. No request is repeated once it may have
/// been heard.
#[derive(Clone)]
pub struct Https {
    client: reqwest::Client,
    endpoint: Url,
    connection: Duration,
}

/// What is asked.
pub struct Request<'a> {
    /// `GET`, …
    pub method: Method,
    /// The path from the root, and a query if there is one; encoded, and never secret.
    pub target: &'a str,
    /// Headers, with values nobody may see.
    pub secrets: Vec<(&'static str, SecretString)>,
    /// The media type of the body, and the body.
    pub body: Option<(&'static str, String)>,
    /// How long the answer may take, once there is a connection.
    pub deadline: Duration,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The reason phrase, which some systems put their message into; empty when it is not ASCII.
    pub reason: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Without what may be secret: values of headers, and the body.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// Without the body, which may hold anything.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.status, self.reason, self.body.len())
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Https({})", self.place())
    }
}

impl Https {
    /// The system at `endpoint`, `https://host[:port]`.
    ///
    /// # Errors
    /// [`HttpsError::Unusable`] when the endpoint is no such address, or whom to trust cannot be
    /// read.
    pub fn new(endpoint: &str, trust: &Trust) -> Result<Self, HttpsError> {
        Self::waiting(endpoint, trust, CONNECTION)
    }

    /// The system at `endpoint`, `http://host[:port]`: whatever passes can be read on the way, and
    /// nobody proves who they are. For this machine, or where somebody else sees to that.
    ///
    /// # Errors
    /// [`HttpsError::Unusable`] when the endpoint is no such address.
    pub fn plain(endpoint: &str) -> Result<Self, HttpsError> {
        let endpoint = parsed(endpoint, "http")?;
        let tls = trusting_nobody().map_err(|error| HttpsError::Unusable(error.to_string()))?;
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
        Self::built_from(builder, endpoint, CONNECTION)
    }

    fn waiting(endpoint: &str, trust: &Trust, connection: Duration) -> Result<Self, HttpsError> {
        let endpoint = parsed(endpoint, "https")?;
        let tls = trust.config().map_err(|error| HttpsError::Unusable(error.to_string()))?;
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).https_only(true);
        Self::built_from(builder, endpoint, connection)
    }

    fn built_from(
        builder: reqwest::ClientBuilder,
        endpoint: Url,
        connection: Duration,
    ) -> Result<Self, HttpsError> {
        let client = builder
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(connection)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| HttpsError::Unusable(error.to_string()))?;
        Ok(Https { client, endpoint, connection })
    }

    /// `host:port`.
    pub fn place(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        format!("{host}:{}", self.endpoint.port_or_known_default().unwrap_or_default())
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`HttpsError`]; only what [was heard](HttpsError::was_heard) can have had an effect.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer, HttpsError> {
        let waits = Waits { connection: self.connection, answer: request.deadline };
        let place = self.place();
        let explained = |error: &reqwest::Error| HttpsError::explained(error, &place, waits);
        let request = self.built(request)?;
        let mut response = self.client.execute(request).await.map_err(|error| explained(&error))?;
        let mut body = Vec::new();
        while let Some(more) = response.chunk().await.map_err(|error| explained(&error))? {
            if body.len() + more.len() > ANSWER_MAX {
                let why = format!("the answer is longer than {} MiB", ANSWER_MAX >> 20);
                return Err(HttpsError::Broken { place, why });
            }
            body.extend_from_slice(&more);
        }
        let (status, reason) = (response.status().as_u16(), reason(&response));
        Ok(Answer { status, reason, headers: std::mem::take(response.headers_mut()), body })
    }

    fn built(&self, request: Request<'_>) -> Result<reqwest::Request, HttpsError> {
        let unfit = |what: &str| HttpsError::Unusable(format!("{what} cannot be sent"));
        let url = self.endpoint.join(request.target).ok();
        // A target such as `//elsewhere` would lead away.
        let url = url.filter(|url| url.origin() == self.endpoint.origin());
        let url = url.ok_or_else(|| unfit(&format!("`{}`", request.target)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.secrets {
            let mut value = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| unfit(&format!("the value of `{name}`")))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let mut built = reqwest::Request::new(request.method, url);
        if let Some((kind, body)) = request.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            *built.body_mut() = Some(body.into());
        }
        *built.headers_mut() = headers;
        // A connection that takes too long ends first, so what ends here may have been heard.
        *built.timeout_mut() = Some(self.connection + request.deadline);
        Ok(built)
    }
}

fn parsed(endpoint: &str, scheme: &str) -> Result<Url, HttpsError> {
    let unfit = |why: &str| HttpsError::Unusable(format!("`{endpoint}` is no endpoint: {why}"));
    let url = Url::parse(endpoint).map_err(|error| unfit(&error.to_string()))?;
    if url.scheme() != scheme {
        return Err(unfit(&format!("it begins with `{scheme}://`")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpsError::Unusable("an endpoint holds no user and no password".into()));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(unfit("it ends with the host and its port"));
    }
    Ok(url)
}

/// What stands behind the status, where it is not what always stands there.
fn reason(response: &reqwest::Response) -> String {
    match response.extensions().get::<ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => response.status().canonical_reason().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests;
