//! Running a script over ssh.

use async_trait::async_trait;
use lessor_engine::access::{AccessError, AccountName};
use lessor_specs::kinds::SshEndpoint;
use secrecy::SecretString;

use super::line::{Line, Visitor};
use super::{Credential, Kept, Login, Patience};
use crate::command::{Command, End, Heard};
use crate::ssh::{Ssh, SshError, Target};

/// What makes somebody root, and asks for nothing.
const SUDO: [&str; 3] = ["sudo", "-n", "--"];

/// A machine with an ssh server.
pub(super) struct OverSsh {
    login: Login,
    patience: Patience,
    ssh: Ssh,
}

impl OverSsh {
    pub(super) fn new(login: Login, patience: Patience) -> Self {
        let ssh = Ssh::new(target(&login, &login.user, login.credential.clone(), patience));
        OverSsh { login, patience, ssh }
    }
}

fn target(login: &Login, user: &str, credential: Credential, patience: Patience) -> Target {
    let endpoint = SshEndpoint {
        user: user.into(),
        host: login.host.clone(),
        port: login.port,
        socket: String::new(),
    };
    let host_key = login.host_key.clone();
    Target { endpoint, host_key, credential, login_deadline: patience.login }
}

#[async_trait]
impl Line for OverSsh {
    async fn run(&self, command: &Command<'_>) -> Result<Heard, AccessError> {
        if !self.login.sudo {
            return self.ssh.exec(command).await.map_err(of_ssh);
        }
        let argv = [&SUDO[..], command.argv].concat();
        let heard = self.ssh.exec(&Command { argv: &argv, ..*command }).await.map_err(of_ssh)?;
        match not_root(&heard) {
            Some(why) => {
                let Login { user, host, .. } = &self.login;
                let why = format!("`{user}` cannot become root on `{host}`: {why}");
                let hint = format!(
                    "let it, in a file of `/etc/sudoers.d`: `{user} ALL=(root) NOPASSWD: /bin/sh`"
                );
                Err(AccessError::Refused { why, hint: Some(hint) })
            }
            None => Ok(heard),
        }
    }

    fn visitor(&self) -> Option<&dyn Visitor> {
        Some(self)
    }
}

/// What `sudo` said, where it did not let us.
fn not_root(heard: &Heard) -> Option<String> {
    let text = String::from_utf8_lossy(&heard.stderr);
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let refused = matches!(heard.end, End::Exited(1 | 127)) && first.contains("sudo");
    refused.then(|| lessor_specs::visible(first).into_owned())
}

#[async_trait]
impl Visitor for OverSsh {
    async fn visit(&self, name: &AccountName, key: SecretString) -> Result<(), AccessError> {
        let credential = Credential::Key(Kept::Here(key));
        let ssh = Ssh::new(target(&self.login, name.as_str(), credential, self.patience));
        let command = Command { argv: &["true"], input: &[], deadline: self.patience.login };
        let failed = |why: String| AccessError::Failed { step: "login".into(), why };
        match ssh.exec(&command).await {
            Ok(Heard { end: End::Exited(0), .. }) => Ok(()),
            Ok(Heard { end: End::Exited(code), stderr, .. }) => {
                let said = String::from_utf8_lossy(&stderr);
                let said = lessor_specs::visible(said.trim()).into_owned();
                Err(failed(format!("a shell of `{name}` ended with {code}: {said}")))
            }
            Ok(Heard { end: End::Late, .. }) => {
                Err(failed(format!("a shell of `{name}` does not end")))
            }
            Ok(Heard { end: End::Lost(why), .. }) => Err(failed(why)),
            Err(error @ (SshError::Unanswered { .. } | SshError::AnotherHost { .. })) => {
                Err(of_ssh(error))
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn of_ssh(error: SshError) -> AccessError {
    let (why, hint) = (error.to_string(), error.hint());
    match error {
        SshError::AnotherHost { .. } => AccessError::HostKey { why, hint },
        SshError::Unanswered { .. } => AccessError::Unreachable { why },
        SshError::Key(_)
        | SshError::Password(_)
        | SshError::Agent(_)
        | SshError::Refused { .. }
        | SshError::NoSocket { .. }
        | SshError::Denied { .. }
        | SshError::Closed { .. }
        | SshError::Forbidden { .. } => AccessError::Refused { why, hint: Some(hint) },
    }
}
