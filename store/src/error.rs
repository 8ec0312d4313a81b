//! What can go wrong, by what one would do about it.

use std::path::{Path, PathBuf};

use lessor_plans::ClaimKey;
use lessor_specs::Address;
use sqlx::migrate::MigrateError;

use crate::Holder;

/// Why something could not be remembered or looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The address of the database is of a sort that is not spoken.
    #[error("`{url}` is no database this lessor can open")]
    Unsupported {
        /// What was asked for, without what may be a password.
        url: String,
    },
    /// The machine did not let us: a full disk, a read-only directory, a permission.
    #[error("cannot use the database `{}`: {why}", path.display())]
    Unavailable {
        /// The file or directory.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// The file is damaged, or is something else.
    #[error("the database `{}` is damaged: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later lessor has written it.
    #[error("the database `{}` was written by a later lessor (schema {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The last schema we know.
        known: i64,
    },
    /// An earlier lessor has written it, and it was opened for reading only.
    #[error("the database `{}` was written by an earlier lessor (schema {found}, this one reads {known})", path.display())]
    Older {
        /// The file.
        path: PathBuf,
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
    /// Others keep the database busy for longer than is worth waiting.
    #[error("the database `{}` is busy", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
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
            StoreError::Exists { .. } | StoreError::Absent { .. } => return None,
            StoreError::Outdated { .. } => "look at it again".into(),
            StoreError::LastOwner { .. } => "make somebody else an owner first".into(),
            StoreError::Unsupported { .. } => {
                "name a file, or `sqlite:` and a file; PostgreSQL comes later".into()
            }
            StoreError::Unavailable { path, .. } => format!(
                "see that the disk has room and that this user may write in `{}`",
                path.parent().unwrap_or(path).display()
            ),
            StoreError::Corrupt { path, .. } => format!(
                "move `{}` away, with its `-wal` and `-shm` if there are any, and run `lessor \
                 apply`: the marks on the objects bring everything back but history",
                path.display()
            ),
            StoreError::Newer { .. } => "use the later lessor here too".into(),
            StoreError::Older { .. } => {
                "run `lessor apply` once, which brings it up to date".into()
            }
            StoreError::RevisionMoved { .. }
            | StoreError::ClaimTaken { .. }
            | StoreError::Fenced { .. } => "run `lessor plan` again and compare".into(),
            StoreError::Busy { .. } => "try again in a moment".into(),
            StoreError::Leased { .. } => {
                "wait for it to end, or allow more time with `--lock-timeout`".into()
            }
        })
    }

    /// Whether the world moved since the plan was made.
    pub fn is_stale(&self) -> bool {
        matches!(self, StoreError::RevisionMoved { .. } | StoreError::ClaimTaken { .. })
    }

    /// Of an error the database gave for the file at `path`.
    pub(crate) fn of(error: &sqlx::Error, path: &Path) -> Self {
        let path = path.to_owned();
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse().ok());
                StoreError::of_code(code, error.message().to_owned(), path)
            }
            sqlx::Error::PoolTimedOut => StoreError::Busy { path },
            sqlx::Error::Decode(why) => StoreError::Corrupt { path, why: why.to_string() },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
                StoreError::Corrupt { path, why: error.to_string() }
            }
            other => StoreError::Unavailable { path, why: other.to_string() },
        }
    }

    fn of_code(code: Option<i32>, why: String, path: PathBuf) -> Self {
        // The low byte of SQLite's extended codes is the sort of error.
        match code.map(|code| code & 0xff) {
            Some(SQLITE_BUSY | SQLITE_LOCKED) => StoreError::Busy { path },
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt { path, why },
            _ => StoreError::Unavailable { path, why },
        }
    }

    /// Of an error while bringing the schema up to date.
    pub(crate) fn of_migration(error: MigrateError, path: &Path, known: i64) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                StoreError::of(&error, path)
            }
            MigrateError::VersionMissing(found) => {
                StoreError::Newer { path: path.to_owned(), found, known }
            }
            other => StoreError::Corrupt { path: path.to_owned(), why: other.to_string() },
        }
    }
}

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;
