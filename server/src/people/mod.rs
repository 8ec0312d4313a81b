//! People: who there is, what they show to be let in, and what belongs to whom.

pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod sessions;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod users;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{Account, Attempts, SecretDigest};

use crate::around::Address;
use crate::limits::network;
use crate::{Problem, ProblemKind, Services};

/// How often one may try to log in as somebody from one place, and in how long.
const TRIES: i64 = 5;
const TRIES_WITHIN: Duration = Duration::from_mins(5);

/// How often all places together may: enough that nobody is locked out by a stranger soon, and too
/// few to guess.
const TRIES_OF_ALL: i64 = 50;

/// So much later than now.
fn later(services: &Services, hours: i64) -> Timestamp {
    let hours = SignedDuration::from_hours(hours);
    services.store.now().checked_add(hours).unwrap_or(Timestamp::MAX)
}

/// The account of this address and password. Whatever is wrong, the answer is the same and takes as
/// long.
async fn authenticated(
    services: &Services,
    Address(address): Address,
    email: &str,
    password: String,
) -> Result<Account, Problem> {
    services.limits.check_costly(address)?;
    let email = email.to_ascii_lowercase();
    let here = SecretDigest::of(&format!("login\n{email}\n{}", network(address)));
    let anywhere = SecretDigest::of(&format!("login\n{email}"));
    let limits = [(&here, TRIES), (&anywhere, TRIES_OF_ALL)];
    let limits = limits.map(|(subject, most)| Attempts { subject, most, within: TRIES_WITHIN });
    if let Some(refusal) = services.store.attempt_begin(&limits).await? {
        return Err(Problem::new(ProblemKind::TooMany).retry_after(refusal.wait));
    }
    let account = services.store.account_find(&email).await?;
    let stored = match &account {
        Some(account) => services.store.account_password(&account.id).await?,
        None => None,
    };
    let fits = services.passwords.verify(password, stored).await?;
    let account = account.filter(|_| fits).ok_or_else(|| {
        Problem::new(ProblemKind::Unauthenticated)
            .detail("the mail address or the password is wrong")
    })?;
    services.store.attempt_forget(&here).await?;
    if account.status == lessor_store::Status::Active {
        return Ok(account);
    }
    // Only who knows the password is told.
    Err(Problem::new(ProblemKind::Forbidden).detail(format!("the account is {}", account.status)))
}

/// A mail address, as far as that can be told without sending anything.
pub(crate) fn check_email(email: &str) -> Result<(), Problem> {
    let is_plain = email.len() <= 254 && email.bytes().all(|byte| byte.is_ascii_graphic());
    let is_split = email.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !domain.contains('@')
    });
    if is_plain && is_split && !email.contains(['<', '>', '"', ',', ';', '\\']) {
        return Ok(());
    }
    Err(Problem::field("/email", "expected a mail address, such as `alice@example.net`"))
}

/// What people call something: any text that fits on a line.
fn check_name(pointer: &str, name: &str) -> Result<(), Problem> {
    let is_good = (1..=100).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
        && name.trim() == name;
    if is_good {
        return Ok(());
    }
    Err(Problem::field(pointer, "expected 1 to 100 characters on one line"))
}
