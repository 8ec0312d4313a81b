//! Passwords: argon2id, a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tracing::error;

use crate::settings::Hashing;
use crate::{Problem, ProblemKind, StartError};

/// How many passwords are hashed at once. Each takes a core and tens of MiB for a while; who floods
/// us with logins waits for others who do, and everybody else does not.
const AT_ONCE: usize = 2;

/// The shortest and the longest password, in characters and in bytes.
const SHORTEST: usize = 12;
const LONGEST: usize = 256;

/// Stores passwords and holds others against them.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// Of no password that anybody has: what is held against the wrong address takes as long.
    nobody: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(hashing: Hashing) -> Result<Self, StartError> {
        let params = Params::new(hashing.memory_kib, hashing.passes, 1, None)
            .map_err(|error| StartError::new(&format!("passwords cannot be stored so: {error}")))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = argon2
            .hash_password(&rand::random::<[u8; 32]>())
            .map_err(|error| StartError::new(&format!("passwords cannot be stored: {error}")))?;
        let nobody = nobody.to_string().into();
        Ok(Passwords { argon2, nobody, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Whether somebody may choose this one. Long is what counts; rules about characters make
    /// people choose worse ones.
    pub(crate) fn check(pointer: &str, password: &str, email: &str) -> Result<(), Problem> {
        let length = password.chars().count();
        if length < SHORTEST || password.len() > LONGEST {
            let expected = format!("expected {SHORTEST} to {LONGEST} characters");
            return Err(Problem::field(pointer, expected));
        }
        if password.to_lowercase().contains(&email.to_lowercase()) {
            return Err(Problem::field(pointer, "expected something else than the mail address"));
        }
        Ok(())
    }

    /// What is stored of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        let argon2 = self.argon2.clone();
        let hashed = self.turn(move || argon2.hash_password(password.as_bytes())).await?;
        hashed.map(|hash| hash.to_string()).map_err(|error| {
            error!(%error, "could not hash a password");
            Problem::new(ProblemKind::Internal)
        })
    }

    /// Whether a password is the one that was stored. With `None` it never is, and takes as long.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Problem> {
        let argon2 = self.argon2.clone();
        let is_somebody = stored.is_some();
        let stored = stored.map_or_else(|| self.nobody.clone(), Into::into);
        let fits = move || {
            let hash = PasswordHash::new(&stored);
            hash.is_ok_and(|hash| argon2.verify_password(password.as_bytes(), &hash).is_ok())
        };
        Ok(self.turn(fits).await? && is_somebody)
    }

    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Problem::new(ProblemKind::Unavailable))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            error!(%error, "hashing a password ended early");
            Problem::new(ProblemKind::Internal)
        })
    }
}
