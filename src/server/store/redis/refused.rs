//! Whether a server that answers takes writes, too: it may be out of memory, unable to save, or without its replicas. Decides nothing about
//! a single command: each is tried, and hears for itself.
use super::{
    connect::Conn,
    fault::{Failed, Verdict, is_of_link, judge, takes_no_writes},
};
use redis::{RedisError, RedisResult, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of a server's willingness to write.
#[derive(Default)]
pub struct Writes {
    /// A key that it would not write to.
    refused: Mutex<Option<String>>,
}

impl Writes {
    fn refused(&self) -> MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the newest answers say that it writes.
    pub fn are_taken(&self) -> bool {
        self.refused().is_none()
    }

    /// Notes what came of a script. Returns whether that is the first refusal.
    pub fn note<T>(&self, keys: &[String], outcome: &Result<T, Failed>) -> bool {
        match (outcome, keys.first()) {
            (Err(Failed::Said(error)), Some(key)) if takes_no_writes(error) => self.refuse(key, error),
            _ => false,
        }
    }

    fn refuse(&self, key: &str, error: &RedisError) -> bool {
        let mut refused = self.refused();
        let first = refused.is_none();
        if first {
            tracing::error!(%error, "Redis takes no writes: commands are answered `unavailable` until it does");
            *refused = Some(key.to_owned());
        }
        first
    }

    /// Sees whether the server answers, by a write that nobody needs. Errors: it does not, or it is not the one to write to.
    pub async fn probe(&self, conn: &mut Conn, prefix: &str) -> RedisResult<()> {
        let key = format!("{prefix}hub:probe");
        match nothing_written(conn, &key).await {
            Err(error) if takes_no_writes(&error) => {
                self.refuse(&key, &error);
                Ok(())
            }
            // Whoever may not write this may still write what is needed.
            Err(error) if judge(&error) == Verdict::Refused => Ok(()),
            outcome => outcome,
        }
    }

    /// Asks a server that has refused a write whether it takes them again.
    pub async fn ask(&self, conn: &mut Conn) {
        let Some(key) = self.refused().clone() else { return };
        if !nothing_written(conn, &key).await.is_err_and(|error| takes_no_writes(&error) || is_of_link(&error)) {
            tracing::info!("Redis takes writes again");
            *self.refused() = None;
        }
    }
}

/// Puts nothing into the place of nothing: refused as every write is, and of no effect, whatever the key holds.
async fn nothing_written(conn: &mut Conn, key: &str) -> RedisResult<()> {
    redis::cmd("SETRANGE").arg(key).arg(0).arg("").query_async::<Value>(conn).await.map(drop)
}
