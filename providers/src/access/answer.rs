//! What the answers of scripts mean.

use std::time::Duration;

use lessor_engine::access::{AccessError, AccountMark, Seen, SeenAccount};
use lessor_plans::InstallationId;
use lessor_specs::visible;

use crate::command::{End, Heard};

/// What a script writes to where errors go when it begins a step.
const STEP: &str = "lessor: step ";

/// The code of a script that will not do it.
const REFUSED: i64 = 10;

/// How many lines of what a machine said stand in a message.
const LINES: usize = 3;

/// What a script wrote, if it did what it is for.
///
/// # Errors
/// Why it did not, and at which step.
pub(super) fn done(heard: &Heard, deadline: Duration) -> Result<String, AccessError> {
    let (step, said) = last_step(&heard.stderr);
    match &heard.end {
        End::Exited(0) => Ok(String::from_utf8_lossy(&heard.stdout).into_owned()),
        End::Exited(REFUSED) => Err(AccessError::Refused { why: said, hint: None }),
        End::Exited(code) if said.is_empty() => {
            Err(AccessError::Failed { step, why: format!("it ended with {code}") })
        }
        End::Exited(_) => Err(AccessError::Failed { step, why: said }),
        End::Late => {
            let why = format!("it was not done within {} s", deadline.as_secs());
            Err(AccessError::Failed { step, why })
        }
        End::Lost(why) => {
            Err(AccessError::Unreachable { why: format!("lost at step `{step}`: {why}") })
        }
    }
}

/// The step that was begun last, and the last lines that were said in it.
fn last_step(stderr: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(stderr);
    let (mut step, mut said) = ("begin", Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix(STEP) {
            Some(begun) => {
                step = begun;
                said.clear();
            }
            None => said.push(visible(line)),
        }
    }
    let last = said.len().saturating_sub(LINES);
    (visible(step).into_owned(), said[last..].join("; "))
}

/// Our accounts, each a line of name, number, day and comment. What cannot be read is nobody's.
pub(super) fn accounts(text: &str, installation: &InstallationId) -> Seen {
    let account = |line: &str| {
        let mut parts = line.splitn(4, ':');
        let name = parts.next()?.parse().ok()?;
        let uid = parts.next()?.parse().ok()?;
        let last_day = parts.next()?.parse().ok();
        let mark = AccountMark::of_comment(parts.next()?, installation)?;
        Some(SeenAccount { name, mark, uid, last_day })
    };
    let mut accounts: Vec<_> = text.lines().filter_map(account).collect();
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    Seen { accounts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(end: End, stderr: &str) -> Heard {
        Heard { stdout: b"1000\n".to_vec(), stderr: stderr.into(), end }
    }

    #[test]
    fn an_answer_says_which_step_failed_and_why() {
        let begun = "lessor: step look\nnoise\nlessor: step home\ncp: no space\nno home\n";
        let lost = || End::Lost("the connection was lost".into());
        for (end, stderr, expected) in [
            (End::Exited(0), begun, Ok("1000\n")),
            (End::Exited(1), begun, Err("step `home` failed: cp: no space; no home")),
            (End::Exited(2), "", Err("step `begin` failed: it ended with 2")),
            (End::Exited(10), "lessor: step look\nnot ours\n", Err("not ours")),
            (End::Late, begun, Err("step `home` failed: it was not done within 25 s")),
            (lost(), begun, Err("lost at step `home`: the connection was lost")),
            (End::Exited(1), "\u{1b}[31mred", Err("step `begin` failed: \\u{1b}[31mred")),
        ] {
            let answer = done(&heard(end, stderr), Duration::from_secs(25));
            let shown = answer.as_deref().map_err(ToString::to_string);
            assert_eq!(shown, expected.map_err(ToOwned::to_owned), "{stderr}");
        }
    }

    #[test]
    fn only_accounts_of_ours_are_seen() {
        let text = "lsr-b:1001:20800:lessor/1 test-1 rsv_2\n\
                    lsr-a:1000::lessor/1 test-1 rsv_1,,,\n\
                    alice:1002:20800:lessor/1 test-2 rsv_3\n\
                    -x:1003:1:lessor/1 test-1 rsv_4\n\
                    short:1004\n";
        let seen = accounts(text, &"test-1".parse().unwrap());
        let shown = seen
            .accounts
            .iter()
            .map(|one| (one.name.as_str(), one.uid, one.last_day, one.mark.reservation()));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [("lsr-a", 1_000, None, "rsv_1"), ("lsr-b", 1_001, Some(20_800), "rsv_2")]
        );
    }
}
