//! Doing what is to be done on a machine.

use std::collections::BTreeMap;

use super::{AccessError, AccountName, Act, Granted, Keeper, MachineWish, Seen, next};

/// What was done on a machine.
#[derive(Debug, Default)]
pub struct Kept {
    /// What was done, in that order.
    pub done: Vec<Act>,
    /// The accounts that work now, of those that were granted or renewed.
    pub granted: BTreeMap<AccountName, Granted>,
    /// What was not done, and why.
    pub failed: Vec<(Act, AccessError)>,
    /// What was not begun after that.
    pub left: Vec<Act>,
}

impl Kept {
    /// Whether the machine is as wished.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.left.is_empty()
    }
}

/// Makes a machine, as it was seen, as it is wished.
///
/// Everybody who is to go goes, even if one could not be made to; but nobody comes to a machine where
/// somebody is left who should not be. Once a machine cannot be reached, nothing else is begun.
pub async fn keep(keeper: &dyn Keeper, wish: &MachineWish, seen: &Seen) -> Kept {
    let mut kept = Kept::default();
    for act in next(wish, seen) {
        if !kept.may_begin(&act) {
            kept.left.push(act);
            continue;
        }
        match carry_out(keeper, &act).await {
            Ok(granted) => {
                kept.granted.extend(granted.map(|granted| (act.name().clone(), granted)));
                kept.done.push(act);
            }
            Err(error) => kept.failed.push((act, error)),
        }
    }
    kept
}

async fn carry_out(keeper: &dyn Keeper, act: &Act) -> Result<Option<Granted>, AccessError> {
    match act {
        Act::Revoke(name) => keeper.revoke(name).await.map(|()| None),
        Act::Grant(account) | Act::Renew(account) => keeper.grant(account).await.map(Some),
    }
}

impl Kept {
    fn may_begin(&self, act: &Act) -> bool {
        let lost = self.failed.iter().any(|(_, error)| error.is_of_the_machine());
        let stays = self.failed.iter().any(|(act, _)| matches!(act, Act::Revoke(_)));
        !lost && (matches!(act, Act::Revoke(_)) || !stays)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use futures_util::FutureExt as _;

    use super::super::{Account, AccountMark, Probe, Proof, Sanitise, SeenAccount, Wanted};
    use super::*;

    /// A machine where some accounts cannot be changed.
    struct Pretend {
        seen: Seen,
        stuck: Vec<(&'static str, AccessError)>,
        calls: Mutex<Vec<String>>,
    }

    impl Pretend {
        fn with(there: &[&str], stuck: &[(&'static str, AccessError)]) -> Self {
            let account = |name: &&str| SeenAccount {
                name: name.parse().unwrap(),
                mark: mark("old"),
                uid: 1_001,
                last_day: Some(9),
            };
            let seen = Seen { accounts: there.iter().map(account).collect() };
            Pretend { seen, stuck: stuck.to_vec(), calls: Mutex::default() }
        }

        fn call(&self, verb: &str, name: &AccountName) -> Result<(), AccessError> {
            self.calls.lock().unwrap().push(format!("{verb} {name}"));
            let stuck = self.stuck.iter().find(|(stuck, _)| *stuck == name.as_str());
            stuck.map_or(Ok(()), |(_, error)| Err(error.clone()))
        }
    }

    #[async_trait]
    impl Keeper for Pretend {
        async fn look(&self) -> Result<Seen, AccessError> {
            Ok(self.seen.clone())
        }
        async fn grant(&self, account: &Account) -> Result<Granted, AccessError> {
            self.call("grant", &account.name)?;
            Ok(Granted { uid: 1_002, proof: Proof::Login })
        }
        async fn revoke(&self, name: &AccountName) -> Result<(), AccessError> {
            self.call("revoke", name)
        }
        async fn sanitise(&self, _: &Sanitise) -> Result<(), AccessError> {
            Ok(())
        }
        async fn probe(&self) -> Result<Probe, AccessError> {
            Ok(Probe { seen: self.seen.clone() })
        }
    }

    fn mark(reservation: &str) -> AccountMark {
        AccountMark::new("test-1".parse().unwrap(), reservation).unwrap()
    }

    fn wish(names: &[&str]) -> MachineWish {
        let key = "ssh-ed25519 \
                   AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd";
        let wanted = |name: &&str| Wanted {
            account: Account {
                name: name.parse().unwrap(),
                mark: mark("new"),
                ssh_key: key.parse().unwrap(),
                expires_at: jiff::Timestamp::UNIX_EPOCH,
                password: None,
            },
            proven: false,
        };
        MachineWish { accounts: names.iter().map(wanted).collect(), ..MachineWish::default() }
    }

    fn failed() -> AccessError {
        AccessError::Failed { step: "kill".into(), why: "one stays".into() }
    }

    fn gone() -> AccessError {
        AccessError::Unreachable { why: "no answer".into() }
    }

    #[test]
    fn who_is_to_go_goes_and_nobody_comes_to_who_should_not_be_there() {
        for (stuck, calls, left) in [
            (vec![], "revoke a, revoke b, grant c, grant d", 0),
            (vec![("a", failed())], "revoke a, revoke b", 2),
            (vec![("a", gone())], "revoke a", 3),
            (vec![("c", failed())], "revoke a, revoke b, grant c, grant d", 0),
            (vec![("c", gone())], "revoke a, revoke b, grant c", 1),
        ] {
            let machine = Pretend::with(&["a", "b"], &stuck);
            let wish = wish(&["c", "d"]);
            let kept = keep(&machine, &wish, &machine.seen).now_or_never().unwrap();
            assert_eq!(machine.calls.lock().unwrap().join(", "), calls, "{stuck:?}");
            assert_eq!((kept.left.len(), kept.failed.len()), (left, stuck.len()), "{kept:?}");
            assert_eq!(kept.is_complete(), stuck.is_empty());
        }
    }
}
