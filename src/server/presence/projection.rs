//! People as other tools read them: one key per person, written when he changes here, and again before it expires. Never the truth.
use super::{actor::Actor, shared::FromCluster};
use crate::hub::{
    id::UserId,
    time::{Millis, UnixMs},
};
use crate::server::{
    cluster::people::{PersonNews, Projected},
    store::redis::keys::{BUCKETS, bucket_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many people are written at once.
const AT_ONCE: usize = 512;
/// How many may wait for being written; what is too much is written when its turn comes again.
const WAITING_MAX: usize = 65_536;

/// Who is shown to other tools by this node, and who is to be written.
#[derive(Debug)]
pub(super) struct Projection {
    /// How often everybody is written again.
    every: Millis,
    here: BTreeMap<u16, BTreeSet<UserId>>,
    waiting: BTreeMap<UserId, Projected>,
    writing: bool,
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

    fn note(&mut self, user: &UserId, here: bool) {
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
    fn turn(&mut self, now: UnixMs) -> Vec<UserId> {
        if self.next_at > now || self.here.is_empty() {
            return Vec::new();
        }
        self.next_at = now.plus(Millis(self.every.0 / u64::from(BUCKETS)));
        let bucket = self.next;
        self.next = (bucket + 1) % BUCKETS;
        self.here.get(&bucket).into_iter().flatten().cloned().collect()
    }
}

impl Actor {
    /// A person has changed here, or was looked at: other tools are shown what he is over all nodes.
    pub(super) fn project(&mut self, news: &PersonNews) {
        let user = &news.user;
        let watched = self.shared.as_ref().is_some_and(|shared| shared.is_watched(user));
        let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) else { return };
        projection.note(user, self.people.is_here(user));
        if projection.waiting.len() >= WAITING_MAX {
            return;
        }
        if !watched {
            self.people.glance(user, Some(news.elsewhere.clone()));
        }
        let shown = self.shown(user);
        if !watched {
            self.people.glance(user, None);
        }
        let projected = Projected { user_type: shown.user_type, status: shown.status, last_seen: shown.last_seen };
        if let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) {
            projection.waiting.insert(news.user.clone(), projected);
        }
    }

    /// Writes who waits for it, and looks at those whose turn it is to be written again.
    pub(super) fn show_projection(&mut self, now: UnixMs) {
        let Some(shared) = &mut self.shared else { return };
        let Some(projection) = &mut shared.projection else { return };
        let again = projection.turn(now);
        let keep = Millis(projection.every.0 * 5 / 2);
        let mut some = Vec::new();
        while !projection.writing
            && some.len() < AT_ONCE
            && let Some((user, projected)) = projection.waiting.pop_first()
        {
            some.push((user, projected));
        }
        projection.writing |= !some.is_empty();
        if !again.is_empty() {
            shared.ask(
                move |cluster| async move { FromCluster::ToProject(cluster.look_plainly(&again).await.unwrap_or_default()) },
            );
        }
        if !some.is_empty() {
            shared.ask(move |cluster| async move {
                if let Err(error) = cluster.project(&some, now, keep).await {
                    tracing::debug!(%error, "other tools see some people late");
                }
                FromCluster::Projected
            });
        }
    }

    /// What was written is written.
    pub(super) fn projected(&mut self) {
        if let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) {
            projection.writing = false;
        }
    }
}
