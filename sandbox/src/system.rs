//! What can be done to a pretend system from outside its API.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::http::Site;

/// A pretend system, for whoever plays fate.
#[async_trait]
pub trait System: Site {
    /// Everything it knows, as JSON.
    async fn dump(&self) -> Value;

    /// Goes on with what another knew.
    ///
    /// # Errors
    /// Says why that is not something it could know; then it goes on as before.
    async fn load(&self, state: Value) -> Result<(), String>;

    /// Lets time pass.
    async fn advance(&self, by: Duration);
}
