//! That we may come in.

use std::path::Path;
use std::sync::Arc;

use russh::client::KeyboardInteractiveAuthResponse as Asked;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Credential, Session, SshError, Target, gatekeeper};

/// How often a server may ask something before it lets us in. One asks for the password, and then says
/// nothing in a question without parts.
const QUESTIONS: usize = 3;

/// Reaches the machine, sees that it is the right one, and logs in.
///
/// Our key is read first: without one, nobody needs to be bothered.
///
/// # Errors
/// See [`SshError`].
pub(super) async fn log_in(target: &Target) -> Result<Session, SshError> {
    match &target.credential {
        Credential::Key(kept) => {
            let called = kept.called();
            let text =
                kept.read().map_err(|why| SshError::Key(format!("the key{called}: {why}")))?;
            let key = private_key(text.expose_secret())
                .map_err(|why| SshError::Key(format!("the key{called} {why}")))?;
            with_key(target, key).await
        }
        Credential::Agent(socket) => with_agent(target, socket.as_deref()).await,
        Credential::Password(kept) => {
            let unread = |why| SshError::Password(format!("the password{}: {why}", kept.called()));
            with_password(target, kept.read().map_err(unread)?).await
        }
    }
}

/// Some servers take a password only as the answer to a question, whatever they ask.
async fn with_password(target: &Target, password: SecretString) -> Result<Session, SshError> {
    let user = &target.endpoint.user;
    let mut session = gatekeeper::greet(target).await?;
    let lost = |error: russh::Error| SshError::lost(&target.endpoint, &error);
    let given = password.expose_secret();
    if session.authenticate_password(user, given).await.map_err(lost)?.success() {
        return Ok(session);
    }
    let mut answer =
        session.authenticate_keyboard_interactive_start(user, None).await.map_err(lost)?;
    for _ in 0..QUESTIONS {
        let asked = match answer {
            Asked::Success => return Ok(session),
            Asked::Failure { .. } => break,
            Asked::InfoRequest { prompts, .. } => prompts.len(),
        };
        let answers = vec![given.to_owned(); asked];
        answer = session.authenticate_keyboard_interactive_respond(answers).await.map_err(lost)?;
    }
    Err(refused(target, SshError::WITH_PASSWORD.into()))
}

async fn with_key(target: &Target, key: PrivateKey) -> Result<Session, SshError> {
    let mut session = gatekeeper::greet(target).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256);
    let answer = session.authenticate_publickey(&target.endpoint.user, key).await;
    let answer = answer.map_err(|error| SshError::lost(&target.endpoint, &error))?;
    if answer.success() {
        return Ok(session);
    }
    Err(refused(target, format!("with the key `{fingerprint}`")))
}

async fn with_agent(target: &Target, socket: Option<&Path>) -> Result<Session, SshError> {
    let Some(socket) = socket else {
        return Err(SshError::Agent("there is no ssh agent".into()));
    };
    let failed = |error: russh::keys::Error| {
        SshError::Agent(format!("the ssh agent at `{}` failed: {error}", socket.display()))
    };
    let mut agent = AgentClient::connect_uds(socket).await.map_err(failed)?;
    let keys = agent.request_identities().await.map_err(failed)?;
    if keys.is_empty() {
        return Err(SshError::Agent("the ssh agent has no keys".into()));
    }
    let mut session = gatekeeper::greet(target).await?;
    for key in &keys {
        let key = key.public_key().into_owned();
        // What was once the only digest of RSA is refused nowadays.
        let digest = matches!(key.algorithm(), Algorithm::Rsa { .. }).then_some(HashAlg::Sha512);
        let user = &target.endpoint.user;
        let answer = session.authenticate_publickey_with(user, key, digest, &mut agent).await;
        // One key that the agent will not use is no reason not to try the next.
        if answer.is_ok_and(|answer| answer.success()) {
            return Ok(session);
        }
    }
    let tried = match keys.len() {
        1 => "with the one key of the ssh agent".into(),
        many => format!("with any of the {many} keys of the ssh agent"),
    };
    Err(refused(target, tried))
}

fn refused(target: &Target, tried: String) -> SshError {
    let (user, host) = (target.endpoint.user.clone(), target.endpoint.host.clone());
    SshError::Refused { user, host, tried }
}

/// The key in a text, or what is the matter with it.
fn private_key(text: &str) -> Result<PrivateKey, &'static str> {
    let key = decode_secret_key(text, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => "is locked by a passphrase",
        russh::keys::Error::UnsupportedKeyType { .. } => NOT_USED,
        _ => "is not a private key as `ssh-keygen` writes it",
    })?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(key),
        _ => Err(NOT_USED),
    }
}

const NOT_USED: &str = "is neither an ed25519 nor an ecdsa key";
