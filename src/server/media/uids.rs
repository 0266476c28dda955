//! Who is behind a number: Agora names people by numbers of 32 bits, which the hub gives out and remembers.
//!
//! A person's number is the first free one of a row that his name alone decides, so nodes that have not heard of each other give the same one.
use super::ledger::Ledger;
use crate::{
    hub::id::UserId,
    server::store::{StoreFault, notes::Notes},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many numbers are tried for one person. With a million people, the first is free for all but one in 4,000.
const TRIES: u32 = 64;
/// How many numbers are remembered in memory; the store has them all.
const REMEMBERED: usize = 65_536;

/// Why somebody gets no number.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoUid {
    /// The store cannot say who has which.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// All that he could have belong to others.
    #[error("no number is free")]
    Taken,
}

/// The table of one source. Cheap to clone.
#[derive(Clone)]
pub(super) struct Uids {
    notes: Arc<dyn Notes>,
    family: Arc<str>,
    known: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The number with which the search for a free one goes on.
fn candidate(user: &UserId, attempt: u32) -> u32 {
    let hash = Sha256::digest(format!("{user}/{attempt}"));
    let number = hash.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    // The vendor takes 0 for "give me any".
    number.max(1)
}

impl Uids {
    /// Opens the table of a source.
    pub fn new(ledger: &Ledger, source: &str) -> Self {
        Self { notes: ledger.notes(), family: format!("media.{source}.uids").into(), known: Arc::default() }
    }

    /// Returns who has a number, written in digits. `None`: the hub has not given it out, or cannot say.
    pub async fn user_of(&self, uid: &str) -> Option<String> {
        if let Some(user) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(uid) {
            return Some(user.clone());
        }
        let user = match self.notes.note(&self.family, uid).await {
            Ok(note) => String::from_utf8(note?.to_vec()).ok()?,
            Err(fault) => {
                tracing::warn!(%fault, uid, "the person behind an Agora uid cannot be looked up");
                return None;
            }
        };
        self.remember(uid, &user);
        Some(user)
    }

    /// Returns somebody's number, and gives him one if he has none.
    pub async fn uid_of(&self, user: &UserId) -> Result<u32, NoUid> {
        for attempt in 0..TRIES {
            let uid = candidate(user, attempt);
            let text = uid.to_string();
            match self.notes.note(&self.family, &text).await? {
                Some(holder) if holder.as_ref() == user.as_str().as_bytes() => return Ok(uid),
                Some(_) => {}
                None => {
                    let note = Some(Bytes::from(user.to_string()));
                    self.notes.put_note(&self.family, &text, note, None).await.map_err(StoreFault::from)?;
                    self.remember(&text, user.as_str());
                    return Ok(uid);
                }
            }
        }
        Err(NoUid::Taken)
    }

    fn remember(&self, uid: &str, user: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(uid.to_owned(), user.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_everywhere_and_differ_from_person_to_person() {
        let user = |n: u32| UserId::parse(&format!("u{n}")).unwrap();
        assert_eq!(candidate(&user(1), 0), candidate(&user(1), 0));
        let mut all: Vec<u32> = (0..10_000).map(|n| candidate(&user(n), 0)).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 9_990, "{} of 10,000 differ", all.len());
        assert_ne!(candidate(&user(1), 0), candidate(&user(1), 1));
    }
}
