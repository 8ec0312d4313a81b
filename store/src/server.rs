//! What is particular to a database that a PostgreSQL server keeps.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyConnection, Connection as _, Executor};

use crate::clock::Reading;
use crate::row;

/// How many statements run at once. Three replicas leave room below what a server allows by
/// default, which is a hundred.
pub(crate) const CONNECTIONS: u32 = 16;

/// For how long a connection may have been idle and still be used without asking whether it lives.
const KNOWN_TO_LIVE: Duration = Duration::from_secs(5);

/// How long the server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long work waits for a connection: long enough for a server to be started again, and short
/// enough for whoever waits to be told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What a connection is set to.
///
/// A statement waits for the locks of others for no longer than SQLite waits for another writer, or
/// somewhat longer than the server puts up with one who holds them and is silent: a process that is
/// frozen in a transaction stands in nobody's way for good.
const SETTINGS: &str = "SET lock_timeout = '15s'; \
                        SET idle_in_transaction_session_timeout = '10s'; \
                        SET default_transaction_isolation = 'read committed'";

/// What makes a connection one for looking only.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

/// One at a time makes or changes the schema; “lessor”, as a number.
const SCHEMA_LOCK: i64 = 0x6c65_7373_6f72;

/// Connects once. A pool would try again and again, and say only that it took too long.
pub(crate) async fn probe(options: &AnyConnectOptions) -> Result<AnyConnection, sqlx::Error> {
    let connecting = AnyConnection::connect_with(options);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    connected.unwrap_or_else(|_| {
        let why = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
    })
}

/// Makes a new connection behave as we rely on.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    is_read_only: bool,
) -> Result<(), sqlx::Error> {
    connection.execute(SETTINGS).await?;
    if is_read_only {
        connection.execute(READ_ONLY).await?;
    }
    Ok(())
}

/// Whether a connection that was idle for so long can be used.
pub(crate) async fn lives(
    connection: &mut AnyConnection,
    idle: Duration,
) -> Result<bool, sqlx::Error> {
    if idle > KNOWN_TO_LIVE {
        connection.ping().await?;
    }
    Ok(true)
}

/// Asks for the server's time.
pub(crate) async fn time(
    by: impl Executor<'_, Database = Any>,
) -> Result<(Timestamp, Reading), sqlx::Error> {
    let asked = Instant::now();
    let said = sqlx::query(
        "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros",
    )
    .fetch_one(by)
    .await?;
    let time = row::time(&said, "micros")?;
    Ok((time, Reading::new(time, asked)))
}

/// Waits until nobody else makes or changes the schema. It holds until [`schema_unlock`], or the
/// end of the connection.
pub(crate) async fn schema_lock(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let lock = "SELECT 1 AS one FROM pg_advisory_lock($1)";
    sqlx::query(lock).bind(SCHEMA_LOCK).execute(connection).await.map(drop)
}

/// Lets others go on.
pub(crate) async fn schema_unlock(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let unlock = "SELECT 1 AS one FROM pg_advisory_unlock($1)";
    sqlx::query(unlock).bind(SCHEMA_LOCK).execute(connection).await.map(drop)
}
