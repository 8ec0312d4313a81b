//! What programs that log in are given: a token to call with, and one to get the next with.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use sqlx::{Any, Transaction};

use super::{Account, NewSession, Visitor};
use crate::audit::Actor;
use crate::row;
use crate::{SecretDigest, SessionId, Store, StoreError};

/// Tokens to be.
#[derive(Clone, Copy, Debug)]
pub struct NewTokens<'a> {
    /// To call with.
    pub access: &'a SecretDigest,
    /// Until when.
    pub access_expires_at: Timestamp,
    /// To get the next ones with, once.
    pub refresh: &'a SecretDigest,
    /// Until when.
    pub refresh_expires_at: Timestamp,
}

/// What became of a refresh token that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It was good, and the new ones are.
    Renewed(Account),
    /// It was used before, so somebody else has it too: the whole session is over.
    Reused,
    /// There is none such, or not any more.
    Unknown,
}

impl Store {
    /// Lets a program in.
    pub async fn token_issue(
        &self,
        new: NewSession<'_>,
        tokens: NewTokens<'_>,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.session_insert(&mut work, new).await?;
        self.token_insert(&mut work, new.id, tokens).await?;
        self.commit(work).await
    }

    /// Who shows this access token; `None` unless it is good and the account may be used.
    pub async fn token_find(&self, access: &SecretDigest) -> Result<Option<Visitor>, StoreError> {
        let found = sqlx::query(
            "SELECT account.*, session.id AS session
             FROM token JOIN session ON session.id = token.session
                        JOIN account ON account.id = session.account
             WHERE token.hash = $1 AND token.sort = 'access' AND token.expires_at > $2
               AND session.revoked_at IS NULL AND session.expires_at > $2
               AND account.status = 'active'",
        )
        .bind(access.as_str())
        .bind(self.now().as_microsecond())
        .fetch_optional(self.pool())
        .await;
        self.read_optional(found, Visitor::read)
    }

    /// Gives new tokens for a refresh token, which is used up by that. Shown twice, it ends the
    /// session of everybody who has tokens of it.
    pub async fn token_refresh(
        &self,
        shown: &SecretDigest,
        tokens: NewTokens<'_>,
    ) -> Result<Refreshed, StoreError> {
        let mut work = self.begin().await?;
        let refreshed = self.token_rotate(&mut work, shown, tokens).await?;
        self.commit(work).await?;
        Ok(refreshed)
    }

    async fn token_rotate(
        &self,
        work: &mut Transaction<'static, Any>,
        shown: &SecretDigest,
        tokens: NewTokens<'_>,
    ) -> Result<Refreshed, StoreError> {
        let now = self.now();
        let Some(session) = self.token_session(work, shown, now).await? else {
            return Ok(Refreshed::Unknown);
        };
        // Of two that come at once, only one changes the row.
        let used = sqlx::query("UPDATE token SET used_at = $1 WHERE hash = $2 AND used_at IS NULL")
            .bind(now.as_microsecond())
            .bind(shown.as_str())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let account = self.session_account(work, &session).await?;
        if used.rows_affected() == 0 {
            self.token_revoke(work, &session, &account).await?;
            return Ok(Refreshed::Reused);
        }
        self.session_prolong(work, &session, tokens.refresh_expires_at).await?;
        self.token_insert(work, &session, tokens).await?;
        Ok(Refreshed::Renewed(account))
    }

    /// The session a refresh token belongs to, while it runs.
    async fn token_session(
        &self,
        work: &mut Transaction<'static, Any>,
        shown: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<SessionId>, StoreError> {
        let found = sqlx::query(
            "SELECT session.id FROM token JOIN session ON session.id = token.session
                                          JOIN account ON account.id = session.account
             WHERE token.hash = $1 AND token.sort = 'refresh' AND token.expires_at > $2
               AND session.revoked_at IS NULL AND account.status = 'active'",
        )
        .bind(shown.as_str())
        .bind(now.as_microsecond())
        .fetch_optional(&mut **work)
        .await;
        self.read_optional(found, |row| row::parsed(row, "id"))
    }

    async fn session_account(
        &self,
        work: &mut Transaction<'static, Any>,
        session: &SessionId,
    ) -> Result<Account, StoreError> {
        let found = sqlx::query(
            "SELECT account.* FROM session JOIN account ON account.id = session.account
             WHERE session.id = $1",
        )
        .bind(session.as_str())
        .fetch_optional(&mut **work)
        .await;
        let found = self.read_optional(found, Account::read)?;
        found.ok_or_else(|| StoreError::Absent { what: session.to_string() })
    }

    async fn session_prolong(
        &self,
        work: &mut Transaction<'static, Any>,
        session: &SessionId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE session SET expires_at = $1, last_seen_at = $2 WHERE id = $3")
            .bind(expires_at.as_microsecond())
            .bind(self.now().as_microsecond())
            .bind(session.as_str())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        // The access token of before goes with its refresh token; what was used stays to be
        // recognised.
        sqlx::query("DELETE FROM token WHERE session = $1 AND sort = 'access'")
            .bind(session.as_str())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn token_revoke(
        &self,
        work: &mut Transaction<'static, Any>,
        session: &SessionId,
        account: &Account,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE session SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(self.now().as_microsecond())
            .bind(session.as_str())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let actor = Actor::lessor();
        self.session_audit(work, "session.token-reused", session, &account.id, &actor).await
    }

    async fn token_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        session: &SessionId,
        tokens: NewTokens<'_>,
    ) -> Result<(), StoreError> {
        for (hash, sort, expires_at) in [
            (tokens.access, "access", tokens.access_expires_at),
            (tokens.refresh, "refresh", tokens.refresh_expires_at),
        ] {
            sqlx::query(
                "INSERT INTO token (hash, session, sort, expires_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(hash.as_str())
            .bind(session.as_str())
            .bind(sort)
            .bind(expires_at.as_microsecond())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }
}
