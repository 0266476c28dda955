//! Presence over many nodes: what happens here is told to the others by person, what happens there is heard of people who matter here.
//! While Redis cannot be reached everything goes on with what this node knows, and is told when it is back.
use super::{Answer, Ask, Entered, Opening, TooMany, projection::Projection, seen::SeenLog};
use crate::hub::{
    id::{RoomId, SessionId, UserId},
    presence::Status,
    time::{Millis, UnixMs},
};
use crate::server::{
    cluster::{
        Cluster, Mail, Unreachable,
        people::{Adopted, Opened, PersonNews},
    },
    msg::Frame,
    store::redis::keys::bucket_of,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// The wait before the others are told again what could not be told.
pub(super) const RETRY: Millis = Millis(500);
/// How long a confirmation of listening is waited for.
const LISTEN: Duration = Duration::from_millis(2_000);
/// How long nodes have for telling of their people after Redis has come back.
pub(super) const TOLD_AGAIN: Duration = Duration::from_millis(3_000);
/// In place of an age: nothing is known of somebody, and nobody was told anything.
const UNKNOWN: u64 = 0;
/// In place of an age: nothing is known of somebody, or it may be out of date; what was told may be wrong.
const GUESSED: u64 = 1;
/// News older than the newest by more than this are of a Redis that has begun anew, not late ones.
const LATE_US: u64 = 10_000_000;

pub(super) type SyncOutcome = Result<(Vec<SessionId>, PersonNews), Unreachable>;
pub(super) type OpenReply = oneshot::Sender<Result<Entered, TooMany>>;

/// What the actor hears of the other nodes.
pub(super) enum FromCluster {
    /// An opening that was asked for.
    Opened { opening: Opening, reply: OpenReply, outcome: Box<Result<Option<Opened>, Unreachable>> },
    /// People were told of, or could not be.
    Synced { told: Vec<(UserId, SyncOutcome)> },
    /// People were looked up, for a purpose.
    Looked { news: Vec<PersonNews>, purpose: Purpose },
    /// A choice was told.
    Chosen { user: UserId, status: Status, news: Result<Option<PersonNews>, Unreachable>, reply: Option<oneshot::Sender<bool>> },
    /// Somebody has changed.
    News(PersonNews),
    /// News of a bucket may have been missed.
    Gap(u16),
    /// When sessions were heard was written.
    SeenWritten(Result<(), Unreachable>),
    /// People whose turn it is to be shown to other tools again.
    ToProject(Vec<PersonNews>),
    /// Some were shown.
    Projected,
    /// Everything here must be told anew.
    Announce(Option<oneshot::Sender<()>>),
    /// From another node.
    Mail(Mail),
    /// Sessions of a dead node are this node's.
    Adopted(Vec<Adopted>),
    /// Deliver to the sessions here.
    Deliver { to: UserId, frame: Frame },
}

/// What people are looked up for.
pub(super) enum Purpose {
    /// They are told.
    Answer(Vec<UserId>, Answer),
    /// A room hears of them.
    Room(RoomId, Vec<UserId>),
    /// It is learnt how they are.
    News,
    /// As `News`, and whoever is not known even now is gone.
    LastLook,
}

/// The actor's side of the other nodes.
pub(super) struct Shared {
    pub cluster: Arc<Cluster>,
    pub own: mpsc::WeakUnboundedSender<Ask>,
    /// People whom somebody here wants to hear of, with the age of what is known, [`UNKNOWN`] or [`GUESSED`].
    watched: BTreeMap<UserId, u64>,
    /// How many of them each bucket has.
    buckets: BTreeMap<u16, usize>,
    /// People whose state here is not told yet.
    pub dirty: BTreeSet<UserId>,
    pub syncing: BTreeSet<UserId>,
    pub opening: BTreeMap<UserId, usize>,
    /// What came in for people meanwhile about sessions that are not here yet.
    pub early: BTreeMap<UserId, Vec<Mail>>,
    /// Openings that wait until what was told of their user before is settled.
    pub waiting: Vec<(Opening, OpenReply)>,
    /// Choices that could not be told yet.
    pub choices: BTreeMap<UserId, Status>,
    pub retry_at: UnixMs,
    /// Who waits until everything is told.
    pub announced: Vec<oneshot::Sender<()>>,
    pub seen: SeenLog,
    /// What other tools are shown, if they are.
    pub projection: Option<Projection>,
}

impl Shared {
    pub fn new(cluster: Arc<Cluster>, own: mpsc::WeakUnboundedSender<Ask>, projection: Millis) -> Self {
        Self {
            cluster,
            own,
            watched: BTreeMap::new(),
            buckets: BTreeMap::new(),
            dirty: BTreeSet::new(),
            syncing: BTreeSet::new(),
            opening: BTreeMap::new(),
            early: BTreeMap::new(),
            waiting: Vec::new(),
            choices: BTreeMap::new(),
            retry_at: UnixMs(0),
            announced: Vec::new(),
            seen: SeenLog::default(),
            projection: Projection::new(projection),
        }
    }

    /// Does something with the other nodes in the background, and hears what came of it.
    pub(super) fn ask<F>(&self, work: impl FnOnce(Arc<Cluster>) -> F + Send + 'static)
    where
        F: Future<Output = FromCluster> + Send + 'static,
    {
        let (cluster, own) = (self.cluster.clone(), self.own.clone());
        tokio::spawn(async move {
            let heard = work(cluster).await;
            if let Some(own) = own.upgrade() {
                let _ = own.send(Ask::Cluster(heard));
            }
        });
    }

    /// Returns when there is something to be told again.
    pub fn next_deadline(&self, now: UnixMs) -> Option<UnixMs> {
        // Whatever else is untold waits for an answer that is on its way.
        let waits = !self.dirty.is_empty() || !self.choices.is_empty();
        Some(self.retry_at).filter(|at| waits && *at > now)
    }

    pub fn touch(&mut self, user: &UserId) {
        self.dirty.insert(user.clone());
    }

    /// Takes news, unless newer ones are known.
    pub fn is_fresh(&mut self, news: &PersonNews) -> bool {
        match self.watched.get_mut(&news.user) {
            Some(stamp) if news.stamp < *stamp && *stamp - news.stamp < LATE_US => false,
            Some(stamp) => {
                *stamp = news.stamp;
                true
            }
            None => true,
        }
    }

    /// Tells whether somebody here wants to hear of a person.
    pub fn is_watched(&self, user: &UserId) -> bool {
        self.watched.contains_key(user)
    }

    /// Tells whether a person is watched and something is known of him that is up to date.
    pub fn is_known(&self, user: &UserId) -> bool {
        self.watched.get(user).is_some_and(|stamp| *stamp > GUESSED)
    }

    /// Tells whether nobody was told anything of a watched person yet: what comes first is no change to anybody.
    pub fn is_untold(&self, user: &UserId) -> bool {
        self.watched.get(user) == Some(&UNKNOWN)
    }

    /// Notes that people were told of: of whom nothing is known, that may turn out to be wrong.
    pub fn told(&mut self, users: &[UserId]) {
        for user in users {
            if let Some(stamp) = self.watched.get_mut(user) {
                *stamp = (*stamp).max(GUESSED);
            }
        }
    }

    /// Begins to hear of people. Returns those of whom nothing is known yet.
    pub fn watch(&mut self, users: &[UserId]) -> Vec<UserId> {
        let mut new = Vec::new();
        for user in users {
            match self.watched.get(user) {
                Some(&(UNKNOWN | GUESSED)) => new.push(user.clone()),
                Some(_) => {}
                None => {
                    self.watched.insert(user.clone(), UNKNOWN);
                    *self.buckets.entry(bucket_of(user)).or_default() += 1;
                    new.push(user.clone());
                }
            }
        }
        new
    }

    /// News of a bucket may have been missed. Returns whom that concerns.
    pub fn doubt(&mut self, bucket: u16) -> Vec<UserId> {
        let concerned = self.watched.iter_mut().filter(|(user, _)| bucket_of(user) == bucket);
        concerned
            .map(|(user, stamp)| {
                *stamp = GUESSED;
                user.clone()
            })
            .collect()
    }

    /// Does not hear of somebody any more.
    pub fn unwatch(&mut self, user: &UserId) {
        if self.watched.remove(user).is_none() {
            return;
        }
        let bucket = bucket_of(user);
        if let Some(count) = self.buckets.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                self.buckets.remove(&bucket);
                self.cluster.unlisten_to(bucket);
            }
        }
    }

    /// Looks for people once more, after everybody has had the time to tell of them.
    pub fn look_later(&self, users: Vec<UserId>) {
        self.ask(move |cluster| async move {
            tokio::time::sleep(TOLD_AGAIN).await;
            let news = cluster.look(&users).await.unwrap_or_default();
            FromCluster::Looked { news, purpose: Purpose::LastLook }
        });
    }

    /// Looks people up, listening to them first if they are watched.
    pub fn look(&self, users: Vec<UserId>, listen: bool, purpose: Purpose) {
        let buckets: BTreeSet<u16> = if listen { users.iter().map(bucket_of).collect() } else { BTreeSet::new() };
        let own = self.own.clone();
        self.ask(move |cluster| async move {
            let listening = buckets.into_iter().map(|bucket| {
                let (own, cluster) = (own.clone(), &cluster);
                let tell = move |news: Option<PersonNews>| {
                    let heard = news.map_or(FromCluster::Gap(bucket), FromCluster::News);
                    if let Some(own) = own.upgrade() {
                        let _ = own.send(Ask::Cluster(heard));
                    }
                };
                async move { cluster.listen_to(bucket, tell).await }
            });
            // While Redis is away whoever asks is answered from here; the gap is told when the path is back.
            let wait = if cluster.is_up() { LISTEN } else { Duration::from_millis(1) };
            drop(tokio::time::timeout(wait, futures_util::future::join_all(listening)).await);
            let news = match purpose {
                _ if !cluster.is_up() => Ok(Vec::new()),
                Purpose::Answer(..) | Purpose::Room(..) => cluster.look_surely(&users, TOLD_AGAIN).await,
                Purpose::News | Purpose::LastLook => cluster.look(&users).await,
            };
            let news = news.unwrap_or_default();
            FromCluster::Looked { news, purpose }
        });
    }
}
