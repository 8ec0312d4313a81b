//! How a system behind HTTPS is reached, and how we know that it is the one.
//!
//! In reading order: whom to believe ([`Trust`], [`Pin`]), a request and its answer ([`Https`]),
//! and what can go wrong between us and a system ([`HttpsError`]), above all whether it may have
//! heard us.
//!
//! Not here: what an answer means. A status is part of the answer, whatever it says.

mod client;
mod error;
mod trust;

pub use client::{Answer, Https, Method, Request};
pub use error::HttpsError;
pub use trust::{Pin, PinError, Trust, TrustError};
