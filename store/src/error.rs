//! What can go wrong, by what one would do about it.

use lessor_plans::ClaimKey;
use lessor_specs::Address;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use crate::{Decline, Holder, Location};

/// Why something could not be remembered or looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The address of the database is of a sort that is not spoken.
    #[error("`{url}` is no database this lessor can open")]
    Unsupported {
        /// What was asked for, without what may be a password.
        url: String,
    },
    /// The address of the database is not written as one.
    #[error("the address of the database cannot be read: {why}")]
    Misread {
        /// What is wrong with it. The address is not shown, since there may be a password in it.
        why: String,
    },
    /// The machine did not let us: a full disk, a read-only directory, a permission.
    #[error("cannot use the database `{location}`: {why}")]
    Unavailable {
        /// The database, its file, or its directory.
        location: Location,
        /// What happened.
        why: String,
    },
    /// Nobody answers there, or not any more.
    #[error("cannot reach the database `{location}`: {why}")]
    Unreachable {
        /// The database.
        location: Location,
        /// What happened.
        why: String,
    },
    /// The server does not let this user in.
    #[error("the database `{location}` does not let us in: {why}")]
    Refused {
        /// The database.
        location: Location,
        /// What the server said.
        why: String,
    },
    /// The server has no such database.
    #[error("the server has no database `{location}`")]
    Missing {
        /// The database.
        location: Location,
    },
    /// The database is damaged, or is something else.
    #[error("the database `{location}` is damaged: {why}")]
    Corrupt {
        /// The database.
        location: Location,
        /// What is wrong with it.
        why: String,
    },
    /// A later lessor has written it.
    #[error(
        "the database `{location}` was written by a later lessor (schema {found}, this one knows {known})"
    )]
    Newer {
        /// The database.
        location: Location,
        /// The schema it has.
        found: i64,
        /// The last schema we know.
        known: i64,
    },
    /// An earlier lessor has written it, and it was not to be brought up to date.
    #[error(
        "the database `{location}` was written by an earlier lessor (schema {found}, this one reads {known})"
    )]
    Older {
        /// The database.
        location: Location,
        /// The schema it has.
        found: i64,
        /// The schema that is read.
        known: i64,
    },
    /// Another run was applied since the plan was made.
    #[error("the plan was made for revision {expected}, and revision {found} is applied by now")]
    RevisionMoved {
        /// What the plan was made for.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Somebody else was given the same value since the plan was made.
    #[error("`{value}` of `{}` was given to another than `{}` by now", key.pool, key.holder)]
    ClaimTaken {
        /// The pool, and who wanted it.
        key: ClaimKey,
        /// What was wanted.
        value: String,
    },
    /// Somebody reserved a machine since the plan was made that removes it, or makes it anew.
    #[error("`machine.{machine}` was reserved since the plan was made")]
    MachineReserved {
        /// The machine.
        machine: String,
    },
    /// Others keep the database busy for longer than is worth waiting.
    #[error("the database `{location}` is busy")]
    Busy {
        /// The database.
        location: Location,
    },
    /// Others changed the same at the same moment, and the database let them go first. Nothing was
    /// done; done again, it may well work.
    #[error("others changed the same in the database `{location}` at the same moment")]
    Contended {
        /// The database.
        location: Location,
    },
    /// Another run holds the connection, for longer than was allowed to wait.
    #[error("`{place}` is in use by {holder}")]
    Leased {
        /// The connection.
        place: Address,
        /// Who holds it.
        holder: Holder,
    },
    /// Another run has taken over the connection.
    #[error("the lease on `{place}` was lost to another run")]
    Fenced {
        /// The connection.
        place: Address,
    },
    /// Another has taken over a run of a job.
    #[error("the run of job `{job}` was lost to another server")]
    JobLost {
        /// The job.
        job: String,
    },
    /// An order, or a movement of money, was declined, and nothing was changed.
    #[error(transparent)]
    Declined(Box<Decline>),
    /// There is one already, and there can be only one.
    #[error("there is {what} already")]
    Exists {
        /// What there is.
        what: String,
    },
    /// There is none.
    #[error("there is no `{what}`")]
    Absent {
        /// What was asked for.
        what: String,
    },
    /// Somebody else changed it meanwhile.
    #[error("`{what}` was changed meanwhile")]
    Outdated {
        /// What was to be changed.
        what: String,
    },
    /// Nobody would be left to decide about a tenant.
    #[error("`{tenant}` would have no owner")]
    LastOwner {
        /// The tenant.
        tenant: String,
    },
}

impl StoreError {
    /// Something one can do now.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            StoreError::Declined(decline) => return decline.hint().map(ToOwned::to_owned),
            StoreError::Exists { .. } | StoreError::Absent { .. } | StoreError::JobLost { .. } => {
                return None;
            }
            StoreError::Outdated { .. } => "look at it again".into(),
            StoreError::LastOwner { .. } => "make somebody else an owner first".into(),
            StoreError::Unsupported { .. } | StoreError::Misread { .. } => {
                "name a file, `sqlite:` and a file, or `postgres://USER@HOST:PORT/DATABASE`".into()
            }
            StoreError::Unavailable { location, .. } => unavailable_hint(location),
            StoreError::Unreachable { .. } => {
                "see that PostgreSQL runs there, that it can be reached from here, and that \
                 `sslmode` in the address is what it asks for"
                    .into()
            }
            StoreError::Refused { .. } => {
                "see that the user is right, and the password: it stands in the address, in \
                 `PGPASSWORD` or in `~/.pgpass`"
                    .into()
            }
            StoreError::Missing { location } => missing_hint(location),
            StoreError::Corrupt { location, .. } => corrupt_hint(location),
            StoreError::Newer { .. } => "use the later lessor here too".into(),
            StoreError::Older { location, .. } => older_hint(location),
            StoreError::RevisionMoved { .. }
            | StoreError::ClaimTaken { .. }
            | StoreError::MachineReserved { .. }
            | StoreError::Fenced { .. } => "run `lessor plan` again and compare".into(),
            StoreError::Busy { .. } | StoreError::Contended { .. } => {
                "try again in a moment".into()
            }
            StoreError::Leased { .. } => {
                "wait for it to end, or allow more time with `--lock-timeout`".into()
            }
        })
    }

    /// Whether the world moved since the plan was made.
    pub fn is_stale(&self) -> bool {
        matches!(
            self,
            StoreError::RevisionMoved { .. }
                | StoreError::ClaimTaken { .. }
                | StoreError::MachineReserved { .. }
        )
    }

    /// Whether somebody else was faster, and another try may well go through.
    pub(crate) fn is_contended(&self) -> bool {
        matches!(
            self,
            StoreError::Contended { .. }
                | StoreError::Exists { .. }
                | StoreError::ClaimTaken { .. }
        )
    }

    /// Of an error the database at `location` gave.
    pub(crate) fn of(error: &sqlx::Error, location: &Location) -> Self {
        let location = location.clone();
        match error {
            sqlx::Error::Database(error) => match location {
                Location::File(_) => StoreError::of_sqlite(error.as_ref(), location),
                Location::Server { .. } => StoreError::of_postgres(error.as_ref(), location),
            },
            sqlx::Error::PoolTimedOut => StoreError::Busy { location },
            sqlx::Error::Decode(why) => StoreError::Corrupt { location, why: why.to_string() },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
                StoreError::Corrupt { location, why: error.to_string() }
            }
            other => StoreError::of_connection(other, location),
        }
    }

    /// Of an error on the way to the database.
    fn of_connection(error: &sqlx::Error, location: Location) -> Self {
        let why = match error {
            sqlx::Error::Io(error) => error.to_string(),
            sqlx::Error::Tls(error) => error.to_string(),
            other => other.to_string(),
        };
        match location {
            Location::File(_) => StoreError::Unavailable { location, why },
            Location::Server { .. } => StoreError::Unreachable { location, why },
        }
    }

    fn of_sqlite(error: &dyn DatabaseError, location: Location) -> Self {
        let why = error.message().to_owned();
        let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
        // The low byte of SQLite's extended codes is the sort of error.
        match code.map(|code| code & 0xff) {
            Some(SQLITE_BUSY | SQLITE_LOCKED) => StoreError::Busy { location },
            Some(SQLITE_CONSTRAINT) if why.contains("is booked then") => {
                StoreError::Contended { location }
            }
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt { location, why },
            _ => StoreError::Unavailable { location, why },
        }
    }

    /// See “PostgreSQL Error Codes” in its manual. The first two characters are the class.
    fn of_postgres(error: &dyn DatabaseError, location: Location) -> Self {
        let why = error.message().to_owned();
        let code = error.code().unwrap_or_default();
        match code.as_ref() {
            "3D000" => StoreError::Missing { location },
            // A transaction that could not be put in order with others; a deadlock; a machine that
            // somebody else was given at the same moment.
            "40001" | "40P01" | "23P01" => StoreError::Contended { location },
            // A lock was waited for in vain; there are too many connections.
            "55P03" | "53300" => StoreError::Busy { location },
            // It starts, or was told to stop.
            "57P01" | "57P02" | "57P03" => StoreError::Unreachable { location, why },
            // A table or column is not there.
            "42P01" | "42703" => StoreError::Corrupt { location, why },
            code => match code.get(..2) {
                Some("08") => StoreError::Unreachable { location, why },
                Some("28") => StoreError::Refused { location, why },
                Some("XX") => StoreError::Corrupt { location, why },
                _ => StoreError::Unavailable { location, why },
            },
        }
    }

    /// Of an error while bringing the schema up to date.
    pub(crate) fn of_migration(error: MigrateError, location: &Location, known: i64) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                StoreError::of(&error, location)
            }
            MigrateError::VersionMissing(found) => {
                StoreError::Newer { location: location.clone(), found, known }
            }
            other => StoreError::Corrupt { location: location.clone(), why: other.to_string() },
        }
    }
}

fn unavailable_hint(location: &Location) -> String {
    match location {
        Location::File(path) => format!(
            "see that the disk has room and that this user may write in `{}`",
            path.parent().unwrap_or(path).display()
        ),
        Location::Server { database, .. } => format!(
            "see that the server has room and that this user may make and change tables in \
             `{database}`"
        ),
    }
}

fn missing_hint(location: &Location) -> String {
    match location {
        Location::File(_) => "run `lessor apply`, which makes it".into(),
        Location::Server { database, .. } => {
            format!("make an empty one, such as by `createdb {database}`, or name another")
        }
    }
}

fn corrupt_hint(location: &Location) -> String {
    match location {
        Location::File(path) => format!(
            "move `{}` away, with its `-wal` and `-shm` if there are any, and run `lessor \
             apply`: the marks on the objects bring everything back but history",
            path.display()
        ),
        Location::Server { .. } => {
            "restore it from a backup, or name an empty one and run `lessor apply`: the marks on \
             the objects bring everything back but history"
                .into()
        }
    }
}

fn older_hint(location: &Location) -> String {
    match location {
        Location::File(_) => "run `lessor apply` once, which brings it up to date".into(),
        Location::Server { .. } => {
            "run `lessor db migrate` once nobody uses it with an earlier lessor any more".into()
        }
    }
}

const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

impl From<Decline> for StoreError {
    fn from(decline: Decline) -> Self {
        StoreError::Declined(Box::new(decline))
    }
}
