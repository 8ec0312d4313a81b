//! What an operator may choose about the server.

use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

/// What an operator may choose about the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Proxies that are believed about whom they call for.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of web pages that may call from a browser; none unless said.
    pub cors_origins: Vec<String>,
    /// How many calls a second one address, and one caller, may make; `None` for any number.
    pub calls_per_second: Option<NonZeroU32>,
    /// How long a call may take.
    pub timeout: Duration,
    /// How often it is asked whether somebody who listens for long still may.
    pub listeners_checked: Duration,
    /// What storing a password costs.
    pub hashing: Hashing,
    /// Whether the paths are there that clients of earlier systems call.
    pub compat: bool,
}

/// What storing a password costs whoever does it, and whoever tries to guess one.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            calls_per_second: NonZeroU32::new(100),
            timeout: Duration::from_secs(30),
            listeners_checked: Duration::from_secs(10),
            // What OWASP recommends at least for argon2id.
            hashing: Hashing { memory_kib: 19_456, passes: 2 },
            compat: true,
        }
    }
}
