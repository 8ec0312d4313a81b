//! What can be said of machines that are lent.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Write the entries of machines that stand in a list, and keep their passwords as secrets.
    /// Changes nothing when any line of it is wrong, and can be repeated.
    Import(ImportArgs),
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
