//! Where a database is, and how messages name it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::{StoreError, file};

/// Where a database is. Shown as one would name it, and never with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file, which SQLite keeps.
    File(Arc<Path>),
    /// A PostgreSQL server.
    Server {
        /// Its address, without the password.
        address: Arc<str>,
        /// The name of the database there.
        database: Arc<str>,
    },
}

/// What an address names, ready to be opened.
#[derive(Debug)]
pub(crate) enum Named {
    /// The file at this path.
    File(PathBuf),
    /// A server, and how to come in there.
    Server(Location, Box<AnyConnectOptions>),
}

impl Location {
    /// Where `url` leads, without going there.
    ///
    /// # Errors
    /// When it is not the address of a database.
    pub fn of(url: &str) -> Result<Location, StoreError> {
        Ok(match named(url)? {
            Named::File(path) => Location::of_file(&path),
            Named::Server(location, _) => location,
        })
    }

    /// The file; `None` when a server keeps the database.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(path),
            Location::Server { .. } => None,
        }
    }

    pub(crate) fn of_file(path: &Path) -> Self {
        Location::File(path.into())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Server { address, .. } => f.write_str(address),
        }
    }
}

/// What `url` names: `postgres://…`, or a file.
pub(crate) fn named(url: &str) -> Result<Named, StoreError> {
    match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => server(url),
        _ => file::path_of(url).map(Named::File),
    }
}

fn server(url: &str) -> Result<Named, StoreError> {
    let misread = |error: sqlx::Error| StoreError::Misread { why: reason(&error) };
    let mut options: AnyConnectOptions = url.parse().map_err(misread)?;
    // As it will be read when it is used, with what the environment adds to it.
    let read = PgConnectOptions::from_url(&options.database_url).map_err(misread)?;
    if read.get_application_name().is_none() {
        options.database_url.query_pairs_mut().append_pair("application_name", "lessor");
    }
    let database = read.get_database().unwrap_or(read.get_username());
    let location = Location::Server { address: shown(&read).into(), database: database.into() };
    Ok(Named::Server(location, Box::new(options)))
}

fn shown(options: &PgConnectOptions) -> String {
    let (user, host) = (options.get_username(), options.get_host());
    let database = options.get_database().unwrap_or(user);
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    match socket.or_else(|| host.starts_with('/').then(|| host.to_owned())) {
        Some(socket) => format!("postgres:///{database}?host={socket}&user={user}"),
        None => format!("postgres://{user}@{host}:{}/{database}", options.get_port()),
    }
}

/// What is wrong, without the words that say it is about an address, however often.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(why) => {
            why.downcast_ref().map_or_else(|| why.to_string(), reason)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_its_password() {
        for (url, shown) in [
            ("postgres://me:se%2Fcret@db:5433/shop", "postgres://me@db:5433/shop"),
            ("postgresql://me:secret@db/shop?sslmode=require", "postgres://me@db:5432/shop"),
            ("postgres://me@db/?password=secret", "postgres://me@db:5432/me"),
            ("postgres:///shop?host=/run/pg&user=me", "postgres:///shop?host=/run/pg&user=me"),
            ("postgres://me@%2Frun%2Fpg/shop", "postgres:///shop?host=/run/pg&user=me"),
        ] {
            assert_eq!(Location::of(url).unwrap().to_string(), shown, "{url}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused_without_showing_its_password() {
        let told = ["postgres://me:secret@db:99999/shop", "postgres://me:secret@db/?sslmode=maybe"]
            .map(|url| named(url).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"), @r#"
        the address of the database cannot be read: invalid port number
        the address of the database cannot be read: unknown value "maybe" for `ssl_mode`
        "#);
    }
}
