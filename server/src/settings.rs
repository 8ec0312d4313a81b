//! What an operator may choose about the server.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use lessor_providers::https::{Trust, TrustError};
use rustls::ClientConfig;

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
    /// Where events may be told.
    pub webhooks: WebhookSettings,
}

/// Where events may be told beside the open internet, and whom we believe there.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Networks that may be told too, without TLS as well; none unless said.
    pub allowed: Vec<IpNet>,
    /// Who vouches for receivers.
    pub trust: Trust,
    /// For how long the turn at an endpoint is held, which is longer than any try takes: whoever has
    /// it and dies is followed by others after that.
    pub turn: Duration,
    config: OnceLock<Arc<ClientConfig>>,
}

impl WebhookSettings {
    /// With receivers in these networks.
    pub fn allowing(allowed: Vec<IpNet>) -> Self {
        WebhookSettings { allowed, ..WebhookSettings::default() }
    }

    /// How TLS is spoken with receivers.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, TrustError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = Arc::new(self.trust.config()?);
        Ok(self.config.get_or_init(|| config).clone())
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        let (allowed, turn) = (Vec::new(), Duration::from_mins(1));
        WebhookSettings { allowed, trust: Trust::System, turn, config: OnceLock::new() }
    }
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
            webhooks: WebhookSettings::default(),
        }
    }
}
