//! Tasks: what a call began, and how it ended. That a task was begun says nothing of its success.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use tokio::time::{Instant, sleep};

use super::error::Kind;
use super::{CallError, Client, Form, classify, scalar};

/// The first pause between two looks at a task. Most take less than a second.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// The longest. A clone that takes ten minutes is noticed two seconds late.
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// How many lines of a log explain a failure.
const LINES: u64 = 5;

/// What Proxmox VE calls a task: `UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam!t1:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upid {
    text: String,
    /// Where it runs, and where it is asked about.
    pub node: String,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// What it does: `qmclone`.
    pub sort: String,
    /// What it is about; of a clone, the source. Empty for some.
    pub about: String,
    /// Who began it: `root@pam!t1`.
    pub user: String,
}

/// Why a text is no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no task: it looks like `UPID:NODE:PID:PSTART:START:TYPE:ID:USER:`")]
pub struct UpidError(String);

impl Upid {
    /// As Proxmox VE writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Upid {
    type Err = UpidError;

    fn from_str(text: &str) -> Result<Self, UpidError> {
        let error = || UpidError(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        let &["UPID", node, pid, since, began, sort, about, user, ""] = parts.as_slice() else {
            return Err(error());
        };
        let is_hex = |part: &str, longest: usize| {
            (8..=longest).contains(&part.len())
                && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
        };
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        };
        let whole = is_name(node)
            && is_hex(pid, 8)
            && is_hex(since, 9)
            && is_hex(began, 8)
            && !sort.is_empty()
            && !user.is_empty();
        if !whole {
            return Err(error());
        }
        Ok(Upid {
            text: text.to_owned(),
            node: node.to_owned(),
            began: u64::from_str_radix(began, 16).map_err(|_| error())?,
            sort: sort.to_owned(),
            about: about.to_owned(),
            user: user.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Upid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// How a task that succeeded went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What it warned of, from its log. Empty for most.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(deserialize_with = "scalar::text_needed")]
    status: String,
    #[serde(default, deserialize_with = "scalar::text")]
    exitstatus: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "n", deserialize_with = "scalar::number_needed")]
    number: u64,
    #[serde(rename = "t", default, deserialize_with = "scalar::text")]
    text: Option<String>,
}

impl Client {
    /// Waits until a task has ended. A call that did its work at once has none.
    ///
    /// A task that takes longer than `patience` goes on: nothing here ever stops one.
    ///
    /// # Errors
    /// [`Kind::Running`] when it is not done in time; [`Kind::Unknown`] when it ended without a
    /// verdict, or nothing is known of it any more; else what its verdict means.
    pub async fn task_wait(
        &self,
        task: Option<&Upid>,
        patience: Duration,
    ) -> Result<Done, CallError> {
        let Some(upid) = task else { return Ok(Done::default()) };
        let (begun, mut pause) = (Instant::now(), PAUSE_FIRST);
        loop {
            match self.task_verdict(upid).await {
                Ok(Some(verdict)) => return self.concluded(upid, &verdict).await,
                Ok(None) => {}
                // The task goes on, whether we can see it or not.
                Err(error) if matches!(error.kind(), Kind::Transient | Kind::Unknown) => {}
                Err(error) => {
                    let why = format!("it can no longer be asked about: {error}");
                    return Err(CallError::task(Kind::Unknown, upid, &why, Vec::new()));
                }
            }
            if begun.elapsed() + pause > patience {
                let late = format!("after {} s", patience.as_secs());
                return Err(CallError::task(Kind::Running, upid, &late, Vec::new()));
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE_LAST);
        }
    }

    /// The verdict about a task: `OK`, `WARNINGS: n` or what went wrong; none while it runs.
    pub async fn task_verdict(&self, upid: &Upid) -> Result<Option<String>, CallError> {
        let path = ["nodes", &upid.node, "tasks", upid.as_str(), "status"];
        let status: Status = self.get(&path, &Form::new()).await?;
        if status.status != "stopped" {
            return Ok(None);
        }
        Ok(Some(status.exitstatus.unwrap_or_else(|| "unexpected status".into())))
    }

    /// The last `lines` of the log of a task.
    pub async fn task_log(&self, upid: &Upid, lines: u64) -> Result<Vec<String>, CallError> {
        let path = ["nodes", &upid.node, "tasks", upid.as_str(), "log"];
        // All of it, as its length cannot be asked for and what is wanted stands at the end.
        let all: Vec<Line> = self.get(&path, &Form::new().with("limit", 0)).await?;
        let last = all.iter().map(|line| line.number).max().unwrap_or_default();
        let wanted = all.into_iter().filter(|line| line.number + lines > last);
        Ok(wanted.filter_map(|line| line.text).collect())
    }

    async fn concluded(&self, upid: &Upid, verdict: &str) -> Result<Done, CallError> {
        if verdict == "OK" {
            return Ok(Done::default());
        }
        // A log that cannot be read changes nothing about the verdict.
        if has_warnings(verdict) {
            let log = self.task_log(upid, u64::MAX >> 1).await.unwrap_or_default();
            return Ok(Done { warnings: warnings(log, verdict) });
        }
        let log = self.task_log(upid, LINES).await.unwrap_or_default();
        let says_more = |line: &String| !line.starts_with("TASK ERROR") && *line != verdict;
        let log = log.into_iter().filter(says_more).collect();
        Err(CallError::task(classify::of_task(verdict), upid, verdict, log))
    }
}

fn has_warnings(verdict: &str) -> bool {
    let count = verdict.strip_prefix("WARNINGS: ");
    count.is_some_and(|count| !count.is_empty() && count.bytes().all(|c| c.is_ascii_digit()))
}

/// What a log warns of; all that is said of it when the log does not.
fn warnings(log: Vec<String>, verdict: &str) -> Vec<String> {
    let is_warning = |line: &String| line.starts_with("WARN");
    let found: Vec<_> = log.into_iter().filter(is_warning).collect();
    if found.is_empty() { vec![verdict.to_owned()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_from_its_name() {
        let text = "UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam!t1:";
        let upid: Upid = text.parse().unwrap();
        let parts = (&*upid.node, upid.began, &*upid.sort, &*upid.about, &*upid.user);
        assert_eq!(parts, ("pve1", 0x6B00_E5C7, "qmclone", "100", "root@pam!t1"));
        assert_eq!(upid.to_string(), text);

        let text = "UPID:pve1:0000054E:10003E935:6B00E6C4:reloadnetworkall::root@pam!t1:";
        assert_eq!(text.parse::<Upid>().unwrap().about, "");
        let image = "UPID:n-2:0000005D:0009FBCF:6B00F650:imgdel:180@s1:root@pam!t1:";
        assert_eq!(image.parse::<Upid>().unwrap().about, "180@s1");
    }

    #[test]
    fn what_is_no_task_is_refused() {
        for wrong in [
            "",
            "UPID:",
            "OK",
            "UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam!t1",
            "UPID:pve1:363:0003865E:6B00E5C7:qmclone:100:root@pam:",
            "UPID:pve1:0000036g:0003865E:6B00E5C7:qmclone:100:root@pam:",
            "UPID::00000363:0003865E:6B00E5C7:qmclone:100:root@pam:",
            "UPID:../x:00000363:0003865E:6B00E5C7:qmclone:100:root@pam:",
            "UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam::",
        ] {
            assert!(wrong.parse::<Upid>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn warnings_are_a_success_and_nothing_that_looks_like_them_is() {
        assert!(has_warnings("WARNINGS: 1"));
        for verdict in ["OK", "WARNINGS: ", "WARNINGS: many", "some WARNINGS: 1", "warnings: 1"] {
            assert!(!has_warnings(verdict), "{verdict}");
        }
        let log = vec!["a".to_owned(), "WARN: b".into()];
        assert_eq!(warnings(log, "WARNINGS: 1"), ["WARN: b"]);
        assert_eq!(warnings(Vec::new(), "WARNINGS: 1"), ["WARNINGS: 1"]);
    }
}
