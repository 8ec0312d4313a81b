//! How a plan is shown. Every writer takes the same [`View`], made once from a plan.
//!
//! [`human()`] and [`markdown()`] are for people, [`json()`] for programs; [`sarif()`], [`junit()`]
//! and [`github()`] are for pipelines, which count findings one by one. Those that end in
//! `_problems` show what is wrong with spec files in the same forms.

pub mod explanation;
mod finding;
mod github;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;
mod value;
mod view;

pub use github::{github, github_problems};
pub use human::human;
pub use json::{JSON_FORMAT_VERSION, json, json_schema};
pub use junit::{junit, junit_problems};
pub use markdown::{MARKDOWN_MAX, markdown, markdown_problems};
pub use sarif::{sarif, sarif_problems};
pub use view::{Danger, Line, Purpose, Settled, Site, Sites, Summary, Symbol, View};
