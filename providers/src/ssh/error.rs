//! What can go wrong between us and a machine, and what to do about it.

use lessor_specs::HostKey;
use lessor_specs::kinds::SshEndpoint;

use super::gatekeeper::Shown;

/// Why there is no conversation with a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SshError {
    /// Nobody answers, or not any more.
    #[error("no ssh with `{host}:{port}`: {why}")]
    Unanswered {
        /// The machine.
        host: String,
        /// Where its ssh server should listen.
        port: u16,
        /// What happened.
        why: String,
    },
    /// It is another machine, or somebody stands between.
    #[error("`{host}:{port}` is not the machine with the key `{expected}`: it shows {}", all(.shown))]
    AnotherHost {
        /// Who answered.
        host: String,
        /// On which port.
        port: u16,
        /// The key it should have.
        expected: HostKey,
        /// The keys it has.
        shown: Vec<Shown>,
    },
    /// Our key cannot be used.
    #[error("{0}")]
    Key(String),
    /// Our password cannot be used.
    #[error("{0}")]
    Password(String),
    /// The agent that keeps our keys does not help.
    #[error("{0}")]
    Agent(String),
    /// It does not know our key.
    #[error("`{host}` does not let `{user}` in {tried}")]
    Refused {
        /// Whom we want to be.
        user: String,
        /// The machine.
        host: String,
        /// What we showed.
        tried: String,
    },
    /// There is no socket of that name.
    #[error("there is no socket `{socket}` on `{host}`")]
    NoSocket {
        /// Whom we are.
        user: String,
        /// The machine.
        host: String,
        /// What was looked for.
        socket: String,
    },
    /// There is a socket, and we may not use it.
    #[error("`{user}` has no permission to use the socket `{socket}` on `{host}`")]
    Denied {
        /// Whom we are.
        user: String,
        /// The machine.
        host: String,
        /// What is there.
        socket: String,
    },
    /// The socket was not opened, and the machine did not say why.
    #[error("the socket `{socket}` on `{host}` could not be opened")]
    Closed {
        /// The machine.
        host: String,
        /// What was asked for.
        socket: String,
    },
    /// Ports cannot be reached through it.
    #[error("`{host}` does not let us reach ports over ssh")]
    Forbidden {
        /// The machine.
        host: String,
    },
}

impl SshError {
    /// What was shown by who has a password.
    pub(super) const WITH_PASSWORD: &str = "with the password";

    pub(super) fn unanswered(endpoint: &SshEndpoint, why: impl Into<String>) -> Self {
        SshError::Unanswered { host: endpoint.host.clone(), port: endpoint.port, why: why.into() }
    }

    pub(super) fn lost(endpoint: &SshEndpoint, error: &russh::Error) -> Self {
        SshError::unanswered(endpoint, error.to_string())
    }

    /// Whether the same question may be answered a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            // An engine that starts has no socket for a moment, or nobody behind it.
            SshError::Unanswered { .. } | SshError::NoSocket { .. } | SshError::Closed { .. } => {
                true
            }
            SshError::AnotherHost { .. }
            | SshError::Key(_)
            | SshError::Password(_)
            | SshError::Agent(_)
            | SshError::Refused { .. }
            | SshError::Denied { .. }
            | SshError::Forbidden { .. } => false,
        }
    }

    /// Something one can do now.
    pub(crate) fn hint(&self) -> String {
        match self {
            SshError::Unanswered { host, port, .. } => {
                format!("`ssh-keyscan -p {port} {host}` shows whether it answers")
            }
            SshError::AnotherHost { .. } => "at the machine itself, look at `ssh-keygen -lf \
                 /etc/ssh/ssh_host_ed25519_key.pub`; change `host_key` only if it shows the same, \
                 or else somebody listens in"
                .into(),
            SshError::Key(_) => {
                "`key` names an ed25519 or ecdsa key without a passphrase; for any \
                 other, leave `key` out and give it to the ssh agent: `ssh-add FILE`"
                    .into()
            }
            SshError::Agent(_) => "name a private key in the entry's `key`, or start an agent \
                 where `SSH_AUTH_SOCK` points and give it one: `ssh-add FILE`"
                .into(),
            SshError::Password(_) => "provide it where lessor runs".into(),
            SshError::Refused { tried, .. } if tried == SshError::WITH_PASSWORD => "check the \
                 password, and that `PasswordAuthentication yes` and, for root, `PermitRootLogin yes` \
                 stand in its `sshd_config`"
                .into(),
            SshError::Refused { user, host, .. } => format!(
                "add our public key to `authorized_keys` of `{user}` on `{host}`; `ssh-keygen -y \
                 -f FILE` shows it for a file, `ssh-add -L` for the agent"
            ),
            SshError::NoSocket { user, host, .. } => {
                format!("start Docker there, or name the socket it has: `ssh://{user}@{host}/path`")
            }
            SshError::Denied { user, host, .. } => {
                format!(
                    "add it to the `docker` group there: `usermod -aG docker {user}` on `{host}`"
                )
            }
            SshError::Closed { .. } => "either Docker does not listen there (`systemctl status \
                 docker`), or ssh may not reach sockets: `AllowStreamLocalForwarding no` or \
                 `DisableForwarding yes` in `sshd_config`, `restrict` in `authorized_keys`"
                .into(),
            SshError::Forbidden { .. } => "take `AllowTcpForwarding no` out of `sshd_config` there \
                 and `no-port-forwarding` or `restrict` out of `authorized_keys`, or take `tcp` out \
                 of `ready`"
                .into(),
        }
    }
}

fn all(shown: &[Shown]) -> String {
    if shown.is_empty() {
        return "neither an ed25519 nor an ecdsa key".into();
    }
    shown.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
