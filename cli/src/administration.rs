//! What can be said on the command line about serving, and about who may do what.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;
use lessor_server::{IpNet, Job, Scopes};
use lessor_store::{KeyId, PlatformRole, Status};

use crate::args::parse_address;
use crate::output::Format;
use crate::remote::ServerArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where to listen; `:PORT` is on this machine alone.
    #[arg(long, env = "LESSOR_LISTEN", value_name = "ADDR:PORT", value_parser = parse_address, default_value = ":8080")]
    pub(crate) listen: SocketAddr,
    /// The certificate, and those between it and one that others trust: a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key: a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy whose `X-Forwarded-For` is believed. Can be said several times.
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// An origin whose pages may call from a browser, such as `https://panel.example.net`. Can be
    /// said several times; none may unless said.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub(crate) cors_origins: Vec<String>,
    /// A network in which events may be told, though it is not the open internet, without TLS as
    /// well. Can be said several times; none is unless said.
    #[arg(long = "webhook-network", value_name = "CIDR")]
    pub(crate) webhook_networks: Vec<IpNet>,
    /// How many calls a second one address, and one caller, may make; 0 is any number.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rate_limit: u32,
}

/// Where what is asked about is kept: in a database, or behind a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The spec directory, which says where the database is.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The form of the result.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account that may do everything, and print the link to choose its password with.
    CreateAdmin {
        /// Its mail address.
        email: String,
        /// Where people reach the server.
        #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
        url: String,
        #[command(flatten)]
        place: Where,
    },
    /// Print a link to choose a password with, once.
    Link {
        /// The account: its id or its mail address.
        user: String,
        /// Where people reach the server.
        #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
        url: String,
        #[command(flatten)]
        place: Where,
    },
    /// List all accounts.
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Suspend or ban an account, which ends its sessions and keys at once, or give it back.
    Status {
        /// The account: its id or its mail address.
        user: String,
        /// `active`, `suspended` or `banned`.
        status: Status,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Where,
    },
    /// Say what an account may do in every tenant.
    Role {
        /// The account: its id or its mail address.
        user: String,
        /// `admin`, `billing`, `support`, `auditor` or `none`.
        role: MaybeRole,
        #[command(flatten)]
        place: Where,
    },
}

/// A role on the platform, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaybeRole(pub(crate) Option<PlatformRole>);

impl FromStr for MaybeRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(MaybeRole(None)),
            other => other.parse().map(|role| MaybeRole(Some(role))),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, this once.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// What people call it.
        #[arg(long, default_value = "made on the command line")]
        name: String,
        /// What it may be used for, such as `orders:read`; by default, all its owner may. Can be
        /// said several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scopes>,
        #[command(flatten)]
        place: Where,
    },
    /// List keys.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        place: Where,
    },
    /// End a key, at once.
    Revoke {
        /// Its id.
        key: KeyId,
        #[command(flatten)]
        place: Where,
    },
}

/// Whose a key is.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// The platform's: it may do everything.
    #[arg(long)]
    pub(crate) platform_admin: bool,
    /// The platform's, with less to say: `billing`, `support` or `auditor`.
    #[arg(long, value_name = "ROLE")]
    pub(crate) platform: Option<PlatformRole>,
    /// A tenant's.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// A person's, by id or mail address.
    #[arg(long)]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Make a tenant.
    Create {
        /// Its name, as in `acme/lobby`.
        tenant: String,
        /// Who owns it: an account's id or mail address.
        #[arg(long)]
        owner: Option<String>,
        /// What people call it.
        #[arg(long)]
        display_name: Option<String>,
        /// The quota that limits it.
        #[arg(long)]
        quota: Option<String>,
        /// Where its months begin.
        #[arg(long, default_value = "UTC")]
        timezone: String,
        #[command(flatten)]
        place: Where,
    },
    /// List all tenants.
    List {
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List what was run, and how it ended, the newest first.
    List {
        /// Of one job only.
        job: Option<Job>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        place: Where,
    },
    /// Run a job now, whether it is due or not.
    Run {
        /// `bill`, `sample`, `probe`, `drift`, `ledger`, `quota`, `audit`, `welcome` or `forget`.
        job: Job,
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, the newest first.
    List {
        /// Of one tenant only.
        #[arg(long)]
        tenant: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        place: Where,
    },
    /// Hold every event against its seal, and say how many are not sealed yet.
    Verify {
        /// How many links there were at least, and the hash of the last of those, as an earlier run
        /// said: `LINK:HASH`. It proves that the end was not cut off.
        #[arg(long, value_name = "LINK:HASH")]
        expect: Option<Anchor>,
        #[command(flatten)]
        place: Where,
    },
}

/// A place in the chain that somebody wrote down.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) link: i64,
    pub(crate) hash: String,
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let anchor = parts.and_then(|(link, hash)| {
            let link = link.parse().ok().filter(|link| *link > 0)?;
            Some(Anchor { link, hash: hash.to_owned() })
        });
        anchor.ok_or_else(|| "expected LINK:HASH".to_owned())
    }
}
