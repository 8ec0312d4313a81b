//! What is to be done on a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Account, AccountName, Seen, SeenAccount};

/// What shall be on a machine.
#[derive(Clone, Debug, Default)]
pub struct MachineWish {
    /// These accounts and no other of ours; each name once.
    pub accounts: Vec<Wanted>,
    /// But what other reservations have there stays as it is, where these are their ids: somebody else
    /// sees to it.
    pub stays: BTreeSet<String>,
}

/// An account that shall be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The account.
    pub account: Account,
    /// Whether it was ever said to be there and to work. What was begun and cut off looks finished
    /// from outside.
    pub proven: bool,
}

/// Something to do on a machine.
#[derive(Clone, Debug)]
pub enum Act {
    /// Take an account away, with everything of it.
    Revoke(AccountName),
    /// Make an account, or finish it.
    Grant(Account),
    /// Let an account end when it should.
    Renew(Account),
}

impl Act {
    /// Which account it is about.
    pub fn name(&self) -> &AccountName {
        match self {
            Act::Revoke(name) => name,
            Act::Grant(account) | Act::Renew(account) => &account.name,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Act::Revoke(_) => "revoke",
            Act::Grant(_) => "grant",
            Act::Renew(_) => "renew",
        };
        write!(f, "{verb} `{}`", self.name())
    }
}

/// What leads from what is seen to what is wished: first what is to go, then what is to come, each in
/// order of names.
///
/// An account of a wanted name that was made for another reservation goes first: nobody comes into
/// what somebody else had.
pub fn next(wish: &MachineWish, seen: &Seen) -> Vec<Act> {
    let there: BTreeMap<_, _> = seen.accounts.iter().map(|one| (&one.name, one)).collect();
    let wanted: BTreeMap<_, _> = wish.accounts.iter().map(|one| (&one.account.name, one)).collect();
    let stays =
        |one: &SeenAccount| wanted.get(&one.name).is_some_and(|w| w.account.mark == one.mark);
    let leaves = |one: &&&SeenAccount| !stays(one) && !wish.stays.contains(one.mark.reservation());
    let goes = there.values().filter(leaves).map(|one| Act::Revoke(one.name.clone()));
    let comes = wanted.values().filter_map(|wanted| {
        let account = wanted.account.clone();
        match there.get(&account.name).filter(|one| stays(one)) {
            Some(one) if !wanted.proven || one.last_day.is_none() => Some(Act::Grant(account)),
            Some(one) if one.last_day != Some(account.last_day()) => Some(Act::Renew(account)),
            Some(_) => None,
            None => Some(Act::Grant(account)),
        }
    });
    goes.chain(comes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::AccountMark;
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd";

    fn mark(reservation: &str) -> AccountMark {
        AccountMark::new("test-1".parse().unwrap(), reservation).unwrap()
    }

    /// `name reservation day` of each, and `unproven` behind it.
    fn wish(text: &str) -> MachineWish {
        let wanted = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let day: i64 = words[2].parse().unwrap();
            let account = Account {
                name: words[0].parse().unwrap(),
                mark: mark(words[1]),
                ssh_key: KEY.parse().unwrap(),
                expires_at: jiff::Timestamp::from_second(day * 86_400).unwrap(),
                password: None,
            };
            Wanted { account, proven: words.len() == 3 }
        };
        MachineWish { accounts: listed(text).map(wanted).collect(), ..MachineWish::default() }
    }

    fn seen(text: &str) -> Seen {
        let account = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            SeenAccount {
                name: words[0].parse().unwrap(),
                mark: mark(words[1]),
                uid: 1_001,
                last_day: words[2].parse().ok(),
            }
        };
        Seen { accounts: listed(text).map(account).collect() }
    }

    fn listed(text: &str) -> impl Iterator<Item = &str> {
        text.split(',').filter(|line| !line.trim().is_empty())
    }

    #[test]
    fn what_is_not_wanted_goes_first_and_what_is_missing_comes() {
        for (wished, there, acts) in [
            ("", "", ""),
            ("", "a r1 9", "revoke `a`"),
            ("a r1 9", "", "grant `a`"),
            ("a r1 9", "a r1 9", ""),
            ("a r1 10", "a r1 9", "renew `a`"),
            ("a r1 9", "a r1 1", "renew `a`"),
            ("a r1 9", "a r1 never", "grant `a`"),
            ("a r1 9 unproven", "a r1 9", "grant `a`"),
            ("a r2 9", "a r1 9", "revoke `a`, grant `a`"),
            ("b r2 9, a r1 9", "c r3 9, d r4 1", "revoke `c`, revoke `d`, grant `a`, grant `b`"),
        ] {
            let next = next(&wish(wished), &seen(there));
            let shown: Vec<_> = next.iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(", "), acts, "wished `{wished}`, there `{there}`");
        }
    }

    #[test]
    fn what_others_are_seen_to_have_by_somebody_else_stays() {
        let stays = BTreeSet::from(["r3".to_owned()]);
        let wish = MachineWish { stays, ..wish("a r1 9") };

        let next = next(&wish, &seen("b r2 9, c r3 9"));

        let shown: Vec<_> = next.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["revoke `b`", "grant `a`"]);
    }
}
