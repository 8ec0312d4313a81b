//! What is done at one machine of a reservation.

use anyhow::bail;
use lessor_engine::access::{
    AccessError, Account, AccountMark, AccountName, MachineWish, Sanitise, Wanted, keep,
};
use lessor_store::{BookingAct, BookingEnd, ClaimedBooking, StoreError};

use super::password::password_of;
use super::reach::{Cleaning, Reached};
use super::{Machines, TTL};

/// How many letters of a reservation's id tell its account from others.
const TOLD_BY: usize = 10;

/// How often it is tried in vain to let somebody in before the machine counts as not well.
const LET_IN_TRIES: u32 = 2;

/// Why something was not done.
pub(super) struct NotDone {
    why: String,
    /// Whether nobody is to be let in on the machine, whoever comes next.
    is_unsafe: bool,
}

impl Machines {
    /// Does what is to be done, and answers what it came to.
    pub(super) async fn carry_out(&self, claimed: &ClaimedBooking) -> BookingEnd {
        match self.tried(claimed).await {
            Ok(()) => BookingEnd::Done,
            Err(NotDone { why, is_unsafe }) => BookingEnd::Failed {
                why,
                again_at: self.again(claimed.booking.tries),
                quarantine: is_unsafe || keeps_out(claimed),
            },
        }
    }

    async fn tried(&self, claimed: &ClaimedBooking) -> Result<(), NotDone> {
        let booking = &claimed.booking;
        let reached = self.reach(&booking.machine, &booking.pool).await?;
        match claimed.act {
            BookingAct::Grant => {
                let account = self.account(claimed, &reached.user_prefix).await?;
                let proven = booking.granted_at.is_some();
                let wanted = Wanted { account, proven };
                // Its window may be over by now, and somebody else in it, if we stood still.
                self.still_ours(claimed).await?;
                self.make_so(&booking.machine, &reached, vec![wanted]).await
            }
            BookingAct::Revoke => self.make_so(&booking.machine, &reached, Vec::new()).await,
            BookingAct::Clean => self.clean(claimed, &reached).await,
        }
    }

    /// Makes a machine as it was before, and sees that it is well.
    async fn clean(&self, claimed: &ClaimedBooking, reached: &Reached) -> Result<(), NotDone> {
        match &reached.cleaning {
            Cleaning::Nothing => {}
            Cleaning::There(how) => {
                self.still_ours(claimed).await?;
                reached.keeper.sanitise(how).await?;
            }
            Cleaning::Anew => self.make_anew(claimed).await?,
        }
        let is_by_script = matches!(&reached.cleaning, Cleaning::There(Sanitise::Script { .. }));
        if let Some(verify) = reached.verify.clone().filter(|_| !is_by_script) {
            let verify = Sanitise::Script { program: String::new(), verify: Some(verify) };
            reached.keeper.sanitise(&verify).await?;
        }
        self.nobody_is_left(&claimed.booking.machine, reached).await
    }

    /// Lets in who is wanted, and puts out everybody who is not to be in by now.
    pub(super) async fn make_so(
        &self,
        machine: &str,
        reached: &Reached,
        accounts: Vec<Wanted>,
    ) -> Result<(), NotDone> {
        let seen = reached.keeper.look().await?;
        // Asked behind the look: nobody has an account before it is written down that they are to. So
        // whoever stood still for a while puts out nobody who came meanwhile.
        let stays = self.store.machine_insiders(machine).await?;
        let kept = keep(&*reached.keeper, &MachineWish { accounts, stays }, &seen).await;
        match kept.failed.into_iter().next() {
            None => Ok(()),
            Some((act, error)) => Err(NotDone::of(&error, Some(&act.to_string()))),
        }
    }

    /// Whom to let in.
    async fn account(&self, claimed: &ClaimedBooking, prefix: &str) -> Result<Account, NotDone> {
        let reservation = &claimed.reservation;
        let installation = self.estate.installation.clone();
        let mark = AccountMark::new(installation, &reservation.id).map_err(NotDone::from)?;
        let key = reservation.ssh_key.as_deref().unwrap_or_default();
        let ssh_key = key.parse().map_err(NotDone::from)?;
        let name = account_name(prefix, &reservation.id).map_err(NotDone::from)?;
        let expires_at = claimed.booking.window.end;
        let mut password = None;
        if reservation.password {
            password = password_of(&self.store, &reservation.id).await?;
        }
        Ok(Account { name, mark, ssh_key, expires_at, password })
    }

    /// Looks whether a machine can be had: whether it is well, and nobody has an account there who is not
    /// to have one.
    pub(super) async fn nobody_is_left(
        &self,
        machine: &str,
        reached: &Reached,
    ) -> Result<(), NotDone> {
        let probe = reached.keeper.probe().await?;
        let stays = self.store.machine_insiders(machine).await?;
        let left = probe.seen.accounts.iter();
        let left = left.filter(|one| !stays.contains(one.mark.reservation()));
        let names: Vec<_> = left.map(|one| one.name.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let why = format!("accounts are left on it: {}", names.join(", "));
        Err(NotDone { why, is_unsafe: true })
    }

    /// Sees that nobody else has taken over what is to be done.
    pub(super) async fn still_ours(&self, claimed: &ClaimedBooking) -> anyhow::Result<()> {
        if self.store.booking_renew(claimed, TTL).await? {
            return Ok(());
        }
        bail!("another server took it over, or it is not to be done any more")
    }
}

/// Whether a machine was tried often enough that let nobody in yet: whoever is to be let in gets another
/// one, if there is one.
fn keeps_out(claimed: &ClaimedBooking) -> bool {
    let booking = &claimed.booking;
    let is_new = claimed.act == BookingAct::Grant && booking.granted_at.is_none();
    is_new && booking.tries >= LET_IN_TRIES
}

/// What the account of a reservation is called: on all its machines alike, and like no other.
pub(crate) fn account_name(prefix: &str, reservation: &str) -> Result<AccountName, String> {
    let id = reservation.to_ascii_lowercase();
    let told_by = id.get(id.len().saturating_sub(TOLD_BY)..).unwrap_or(&id);
    format!("{prefix}-{told_by}").parse()
}

impl NotDone {
    fn of(error: &AccessError, act: Option<&str>) -> Self {
        let what = act.map(|act| format!("{act}: ")).unwrap_or_default();
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        let is_unsafe = matches!(error, AccessError::HostKey { .. });
        NotDone { why: format!("{what}{error}{hint}"), is_unsafe }
    }

    pub(super) fn into_why(self) -> String {
        self.why
    }
}

impl From<AccessError> for NotDone {
    fn from(error: AccessError) -> Self {
        NotDone::of(&error, None)
    }
}

impl From<anyhow::Error> for NotDone {
    fn from(error: anyhow::Error) -> Self {
        NotDone { why: format!("{error:#}"), is_unsafe: false }
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<String> for NotDone {
    fn from(why: String) -> Self {
        NotDone { why, is_unsafe: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_called_by_its_pool_and_by_its_reservation() {
        let name = account_name("guest", "rsv_01JD2Q7M3W8KXNVZ4C5T6R9E0A").unwrap();
        assert_eq!(name.as_str(), "guest-4c5t6r9e0a");
    }
}
