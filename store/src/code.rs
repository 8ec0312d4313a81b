//! The sorts of what can go wrong with what is remembered.

use lessor_specs::codes;

use crate::StoreError;

codes! {
    /// What can be wrong with a database, or keep us from it.
    pub enum Code {
        "The database" {
            E1301 Unnamed = "an address names no database",
            E1302 Unusable = "a database cannot be used where it is kept",
            E1303 Unreachable = "no database answers",
            E1304 Refused = "a database does not let us in",
            E1305 Missing = "a server has no such database",
            E1306 Damaged = "a database is damaged",
            E1307 Later = "a later lessor has written the database",
            E1308 Earlier = "an earlier lessor has written the database",
            E1309 Busy = "others keep a database busy",
            E1310 InUse = "another run holds a connection",
            E1311 TakenOver = "another run has taken over",
        }
    }
}

impl StoreError {
    /// What explains it; `None` where it is about what was asked for, and not about the database.
    pub fn code(&self) -> Option<Code> {
        Some(match self {
            StoreError::Unsupported { .. } | StoreError::Misread { .. } => Code::Unnamed,
            StoreError::Unavailable { .. } => Code::Unusable,
            StoreError::Unreachable { .. } => Code::Unreachable,
            StoreError::Refused { .. } => Code::Refused,
            StoreError::Missing { .. } => Code::Missing,
            StoreError::Corrupt { .. } => Code::Damaged,
            StoreError::Newer { .. } => Code::Later,
            StoreError::Older { .. } => Code::Earlier,
            StoreError::Busy { .. } | StoreError::Contended { .. } => Code::Busy,
            StoreError::Leased { .. } => Code::InUse,
            StoreError::Fenced { .. } | StoreError::JobLost { .. } => Code::TakenOver,
            StoreError::RevisionMoved { .. }
            | StoreError::ClaimTaken { .. }
            | StoreError::MachineReserved { .. }
            | StoreError::Declined(_)
            | StoreError::Exists { .. }
            | StoreError::Absent { .. }
            | StoreError::Outdated { .. }
            | StoreError::LastOwner { .. } => return None,
        })
    }
}
