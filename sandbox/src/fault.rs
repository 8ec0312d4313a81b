//! What can go wrong between a client and a system.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::Request;

/// A mishap, and which requests it hits.
///
/// As text, `MISHAP[:NUMBER]` with conditions behind it: `lost,method=POST,path=/clone,times=1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub mishap: Mishap,
    /// Only to requests with this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only to requests whose path contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// To so many of a hundred of these.
    #[serde(default = "always")]
    pub chance: u8,
    /// To so many more, and then no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

fn always() -> u8 {
    100
}

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// The connection is closed before anything is done.
    Refused,
    /// It is done, and nobody hears of it.
    Lost,
    /// The answer comes so many milliseconds later.
    Slow(u64),
    /// The connection is closed at once, and it is done so many milliseconds later.
    Late(u64),
    /// It is done, and only so many bytes of the answer come.
    Cut(usize),
    /// A list in the answer lacks its second half.
    Partial,
    /// Nothing is done, and this status is the answer.
    Status(u16),
    /// The connection is closed before anything is done, and nobody answers for so many
    /// milliseconds, as while a daemon is started again.
    Restart(u64),
}

impl Fault {
    /// Whether it is about that request, if chance has it.
    pub(crate) fn concerns(&self, request: &Request) -> bool {
        let method = self.method.as_ref().is_none_or(|method| *method == request.method);
        let path = self.path.as_ref().is_none_or(|part| request.path.contains(part));
        method && path && self.times != Some(0)
    }
}

impl Mishap {
    pub(crate) fn pause(self) -> Duration {
        match self {
            Mishap::Slow(ms) | Mishap::Late(ms) | Mishap::Restart(ms) => Duration::from_millis(ms),
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mishap {
            Mishap::Refused => f.write_str("refused")?,
            Mishap::Lost => f.write_str("lost")?,
            Mishap::Slow(ms) => write!(f, "slow:{ms}")?,
            Mishap::Late(ms) => write!(f, "late:{ms}")?,
            Mishap::Cut(bytes) => write!(f, "cut:{bytes}")?,
            Mishap::Partial => f.write_str("partial")?,
            Mishap::Status(status) => write!(f, "status:{status}")?,
            Mishap::Restart(ms) => write!(f, "restart:{ms}")?,
        }
        if let Some(method) = &self.method {
            write!(f, ",method={method}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ",path={path}")?;
        }
        if self.chance != always() {
            write!(f, ",chance={}", self.chance)?;
        }
        match self.times {
            Some(times) => write!(f, ",times={times}"),
            None => Ok(()),
        }
    }
}

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is no such mishap.
    #[error(
        "`{0}` is no mishap; there are refused, lost, slow:MS, late:MS, cut:BYTES, partial, \
         status:CODE and restart:MS"
    )]
    Mishap(String),
    /// There is no such condition.
    #[error("`{0}` is no condition; there are method=, path=, chance=PERCENT and times=N")]
    Condition(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.split(',');
        let mishap = parts.next().unwrap_or_default();
        let mishap = mishap_of(mishap).ok_or_else(|| FaultError::Mishap(mishap.to_owned()))?;
        let mut fault = Fault { mishap, method: None, path: None, chance: always(), times: None };
        for part in parts {
            let known = condition(&mut fault, part);
            known.ok_or_else(|| FaultError::Condition(part.to_owned()))?;
        }
        Ok(fault)
    }
}

fn mishap_of(text: &str) -> Option<Mishap> {
    Some(match text.split_once(':').unwrap_or((text, "")) {
        ("refused", "") => Mishap::Refused,
        ("lost", "") => Mishap::Lost,
        ("partial", "") => Mishap::Partial,
        ("slow", ms) => Mishap::Slow(ms.parse().ok()?),
        ("late", ms) => Mishap::Late(ms.parse().ok()?),
        ("restart", ms) => Mishap::Restart(ms.parse().ok()?),
        ("cut", bytes) => Mishap::Cut(bytes.parse().ok()?),
        ("status", status) => {
            Mishap::Status(status.parse().ok().filter(|code| (200..=599).contains(code))?)
        }
        _ => return None,
    })
}

fn condition(fault: &mut Fault, text: &str) -> Option<()> {
    match text.split_once('=')? {
        ("method", method) => fault.method = Some(method.to_owned()),
        ("path", path) => fault.path = Some(path.to_owned()),
        ("chance", chance) => fault.chance = chance.parse().ok().filter(|chance| *chance <= 100)?,
        ("times", times) => fault.times = Some(times.parse().ok()?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_back_what_it_prints() {
        for text in [
            "refused",
            "lost,method=POST,path=/clone,times=1",
            "slow:200,chance=20",
            "late:5000,path=/config",
            "cut:0",
            "partial",
            "status:503,method=PUT",
            "restart:1500,path=/clone,times=1",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            let json = serde_json::to_value(&fault).unwrap();
            assert_eq!(serde_json::from_value::<Fault>(json).unwrap(), fault);
        }
    }

    #[test]
    fn what_is_no_fault_says_what_there_is() {
        for wrong in [
            "",
            "slow",
            "slow:x",
            "lost:3",
            "status:99",
            "rain",
            "lost,times=-1",
            "lost,chance=101",
            "lost,x",
        ] {
            let error = wrong.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("there are"), "{wrong}: {error}");
        }
    }
}
