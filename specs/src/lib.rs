//! What people ask for.
//!
//! A spec directory is read into a [`Specs`] value, or into a [`Report`] that names every problem
//! in every file at once. Nothing in this crate looks at a host, a clock or a database; reading
//! files from the directory is its only contact with the world, and it stands in [`load`].
//!
//! In reading order: the words ([`Address`], the [quantities](quantity)), what can be declared
//! ([`kinds`]), all of it together ([`Specs`]), how it comes out of text ([`load`]), what customers
//! ordered beside it ([`orders`]), and what can be wrong with it ([`Code`]).

mod address;
mod check;
mod code;
mod declared;
mod diagnostic;
mod excerpt;
pub mod kinds;
pub mod load;
pub mod orders;
mod pools;
pub mod quantity;
mod schema;
mod specs;
mod visible;

pub use address::{Address, Kind, name_problem};
pub use check::{is_login_key, is_user};
pub use code::{Code, Page};
pub use diagnostic::{Diagnostic, Label, Report, ReportEntry, Span};
pub use load::{Loaded, Tree};
pub use orders::{OrderPhase, Orders};
pub use pools::{machine_name, made_number};
pub use quantity::{
    ByteSize, Cidr, Cpu, Currency, Duration, EnvValue, HostKey, Money, PortRange, SecretRef,
};
pub use schema::json_schema;
pub use specs::Specs;
pub use visible::{visible, visible_lines};
