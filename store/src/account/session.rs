//! Logins.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::Account;
use crate::audit::{Actor, AuditEvent};
use crate::row::{self, Columns, Misread};
use crate::{AccountId, SecretDigest, SessionId, Store, StoreError};

/// A login to be.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: &'a SessionId,
    /// Who logs in.
    pub account: &'a AccountId,
    /// Of the cookie; `None` for a program, which gets tokens.
    pub cookie: Option<&'a SecretDigest>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whether a browser has it, rather than a program.
    pub is_browser: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, by the minute.
    pub last_seen_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Who calls, as a cookie or a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The login.
    pub session: SessionId,
    /// The person.
    pub account: Account,
}

impl Session {
    /// Reads a row of `session`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Session {
            id: row::parsed(row, "id")?,
            is_browser: row.text("hash")?.is_some(),
            created_at: row::time(row, "created_at")?,
            last_seen_at: row::time(row, "last_seen_at")?,
            expires_at: row::time(row, "expires_at")?,
        })
    }
}

impl Visitor {
    /// Reads a row of `account`, joined with the id of a session.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Visitor { session: row::parsed(row, "session")?, account: Account::read(row)? })
    }
}

impl Store {
    /// Lets a browser in.
    pub async fn session_create(&self, new: NewSession<'_>) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.session_insert(&mut work, new).await?;
        self.commit(work).await
    }

    /// Who shows this cookie; `None` unless the session runs and the account may be used.
    pub async fn session_find(&self, cookie: &SecretDigest) -> Result<Option<Visitor>, StoreError> {
        let found = sqlx::query(
            "SELECT account.*, session.id AS session
             FROM session JOIN account ON account.id = session.account
             WHERE session.hash = $1 AND session.revoked_at IS NULL AND session.expires_at > $2
               AND account.status = 'active'",
        )
        .bind(cookie.as_str())
        .bind(self.now().as_microsecond())
        .fetch_optional(self.pool())
        .await;
        self.read_optional(found, Visitor::read)
    }

    /// The sessions of an account that run, the newest first.
    pub async fn session_list(&self, account: &AccountId) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM session
             WHERE account = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id DESC",
        )
        .bind(account.as_str())
        .bind(self.now().as_microsecond())
        .fetch_all(self.pool())
        .await;
        self.read_all(rows, Session::read)
    }

    /// Ends a session of an account.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when it has no such session.
    pub async fn session_revoke(
        &self,
        id: &SessionId,
        account: &AccountId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let revoked = sqlx::query(
            "UPDATE session SET revoked_at = $1
             WHERE id = $2 AND account = $3 AND revoked_at IS NULL",
        )
        .bind(self.now().as_microsecond())
        .bind(id.as_str())
        .bind(account.as_str())
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        if revoked.rows_affected() == 0 {
            return Err(StoreError::Absent { what: id.to_string() });
        }
        self.session_audit(&mut work, "session.end", id, account, actor).await?;
        self.commit(work).await
    }

    /// Remembers when sessions were last used.
    pub async fn session_seen(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let mut work = self.begin().await?;
        for (id, at) in seen {
            sqlx::query("UPDATE session SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1")
                .bind(at.as_microsecond())
                .bind(id.as_str())
                .execute(&mut *work)
                .await
                .map_err(|error| self.error(&error))?;
        }
        self.commit(work).await
    }

    /// Removes sessions and links that ended before `before`, and answers how many sessions.
    pub async fn session_sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut work = self.begin().await?;
        let at = before.as_microsecond();
        let swept = async {
            sqlx::query("DELETE FROM one_time_link WHERE expires_at < $1")
                .bind(at)
                .execute(&mut *work)
                .await?;
            sqlx::query("DELETE FROM login_attempt WHERE since_at < $1")
                .bind(at)
                .execute(&mut *work)
                .await?;
            sqlx::query("DELETE FROM session WHERE expires_at < $1 OR revoked_at < $1")
                .bind(at)
                .execute(&mut *work)
                .await
        };
        let swept = swept.await.map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(swept.rows_affected())
    }

    pub(crate) async fn session_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        new: NewSession<'_>,
    ) -> Result<(), StoreError> {
        let now = self.now().as_microsecond();
        // A suspension that comes at the same moment finds the session, or the session finds it.
        self.account_lock_active(work, new.account).await?;
        sqlx::query(
            "INSERT INTO session (id, account, hash, created_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $4, $5)",
        )
        .bind(new.id.as_str())
        .bind(new.account.as_str())
        .bind(new.cookie.map(SecretDigest::as_str))
        .bind(now)
        .bind(new.expires_at.as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let actor = Actor::account(new.account);
        self.session_audit(work, "session.begin", new.id, new.account, &actor).await
    }

    /// Ends every session of an account but `keep`.
    pub(crate) async fn session_revoke_of(
        &self,
        work: &mut Transaction<'static, Any>,
        account: &AccountId,
        keep: Option<&SessionId>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE session SET revoked_at = $1
             WHERE account = $2 AND revoked_at IS NULL AND id <> $3",
        )
        .bind(self.now().as_microsecond())
        .bind(account.as_str())
        .bind(keep.map_or("", SessionId::as_str))
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    pub(crate) async fn session_audit(
        &self,
        work: &mut Transaction<'static, Any>,
        action: &'static str,
        id: &SessionId,
        account: &AccountId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            actor: actor.clone(),
            action,
            tenant: None,
            target: id.to_string(),
            data: json!({ "account": account.as_str() }),
        };
        self.audit_insert(work, event).await
    }
}
