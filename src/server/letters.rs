//! Direct messages beyond the moment: who has blocked whom, and what waits for people who are not here.
use super::{
    clock::Clock,
    msg::Refusal,
    rooms::refusal,
    store::{Store, StoreFault},
};
use crate::{
    hub::{code::Code, id::UserId, time::Millis},
    wire::letters::{UserRecord, decode_user, encode_user},
};
use dashmap::DashMap;
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex as Lock, PoisonError},
};
use tokio::sync::Mutex;

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
    /// Everybody who has blocked somebody.
    blocks: DashMap<UserId, Arc<BTreeSet<UserId>>>,
    /// For whom something waits.
    waits: Lock<HashSet<UserId>>,
    /// One record is changed at a time.
    change: Mutex<()>,
}

fn fault(fault: &StoreFault) -> Refusal {
    tracing::error!(%fault, "a person's record cannot be read or written");
    refusal(Code::Unavailable)
}

impl Letters {
    /// Reads what the store keeps of people. Errors: it cannot be read.
    pub async fn open(store: Arc<dyn Store>, settings: LetterSettings, clock: Clock) -> Result<Self, StoreFault> {
        let (blocks, mut waits) = (DashMap::new(), HashSet::new());
        for (user, record) in store.users().await? {
            match decode_user(&record) {
                Ok(record) => {
                    if !record.blocked.is_empty() {
                        blocks.insert(user.clone(), Arc::new(record.blocked));
                    }
                    if !record.kept.is_empty() {
                        waits.insert(user);
                    }
                }
                Err(error) => tracing::warn!(%user, %error, "a person's record cannot be read"),
            }
        }
        let (waits, change) = (Lock::new(waits), Mutex::new(()));
        Ok(Self(Arc::new(Inner { store, settings, clock, blocks, waits, change })))
    }

    /// Tells whether `of` does not want messages of `by`.
    #[must_use]
    pub fn is_blocked(&self, by: &UserId, of: &UserId) -> bool {
        self.0.blocks.get(of).is_some_and(|blocked| blocked.contains(by))
    }

    /// Returns whom somebody has blocked.
    #[must_use]
    pub fn blocked(&self, user: &UserId) -> Arc<BTreeSet<UserId>> {
        self.0.blocks.get(user).map(|blocked| blocked.clone()).unwrap_or_default()
    }

    /// Blocks people, or no longer (`on` false); stored before this returns. Returns everybody who is blocked then.
    /// Errors: `too_many`, `unavailable`; nothing has changed.
    pub async fn block(&self, user: &UserId, others: &[UserId], on: bool) -> Result<Arc<BTreeSet<UserId>>, Refusal> {
        let _alone = self.0.change.lock().await;
        let mut record = self.read(user).await?;
        for other in others.iter().filter(|other| *other != user) {
            if on {
                record.blocked.insert(other.clone())
            } else {
                record.blocked.remove(other)
            };
        }
        if on && record.blocked.len() > self.0.settings.blocked_max {
            return Err(refusal(Code::TooMany));
        }
        self.write(user, &record).await?;
        let blocked = Arc::new(record.blocked);
        if blocked.is_empty() {
            self.0.blocks.remove(user);
        } else {
            self.0.blocks.insert(user.clone(), blocked.clone());
        }
        Ok(blocked)
    }

    /// Keeps a message for somebody who is not here; stored before this returns.
    /// Errors: `user_not_reachable` if nothing (more) is kept for him, `unavailable`.
    pub async fn keep(&self, to: &UserId, payload: &[u8]) -> Result<(), Refusal> {
        let Inner { settings, clock, .. } = &*self.0;
        let unreachable = || refusal(Code::UserNotReachable);
        let text = std::str::from_utf8(payload).map_err(|_| unreachable())?.to_owned();
        if settings.keep_max == 0 {
            return Err(unreachable());
        }
        let _alone = self.0.change.lock().await;
        if !self.waits(to) && self.waiting() >= settings.keep_users_max {
            return Err(unreachable());
        }
        let mut record = self.read(to).await?;
        let now = clock.now();
        record.kept.retain(|(at, _)| now.since(*at) <= settings.keep);
        if record.kept.len() >= settings.keep_max {
            return Err(unreachable());
        }
        record.kept.push((now, text));
        self.write(to, &record).await?;
        self.set_waits(to, true);
        Ok(())
    }

    /// Takes out what waits for somebody, oldest first. What cannot be read now waits on.
    pub async fn take(&self, user: &UserId) -> Vec<String> {
        if !self.waits(user) {
            return Vec::new();
        }
        let _alone = self.0.change.lock().await;
        let Ok(mut record) = self.read(user).await else { return Vec::new() };
        let kept = std::mem::take(&mut record.kept);
        if self.write(user, &record).await.is_err() {
            return Vec::new();
        }
        self.set_waits(user, false);
        let now = self.0.clock.now();
        kept.into_iter().filter(|(at, _)| now.since(*at) <= self.0.settings.keep).map(|(_, text)| text).collect()
    }

    fn waits(&self, user: &UserId) -> bool {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner).contains(user)
    }

    fn waiting(&self) -> usize {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn set_waits(&self, user: &UserId, on: bool) {
        let mut waits = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if on {
            waits.insert(user.clone())
        } else {
            waits.remove(user)
        };
    }

    async fn read(&self, user: &UserId) -> Result<UserRecord, Refusal> {
        let record = self.0.store.user(user).await.map_err(|error| fault(&error))?;
        let read = |record: bytes::Bytes| {
            decode_user(&record).map_err(|error| {
                tracing::error!(%user, %error, "a person's record cannot be read");
                refusal(Code::Unavailable)
            })
        };
        record.map_or_else(|| Ok(UserRecord::default()), read)
    }

    async fn write(&self, user: &UserId, record: &UserRecord) -> Result<(), Refusal> {
        let record = (*record != UserRecord::default()).then(|| encode_user(record));
        self.0.store.put_user(user, record).await.map_err(|error| fault(&error))
    }
}
