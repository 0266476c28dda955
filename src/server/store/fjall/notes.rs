//! The hub's own notes in the embedded store. One process has the store, so every claim is granted.
use super::{FjallStore, keyspace::fault};
use crate::server::store::{
    Later, StoreFault, WriteFault,
    notes::{Claim, Notes},
};
use bytes::Bytes;
use std::ops::Bound;

/// A family ends with a zero byte, which no key contains.
fn key_of(family: &str, key: &str) -> Vec<u8> {
    [family.as_bytes(), b"\0", key.as_bytes()].concat()
}

fn end_of(family: &str) -> Vec<u8> {
    [family.as_bytes(), b"\x01"].concat()
}

impl Notes for FjallStore {
    fn put_note<'a>(
        &'a self,
        family: &'a str,
        key: &'a str,
        note: Option<Bytes>,
        _under: Option<Claim<'a>>,
    ) -> Later<'a, Result<bool, WriteFault>> {
        Box::pin(async move {
            let engine = self.shared.engine().map_err(WriteFault::NotDone)?;
            let key = key_of(family, key);
            let written = match note {
                Some(note) => engine.notes.insert(key, note.as_ref()),
                None => engine.notes.remove(key),
            };
            if written.is_err() {
                engine.fail();
            }
            self.noted(&engine, written.map(|()| true).map_err(|error| fault(&error))).map_err(WriteFault::Unknown)
        })
    }

    fn note<'a>(&'a self, family: &'a str, key: &'a str) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        Box::pin(async move {
            let read = |value: Option<fjall::UserValue>| value.map(|value| Bytes::copy_from_slice(&value));
            self.reading(|engine| engine.notes.get(key_of(family, key)).map(read).map_err(|error| fault(&error)))
        })
    }

    fn notes<'a>(
        &'a self,
        family: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Later<'a, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async move {
            let from = after.map_or(Bound::Included(key_of(family, "")), |after| Bound::Excluded(key_of(family, after)));
            let begin = family.len() + 1;
            let pair = |guard: fjall::Guard| {
                let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
                let key = String::from_utf8_lossy(key.get(begin..).unwrap_or_default()).into_owned();
                Ok((key, Bytes::copy_from_slice(&value)))
            };
            self.reading(|engine| engine.notes.range((from, Bound::Excluded(end_of(family)))).take(limit).map(pair).collect())
        })
    }

    fn count_notes<'a>(&'a self, family: &'a str) -> Later<'a, Result<usize, StoreFault>> {
        Box::pin(async move { self.reading(|engine| Ok(engine.notes.range(key_of(family, "")..end_of(family)).count())) })
    }
}
