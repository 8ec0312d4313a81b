//! How a plan is shown. Every writer takes the same [`View`], made once from a plan.

pub mod explanation;
mod human;
mod json;
mod view;

pub use human::human;
pub use json::{JSON_FORMAT_VERSION, json, json_schema};
pub use view::{Line, Purpose, Summary, Symbol, View};
