//! What things cost. Pure, and integers only.
//!
//! An offer and the sizes a customer chose have a [`Tariff`]: what each [`Part`] of it costs for an
//! hour, and at most in a month. What an order went through since it was activated is its
//! [`History`]; [`usage_lines`] says what is due for it up to a moment. The same history has the
//! same lines, however late, often or piecemeal they are asked for. A [`Quote`] is what all that
//! comes to before there is an order, a [`RunRate`] what it comes to in a month, and [`dunning`]
//! says what becomes of orders nobody pays for.
//!
//! Money is in millionths of the currency unit. A usage line is rounded once, half to even; nothing
//! else that is charged is rounded.

mod amount;
mod calendar;
mod discount;
pub mod dunning;
mod exact;
mod layers;
mod meter;
mod promo;
mod quote;
mod run_rate;
mod tariff;
mod window;

pub use amount::Amount;
pub use calendar::zone;
pub use discount::{Benefit, Discount};
pub use meter::{History, Line, PERIOD_SECONDS, Progress, ToldLate, Turn, usage_lines};
pub use promo::{Refusal, Taking, refusal};
pub use quote::{Quote, QuoteLine, quote};
pub use run_rate::{MONTH_HOURS, RunRate, run_rate};
pub use tariff::{Choices, Component, Mode, Part, Tariff, TooDear};
pub use window::{minutes_begun, minutes_in, of_minutes};
