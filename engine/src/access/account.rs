//! An account on a machine, for somebody and for a while.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_plans::InstallationId;
use lessor_specs::is_login_key;
use secrecy::SecretString;

/// The format of the mark. A later one is left alone rather than guessed at.
const FORMAT: &str = "lessor/1";

/// The longest name that every system takes.
const NAME_MAX: usize = 32;

/// How many seconds a day has. Accounts expire by the day.
const DAY: i64 = 86_400;

/// An account that somebody shall have.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Whose it is; carried by the account itself.
    pub mark: AccountMark,
    /// The key that may log in.
    pub ssh_key: LoginKey,
    /// When it ends. Machines know days only: see [`Account::last_day`].
    pub expires_at: Timestamp,
    /// The password that may log in. Without one, what the account has stays as it is, and a new one
    /// has none.
    pub password: Option<SecretString>,
}

impl Account {
    /// The first day on which a machine lets nobody in by itself, in days since 1970 (UTC): what is
    /// left should nobody come to take the account away. It begins when the account ends, or later.
    pub fn last_day(&self) -> i64 {
        self.expires_at.as_second().saturating_add(DAY - 1).div_euclid(DAY)
    }
}

/// The name of an account: up to 32 lower-case letters, digits, hyphens and underscores, beginning
/// with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if begins && text.len() <= NAME_MAX && text.bytes().all(plain) {
            return Ok(AccountName(text.into()));
        }
        Err(format!(
            "expected a letter and up to {} lower-case letters, digits, `-` or `_`, found `{text}`",
            NAME_MAX - 1
        ))
    }
}

/// Says whose an account is. It stands in the account's comment, given in the very call that makes
/// it, and holds nothing that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountMark {
    /// Which lessor made it.
    pub installation: InstallationId,
    /// For which reservation.
    reservation: String,
}

impl AccountMark {
    /// Of a reservation.
    ///
    /// # Errors
    /// When its id is no plain word, which nothing could read back from a comment.
    pub fn new(installation: InstallationId, reservation: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if reservation.is_empty() || !reservation.bytes().all(plain) {
            return Err(format!("expected the id of a reservation, found `{reservation}`"));
        }
        Ok(AccountMark { installation, reservation: reservation.into() })
    }

    /// For which reservation.
    pub fn reservation(&self) -> &str {
        &self.reservation
    }

    /// What every mark of an installation begins with.
    pub fn of_all(installation: &InstallationId) -> String {
        format!("{FORMAT} {installation} ")
    }

    /// Reads the comment of an account. `None` when it is not one of the installation's.
    ///
    /// What stands behind a comma is not ours: some systems let people write their telephone number
    /// there.
    pub fn of_comment(comment: &str, installation: &InstallationId) -> Option<Self> {
        let own = comment.split(',').next().unwrap_or_default();
        let reservation = own.strip_prefix(&AccountMark::of_all(installation))?;
        AccountMark::new(installation.clone(), reservation).ok()
    }
}

impl fmt::Display for AccountMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT} {} {}", self.installation, self.reservation)
    }
}

/// A public key, as one line of `authorized_keys` without options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginKey(String);

impl LoginKey {
    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LoginKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_login_key(text) {
            return Ok(LoginKey(text.trim().into()));
        }
        Err("expected the one line of a `.pub` file: `ssh-ed25519 AAAA… comment`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> InstallationId {
        "test-1".parse().unwrap()
    }

    #[test]
    fn a_mark_is_read_back_from_a_comment_and_from_no_other() {
        let mark = AccountMark::new(ours(), "rsv_01JD2Q7M3W").unwrap();
        assert_eq!(mark.to_string(), "lessor/1 test-1 rsv_01JD2Q7M3W");
        for (comment, is_ours) in [
            ("lessor/1 test-1 rsv_01JD2Q7M3W", true),
            ("lessor/1 test-1 rsv_01JD2Q7M3W,,555-1234,", true),
            ("lessor/1 test-2 rsv_01JD2Q7M3W", false),
            ("lessor/2 test-1 rsv_01JD2Q7M3W", false),
            ("lessor/1 test-1 ", false),
            ("lessor/1 test-1 rsv 01", false),
            ("Alice,lessor/1 test-1 rsv_01JD2Q7M3W", false),
            ("", false),
        ] {
            let read = AccountMark::of_comment(comment, &ours());
            assert_eq!(read, is_ours.then(|| mark.clone()), "{comment}");
        }
    }

    #[test]
    fn no_mark_holds_what_would_end_the_comment() {
        for id in ["", "a:b", "a b", "a,b", "a\nb", "é"] {
            assert!(AccountMark::new(ours(), id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_name_is_one_that_every_system_takes() {
        for good in ["lsr-1", "a", "a_b-c9", &"a".repeat(32)] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "1a", "_a", "A", "a.b", "a b", "a$", "a\n", "é", &"a".repeat(33)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machine_lets_nobody_in_from_the_first_day_after_the_end() {
        let last_day = |at: &str| {
            let account = Account {
                name: "a".parse().unwrap(),
                mark: AccountMark::new(ours(), "r").unwrap(),
                ssh_key: LoginKey(String::new()),
                expires_at: at.parse().unwrap(),
                password: None,
            };
            account.last_day()
        };
        assert_eq!(last_day("1970-01-02T00:00:00Z"), 1);
        assert_eq!(last_day("1970-01-02T00:00:01Z"), 2);
        assert_eq!(last_day("2026-11-30T23:59:59Z"), 20_788);
    }
}
