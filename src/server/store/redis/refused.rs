//! Whether a server that answers takes writes, too: it may be out of memory, unable to save, or without its replicas. Decides nothing about
//! a single command: each is tried, and hears for itself.
use super::{
    connect::Conn,
    fault::{Failed, Verdict, is_of_link, judge, takes_no_writes},
};
use redis::{Cmd, RedisError, RedisResult, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which part of a command's wait for replicas a probe waits for them.
const PROBE_PART: u64 = 8;

/// What was refused.
#[derive(Clone)]
struct Refused {
    /// A key that it would not write to.
    key: String,
    /// It has written it, and too few replicas have.
    few: bool,
}

/// What is known of a server's willingness to write.
pub struct Writes {
    refused: Mutex<Option<Refused>>,
    /// How many replicas must have a write, and how long that may take, in ms.
    replicas: usize,
    wait_ms: u64,
}

impl Writes {
    /// Nothing was refused yet.
    pub const fn new(replicas: usize, wait_ms: u64) -> Self {
        Self { refused: Mutex::new(None), replicas, wait_ms }
    }

    /// Returns the command that waits for the replicas, behind a write on the same connection.
    pub fn wait(&self) -> Cmd {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.wait_ms);
        wait
    }

    fn refused(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the newest answers say that it writes.
    pub fn are_taken(&self) -> bool {
        self.refused().is_none()
    }

    /// Notes what came of a script. Returns whether that is the first refusal.
    pub fn note<T>(&self, keys: &[String], outcome: &Result<T, Failed>) -> bool {
        match (outcome, keys.first()) {
            (Err(Failed::Said(error)), Some(key)) if takes_no_writes(error) => self.refuse(key, error, false),
            _ => false,
        }
    }

    /// Notes how many replicas have confirmed a write. Returns whether they are too few for the first time.
    pub fn note_replicas(&self, keys: &[String], confirmed: usize) -> bool {
        if confirmed >= self.replicas {
            let again = self.refused().take_if(|refused| refused.few).is_some();
            if again {
                tracing::info!("enough replicas confirm what is written again");
            }
            return false;
        }
        keys.first().is_some_and(|key| self.refuse(key, &too_few(), true))
    }

    fn refuse(&self, key: &str, error: &RedisError, few: bool) -> bool {
        let mut refused = self.refused();
        let first = refused.is_none();
        if first {
            tracing::error!(%error, "Redis takes no writes: commands are answered `unavailable` until it does");
            *refused = Some(Refused { key: key.to_owned(), few });
        }
        first
    }

    /// Sees whether the server answers, by a write that nobody needs. Errors: it does not, or it is not the one to write to.
    pub async fn probe(&self, conn: &mut Conn, prefix: &str) -> RedisResult<()> {
        let key = format!("{prefix}hub:probe");
        match self.nothing_written(conn, &key).await {
            Err(error) if takes_no_writes(&error) => {
                self.refuse(&key, &error, self.replicas > 0);
                Ok(())
            }
            // Whoever may not write this may still write what is needed.
            Err(error) if judge(&error) == Verdict::Refused => Ok(()),
            outcome => outcome,
        }
    }

    /// Asks a server that has refused a write whether it takes them again.
    pub async fn ask(&self, conn: &mut Conn) {
        let Some(Refused { key, .. }) = self.refused().clone() else { return };
        if !self.nothing_written(conn, &key).await.is_err_and(|error| takes_no_writes(&error) || is_of_link(&error)) {
            tracing::info!("Redis takes writes again");
            *self.refused() = None;
        }
    }

    /// Puts nothing into the place of nothing: refused as every write is, and of no effect, whatever the key holds.
    async fn nothing_written(&self, conn: &mut Conn, key: &str) -> RedisResult<()> {
        let mut nothing = redis::cmd("SETRANGE");
        nothing.arg(key).arg(0).arg("");
        if self.replicas == 0 {
            return nothing.query_async::<Value>(conn).await.map(drop);
        }
        let mut both = redis::pipe();
        // Commands that come meanwhile wait behind it, and they wait for replicas themselves.
        both.add_command(nothing).cmd("WAIT").arg(self.replicas).arg(self.wait_ms / PROBE_PART);
        let (_, confirmed): (Value, usize) = both.query_async(conn).await?;
        if confirmed < self.replicas { Err(too_few()) } else { Ok(()) }
    }
}

/// The error of a server that has too few replicas for the durability that is asked for.
fn too_few() -> RedisError {
    redis::make_extension_error("NOREPLICAS".to_owned(), Some("too few replicas confirm what is written".to_owned()))
}
