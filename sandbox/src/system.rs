//! What can be done to a pretend system from outside its API.

use std::time::Duration;

use serde_json::Value;

use crate::http::Site;

/// A pretend system, for whoever plays fate.
pub trait System: Site {
    /// Everything it knows, as JSON.
    fn dump(&self) -> Value;

    /// Goes on with what another knew.
    ///
    /// # Errors
    /// Says why that is not something it could know; then it goes on as before.
    fn load(&self, state: Value) -> Result<(), String>;

    /// Lets time pass.
    fn advance(&self, by: Duration);
}
