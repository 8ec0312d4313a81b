//! One question and its answer, as the API wants the one and gives the other.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::envelope::{Call, Envelope, ROOT};
use super::error::CallError;
use super::names::{Manner, Names};
use crate::https::{self, Https, Method};

/// How long a look may take. A list of a thousand rules takes a small firewall some seconds.
const READ_DEADLINE: Duration = Duration::from_mins(1);

/// How long a write may take. One waits 61 s for the lock of another writer, and the web server
/// gives up after 180 s, so this is when no answer will come any more.
const WRITE_DEADLINE: Duration = Duration::from_secs(190);

/// What the API speaks. It refuses a list of types.
const JSON: &str = "application/json";

/// Who we are to a firewall.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A key that a user made for the API.
    Key(SecretString),
    /// A user of the firewall itself.
    Basic {
        /// Who.
        user: String,
        /// His password.
        password: SecretString,
    },
}

/// A firewall. It is not called before the first question.
///
/// Interfaces are called by id (`wan`, `opt2`) here, however the firewall is set to call them.
/// Nothing is asked any more once it has refused our credentials, since it locks out who tries
/// too often.
pub struct Client {
    https: Https,
    credentials: Credentials,
    read_deadline: Duration,
    write_deadline: Duration,
    manner: OnceCell<Manner>,
    names: Mutex<Option<Arc<Names>>>,
    is_barred: AtomicBool,
    was_locked: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.place())
    }
}

/// What a call says beside its path.
pub(super) enum Said {
    /// Behind `?`. Text that looks like a number or like `true` is taken for one.
    Query(Vec<(&'static str, String)>),
    /// As JSON.
    Body(Map<String, Value>),
}

/// What an answer shows.
pub(super) struct Shown {
    pub(super) data: Value,
    /// What time it is there, if it says so.
    pub(super) date: Option<Timestamp>,
}

impl Client {
    /// The firewall at the other end, for whom these credentials speak.
    pub fn new(https: Https, credentials: Credentials) -> Self {
        Client {
            https,
            credentials,
            read_deadline: READ_DEADLINE,
            write_deadline: WRITE_DEADLINE,
            manner: OnceCell::new(),
            names: Mutex::new(None),
            is_barred: AtomicBool::new(false),
            was_locked: AtomicBool::new(false),
        }
    }

    /// The same, waiting only so long for an answer to a look and to a write.
    #[must_use]
    pub fn with_deadlines(mut self, read: Duration, write: Duration) -> Self {
        (self.read_deadline, self.write_deadline) = (read, write);
        self
    }

    /// `host:port`.
    pub fn place(&self) -> String {
        self.https.place()
    }

    /// Asks once, and gives what the answer shows.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        said: Said,
    ) -> Result<Shown, CallError> {
        let call = Call { method, path };
        let (target, body) = match said {
            Said::Query(query) => (format!("{ROOT}{path}{}", encoded(&query)), None),
            Said::Body(body) => (format!("{ROOT}{path}"), Some(Value::Object(body))),
        };
        let answer = self.heard(&call, &target, body.as_ref(), JSON).await?;
        let outcome = read(&call, &answer);
        if !call.is_read() && outcome.is_ok() {
            self.was_locked.store(false, Ordering::SeqCst);
        }
        outcome.map_err(|error| self.remembered(self.redacted(error, body.as_ref())))
    }

    /// The answer, with anything in it.
    async fn heard(
        &self,
        call: &Call<'_>,
        target: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<https::Answer, CallError> {
        if self.is_barred.load(Ordering::SeqCst) {
            let denial = super::Denial::Login;
            return Err(CallError::Denied { call: call.to_string(), denial });
        }
        let deadline = if call.is_read() { self.read_deadline } else { self.write_deadline };
        let request = https::Request {
            method: call.method.clone(),
            target,
            secrets: vec![self.login(), ("accept", SecretString::from(accept.to_owned()))],
            // With a type the query does not count, and without one the body of a `DELETE`.
            body: body.map(|body| (JSON, body.to_string())),
            deadline,
        };
        self.https.ask(request).await.map_err(|error| CallError::unheard(call, error))
    }

    /// Whether we may make a call, found out without making it: a type nobody can answer in is
    /// refused behind the privileges, and before anything is looked at.
    pub(super) async fn may(&self, method: Method, path: &str) -> Result<bool, CallError> {
        let call = Call { method, path };
        let body = (!matches!(call.method, Method::GET | Method::DELETE))
            .then(|| Value::Object(Map::new()));
        let target = format!("{ROOT}{path}");
        let answer = self.heard(&call, &target, body.as_ref(), "application/none").await?;
        if answer.status == 406 {
            return Ok(true);
        }
        match read(&call, &answer) {
            Err(CallError::Denied { denial: super::Denial::Privilege(_), .. }) => Ok(false),
            Err(error) => Err(self.remembered(error)),
            Ok(_) => Err(call.garbled("it was answered in a type that was not asked for".into())),
        }
    }

    fn login(&self) -> (&'static str, SecretString) {
        match &self.credentials {
            Credentials::Key(key) => ("x-api-key", key.clone()),
            Credentials::Basic { user, password } => {
                let plain = format!("{user}:{}", password.expose_secret());
                ("authorization", format!("Basic {}", STANDARD.encode(plain)).into())
            }
        }
    }

    /// Keeps in mind what says something about the calls to come.
    fn remembered(&self, error: CallError) -> CallError {
        match error {
            CallError::Denied { denial: super::Denial::Login, .. } => {
                self.is_barred.store(true, Ordering::SeqCst);
                error
            }
            CallError::Locked { call, .. } => {
                let again = self.was_locked.swap(true, Ordering::SeqCst);
                CallError::Locked { call, again }
            }
            error => error,
        }
    }

    /// Without the secrets of the request, which a message may repeat.
    fn redacted(&self, error: CallError, body: Option<&Value>) -> CallError {
        let login = match &self.credentials {
            Credentials::Key(key) => key,
            Credentials::Basic { password, .. } => password,
        };
        let mut secrets = vec![login.expose_secret()];
        let told = ["privatekey", "presharedkey", "password"];
        let told = told.iter().filter_map(|field| body?.get(field)?.as_str());
        secrets.extend(told);
        secrets.retain(|secret| !secret.is_empty());
        let clean = |text: String| {
            secrets.iter().fold(text, |text, secret| text.replace(secret, "(secret)"))
        };
        match error {
            CallError::Invalid { call, field, id, why } => {
                CallError::Invalid { call, field, id, why: clean(why) }
            }
            CallError::Unknown { call, why } => CallError::Unknown { call, why: clean(why) },
            CallError::Dangling { call, field, why } => {
                CallError::Dangling { call, field, why: clean(why) }
            }
            CallError::Referenced { call, by, why } => {
                CallError::Referenced { call, by, why: clean(why) }
            }
            CallError::Garbled { call, why } => CallError::Garbled { call, why: clean(why) },
            CallError::Unanswered { call, why } => CallError::Unanswered { call, why: clean(why) },
            error => error,
        }
    }

    /// How the firewall calls its interfaces; asked once.
    async fn manner(&self) -> Result<Manner, CallError> {
        let manner = self
            .manner
            .get_or_try_init(|| async { self.settings().await.map(|settings| settings.manner) });
        manner.await.copied()
    }

    /// Calls interfaces in objects of a listing, or of an answer, by id.
    pub(super) async fn by_id(
        &self,
        objects: &mut [Map<String, Value>],
        fields: &Fields,
    ) -> Result<(), CallError> {
        if fields.is_empty() || self.manner().await? == Manner::Id {
            return Ok(());
        }
        let mut names = self.names().await?;
        if !objects.iter().all(|object| names.know(object, fields.interfaces)) {
            // Somebody made an interface since.
            self.forget_names();
            names = self.names().await?;
        }
        for object in objects {
            names.by_id(object, fields.interfaces);
            names.by_id(object, fields.places);
        }
        Ok(())
    }

    /// Calls interfaces in an object as the firewall does.
    pub(super) async fn as_shown(
        &self,
        object: &mut Map<String, Value>,
        fields: &Fields,
    ) -> Result<(), CallError> {
        if fields.is_empty() || self.manner().await? == Manner::Id {
            return Ok(());
        }
        let names = self.names().await?;
        names.as_shown(object, fields.interfaces);
        names.as_shown(object, fields.places);
        Ok(())
    }

    /// Makes interfaces be looked up again, since one was written.
    pub(super) fn forget_names(&self) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn names(&self) -> Result<Arc<Names>, CallError> {
        let manner = self.manner().await?;
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(names) = known {
            return Ok(names);
        }
        let shown = self.ask(Method::GET, "/interfaces", Said::Query(Vec::new())).await?;
        let listing = shown.data.as_array().map(Vec::as_slice).unwrap_or_default();
        let names = Arc::new(Names::of(listing, manner));
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&names));
        Ok(names)
    }
}

/// Which fields of a kind name interfaces.
pub struct Fields {
    /// Those that hold nothing else.
    pub interfaces: &'static [&'static str],
    /// Those that may hold an interface, an address, or an alias.
    pub places: &'static [&'static str],
}

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields { interfaces: &[], places: &[] };

    fn is_empty(&self) -> bool {
        self.interfaces.is_empty() && self.places.is_empty()
    }
}

/// What an answer says.
fn read(call: &Call<'_>, answer: &https::Answer) -> Result<Shown, CallError> {
    let Ok(mut envelope) = serde_json::from_slice::<Envelope>(&answer.body) else {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(CallError::wordless(call, answer.status, &untagged(&body)));
    };
    if answer.status != 200 {
        return Err(CallError::refused(call, answer.status, &envelope, retry_after(answer)));
    }
    let date = header(answer, "date");
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Ok(Shown { data: envelope.data.take(), date: date.map(|date| date.timestamp()) })
}

fn retry_after(answer: &https::Answer) -> Option<Duration> {
    header(answer, "retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

fn header<'a>(answer: &'a https::Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
}

/// The words of a page of HTML.
fn untagged(body: &str) -> String {
    let mut words = String::new();
    let mut is_tag = false;
    for character in body.chars() {
        match character {
            '<' => is_tag = true,
            '>' if is_tag => {
                is_tag = false;
                words.push('\n');
            }
            _ if is_tag => {}
            character => words.push(character),
        }
    }
    words
}

fn encoded(query: &[(&'static str, String)]) -> String {
    let pair = |(name, value): &(&'static str, String)| {
        format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
    };
    let pairs: Vec<String> = query.iter().map(pair).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}
