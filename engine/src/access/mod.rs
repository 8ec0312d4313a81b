//! Who may be on a machine, and until when.
//!
//! This stands beside the path of a plan: each machine is a place of its own, looked at, compared and
//! acted on alone, since taking access away waits for nobody else.
//!
//! In reading order: an account and what it carries ([`account`]), what is on a machine ([`seen`]),
//! what is to be done there ([`next()`]), who does it ([`Keeper`]), and doing it in order ([`keep()`]).
//!
//! Not here: who reserved what and when that ends, which the store knows, and how anything is done on
//! a machine, which `providers` know.

mod account;
mod keep;
mod keeper;
mod next;
mod seen;

pub use account::{Account, AccountMark, AccountName, LoginKey};
pub use keep::{Kept, keep};
pub use keeper::{AccessError, Granted, Keeper, Probe, Proof, Sanitise};
pub use next::{Act, MachineWish, Wanted, next};
pub use seen::{Seen, SeenAccount};
