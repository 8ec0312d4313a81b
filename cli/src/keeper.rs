//! Who keeps what a command asks about: the database of a spec directory, or a server that runs.
//!
//! A command asks either through a trait of its own, with an implementation for each. Both answer
//! with things as the API shows them, so that it makes no difference who was asked.

use lessor_store::Store;
use serde::Serialize;
use serde_json::Value;

use crate::administration::Where;
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::remote::Client;
use crate::session::configured_database;

/// How many are listed; whoever has more asks for pages.
pub(crate) const LISTED: u32 = 1_000;

/// Who keeps what is asked about.
pub(crate) enum Keeper {
    /// A database.
    Store(Store),
    /// A server that runs.
    Server(Client),
}

impl Where {
    /// Who is asked.
    pub(crate) async fn keeper(&self, common: &Common) -> anyhow::Result<Keeper> {
        match Client::open(&self.server)? {
            Some(client) => Ok(Keeper::Server(client)),
            None => Ok(Keeper::Store(self.open(common).await?)),
        }
    }

    /// The database, for what servers do not do for others.
    pub(crate) async fn database(
        &self,
        common: &Common,
        what: &str,
        hint: &str,
    ) -> anyhow::Result<Store> {
        match &self.server.server {
            Some(_) => Err(no_call(what, hint)),
            None => self.open(common).await,
        }
    }

    /// The database, ready to be written; a schema that is not ours is refused.
    async fn open(&self, common: &Common) -> anyhow::Result<Store> {
        Ok(Store::open_serving(&configured_database(&self.dir, common)?).await?)
    }
}

/// The API has no call for something.
pub(crate) fn no_call(what: &str, hint: &str) -> anyhow::Error {
    let message = format!("{what} is not asked of a server");
    Failed::new(message).exit(Exit::Usage).hint(hint).into()
}

/// What to do about it where nothing better is known.
pub(crate) const AT_HOME: &str = "leave out `--server`, on the machine that holds the database";

/// A thing as the API writes it.
pub(crate) fn value(shown: &impl Serialize) -> Value {
    // What the API shows has no keys but text.
    serde_json::to_value(shown).unwrap_or_default()
}
