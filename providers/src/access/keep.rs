//! What is done on a machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lessor_engine::access::{
    AccessError, Account, AccountMark, AccountName, Granted, Keeper, Probe, Proof, Sanitise, Seen,
};
use lessor_plans::InstallationId;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use secrecy::{ExposeSecret as _, SecretString};

use super::Patience;
use super::answer::{accounts, done};
use super::line::{Line, Visitor};
use crate::Proxmox;
use crate::command::Command;

/// A script, with what all of them begin with.
macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("scripts/common.sh"), include_str!(concat!("scripts/", $name)))
    };
}

const LOOK: &str = script!("look.sh");
const GRANT: &str = script!("grant.sh");
const PROVEN: &str = script!("proven.sh");
const REVOKE: &str = script!("revoke.sh");
const SANITISE: &str = script!("sanitise.sh");
const PROBE: &str = script!("probe.sh");

/// What the key ends with that an account is proved with. The scripts know it.
const ONCE: &str = "lessor-proof";

/// What a script may take beside the programs it runs.
const OVERHEAD: Duration = Duration::from_secs(15);

/// A virtual machine of a cluster.
pub(super) struct Guest {
    pub(super) proxmox: Arc<Proxmox>,
    pub(super) vmid: u32,
}

/// Keeps a machine by running scripts on it.
pub(super) struct MachineKeeper {
    pub(super) installation: InstallationId,
    pub(super) line: Box<dyn Line>,
    pub(super) guest: Option<Guest>,
    pub(super) patience: Patience,
}

#[async_trait]
impl Keeper for MachineKeeper {
    async fn look(&self) -> Result<Seen, AccessError> {
        let ours = AccountMark::of_all(&self.installation);
        let text = self.run(LOOK, &[&ours], "").await?;
        Ok(accounts(&text, &self.installation))
    }

    async fn grant(&self, account: &Account) -> Result<Granted, AccessError> {
        let visitor = self.line.visitor();
        let once = visitor.map(|_| Once::new()).transpose()?;
        let (mark, day) = (account.mark.to_string(), account.last_day().to_string());
        let name = account.name.as_str();
        let input = input(account, once.as_ref())?;
        let told = self.run(GRANT, &[name, &mark, &day], input.expose_secret()).await?;
        let garbled = || AccessError::Failed {
            step: "prove".into(),
            why: format!("the number of `{name}` was not told"),
        };
        let uid = told.trim().parse().map_err(|_| garbled())?;
        let (Some(visitor), Some(once)) = (visitor, once) else {
            return Ok(Granted { uid, proof: Proof::Shell });
        };
        self.prove(visitor, account, once).await?;
        Ok(Granted { uid, proof: Proof::Login })
    }

    async fn revoke(&self, name: &AccountName) -> Result<(), AccessError> {
        let ours = AccountMark::of_all(&self.installation);
        self.run(REVOKE, &[name.as_str(), &ours], "").await.map(drop)
    }

    async fn sanitise(&self, how: &Sanitise) -> Result<(), AccessError> {
        match how {
            Sanitise::Rollback { snapshot } => match &self.guest {
                Some(guest) => guest.proxmox.rollback(guest.vmid, snapshot).await,
                None => Err(AccessError::Refused {
                    why: "nothing says which virtual machine it is, so it cannot be rolled back"
                        .into(),
                    hint: Some("name it in the entry: `proxmox` and `vmid`".into()),
                }),
            },
            Sanitise::Script { program, verify } => {
                let cleaning = self.patience.cleaning;
                let (seconds, size) = (cleaning.as_secs().to_string(), program.len().to_string());
                let verify = verify.as_deref().unwrap_or_default();
                let args = [seconds.as_str(), &size, verify];
                self.run_within(cleaning * 2 + OVERHEAD, SANITISE, &args, program).await.map(drop)
            }
        }
    }

    async fn probe(&self) -> Result<Probe, AccessError> {
        self.run(PROBE, &[], "").await?;
        Ok(Probe { seen: self.look().await? })
    }
}

impl MachineKeeper {
    /// Logs in with the key that was let in for that, and takes the key away again whatever came of
    /// it.
    async fn prove(
        &self,
        visitor: &dyn Visitor,
        account: &Account,
        once: Once,
    ) -> Result<(), AccessError> {
        let proved = visitor.visit(&account.name, once.private).await;
        let mark = account.mark.to_string();
        let taken = self.run(PROVEN, &[account.name.as_str(), &mark], "").await;
        proved.and(taken.map(drop))
    }

    async fn run(&self, script: &str, args: &[&str], input: &str) -> Result<String, AccessError> {
        self.run_within(self.patience.step, script, args, input).await
    }

    async fn run_within(
        &self,
        deadline: Duration,
        script: &str,
        args: &[&str],
        input: &str,
    ) -> Result<String, AccessError> {
        let words = [&["/bin/sh", "-c", script, "lessor"][..], args].concat();
        let command = Command { argv: &words, input: input.as_bytes(), deadline };
        done(&self.line.run(&command).await?, deadline)
    }
}

/// What the script that makes an account reads: its key, its password, and the key to prove it with.
fn input(account: &Account, once: Option<&Once>) -> Result<SecretString, AccessError> {
    let password = account.password.as_ref().map_or("", |password| password.expose_secret());
    if password.contains(char::is_control) {
        let why = "a password with control characters is none that anybody could type".to_owned();
        return Err(AccessError::Refused { why, hint: None });
    }
    let once = once.map_or("", |once| &once.public);
    Ok(format!("{}\n{password}\n{once}\n", account.ssh_key.as_str()).into())
}

/// A key that is used once.
struct Once {
    /// The line of `authorized_keys`.
    public: String,
    private: SecretString,
}

impl Once {
    fn new() -> Result<Self, AccessError> {
        let failed = |error: russh::keys::ssh_key::Error| AccessError::Failed {
            step: "key".into(),
            why: format!("no key could be made: {error}"),
        };
        let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&rand::random()));
        key.set_comment(ONCE);
        Ok(Once {
            public: key.public_key().to_openssh().map_err(failed)?,
            private: key.to_openssh(LineEnding::LF).map_err(failed)?.as_str().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_for_one_login_is_a_line_that_the_scripts_know_again() {
        let once = Once::new().unwrap();
        assert!(once.public.starts_with("ssh-ed25519 "), "{}", once.public);
        for script in [GRANT, PROVEN] {
            assert!(script.contains(&format!(" {ONCE}\\$\"")), "{ONCE} is not in the script");
        }
        assert!(once.public.ends_with(&format!(" {ONCE}")), "{}", once.public);
    }
}
