//! Rules for lessor itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// Rules for lessor itself. Each part stands once in a spec directory.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What customers' orders may do unattended.
    pub orders: Option<OrdersPolicy>,
    /// Who may sign up.
    pub signup: Option<SignupPolicy>,
    /// What becomes of data nobody asks for any more.
    pub retention: Option<RetentionPolicy>,
    /// What needs consent.
    pub gate: Option<GatePolicy>,
}

/// What customers' orders may do unattended.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrdersPolicy {
    /// When an order is carried out.
    pub apply: WhenPlaced,
}

/// When an order is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum WhenPlaced {
    /// As soon as it is placed.
    Auto,
    /// With the next apply.
    Held,
}

/// Who may sign up.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignupPolicy {
    /// Whether anybody may.
    pub open: bool,
    /// The `offer` that each new tenant gets an order of; none unless said.
    pub order: Option<String>,
}

/// What becomes of data nobody asks for any more.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// How long it is kept; 7 days unless said.
    pub keep: Option<Duration>,
    /// What happens then.
    pub destroy: Option<WhenDue>,
}

/// What happens when data was kept for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum WhenDue {
    /// It is removed once somebody agrees.
    #[default]
    Held,
    /// It is removed.
    Auto,
}

/// What needs consent.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatePolicy {
    /// How many removals in one run need none, whatever the share.
    pub removals: Option<u32>,
    /// How many removals in one run need none, in percent of what we own.
    #[schemars(range(max = 100))]
    pub removals_percent: Option<u8>,
}
