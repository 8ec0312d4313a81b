//! Hearing at once of what other servers wrote, where the database can say so.

use std::fmt;

use sqlx::postgres::PgListener;

use crate::{Location, Store, StoreError};

/// What a server is told on when something happened that others are to be told of: nearly everything
/// does that happens to an order. A trigger says so.
const CHANNEL: &str = "lessor_outbox";

/// Hears of what is written.
pub struct Ear {
    listener: PgListener,
    location: Location,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Store {
    /// Begins to listen, on a connection of its own. `None` where the database is a file, which says
    /// nothing.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn hear(&self) -> Result<Option<Ear>, StoreError> {
        if let Location::File(_) = self.location() {
            return Ok(None);
        }
        let options = self.pool().connect_options();
        let failed = |error: sqlx::Error| self.error(&error);
        let listener = PgListener::connect(options.database_url.as_str()).await;
        let mut listener = listener.map_err(failed)?;
        listener.listen(CHANNEL).await.map_err(failed)?;
        Ok(Some(Ear { listener, location: self.location().clone() }))
    }
}

impl Ear {
    /// Waits until something was written.
    ///
    /// # Errors
    /// When the connection is lost. What was written since is heard of by nobody.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        // It connects again by itself, and says nothing of what it missed meanwhile.
        let lost = sqlx::Error::Io(std::io::Error::other("the connection for listening was lost"));
        match self.listener.try_recv().await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(StoreError::of(&lost, &self.location)),
            Err(error) => return Err(StoreError::of(&error, &self.location)),
        }
        // One turn serves all that was said by then.
        while self.listener.next_buffered().is_some() {}
        Ok(())
    }
}
