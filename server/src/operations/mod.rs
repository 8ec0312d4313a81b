//! Running the place: what would be done, what differs, how much there is, what ran by the clock, and
//! what happens to orders as it happens.

pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod plans;
pub(crate) mod stats;
