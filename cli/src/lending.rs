//! What can be said of machines that are lent.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use lessor_specs::Duration;

use crate::administration::Where;

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Write the entries of machines that stand in a list, and keep their passwords as secrets.
    /// Changes nothing when any line of it is wrong, and can be repeated.
    Import(ImportArgs),
    #[command(flatten)]
    Kept(KeptCommand),
}

/// What is asked of whoever keeps pools.
#[derive(Debug, Subcommand)]
pub(crate) enum KeptCommand {
    /// List pools, each with how many machines there are to have.
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show the machines of a pool, how each is, and why.
    Show {
        /// The pool.
        pool: String,
        #[command(flatten)]
        place: Where,
    },
    /// Keep a machine out of new reservations. Who has it keeps it.
    Cordon {
        /// The pool.
        pool: String,
        /// The machine.
        machine: String,
        #[command(flatten)]
        place: Where,
    },
    /// Let a machine be reserved again.
    Uncordon {
        /// The pool.
        pool: String,
        /// The machine.
        machine: String,
        #[command(flatten)]
        place: Where,
    },
    /// Take back all reservations of a pool. At first only says which, with the `--token` to take back
    /// exactly those.
    Release {
        /// The pool.
        pool: String,
        /// What the same without it printed.
        #[arg(long)]
        token: Option<String>,
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReserveCommand {
    /// Reserve machines of a pool: all that are wanted, or none.
    Place {
        #[command(flatten)]
        new: Box<NewReservation>,
    },
    /// List reservations, the newest first.
    List {
        /// Of one tenant only.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        place: Where,
    },
    /// Show a reservation, how one gets into its machines, and what happened to it.
    Show {
        /// Its id.
        reservation: String,
        #[command(flatten)]
        place: Where,
    },
    /// Make a reservation longer, on all its machines or not at all.
    Extend {
        /// Its id.
        reservation: String,
        /// By how much, such as `30m`.
        by: Duration,
        #[command(flatten)]
        place: Where,
    },
    /// Give a reservation back.
    Release {
        /// Its id.
        reservation: String,
        #[command(flatten)]
        place: Where,
    },
}

/// A reservation to be.
#[derive(Debug, clap::Args)]
pub(crate) struct NewReservation {
    /// The pool.
    pub(crate) pool: String,
    /// Whose it is.
    #[arg(long)]
    pub(crate) tenant: String,
    /// The public key that is let in: a `.pub` file.
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub(crate) ssh_key: PathBuf,
    /// Have a password made that is let in as well, where the offer allows it. It is printed once.
    #[arg(long)]
    pub(crate) password: bool,
    /// The offer, where several have machines of the pool.
    #[arg(long)]
    pub(crate) offer: Option<String>,
    /// How many machines.
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u32,
    /// With how many one is content; all of them unless said.
    #[arg(long, value_name = "COUNT")]
    pub(crate) min_count: Option<u32>,
    /// How long, such as `90m`; as the offer says it unless said.
    #[arg(long)]
    pub(crate) duration: Option<Duration>,
    /// From when on, such as `2026-12-01T08:00:00Z`; from now on unless said.
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<Timestamp>,
    /// Wait in line where there are too few, for so long, such as `2h`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<Duration>,
    /// What the machines have to have, such as `os=debian`. Can be said several times.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) place: Where,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// How a list of machines is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// A line for each machine: its name, host, port, user and password, with spaces between.
    MachinesTxt,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The list; `-` is stdin.
    #[arg(value_name = "FILE")]
    pub(crate) list: PathBuf,
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// How the list is written: `machines-txt` is `name host port user password`, a machine a line.
    #[arg(long, value_enum, default_value_t = ListFormat::MachinesTxt)]
    pub(crate) format: ListFormat,
    /// The pool they belong to. It is declared, too, unless it is already.
    #[arg(long, value_name = "NAME", default_value = "machines")]
    pub(crate) pool: String,
    /// Where the keys of the machines are known from, such as `~/.ssh/known_hosts`.
    #[arg(long, value_name = "FILE", required_unless_present = "scan_host_keys")]
    pub(crate) known_hosts: Option<PathBuf>,
    /// Ask each machine for its key, and believe it. Only where nobody stands between.
    #[arg(long, conflicts_with = "known_hosts")]
    pub(crate) scan_host_keys: bool,
    /// The file to write, in the spec directory.
    #[arg(long, value_name = "FILE", default_value = "machines.toml")]
    pub(crate) output: PathBuf,
}
