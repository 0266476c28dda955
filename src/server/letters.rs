//! Direct messages beyond the moment: who has blocked whom, and what waits for people who are not here. The truth is in the store; a store
//! that this process has alone is mirrored in memory, a shared one is asked each time.
use super::{
    clock::Clock,
    msg::{Refusal, refusal, unavailable},
    store::{Store, StoreFault, UserChange},
};
use crate::{
    hub::{
        code::Code,
        id::UserId,
        time::{Millis, UnixMs},
    },
    wire::letters::{UserRecord, decode_user, encode_user},
};
use bytes::Bytes;
use dashmap::DashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as Lock, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Mutex;

/// How often one change of a record is tried that other nodes change, too.
const TRIES: usize = 16;
/// How often it is looked for messages that have waited long enough.
const EVERY: Duration = Duration::from_secs(60);
/// For how many people at once.
const PAGE: usize = 256;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct LetterSettings {
    /// How many messages wait for one person who is not here; 0 = none.
    pub keep_max: usize,
    /// For how many people messages wait.
    pub keep_users_max: usize,
    /// For how long.
    pub keep: Millis,
    /// How many people one person may block.
    pub blocked_max: usize,
}

/// The letter box of everybody. Cheap to clone.
#[derive(Clone)]
pub struct Letters(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    settings: LetterSettings,
    clock: Clock,
    /// `None`: other nodes write to the store, too.
    mirror: Option<Mirror>,
}

/// What a store holds that nobody else writes to.
#[derive(Default)]
struct Mirror {
    /// Everybody who has blocked somebody.
    blocks: DashMap<UserId, Arc<BTreeSet<UserId>>>,
    /// For whom something waits, and until when.
    waits: Lock<BTreeMap<UserId, UnixMs>>,
    /// One record is changed at a time.
    change: Mutex<()>,
}

impl Mirror {
    fn waits(&self) -> MutexGuard<'_, BTreeMap<UserId, UnixMs>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, user: &UserId, record: &UserRecord, keep: Millis) {
        if record.blocked.is_empty() {
            self.blocks.remove(user);
        } else {
            self.blocks.insert(user.clone(), Arc::new(record.blocked.clone()));
        }
        match waits_until(record, keep) {
            Some(until) => self.waits().insert(user.clone(), until),
            None => self.waits().remove(user),
        };
    }
}

fn waits_until(record: &UserRecord, keep: Millis) -> Option<UnixMs> {
    record.kept.iter().map(|(at, _)| at.plus(keep)).max()
}

fn fault(fault: &StoreFault, outcome: &'static str) -> Refusal {
    tracing::error!(%fault, "a person's record cannot be read or written");
    unavailable(outcome)
}

fn decode(user: &UserId, record: Option<&Bytes>) -> Result<UserRecord, Refusal> {
    let read = |record: &Bytes| {
        decode_user(record).map_err(|error| {
            tracing::error!(%user, %error, "a person's record cannot be read");
            refusal(Code::Unavailable)
        })
    };
    record.map_or_else(|| Ok(UserRecord::default()), read)
}

impl Letters {
    /// Reads what the store keeps of people, if nobody else writes to it. Errors: it cannot be read.
    pub async fn open(store: Arc<dyn Store>, settings: LetterSettings, clock: Clock) -> Result<Self, StoreFault> {
        if store.shared() {
            return Ok(Self(Arc::new(Inner { store, settings, clock, mirror: None })));
        }
        let mirror = Mirror::default();
        for (user, record) in store.users().await? {
            match decode_user(&record) {
                Ok(record) => mirror.note(&user, &record, settings.keep),
                Err(error) => tracing::warn!(%user, %error, "a person's record cannot be read"),
            }
        }
        Ok(Self(Arc::new(Inner { store, settings, clock, mirror: Some(mirror) })))
    }

    /// Tells whether `of` does not want messages of `by`. Errors: `unavailable`.
    pub async fn is_blocked(&self, by: &UserId, of: &UserId) -> Result<bool, Refusal> {
        Ok(self.0.settings.blocked_max > 0 && self.blocked(of).await?.contains(by))
    }

    /// Returns whom somebody has blocked. Errors: `unavailable`.
    pub async fn blocked(&self, user: &UserId) -> Result<Arc<BTreeSet<UserId>>, Refusal> {
        match &self.0.mirror {
            Some(mirror) => Ok(mirror.blocks.get(user).map(|blocked| blocked.clone()).unwrap_or_default()),
            None => Ok(Arc::new(decode(user, self.read(user).await?.as_ref())?.blocked)),
        }
    }

    /// Blocks people, or no longer (`on` false); stored before this returns. Returns everybody who is blocked then.
    /// Errors: `too_many`, `unavailable`; nothing has changed.
    pub async fn block(&self, user: &UserId, others: &[UserId], on: bool) -> Result<Arc<BTreeSet<UserId>>, Refusal> {
        let max = self.0.settings.blocked_max;
        let edit = |record: &mut UserRecord| {
            for other in others.iter().filter(|other| *other != user) {
                if on {
                    record.blocked.insert(other.clone())
                } else {
                    record.blocked.remove(other)
                };
            }
            if on && record.blocked.len() > max { Err(refusal(Code::TooMany)) } else { Ok(record.blocked.clone()) }
        };
        self.change(user, edit).await.map(Arc::new)
    }

    /// Keeps a message for somebody who is not here; stored before this returns.
    /// Errors: `user_not_reachable` if nothing (more) is kept for him, `unavailable`.
    pub async fn keep(&self, to: &UserId, payload: &[u8]) -> Result<(), Refusal> {
        let LetterSettings { keep_max, keep_users_max, keep, .. } = self.0.settings;
        let unreachable = || refusal(Code::UserNotReachable);
        let text = std::str::from_utf8(payload).map_err(|_| unreachable())?;
        if keep_max == 0 {
            return Err(unreachable());
        }
        let full = self.waiting().await? >= keep_users_max;
        let edit = |record: &mut UserRecord| {
            let now = self.0.clock.now();
            if full && record.kept.is_empty() {
                return Err(unreachable());
            }
            record.kept.retain(|(at, _)| now.since(*at) <= keep);
            if record.kept.len() >= keep_max {
                return Err(unreachable());
            }
            record.kept.push((now, text.to_owned()));
            Ok(())
        };
        self.change(to, edit).await
    }

    /// Takes out what waits for somebody, oldest first. What cannot be read now waits on.
    pub async fn take(&self, user: &UserId) -> Vec<String> {
        let Inner { settings, clock, mirror, .. } = &*self.0;
        let may_wait = mirror.as_ref().map_or(settings.keep_max > 0, |mirror| mirror.waits().contains_key(user));
        if !may_wait {
            return Vec::new();
        }
        let kept = self.change(user, |record| Ok(std::mem::take(&mut record.kept))).await.unwrap_or_default();
        let now = clock.now();
        kept.into_iter().filter(|(at, _)| now.since(*at) <= settings.keep).map(|(_, text)| text).collect()
    }

    /// Lives as long as the hub: forgets what has waited long enough.
    pub async fn look_after(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.forget_old().await;
        }
    }

    async fn forget_old(&self) {
        let Inner { store, settings, clock, mirror } = &*self.0;
        let now = clock.now();
        let over: Vec<UserId> = match mirror {
            Some(mirror) => {
                let waits = mirror.waits();
                waits.iter().filter(|(_, until)| **until < now).map(|(user, _)| user.clone()).take(PAGE).collect()
            }
            None => store.waiting(now, PAGE).await.unwrap_or_default().over,
        };
        for user in over {
            let edit = |record: &mut UserRecord| {
                record.kept.retain(|(at, _)| now.since(*at) <= settings.keep);
                Ok(())
            };
            // What cannot be changed now is looked at again.
            if self.change(&user, edit).await.is_err() && !store.healthy() {
                return;
            }
        }
    }

    /// Counts the people for whom something waits; over several nodes that is what it was a moment ago.
    async fn waiting(&self) -> Result<usize, Refusal> {
        match &self.0.mirror {
            Some(mirror) => Ok(mirror.waits().len()),
            None => Ok(self.0.store.waiting(self.0.clock.now(), 0).await.map_err(|error| fault(&error, "none"))?.count),
        }
    }

    async fn read(&self, user: &UserId) -> Result<Option<Bytes>, Refusal> {
        self.0.store.user(user).await.map_err(|error| fault(&error, "none"))
    }

    /// Changes a record, again if another node was quicker. Errors: those of `edit`, which changes nothing then; `unavailable`.
    async fn change<T>(&self, user: &UserId, edit: impl Fn(&mut UserRecord) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let Inner { store, settings, mirror, .. } = &*self.0;
        let _alone = match mirror {
            Some(mirror) => Some(mirror.change.lock().await),
            None => None,
        };
        for _ in 0..TRIES {
            let before = self.read(user).await?;
            let mut record = decode(user, before.as_ref())?;
            let outcome = edit(&mut record)?;
            let after = (record != UserRecord::default()).then(|| encode_user(&record));
            let waits = waits_until(&record, settings.keep);
            let same = before == after;
            if same
                || store.change_user(user, UserChange { before, after, waits }).await.map_err(|error| fault(&error, "unknown"))?
            {
                if let Some(mirror) = mirror {
                    mirror.note(user, &record, settings.keep);
                }
                return Ok(outcome);
            }
        }
        tracing::warn!(%user, "a person's record keeps changing on other nodes: this change is given up");
        Err(refusal(Code::Busy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::store::memory::MemoryStore;

    fn settings(keep: u64) -> LetterSettings {
        LetterSettings { keep_max: 2, keep_users_max: 1, keep: Millis(keep), blocked_max: 1 }
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let (store, clock) = (MemoryStore::default(), Clock::new());
        let (a, b) = (UserId::parse("a").unwrap(), UserId::parse("b").unwrap());
        let shared = Arc::new(store.clone());
        let letters = Letters::open(shared.clone(), settings(60_000), clock).await.unwrap();
        letters.keep(&a, b"one").await.unwrap();
        assert_eq!(letters.keep(&b, b"two").await.unwrap_err().code, Code::UserNotReachable, "for one person only");
        letters.forget_old().await;
        assert_eq!(letters.waiting().await.unwrap(), 1, "it may wait on");
        // After a restart with less patience.
        let old = vec![(UnixMs(clock.now().0 - 1_000), "old".to_owned())];
        let record = encode_user(&UserRecord { kept: old, ..UserRecord::default() });
        let before = shared.user(&a).await.unwrap();
        assert!(shared.change_user(&a, UserChange { before, after: Some(record), waits: None }).await.unwrap());
        let letters = Letters::open(shared.clone(), settings(500), clock).await.unwrap();
        letters.forget_old().await;
        assert_eq!((letters.waiting().await.unwrap(), shared.users().await.unwrap().len()), (0, 0));
        letters.keep(&b, b"two").await.unwrap();
        assert_eq!(letters.take(&b).await, ["two"]);
        assert!(letters.take(&b).await.is_empty());
    }
}
