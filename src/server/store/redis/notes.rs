//! The hub's own notes in Redis: one hash per family, and claims that end by themselves. Family and claims share a hash tag.
use super::{RedisStore, engine, live::Heard, script::Lua, write::TOO_FEW};
use crate::server::store::{
    Later, StoreFault, WriteFault,
    notes::{Claim, NoteListener, NoteNews, Notes},
};
use bytes::Bytes;
use redis::{Cmd, Value};
use std::{sync::Arc, time::Duration};

/// How many notes are read by one command.
const AT_ONCE: usize = 128;

/// Reads what a script tells: key, whether the note is kept, note. What cannot be read counts as missed.
fn read_news(message: &Bytes) -> NoteNews {
    let end = message.iter().position(|byte| *byte == b' ')?;
    let key = std::str::from_utf8(message.get(..end)?).ok()?.to_owned();
    let kept = message.get(end + 1) == Some(&b'1');
    Some((key, kept.then(|| message.slice(end + 2..))))
}

/// The scripts of notes.
pub(super) struct NoteScripts {
    put: Lua,
    claim: Lua,
    unclaim: Lua,
}

impl NoteScripts {
    pub fn new() -> Self {
        Self {
            put: Lua::new(include_str!("lua/note.lua")),
            claim: Lua::new(include_str!("lua/claim.lua")),
            unclaim: Lua::new(include_str!("lua/unclaim.lua")),
        }
    }
}

impl RedisStore {
    fn family(&self, family: &str) -> String {
        self.keys.hub(&format!("{{{family}}}"))
    }

    fn claim_key(&self, family: &str, claim: &str) -> String {
        format!("{}:claim:{claim}", self.family(family))
    }

    /// Asks for or lets go of a claim.
    async fn claim_script(&self, script: &Lua, keys: &[String], args: &[&[u8]]) -> Result<bool, StoreFault> {
        let value = self.link.script(script, keys, args, self.deadline()).await.map_err(engine)?;
        Ok(value == Value::Int(1))
    }
}

impl Notes for RedisStore {
    fn put_note<'a>(
        &'a self,
        family: &'a str,
        key: &'a str,
        note: Option<Bytes>,
        under: Option<Claim<'a>>,
    ) -> Later<'a, Result<bool, WriteFault>> {
        Box::pin(async move {
            let (name, holder) = under.map_or(("", ""), |claim| (claim.name, claim.holder));
            let keys = [self.family(family), self.claim_key(family, name)];
            let (keep, note): (&[u8], Bytes) = note.map_or((b"0", Bytes::new()), |note| (b"1", note));
            let args: [&[u8]; 4] = [holder.as_bytes(), key.as_bytes(), keep, &note];
            let (said, durable) = self.write_surely(&self.note_scripts.put, &keys, &args, self.deadline(), false).await?;
            if durable { Ok(said == Value::Int(1)) } else { Err(WriteFault::Unknown(engine(TOO_FEW))) }
        })
    }

    fn note<'a>(&'a self, family: &'a str, key: &'a str) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        Box::pin(async move {
            let value = self.link.run(&Cmd::hget(self.family(family), key), self.deadline()).await.map_err(engine)?;
            let note: Option<Vec<u8>> = redis::from_redis_value(value).map_err(engine)?;
            Ok(note.map(Bytes::from))
        })
    }

    fn notes<'a>(
        &'a self,
        family: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Later<'a, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async move {
            let value = self.link.run(&Cmd::hkeys(self.family(family)), self.deadline()).await.map_err(engine)?;
            let mut keys: Vec<String> = redis::from_redis_value(value).map_err(engine)?;
            keys.retain(|key| after.is_none_or(|after| key.as_str() > after));
            keys.sort_unstable();
            keys.truncate(limit);
            let mut notes = Vec::with_capacity(keys.len());
            for some in keys.chunks(AT_ONCE) {
                let mut read = redis::cmd("HMGET");
                read.arg(self.family(family)).arg(some);
                let value = self.link.run(&read, self.deadline()).await.map_err(engine)?;
                let found: Vec<Option<Vec<u8>>> = redis::from_redis_value(value).map_err(engine)?;
                let pair = |(key, note): (&String, Option<Vec<u8>>)| Some((key.clone(), Bytes::from(note?)));
                notes.extend(some.iter().zip(found).filter_map(pair));
            }
            Ok(notes)
        })
    }

    fn follow_notes<'a>(&'a self, family: &'a str, listener: NoteListener) -> Later<'a, bool> {
        Box::pin(async move {
            let ear = move |heard| match heard {
                Heard::Gap => listener(None),
                Heard::Message(message) => listener(read_news(&message)),
            };
            self.live.listen(self.family(family), Arc::new(ear)).await
        })
    }

    fn count_notes<'a>(&'a self, family: &'a str) -> Later<'a, Result<usize, StoreFault>> {
        Box::pin(async move {
            let value = self.link.run(&Cmd::hlen(self.family(family)), self.deadline()).await.map_err(engine)?;
            redis::from_redis_value(value).map_err(engine)
        })
    }

    fn claim<'a>(&'a self, claim: Claim<'a>, family: &'a str, ttl: Duration) -> Later<'a, Result<bool, StoreFault>> {
        Box::pin(async move {
            let ttl = ttl.as_millis().to_string();
            let keys = [self.claim_key(family, claim.name)];
            self.claim_script(&self.note_scripts.claim, &keys, &[claim.holder.as_bytes(), ttl.as_bytes()]).await
        })
    }

    fn unclaim<'a>(&'a self, claim: Claim<'a>, family: &'a str) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(async move {
            let keys = [self.claim_key(family, claim.name)];
            self.claim_script(&self.note_scripts.unclaim, &keys, &[claim.holder.as_bytes()]).await.map(|_| ())
        })
    }
}
