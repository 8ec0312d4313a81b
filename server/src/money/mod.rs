//! Money of tenants: what they have, what they used, and what they are given.

pub(crate) mod give;
pub(crate) mod show;
