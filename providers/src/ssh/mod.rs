//! Connections to other machines over ssh.
//!
//! In reading order: whom we talk to and how ([`Target`], [`Ssh`]), that it is the machine we mean
//! ([`gatekeeper`]), that we may come in ([`login`]), running a command there ([`exec`]), and what can go
//! wrong ([`error`]).
//!
//! A machine is known by the fingerprint its entry names and by nothing else: no file of known
//! hosts is read or written, and nobody is trusted on first use.

mod error;
mod exec;
mod gatekeeper;
mod login;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lessor_specs::kinds::SshEndpoint;
use lessor_specs::{HostKey, SecretRef};
use russh::ChannelOpenFailure::AdministrativelyProhibited;
use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelStream};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub(crate) use error::SshError;

use crate::command::quoted;
use crate::secrets;
use gatekeeper::Gatekeeper;

/// How long it may take to reach a machine, shake hands and log in, unless somebody is in a hurry. A
/// slow one takes a second or two.
pub(crate) const LOGIN_DEADLINE: Duration = Duration::from_secs(20);

/// How long a machine may take to say why it would not open a socket.
const REASON_DEADLINE: Duration = Duration::from_secs(5);

/// After how long a silence we ask whether the machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How many questions may go unanswered before the connection counts as lost.
const KEEPALIVES: usize = 2;

/// For how long a failed login answers for others. Many calls start together; each would knock
/// again, and a machine that counts knocks would shut us out.
const SAME_FAILURE: Duration = Duration::from_secs(1);

/// A machine, and what it takes to come in.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it is, and who we are there.
    pub(crate) endpoint: SshEndpoint,
    /// The one key it may show.
    pub(crate) host_key: HostKey,
    /// What we show.
    pub(crate) credential: Credential,
    /// How long it may take to reach it, shake hands and log in.
    pub(crate) login_deadline: Duration,
}

/// What lets us in.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A private key.
    Key(Kept),
    /// Any key of the ssh agent behind this socket, if there is one.
    Agent(Option<PathBuf>),
    /// A password.
    Password(Kept),
}

/// Where a secret value is.
#[derive(Clone, Debug)]
pub enum Kept {
    /// Where a reference says; a path starts at this directory.
    At(SecretRef, PathBuf),
    /// Here.
    Here(SecretString),
}

impl Kept {
    /// What to call it in a message, with a space before it.
    fn called(&self) -> String {
        match self {
            Kept::At(reference, _) => format!(" `{reference}`"),
            Kept::Here(_) => String::new(),
        }
    }

    fn read(&self) -> Result<SecretString, String> {
        match self {
            Kept::At(reference, directory) => secrets::read(reference, directory),
            Kept::Here(value) => Ok(value.clone()),
        }
    }
}

/// One machine. Nobody is called before the first question; then all share one connection, and a
/// lost one is made again.
pub(crate) struct Ssh {
    target: Target,
    line: Mutex<Line>,
}

/// What became of the last login.
#[derive(Default)]
enum Line {
    #[default]
    Unused,
    Open(Arc<Session>),
    Failed(Instant, SshError),
}

type Session = Handle<Gatekeeper>;

/// Two streams of bytes, through the connection.
pub(crate) type Conversation = ChannelStream<Msg>;

/// A conversation or why there is none, and the connection that was asked.
type Dialled = (Arc<Session>, Result<Conversation, russh::Error>);

/// Whom to talk to on the machine.
enum Far<'a> {
    Socket(&'a str),
    Port(&'a str, u16),
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Ssh {
    pub(crate) fn new(target: Target) -> Self {
        Ssh { target, line: Mutex::default() }
    }

    /// Where the machine is.
    pub(crate) fn endpoint(&self) -> &SshEndpoint {
        &self.target.endpoint
    }

    /// Opens a conversation with whoever listens on the endpoint's socket.
    ///
    /// # Errors
    /// See [`SshError`]. A machine that shows another key is told nothing.
    pub(crate) async fn socket(&self) -> Result<Conversation, SshError> {
        let (session, answer) = self.dial(&Far::Socket(&self.target.endpoint.socket)).await?;
        match answer {
            Err(russh::Error::ChannelOpenFailure(_)) => Err(self.why_closed(&session).await),
            answer => answer.map_err(|error| SshError::lost(&self.target.endpoint, &error)),
        }
    }

    /// Opens a conversation with whoever listens on a port, as the machine sees it; `None` when
    /// nobody does.
    ///
    /// # Errors
    /// See [`SshError`].
    pub(crate) async fn port(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Option<Conversation>, SshError> {
        match self.dial(&Far::Port(host, port)).await?.1 {
            Ok(conversation) => Ok(Some(conversation)),
            Err(russh::Error::ChannelOpenFailure(AdministrativelyProhibited)) => {
                Err(SshError::Forbidden { host: self.target.endpoint.host.clone() })
            }
            Err(russh::Error::ChannelOpenFailure(_)) => Ok(None),
            Err(error) => Err(SshError::lost(&self.target.endpoint, &error)),
        }
    }

    async fn dial(&self, far: &Far<'_>) -> Result<Dialled, SshError> {
        let session = self.session().await?;
        match dial(&session, far).await {
            // Lost since we last spoke, and nothing was said yet.
            Err(error) if is_lost(&error) => {
                self.forget(&session).await;
                let session = self.session().await?;
                let again = dial(&session, far).await;
                Ok((session, again))
            }
            first => Ok((session, first)),
        }
    }

    async fn session(&self) -> Result<Arc<Session>, SshError> {
        let mut line = self.line.lock().await;
        match &*line {
            Line::Open(session) if !session.is_closed() => return Ok(Arc::clone(session)),
            Line::Failed(at, error) if at.elapsed() < SAME_FAILURE => return Err(error.clone()),
            Line::Open(_) | Line::Failed(..) | Line::Unused => {}
        }
        let endpoint = &self.target.endpoint;
        let login = timeout(self.target.login_deadline, Box::pin(login::log_in(&self.target)));
        let too_slow = |_| SshError::unanswered(endpoint, "it took too long");
        match login.await.map_err(too_slow).flatten() {
            Ok(session) => {
                tracing::debug!(host = endpoint.host, user = endpoint.user, "logged in over ssh");
                let session = Arc::new(session);
                *line = Line::Open(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                *line = Line::Failed(Instant::now(), error.clone());
                Err(error)
            }
        }
    }

    async fn forget(&self, lost: &Arc<Session>) {
        let mut line = self.line.lock().await;
        if matches!(&*line, Line::Open(session) if Arc::ptr_eq(session, lost)) {
            *line = Line::Unused;
        }
    }

    /// A server says only that a socket could not be opened; the machine knows why.
    async fn why_closed(&self, session: &Session) -> SshError {
        let SshEndpoint { user, host, socket, .. } = self.target.endpoint.clone();
        let quoted = quoted(&[&socket]);
        let question = format!("test -S {quoted} || exit 3; test -w {quoted} || exit 4");
        match timeout(REASON_DEADLINE, exit_status(session, &question)).await {
            Ok(Ok(Some(3))) => SshError::NoSocket { user, host, socket },
            Ok(Ok(Some(4))) => SshError::Denied { user, host, socket },
            _ => SshError::Closed { host, socket },
        }
    }
}

/// The fingerprint of the key that a machine shows. Nobody logs in.
///
/// # Errors
/// Why there is none, in words.
pub(crate) async fn shown_key(host: &str, port: u16) -> Result<HostKey, String> {
    let endpoint =
        SshEndpoint { user: String::new(), host: host.into(), port, socket: String::new() };
    let look = timeout(LOGIN_DEADLINE, Box::pin(gatekeeper::look(&endpoint)));
    let too_slow = |_| SshError::unanswered(&endpoint, "it took too long").to_string();
    look.await.map_err(too_slow).flatten()
}

async fn dial(session: &Session, far: &Far<'_>) -> Result<Conversation, russh::Error> {
    let channel = match *far {
        Far::Socket(path) => session.channel_open_direct_streamlocal(path).await?,
        // Where the conversation began matters to nobody behind a tunnel.
        Far::Port(host, port) => {
            session.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await?
        }
    };
    Ok(channel.into_stream())
}

fn is_lost(error: &russh::Error) -> bool {
    matches!(error, russh::Error::SendError | russh::Error::Disconnect)
}

async fn exit_status(session: &Session, command: &str) -> Result<Option<u32>, russh::Error> {
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::ExitStatus { exit_status } = message {
            return Ok(Some(exit_status));
        }
    }
    Ok(None)
}
