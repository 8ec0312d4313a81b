//! A running server that is asked instead of a database: a client of its API.
//!
//! In reading order: what is said of it on the command line ([`ServerArgs`]), what is asked
//! ([`Call`]), who asks ([`Client`]), and what becomes of an answer that is none ([`refusal`]).

mod refusal;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use lessor_providers::Secrets;
use lessor_providers::https::{Answer, Https, HttpsError, Method, Pin, Request, Trust};
use lessor_specs::SecretRef;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use ulid::Ulid;

use crate::exit::{Exit, Failed};
use refusal::Refusal;

/// The options of a server stand together.
const SERVER: &str = "A running server";

/// Where the key is unless somebody says otherwise.
const KEY: &str = "secret://env/LESSOR_API_KEY";

/// How long an answer may take: a little longer than a server lets a call take.
const DEADLINE: Duration = Duration::from_secs(40);

/// The most that a page of a list holds.
const PAGE: u32 = 200;

/// The header by which a server knows a call that it had before.
const ONCE: &str = "idempotency-key";

/// What means nothing in a path or in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A running server.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServerArgs {
    /// Ask the server at `https://HOST:PORT` instead of the database. With `#sha256:…` behind it, only
    /// that certificate is believed.
    #[arg(long, value_name = "URL", help_heading = SERVER)]
    pub(crate) server: Option<String>,
    /// Where the key is kept that the server is shown: `secret://env/NAME` or `secret://file/PATH`.
    #[arg(long = "key", value_name = "SECRET", default_value = KEY, requires = "server", help_heading = SERVER)]
    server_key: String,
    /// Believe who is vouched for by a certificate in this PEM file, rather than whom this machine
    /// trusts on the web.
    #[arg(long, value_name = "FILE", requires = "server", help_heading = SERVER)]
    server_ca: Option<PathBuf>,
    /// Speak to a server on another machine without TLS. Whoever is on the way can read the key.
    #[arg(long, requires = "server", help_heading = SERVER)]
    plain_http: bool,
}

/// What is asked of a server.
pub(crate) struct Call {
    method: Method,
    /// As the API describes it, with parameters in braces.
    route: &'static str,
    parameters: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

/// Somebody who asks a server.
pub(crate) struct Client {
    https: Https,
    key: SecretString,
    url: String,
}

impl Call {
    pub(crate) fn new(method: Method, route: &'static str) -> Self {
        let (parameters, query, headers) = (Vec::new(), Vec::new(), Vec::new());
        Call { method, route, parameters, query, headers, body: None }
    }

    pub(crate) fn get(route: &'static str) -> Self {
        Call::new(Method::GET, route)
    }

    /// With what stands in the next pair of braces.
    pub(crate) fn at(mut self, parameter: &str) -> Self {
        self.parameters.push(parameter.to_owned());
        self
    }

    /// With a parameter of the query, where there is something to say.
    pub(crate) fn asking(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// That it counts once, however often it is sent.
    pub(crate) fn once(self) -> Self {
        self.header(ONCE, Ulid::generate().to_string())
    }

    /// Whether it may be sent again when nobody knows whether it was heard.
    fn may_be_repeated(&self) -> bool {
        self.method == Method::GET || self.headers.iter().any(|(name, _)| *name == ONCE)
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The path and the query. What was said is encoded, so that it stays one part of them.
    fn target(&self) -> String {
        let mut target = String::new();
        let mut parameters = self.parameters.iter();
        for part in self.route.split('/').skip(1) {
            let filled = part.starts_with('{').then(|| parameters.next()).flatten();
            let filled = filled.map(|text| utf8_percent_encode(text, PLAIN).to_string());
            target = format!("{target}/{}", filled.as_deref().unwrap_or(part));
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            target = format!("{target}{mark}{name}={}", utf8_percent_encode(value, PLAIN));
        }
        target
    }
}

impl Client {
    /// Somebody who asks the server that was named, if one was. It is not called yet.
    pub(crate) fn open(args: &ServerArgs) -> anyhow::Result<Option<Client>> {
        let Some(said) = &args.server else { return Ok(None) };
        let (url, pin) = match said.split_once('#') {
            Some((url, pin)) => (url, Some(pin)),
            None => (said.as_str(), None),
        };
        let https = if url.starts_with("http://") {
            plain(url, args)?
        } else {
            let unusable = || unusable("it is `https://HOST:PORT`, or `http://` on this machine");
            Https::new(url, &trust(pin, args)?).with_context(unusable)?
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Some(Client { https, key: key(&args.server_key, &url)?, url }))
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The answer, in JSON; nothing where there is nothing to say.
    pub(crate) async fn json(&self, call: Call) -> anyhow::Result<Value> {
        let answer = self.send(&call).await?;
        self.read(call, answer).await
    }

    async fn read(&self, call: Call, answer: Answer) -> anyhow::Result<Value> {
        let answer = self.good(&call, answer).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice(&answer.body) {
            Ok(value) => Ok(value),
            Err(_) => Err(self.refusal(&call, answer).await),
        }
    }

    /// A thing; `None` where there is none, or none that the key may know of.
    pub(crate) async fn find(&self, call: Call) -> anyhow::Result<Option<Value>> {
        let answer = self.send(&call).await?;
        if answer.status == 404 && refusal::media_type(&answer) == refusal::PROBLEM {
            return Ok(None);
        }
        self.read(call, answer).await.map(Some)
    }

    /// The version of a thing, and the thing.
    pub(crate) async fn versioned(&self, call: Call) -> anyhow::Result<(String, Value)> {
        let answer = self.ask(&call).await?;
        let version = answer.headers.get("etag").and_then(|tag| tag.to_str().ok());
        match (version.map(str::to_owned), serde_json::from_slice(&answer.body)) {
            (Some(version), Ok(value)) => Ok((version, value)),
            _ => Err(self.refusal(&call, answer).await),
        }
    }

    /// The answer, in text of a certain sort.
    pub(crate) async fn text(&self, call: Call, media_type: &str) -> anyhow::Result<String> {
        let answer = self.ask(&call).await?;
        if refusal::media_type(&answer) != media_type {
            return Err(self.refusal(&call, answer).await);
        }
        String::from_utf8(answer.body).context("the answer of the server is no text")
    }

    /// A list, page after page, up to so many items.
    pub(crate) async fn list(
        &self,
        call: impl Fn() -> Call,
        limit: u32,
    ) -> anyhow::Result<Vec<Value>> {
        let (mut items, mut next) = (Vec::new(), None::<String>);
        loop {
            let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(limit));
            if left == 0 {
                return Ok(items);
            }
            let page = call().asking("limit", Some(left.min(PAGE))).asking("cursor", next);
            let mut page = self.json(page).await?;
            let found = page.get_mut("items").and_then(Value::as_array_mut);
            items.append(found.context("a page of the server's list has no `items`")?);
            next = page["next"].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(items);
            }
        }
    }

    async fn ask(&self, call: &Call) -> anyhow::Result<Answer> {
        let answer = self.send(call).await?;
        self.good(call, answer).await
    }

    async fn good(&self, call: &Call, answer: Answer) -> anyhow::Result<Answer> {
        match answer.status {
            200..300 => Ok(answer),
            _ => Err(self.refusal(call, answer).await),
        }
    }

    async fn send(&self, call: &Call) -> anyhow::Result<Answer> {
        let mut answer = self.send_once(call).await;
        if answer.as_ref().is_err_and(HttpsError::was_heard) && call.may_be_repeated() {
            answer = self.send_once(call).await;
        }
        answer.map_err(|error| refusal::no_answer(&self.url, call, error))
    }

    async fn send_once(&self, call: &Call) -> Result<Answer, HttpsError> {
        let bearer = format!("Bearer {}", self.key.expose_secret());
        let agent = concat!("lessor/", env!("CARGO_PKG_VERSION"));
        let mut headers =
            vec![("authorization", bearer.into()), ("user-agent", agent.to_owned().into())];
        headers.extend(call.headers.iter().map(|(name, value)| (*name, value.clone().into())));
        let body = call.body.as_ref().map(|body| ("application/json", body.to_string()));
        let request = Request {
            method: call.method.clone(),
            target: &call.target(),
            secrets: headers,
            body,
            deadline: DEADLINE,
        };
        self.https.ask(request).await
    }

    /// Why an answer is none.
    async fn refusal(&self, call: &Call, answer: Answer) -> anyhow::Error {
        let refusal = Refusal::read(&self.url, call, &answer);
        if !refusal.may_be_another_version() {
            return refusal.into_error();
        }
        // What it knows, it says to anybody.
        let known = self.send(&Call::get("/v1/openapi.json")).await.ok();
        let known = known.and_then(|known| serde_json::from_slice::<Value>(&known.body).ok());
        refusal.beside(known.as_ref().unwrap_or(&Value::Null))
    }
}

fn plain(url: &str, args: &ServerArgs) -> anyhow::Result<Https> {
    let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !is_here && !args.plain_http {
        let message = format!("`{host}` is another machine, and `http://` shows everybody the key");
        let hint = "name it with `https://`; or say `--plain-http` where nobody else can listen";
        return Err(Failed::new(message).exit(Exit::Usage).hint(hint).into());
    }
    Https::plain(url).with_context(|| unusable("it is `http://HOST:PORT`"))
}

fn trust(pin: Option<&str>, args: &ServerArgs) -> anyhow::Result<Trust> {
    match (pin, &args.server_ca) {
        (Some(_), Some(_)) => {
            let failed = Failed::new("a certificate and who vouches for it are both named");
            let hint = "give `#sha256:…` or `--server-ca`, and not both";
            Err(failed.exit(Exit::Usage).hint(hint).into())
        }
        (Some(pin), None) => {
            let pin: Pin = pin.parse().with_context(|| unusable("it ends with `#sha256:…`"))?;
            Ok(Trust::Pinned(pin))
        }
        (None, Some(file)) => Ok(Trust::Ca(file.clone())),
        (None, None) => Ok(Trust::System),
    }
}

fn unusable(hint: &str) -> Failed {
    Failed::new("the address behind `--server` cannot be used").exit(Exit::Usage).hint(hint)
}

/// The key, which is named and never said: what stands on a command line is read by everybody.
fn key(named: &str, url: &str) -> anyhow::Result<SecretString> {
    let Ok(reference) = named.parse::<SecretRef>() else {
        let failed = Failed::new("`--key` names where the key is kept, and is not the key itself");
        let hint = "such as `secret://env/LESSOR_API_KEY` or `secret://file/lessor.key`";
        return Err(failed.exit(Exit::Usage).hint(hint).into());
    };
    let secrets = Secrets::resolve([&reference], "".as_ref());
    secrets.get(&reference).cloned().map_err(|why| {
        let hint =
            "`lessor apikey create` makes one; put it there, or say with `--key` where it is";
        let failed = Failed::new(format!("there is no key to show to the server at `{url}`"));
        anyhow::Error::msg(why).context(failed.hint(hint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays_one_part_of_a_path_or_a_query() {
        let call = Call::get("/v1/orders/{order}/events").at("../../users?x=é");
        let call =
            call.asking("limit", Some(5)).asking("cursor", Some("a&b=c")).asking("x", None::<u8>);
        let target = "/v1/orders/..%2F..%2Fusers%3Fx%3D%C3%A9/events?limit=5&cursor=a%26b%3Dc";
        assert_eq!(call.target(), target);
    }
}
