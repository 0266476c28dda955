//! People as other tools read them: one key per person, written when he changes here, and again before it expires. Never the truth.
use crate::hub::{
    id::UserId,
    time::{Millis, UnixMs},
};
use crate::server::{
    cluster::people::Projected,
    store::redis::keys::{BUCKETS, bucket_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many people are written at once.
pub(super) const AT_ONCE: usize = 512;
/// How many may wait for being written; what is too much is written when its turn comes again.
pub(super) const WAITING_MAX: usize = 65_536;

/// Who is shown to other tools by this node, and who is to be written.
#[derive(Debug)]
pub(super) struct Projection {
    /// How often everybody is written again.
    pub every: Millis,
    here: BTreeMap<u16, BTreeSet<UserId>>,
    pub waiting: BTreeMap<UserId, Projected>,
    pub writing: bool,
    /// The bucket that is written again next, and when.
    next: u16,
    next_at: UnixMs,
}

impl Projection {
    /// `every`: how often everybody is written again; `None` if never.
    pub fn new(every: Millis) -> Option<Self> {
        let fresh = Self { every, here: BTreeMap::new(), waiting: BTreeMap::new(), writing: false, next: 0, next_at: UnixMs(0) };
        (every.0 > 0).then_some(fresh)
    }

    /// Returns when there is something to do.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let write = (!self.writing && !self.waiting.is_empty()).then_some(UnixMs(0));
        let again = (!self.here.is_empty()).then_some(self.next_at);
        write.into_iter().chain(again).min()
    }

    /// Notes whether this node writes somebody again when his bucket's turn comes.
    pub fn note(&mut self, user: &UserId, here: bool) {
        let bucket = bucket_of(user);
        if here {
            self.here.entry(bucket).or_default().insert(user.clone());
        } else if let Some(others) = self.here.get_mut(&bucket) {
            others.remove(user);
            if others.is_empty() {
                self.here.remove(&bucket);
            }
        }
    }

    /// Returns whose turn it is to be written again: a bucket of people at a time, so that everybody is once in the time.
    pub fn turn(&mut self, now: UnixMs) -> Vec<UserId> {
        if self.next_at > now || self.here.is_empty() {
            return Vec::new();
        }
        self.next_at = now.plus(Millis(self.every.0 / u64::from(BUCKETS)));
        let bucket = self.next;
        self.next = (bucket + 1) % BUCKETS;
        self.here.get(&bucket).into_iter().flatten().cloned().collect()
    }
}
