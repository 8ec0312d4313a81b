//! How people are let into a machine and put out again in tests, and what they leave.

use std::time::{Duration, Instant};

use lessor_engine::access::{AccessError, Account, Keeper, Sanitise, SeenAccount};
use lessor_providers::access::Patience;

use crate::machine::Machine;

/// Whose account it is.
pub const NAME: &str = "lsr-a";
/// When it ends.
pub const END: &str = "2099-01-01T10:00:00Z";
/// When it ends after it was extended.
pub const LATER: &str = "2099-01-03T10:00:00Z";

/// What somebody leaves who does not want to go.
pub const LEAVE: &str = r#"
    mkdir -p /tmp/mine/deep /dev/shm/mine
    for file in /tmp/mine/deep/file /var/tmp/-rf "/tmp/a b" /dev/shm/mine/file; do echo x >"$file"; done
    ln -s /etc/passwd /tmp/link
    (trap '' TERM HUP; while :; do sleep 1; done) &
    (kill -STOP $(sh -c 'echo $PPID')) &
    sleep 1000 &
    wait
"#;

/// Takes every process there may be, and each that becomes free.
pub const FILL: &str = r#"exec perl -e '
    $SIG{TERM} = "IGNORE";
    while (1) {
        my $child = fork;
        if (!defined $child) { select undef, undef, undef, 0.01 }
        elsif (!$child) { sleep 1000 while 1 }
    }'"#;

/// In seconds: to log in, for a step, and to clean.
pub fn patience(login: u64, step: u64, cleaning: u64) -> Patience {
    let seconds = Duration::from_secs;
    Patience { login: seconds(login), step: seconds(step), cleaning: seconds(cleaning) }
}

/// A program that cleans, and what says that it did.
pub fn script(program: &str, verify: Option<&str>) -> Sanitise {
    Sanitise::Script { program: program.into(), verify: verify.map(Into::into) }
}

/// How it ended: the sort of error, and its text.
pub fn told<T>(answer: Result<T, AccessError>) -> String {
    match answer {
        Ok(_) => "done".into(),
        Err(error) => {
            let sort = match &error {
                AccessError::Unreachable { .. } => "unreachable",
                AccessError::Refused { .. } => "refused",
                AccessError::HostKey { .. } => "host key",
                AccessError::Failed { .. } => "failed",
            };
            format!("{sort}: {error}")
        }
    }
}

/// That it ended so: the beginning of what is told, and a part of it.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn expect<T>(answer: Result<T, AccessError>, beginning: &str, part: &str) {
    let told = told(answer);
    assert!(told.starts_with(beginning) && told.contains(part), "{told}");
}

/// Our accounts there.
///
/// # Panics
/// When nobody can look.
pub async fn seen(keeper: &dyn Keeper) -> Vec<SeenAccount> {
    keeper.look().await.unwrap().accounts
}

/// The account is there, with everything that shows it; its number.
///
/// # Panics
/// When it is not.
pub async fn granted(machine: &Machine, keeper: &dyn Keeper, account: &Account) -> u32 {
    let granted = keeper.grant(account).await.unwrap();
    let expected = SeenAccount {
        name: account.name.clone(),
        mark: account.mark.clone(),
        uid: granted.uid,
        last_day: Some(account.last_day()),
    };
    assert_eq!(seen(keeper).await, [expected]);
    let keys = machine.sh("cat /home/lsr-a/.ssh/authorized_keys");
    assert_eq!(keys.trim(), account.ssh_key.as_str(), "nothing else may log in");
    let modes = "cd /home/lsr-a && stat -c '%a %U' . .ssh .ssh/authorized_keys";
    assert_eq!(machine.sh(modes), "700 lsr-a\n700 lsr-a\n600 lsr-a\n");
    granted.uid
}

/// The account goes, and nothing of it is left; and that once more.
///
/// # Panics
/// When something is left.
pub async fn revoked(machine: &Machine, keeper: &dyn Keeper, uid: u32) {
    let began = Instant::now();
    keeper.revoke(&NAME.parse().unwrap()).await.unwrap();
    let took = began.elapsed();
    assert_eq!(machine.left_of(NAME, uid), "", "of {NAME}, number {uid}");
    assert!(took < Duration::from_secs(25), "it took {took:?}");
    keeper.revoke(&NAME.parse().unwrap()).await.unwrap();
    assert!(keeper.probe().await.unwrap().seen.accounts.is_empty());
}

/// A program takes the script with it that runs it next, once.
pub fn mined(machine: &Machine, program: &str) {
    let mine = format!(
        "printf '#!/bin/sh\\n/bin/rm /usr/local/sbin/{program}\\nkill -9 $PPID\\n' \
         >/usr/local/sbin/{program} && chmod 755 /usr/local/sbin/{program}"
    );
    machine.sh(&mine);
}
