//! How what was written becomes what works.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Client, Said};
use super::envelope::Call;
use super::error::CallError;
use crate::https::Method;

/// How long is waited behind the first look whether it is done, and at most behind later ones.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(300);

/// What is applied as one, in the order in which it is: what others stand on comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subsystem {
    /// Interfaces.
    Interfaces,
    /// Virtual IPs.
    VirtualIps,
    /// DHCP servers, with their static mappings.
    Dhcp,
    /// `WireGuard`, with its tunnels and peers.
    WireGuard,
    /// Aliases, rules, and address translation.
    Firewall,
}

/// Why what was written does not work yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unapplied {
    /// The firewall does not begin with it, or does not say how it goes.
    #[error("changes of {subsystem} are stored and not applied")]
    Refused {
        /// What.
        subsystem: Subsystem,
        /// Why.
        #[source]
        why: CallError,
    },
    /// It began and does not come to an end.
    #[error("changes of {subsystem} were still being applied after {} s", within.as_secs())]
    Unfinished {
        /// What.
        subsystem: Subsystem,
        /// How long we waited.
        within: Duration,
    },
}

impl fmt::Display for Subsystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subsystem::Interfaces => "interfaces",
            Subsystem::VirtualIps => "virtual IPs",
            Subsystem::Dhcp => "DHCP servers",
            Subsystem::WireGuard => "WireGuard",
            Subsystem::Firewall => "the packet filter",
        })
    }
}

impl Subsystem {
    /// All of them, in that order.
    pub const ALL: [Subsystem; 5] = [
        Subsystem::Interfaces,
        Subsystem::VirtualIps,
        Subsystem::Dhcp,
        Subsystem::WireGuard,
        Subsystem::Firewall,
    ];

    /// Where it is applied.
    pub(super) fn path(self) -> &'static str {
        match self {
            Subsystem::Interfaces => "/interface/apply",
            Subsystem::VirtualIps => "/firewall/virtual_ip/apply",
            Subsystem::Dhcp => "/services/dhcp_server/apply",
            Subsystem::WireGuard => "/vpn/wireguard/apply",
            Subsystem::Firewall => "/firewall/apply",
        }
    }
}

#[derive(Deserialize)]
struct Status {
    applied: bool,
}

impl Client {
    /// Whether nothing of a subsystem waits to be applied. Written rules never show here.
    pub async fn is_applied(&self, subsystem: Subsystem) -> Result<bool, CallError> {
        let shown = self.ask(Method::GET, subsystem.path(), Said::Query(Vec::new())).await?;
        let status = serde_json::from_value(shown.data);
        let status: Status = status
            .map_err(|error| Call::new(Method::GET, subsystem.path()).garbled(error.to_string()))?;
        Ok(status.applied)
    }

    /// Applies a subsystem, and comes back when that is done.
    ///
    /// # Errors
    /// [`Unapplied`] when it is refused, or not done within `patience`.
    pub async fn apply(&self, subsystem: Subsystem, patience: Duration) -> Result<(), Unapplied> {
        let until = Instant::now() + patience;
        let refused = |why| Unapplied::Refused { subsystem, why };
        while let Err(why) = self.begin(subsystem).await {
            let wait = match &why {
                CallError::Throttled { retry_after, .. } => retry_after.unwrap_or(PAUSE),
                // Applying twice does no harm.
                CallError::Unknown { .. } => PAUSE,
                _ => return Err(refused(why)),
            };
            if Instant::now() + wait >= until {
                return Err(refused(why));
            }
            sleep(wait).await;
        }
        if subsystem == Subsystem::Firewall {
            return Ok(());
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match self.is_applied(subsystem).await {
                Ok(true) => return Ok(()),
                Err(why) if !why.may_pass() || Instant::now() >= until => return Err(refused(why)),
                _ if Instant::now() >= until => {
                    return Err(Unapplied::Unfinished { subsystem, within: patience });
                }
                _ => sleep_until(until.min(Instant::now() + pause)).await,
            }
            pause = PAUSE.min(pause * 2);
        }
    }

    /// Nothing tells when rules are applied but an answer that waits for it; what is pending there
    /// later was written later. The other subsystems tell, and interfaces only afterwards.
    async fn begin(&self, subsystem: Subsystem) -> Result<(), CallError> {
        let in_background = subsystem != Subsystem::Firewall;
        let body = Map::from_iter([("async".to_owned(), Value::Bool(in_background))]);
        self.ask(Method::POST, subsystem.path(), Said::Body(body)).await.map(drop)
    }
}
