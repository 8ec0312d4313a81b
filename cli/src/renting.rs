//! What can be said on the command line about orders and money.

use std::time::Duration;

use clap::Subcommand;
use lessor_specs::{ByteSize, Currency, Money};
use lessor_store::Reason;

use crate::administration::Where;
use crate::args::parse_duration;

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Place an order, in one go or not at all.
    Place {
        #[command(flatten)]
        new: Box<NewOrder>,
    },
    /// List orders, the newest first.
    List {
        /// Of one tenant only.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        place: Where,
    },
    /// Show what happened to an order.
    Show {
        #[command(flatten)]
        one: One,
    },
    /// Switch an order on.
    Start {
        #[command(flatten)]
        one: One,
    },
    /// Switch an order off until it is started.
    Stop {
        #[command(flatten)]
        one: One,
    },
    /// Give an order another size, or another offer. What is not said stays.
    Resize {
        #[command(flatten)]
        one: One,
        /// Another offer, as it is sold now.
        #[arg(long)]
        offer: Option<String>,
        #[command(flatten)]
        size: Size,
    },
    /// Suspend an order for a reason, beside those there are. It stands still, with its data.
    Suspend {
        #[command(flatten)]
        one: One,
        /// `abuse`, `security` or `admin`.
        #[arg(long, default_value = "admin", value_parser = given_reason)]
        reason: Reason,
        /// What happened, as its customer can read it.
        #[arg(long)]
        why: String,
    },
    /// Take away a reason against an order. It runs again when that was the last one.
    Resume {
        #[command(flatten)]
        one: One,
        /// `abuse`, `security` or `admin`.
        #[arg(long, default_value = "admin", value_parser = given_reason)]
        reason: Reason,
    },
    /// End an order. Its data is kept for as long as its offer says.
    #[command(visible_alias = "terminate")]
    End {
        #[command(flatten)]
        one: One,
    },
}

/// An order to be.
#[derive(Debug, clap::Args)]
pub(crate) struct NewOrder {
    /// Whose it is and what it is called: `acme/lobby`.
    pub(crate) name: String,
    /// The offer.
    #[arg(long)]
    pub(crate) offer: String,
    /// What to run; may be left out when the offer has just one.
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Where; may be left out when the offer has just one.
    #[arg(long)]
    pub(crate) location: Option<String>,
    #[command(flatten)]
    pub(crate) size: Size,
    /// A promo code.
    #[arg(long)]
    pub(crate) promo: Option<String>,
    /// Your own name for it, which names one order for ever.
    #[arg(long)]
    pub(crate) client_ref: Option<String>,
    /// Make it without switching it on.
    #[arg(long)]
    pub(crate) stopped: bool,
    /// Only try: check everything, and change nothing.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
    /// Wait until it is there, and say how far it is. Answers 1 when it cannot be had.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait, such as `90s` or `5m`. Answers 5 when it is not there by then, and goes on.
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    pub(crate) wait_timeout: Duration,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// One order.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The order: its id, or `tenant/name`.
    pub(crate) order: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// The sizes of an offer that leaves them open.
#[derive(Debug, clap::Args)]
pub(crate) struct Size {
    /// Cores.
    #[arg(long)]
    pub(crate) cpu: Option<u32>,
    /// Memory, such as `4GiB`.
    #[arg(long)]
    pub(crate) memory: Option<ByteSize>,
    /// Disk, such as `40GiB`.
    #[arg(long)]
    pub(crate) disk: Option<ByteSize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// List the movements of a tenant's money, the newest first.
    List {
        /// The tenant.
        tenant: String,
        #[command(flatten)]
        place: Where,
    },
    /// Give a tenant credit. What it owes is paid out of that.
    Credit {
        /// The tenant.
        tenant: String,
        /// How much, such as `25.00`.
        amount: Money,
        /// The currency, such as `EUR`.
        currency: Currency,
        /// What it is for, as the customer can read it.
        #[arg(long)]
        memo: String,
        #[command(flatten)]
        place: Where,
    },
    /// Give a charge back to a tenant, or a part of it.
    Refund {
        /// The tenant.
        tenant: String,
        /// The charge, as `lessor ledger list` shows it: `txn_…`.
        transaction: String,
        /// How much, such as `1.50`.
        amount: Money,
        /// What it is for, as the customer can read it.
        #[arg(long)]
        memo: String,
        #[command(flatten)]
        place: Where,
    },
    /// Recompute every sum, and say where one is wrong.
    Verify {
        #[command(flatten)]
        place: Where,
    },
}

/// A reason that people give. Being overdue is found by the calendar, and ends by paying.
fn given_reason(text: &str) -> Result<Reason, String> {
    let reason = text.parse().ok().filter(|reason| *reason != Reason::Overdue);
    reason.ok_or_else(|| "the reasons are abuse, security and admin".into())
}
