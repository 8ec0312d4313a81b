//! How often somebody may ask.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{Problem, ProblemKind};

/// How often one address may log in, sign up or ask for tokens: each costs us a password's hashing.
const COSTLY_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("it is not 0");
const COSTLY_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).expect("it is not 0");

/// How often somebody may ask, by address and by caller.
pub(crate) struct Limits {
    usual: Option<Usual>,
}

struct Usual {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    costly: DefaultKeyedRateLimiter<IpAddr>,
    callers: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    /// So many a second, and twice as many at once; with `None`, any number of everything.
    pub(crate) fn new(calls_per_second: Option<NonZeroU32>) -> Self {
        let usual = calls_per_second.map(|often| {
            let quota = Quota::per_second(often).allow_burst(often.saturating_mul(TWICE));
            let costly = Quota::per_minute(COSTLY_PER_MINUTE).allow_burst(COSTLY_AT_ONCE);
            Usual {
                addresses: RateLimiter::keyed(quota),
                costly: RateLimiter::keyed(costly),
                callers: RateLimiter::keyed(quota),
            }
        });
        Limits { usual }
    }

    /// Counts a call from an address.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(usual) = &self.usual else { return Ok(()) };
        refused(usual.addresses.check_key(&network(address)))
    }

    /// Counts a call from an address that costs us much.
    pub(crate) fn check_costly(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(usual) = &self.usual else { return Ok(()) };
        refused(usual.costly.check_key(&network(address)))
    }

    /// Counts a call of somebody.
    pub(crate) fn check_caller(&self, name: &String) -> Result<(), Problem> {
        let Some(usual) = &self.usual else { return Ok(()) };
        refused(usual.callers.check_key(name))
    }

    /// Forgets who has not asked for a while.
    pub(crate) fn sweep(&self) {
        if let Some(usual) = &self.usual {
            usual.addresses.retain_recent();
            usual.costly.retain_recent();
            usual.callers.retain_recent();
        }
    }
}

const TWICE: NonZeroU32 = NonZeroU32::new(2).expect("it is not 0");

type Checked = Result<(), governor::NotUntil<<DefaultClock as governor::clock::Clock>::Instant>>;

fn refused(checked: Checked) -> Result<(), Problem> {
    checked.map_err(|not_until| {
        let wait: Duration = not_until.wait_time_from(DefaultClock::default().now());
        Problem::new(ProblemKind::TooMany).retry_after(wait)
    })
}

/// Who has one address of version 6 has the whole network it is in.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
