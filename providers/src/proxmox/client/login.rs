//! Getting in.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::form::encoded;
use super::{Call, CallError, Client, Form, answer, scalar};
use crate::https::Method;

/// When a ticket is renewed. It is taken for two hours.
const TICKET_AGE: Duration = Duration::from_mins(100);

/// How we show who we are.
///
/// A token is what to use. Nothing of it runs out or has to be renewed, and what it may do is its
/// own; but some calls take `root@pam` with a password.
#[derive(Clone)]
pub enum Login {
    /// An API token.
    Token {
        /// `user@realm!name`.
        id: String,
        /// What it was made with.
        secret: SecretString,
    },
    /// A user with a password.
    Password {
        /// `user@realm`.
        user: String,
        /// The password.
        password: SecretString,
    },
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no API token of Proxmox VE: it looks like `user@realm!name=secret`")]
pub struct LoginError;

impl Login {
    /// A token as it stands in one line: `user@realm!name=secret`.
    ///
    /// # Errors
    /// When it does not; the text itself is told to nobody.
    pub fn token(line: &SecretString) -> Result<Self, LoginError> {
        let (id, secret) = line.expose_secret().trim().split_once('=').ok_or(LoginError)?;
        let (user, name) = id.split_once('!').ok_or(LoginError)?;
        let (user, realm) = user.rsplit_once('@').ok_or(LoginError)?;
        if [user, realm, name, secret].iter().any(|part| part.is_empty()) {
            return Err(LoginError);
        }
        Ok(Login::Token { id: id.to_owned(), secret: secret.into() })
    }

    /// Whom we are: `user@realm!name` or `user@realm`.
    pub fn name(&self) -> &str {
        match self {
            Login::Token { id, .. } => id,
            Login::Password { user, .. } => user,
        }
    }
}

/// The name alone.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.name())
    }
}

/// What a password was exchanged for.
#[derive(Debug)]
pub(super) struct Ticket {
    cookie: SecretString,
    csrf: SecretString,
    since: Instant,
}

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    ticket: Option<String>,
    #[serde(rename = "CSRFPreventionToken", default)]
    csrf: Option<String>,
    #[serde(rename = "NeedTFA", default, deserialize_with = "scalar::is_on")]
    needs_more: bool,
}

impl Client {
    /// The headers that let a call in.
    pub(super) async fn credentials(
        &self,
        call: &Call<'_>,
    ) -> Result<Vec<(&'static str, SecretString)>, CallError> {
        let (user, password) = match &self.login {
            Login::Token { id, secret } => {
                let value = format!("PVEAPIToken={id}={}", secret.expose_secret());
                return Ok(vec![("authorization", value.into())]);
            }
            Login::Password { user, password } => (user, password),
        };
        // Whoever comes second waits, and finds a ticket.
        let mut kept = self.ticket.lock().await;
        let ticket = match kept.take() {
            Some(ticket) if ticket.since.elapsed() < TICKET_AGE => ticket,
            Some(old) => match self.exchange(user, &old.cookie).await {
                Ok(renewed) => renewed,
                Err(_) => self.exchange(user, password).await?,
            },
            None => self.exchange(user, password).await?,
        };
        let cookie = format!("PVEAuthCookie={}", encoded(ticket.cookie.expose_secret()));
        let mut headers = vec![("cookie", cookie.into())];
        if call.method != Method::GET {
            headers.push(("csrfpreventiontoken", ticket.csrf.clone()));
        }
        *kept = Some(ticket);
        Ok(headers)
    }

    /// Forgets our ticket. Says whether there was one, so that another may help.
    pub(super) async fn forget_ticket(&self) -> bool {
        self.ticket.lock().await.take().is_some()
    }

    /// Gets a ticket for a password, or for the ticket before it.
    async fn exchange(&self, user: &str, password: &SecretString) -> Result<Ticket, CallError> {
        let form = Form::new().with("username", user).with_secret("password", password.clone());
        let call = Call::new(Method::POST, &["access", "ticket"], &form)?;
        let since = Instant::now();
        let answer = self.send(&call, Vec::new()).await?;
        if answer.status != 200 {
            return Err(answer::refused(&call, self, &answer));
        }
        // What is wrong with it could be shown only together with what is in it.
        let given = serde_json::from_slice::<answer::Envelope<Given>>(&answer.body)
            .map_err(|_| CallError::garbled(call.to_string(), "it holds no ticket"))?;
        match given.data {
            Given { needs_more: true, .. } => Err(CallError::refused(
                call.to_string(),
                format!("`{user}` has a second factor; use an API token instead"),
            )),
            Given { ticket: Some(ticket), csrf: Some(csrf), .. } => {
                Ok(Ticket { cookie: ticket.into(), csrf: csrf.into(), since })
            }
            _ => Err(CallError::garbled(call.to_string(), "it holds no ticket")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_never_shown() {
        let token = |line: &str| Login::token(&SecretString::from(line.to_owned()));
        let login = token("ops@pve!ci=9f2e-41\n").unwrap();
        assert_eq!(format!("{login:?}"), "Login(ops@pve!ci)");
        let Login::Token { secret, .. } = login else { panic!("a token is one") };
        assert_eq!(secret.expose_secret(), "9f2e-41");
        for wrong in ["", "9f2e-41", "ops!ci=9f2e", "ops@pve=9f2e", "ops@pve!ci", "ops@pve!=x"] {
            assert_eq!(token(wrong).unwrap_err(), LoginError, "{wrong}");
        }
    }
}
