//! Whether a server that answers takes writes, too: it may be out of memory, unable to save, or without its replicas. Decides nothing about
//! a single command: each is tried, and hears for itself.
use super::{
    connect::Conn,
    fault::{is_of_link, takes_no_writes},
    link::Failed,
};
use redis::{RedisResult, Value};
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
        let (Err(Failed::Said(error)), Some(key)) = (outcome, keys.first()) else { return false };
        let mut refused = self.refused();
        if refused.is_some() || !takes_no_writes(error) {
            return false;
        }
        tracing::error!(%error, "Redis takes no writes: commands are answered `unavailable` until it does");
        *refused = Some(key.clone());
        true
    }

    /// Asks a server that has refused a write whether it takes them again.
    pub async fn ask(&self, conn: &mut Conn) {
        let Some(key) = self.refused().clone() else { return };
        // Nothing is put into the place of nothing: refused as every write is, and of no effect, whatever the key holds.
        let write: RedisResult<Value> = redis::cmd("SETRANGE").arg(key).arg(0).arg("").query_async(conn).await;
        if !write.is_err_and(|error| takes_no_writes(&error) || is_of_link(&error)) {
            tracing::info!("Redis takes writes again");
            *self.refused() = None;
        }
    }
}
