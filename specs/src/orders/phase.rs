//! How far an order came.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far an order came. Which phase may follow which is decided where orders are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderPhase {
    /// It was placed.
    Pending,
    /// What it asks for is being made.
    Provisioning,
    /// What it asks for is there.
    Active,
    /// What it asks for is being changed.
    Updating,
    /// It is stopped until a reason against it is gone.
    Suspended,
    /// It ends: stopped, with its data kept for a while, then removed.
    Terminating,
    /// It ended, and nothing of it is left.
    Terminated,
    /// It ended before anything was made.
    Canceled,
    /// It could not be carried out.
    Failed,
    /// A provider's answer was lost; a look will tell.
    Reconciling,
}

impl OrderPhase {
    /// Every phase, in the order in which an order may come to them.
    pub const ALL: [OrderPhase; 10] = [
        OrderPhase::Pending,
        OrderPhase::Provisioning,
        OrderPhase::Active,
        OrderPhase::Updating,
        OrderPhase::Suspended,
        OrderPhase::Terminating,
        OrderPhase::Terminated,
        OrderPhase::Canceled,
        OrderPhase::Failed,
        OrderPhase::Reconciling,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderPhase::Pending => "pending",
            OrderPhase::Provisioning => "provisioning",
            OrderPhase::Active => "active",
            OrderPhase::Updating => "updating",
            OrderPhase::Suspended => "suspended",
            OrderPhase::Terminating => "terminating",
            OrderPhase::Terminated => "terminated",
            OrderPhase::Canceled => "canceled",
            OrderPhase::Failed => "failed",
            OrderPhase::Reconciling => "reconciling",
        }
    }

    /// Whether the order is being carried out: what is not yet as it asks is no drift.
    pub const fn is_under_way(self) -> bool {
        match self {
            OrderPhase::Pending
            | OrderPhase::Provisioning
            | OrderPhase::Updating
            | OrderPhase::Terminating
            | OrderPhase::Reconciling => true,
            OrderPhase::Active
            | OrderPhase::Suspended
            | OrderPhase::Terminated
            | OrderPhase::Canceled
            | OrderPhase::Failed => false,
        }
    }

    /// Whether nothing comes behind it.
    pub const fn is_end(self) -> bool {
        matches!(self, OrderPhase::Terminated | OrderPhase::Canceled | OrderPhase::Failed)
    }

    /// Whether its instance may run, if its customer wants that.
    pub const fn may_run(self) -> bool {
        match self {
            OrderPhase::Pending
            | OrderPhase::Provisioning
            | OrderPhase::Active
            | OrderPhase::Updating
            | OrderPhase::Reconciling => true,
            OrderPhase::Suspended
            | OrderPhase::Terminating
            | OrderPhase::Terminated
            | OrderPhase::Canceled
            | OrderPhase::Failed => false,
        }
    }
}

impl fmt::Display for OrderPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OrderPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = OrderPhase::ALL.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of an order"))
    }
}
