//! Writes that are acked afterwards: as durable as the settings want them, and offered until it is certain what became of them.
use super::{
    REPLICAS, RedisStore, engine,
    fault::{Failed, Verdict},
    link::Link,
    script::Lua,
};
use crate::server::{clock::Mono, store::WriteFault};
use redis::Value;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// The pause before a write that was refused for a moment is tried again, without its jitter.
const PAUSE_MS: u64 = 30;

/// Said of a write that may not survive its server.
pub(super) const TOO_FEW: &str = "too few replicas have confirmed it";
/// Said of a write that would come before what a server has lost.
pub(super) const TOO_SOON: &str = "Redis is away, or has only just come back";

/// What an error says about a write that was offered once.
pub(super) fn certainly(failed: Failed) -> WriteFault {
    match failed.verdict() {
        Verdict::Unknown => WriteFault::Unknown(engine(failed)),
        Verdict::NoScript | Verdict::NotNow | Verdict::Refused => WriteFault::NotDone(engine(failed)),
    }
}

impl RedisStore {
    /// Runs a script that writes what is acked afterwards. Returns its answer, and whether the write is as durable as it has to be.
    pub(super) async fn write(
        &self,
        script: &Lua,
        keys: &[String],
        args: &[&[u8]],
        deadline: Mono,
    ) -> Result<(Value, bool), Failed> {
        if self.durable.is_empty() {
            return Ok((self.link.script(script, keys, args, deadline).await?, true));
        }
        let (value, replicas) = self.durable_link(keys).script_and_wait(script, keys, args, deadline).await?;
        Ok((value, replicas >= REPLICAS))
    }

    /// As [`Self::write`], for a script that may run twice: it is offered until it is certain what became of it, or the time is over.
    /// `settled`: not to a server that has just come back, each time that it is offered.
    pub(super) async fn write_surely(
        &self,
        script: &Lua,
        keys: &[String],
        args: &[&[u8]],
        deadline: Mono,
        settled: bool,
    ) -> Result<(Value, bool), WriteFault> {
        let mut unsure = None;
        loop {
            if settled && !self.after_reconnect(deadline).await {
                let fault = engine(TOO_SOON);
                return Err(unsure.map_or(WriteFault::NotDone(fault), WriteFault::Unknown));
            }
            let failed = match self.write(script, keys, args, deadline).await {
                Ok(said) => return Ok(said),
                Err(failed) => failed,
            };
            let fault = engine(&failed);
            match failed.verdict() {
                Verdict::Refused if unsure.is_none() => return Err(WriteFault::NotDone(fault)),
                Verdict::Unknown => unsure = Some(fault.clone()),
                Verdict::Refused | Verdict::NotNow | Verdict::NoScript => {}
            }
            if matches!(failed, Failed::Down) || self.clock.mono() >= deadline {
                return Err(unsure.map_or(WriteFault::NotDone(fault), WriteFault::Unknown));
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MS + rand::random_range(0..PAUSE_MS))).await;
        }
    }

    /// Returns a connection for writes that WAIT; those of one room, or of one person, share it.
    fn durable_link(&self, keys: &[String]) -> &Link {
        let mut hasher = DefaultHasher::new();
        keys.first().hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % self.durable.len().max(1) as u64).unwrap_or(0);
        self.durable.get(at).unwrap_or(&self.link)
    }
}
