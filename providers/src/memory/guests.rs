//! One pretend container as a machine that people are let into: its accounts stand in its host, and
//! nobody can log in.

use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::access::{
    AccessError, Account, AccountMark, AccountName, Granted, Keeper, Probe, Proof, Sanitise, Seen,
    SeenAccount,
};
use lessor_engine::{ApplyError, WatchError, Watched};
use lessor_plans::Body;

use super::host::{Guest, Host, Thing};
use super::{Memory, Owner};

/// The number of the first account that is not the system's own.
const FIRST_UID: u32 = 1_000;

/// A pretend container that people are let into.
pub(crate) struct PretendMachine {
    memory: Arc<Memory>,
    thing: Watched,
}

impl PretendMachine {
    pub(crate) fn new(memory: Arc<Memory>, thing: Watched) -> Self {
        PretendMachine { memory, thing }
    }

    async fn change(
        &self,
        change: impl FnOnce(&Owner, &mut Vec<Guest>) -> Result<bool, ApplyError> + Send + 'static,
    ) -> Result<(), AccessError> {
        let (owner, thing) = (self.memory.owner.clone(), self.thing.clone());
        let changed = self.memory.keep.change(move |host| {
            owner.entered(host, &thing)?;
            host.guests(&thing.name).map_or(Ok(false), |guests| change(&owner, guests))
        });
        changed.await.map_err(failed)
    }
}

#[async_trait]
impl Keeper for PretendMachine {
    async fn look(&self) -> Result<Seen, AccessError> {
        let owner = &self.memory.owner;
        let seen = self.memory.keep.read(|host| {
            let guests = owner.entered(host, &self.thing)?.guests();
            Ok(guests.iter().filter_map(|guest| owner.seen(guest)).collect())
        });
        let accounts = seen.await.map_err(|why| AccessError::Unreachable { why })?;
        Ok(Seen { accounts: accounts.map_err(failed)? })
    }

    async fn grant(&self, account: &Account) -> Result<Granted, AccessError> {
        let guest = Guest {
            name: account.name.to_string(),
            mark: account.mark.to_string(),
            uid: FIRST_UID,
            last_day: account.last_day(),
            key: account.ssh_key.as_str().to_owned(),
        };
        self.change(move |_, guests| grant(guests, guest)).await?;
        let seen = self.look().await?;
        let own = seen.accounts.iter().find(|one| one.name == account.name);
        let uid = own.map(|one| one.uid);
        let gone =
            || AccessError::Failed { step: "prove".into(), why: "the account is gone".into() };
        Ok(Granted { uid: uid.ok_or_else(gone)?, proof: Proof::Shell })
    }

    async fn revoke(&self, name: &AccountName) -> Result<(), AccessError> {
        let name = name.to_string();
        self.change(move |owner, guests| {
            let Some(place) = guests.iter().position(|guest| guest.name == name) else {
                return Ok(false);
            };
            if owner.seen(&guests[place]).is_none() {
                return Err(taken(&name));
            }
            guests.remove(place);
            Ok(true)
        })
        .await
    }

    /// There is nothing on it but its accounts, and no snapshot of it.
    async fn sanitise(&self, how: &Sanitise) -> Result<(), AccessError> {
        match how {
            Sanitise::Script { .. } => self.look().await.map(drop),
            Sanitise::Rollback { .. } => {
                let why = "a pretend container has no snapshots".into();
                Err(AccessError::Refused { why, hint: None })
            }
        }
    }

    async fn probe(&self) -> Result<Probe, AccessError> {
        Ok(Probe { seen: self.look().await? })
    }
}

impl Owner {
    /// A container that somebody can get into.
    fn entered<'h>(&self, host: &'h Host, meant: &Watched) -> Result<&'h Thing, ApplyError> {
        let thing = self.container(host, meant).map_err(|error| match error {
            WatchError::Absent => away(format!("there is no container `{}`", meant.name)),
            other => ApplyError::Refused { why: other.to_string(), hint: None },
        })?;
        let runs = matches!(&thing.body, Body::Container(body) if body.running);
        match thing.ill() {
            Some(why) => Err(away(why.to_owned())),
            None if runs => Ok(thing),
            None => Err(away(format!("`{}` does not run", meant.name))),
        }
    }

    /// An account, if it is ours.
    fn seen(&self, guest: &Guest) -> Option<SeenAccount> {
        let mark = AccountMark::of_comment(&guest.mark, &self.installation)?;
        let (uid, last_day) = (guest.uid, Some(guest.last_day));
        Some(SeenAccount { name: guest.name.parse().ok()?, mark, uid, last_day })
    }
}

fn grant(guests: &mut Vec<Guest>, mut guest: Guest) -> Result<bool, ApplyError> {
    if let Some(there) = guests.iter_mut().find(|one| one.name == guest.name) {
        if there.mark != guest.mark {
            return Err(taken(&guest.name));
        }
        guest.uid = there.uid;
        let is_new = *there != guest;
        *there = guest;
        return Ok(is_new);
    }
    let last = guests.iter().map(|one| one.uid).max();
    guest.uid = last.map_or(FIRST_UID, |last| last + 1);
    guests.push(guest);
    Ok(true)
}

fn taken(name: &str) -> ApplyError {
    ApplyError::Refused { why: format!("the account `{name}` is somebody else's"), hint: None }
}

fn away(why: String) -> ApplyError {
    ApplyError::Transient { why }
}

fn failed(error: ApplyError) -> AccessError {
    match error {
        ApplyError::Transient { why } => AccessError::Unreachable { why },
        ApplyError::Stale { why } => AccessError::Refused { why, hint: None },
        ApplyError::Refused { why, hint } => AccessError::Refused { why, hint },
    }
}
