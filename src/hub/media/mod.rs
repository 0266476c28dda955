//! What media servers report, joined into what is live now.
//!
//! Callbacks come late, twice, out of order or never. So none is applied "in order of arrival": each becomes a [`Fact`], and facts are
//! joined by operations that do not care about order or repetition (`min`, `max`, `or`, and unions of maps). What is live is a pure
//! function of the joined state: every permutation of the same facts, with any repetition, shows the same streams.
//!
//! Two ways to know the newest word about a stream, joined side by side: a *register* where the server counts changes (the highest number
//! wins, a close above an open), and *sessions* where it names them (the newest session wins; one that was closed never comes back).
mod epoch;
mod fact;
mod poll;
mod stream;

pub(crate) use epoch::Epoch;
pub use fact::{Births, EpochId, Fact, MediaSession, Publisher, StreamId};
pub use poll::Sighting;
pub use stream::{Mark, Phase};
pub(crate) use stream::{Session, Stream};

use super::time::{Millis, UnixMs};
use std::collections::{BTreeMap, BTreeSet};

/// How long what is over is remembered, so that a late word about it finds its tombstone.
const TOMBSTONE: Millis = Millis::from_seconds(15 * 60);
/// How long an ended epoch is remembered.
const EPOCH_TOMBSTONE: Millis = Millis::from_seconds(24 * 3600);
/// A stream that is on air.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Live {
    pub stream: StreamId,
    pub session: MediaSession,
    pub publisher: Option<Publisher>,
    pub birth: u64,
    /// Not confirmed yet: the server was asked, and may still refuse.
    pub pending: bool,
}

/// What a fact brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is part of the state now (or was already).
    Joined,
    /// It is about something older than what is remembered: ask the server instead.
    TooOld,
}

/// All that one source told about one of its rooms, or (where streams are global) about one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub(crate) births: Births,
    pub(crate) epochs: BTreeMap<EpochId, Epoch>,
    pub(crate) streams: BTreeMap<(EpochId, StreamId), Stream>,
    pub(crate) ended_parents: BTreeMap<(EpochId, MediaSession), UnixMs>,
    /// What is older was forgotten.
    pub(crate) horizon: UnixMs,
}

impl Space {
    /// Makes a space of which nothing is known.
    #[must_use]
    pub const fn new(births: Births) -> Self {
        Self { births, epochs: BTreeMap::new(), streams: BTreeMap::new(), ended_parents: BTreeMap::new(), horizon: UnixMs(0) }
    }

    /// Tells what births count here.
    #[must_use]
    pub const fn births(&self) -> Births {
        self.births
    }

    /// Joins one fact that came in `at`. Order and repetition do not matter to what [`Self::live`] shows.
    pub fn join(&mut self, fact: &Fact, at: UnixMs) -> Told {
        let times = self.births == Births::Times;
        let old = |birth: u64| times && UnixMs(birth) < self.horizon;
        match fact {
            Fact::Numbered { epoch, stream, closed: false, birth, .. }
            | Fact::Session { epoch, stream, phase: Phase::Pending | Phase::Open, birth: Some(birth), .. }
                if old(*birth) && !self.streams.contains_key(&(epoch.clone(), stream.clone())) =>
            {
                return Told::TooOld;
            }
            _ => {}
        }
        let epoch = self.epochs.entry(fact.epoch().clone()).or_insert_with(|| Epoch::unborn(at));
        epoch.seen_at = epoch.seen_at.max(at);
        match fact {
            Fact::EpochSeen { birth, .. } => epoch.birth = epoch.birth.min(*birth),
            Fact::EpochEnded { .. } => epoch.closed = true,
            Fact::Cleared { at, .. } => epoch.cleared_at = epoch.cleared_at.max(Some(*at)),
            Fact::ParentEnded { epoch, parent } => {
                let seen = self.ended_parents.entry((epoch.clone(), parent.clone())).or_insert(at);
                *seen = (*seen).max(at);
            }
            Fact::Numbered { epoch: id, stream, seq, closed, birth, session, publisher } => {
                epoch.note(*seq);
                if times {
                    epoch.birth = epoch.birth.min(*birth);
                }
                let mark = Mark::reported(*seq, *closed, *birth, session.clone(), publisher.clone());
                self.stream(id, stream, at).mark(mark);
            }
            Fact::Session { epoch: id, stream, session, phase, birth, publisher, parent } => {
                if let (true, Some(birth)) = (times, birth) {
                    epoch.birth = epoch.birth.min(*birth);
                }
                self.stream(id, stream, at).session(session, *phase, *birth, publisher.as_ref(), parent.as_ref(), at);
            }
        }
        Told::Joined
    }

    fn stream(&mut self, epoch: &EpochId, stream: &StreamId, at: UnixMs) -> &mut Stream {
        let known = self.streams.entry((epoch.clone(), stream.clone())).or_insert_with(|| Stream::first_seen(at));
        known.seen(at);
        known
    }

    /// Joins all that another copy of this space knows: two nodes that heard different halves agree afterwards.
    pub fn merge(&mut self, other: &Self) {
        for (id, theirs) in &other.epochs {
            let ours = self.epochs.entry(id.clone()).or_insert_with(|| Epoch::unborn(theirs.seen_at));
            ours.birth = ours.birth.min(theirs.birth);
            ours.closed |= theirs.closed;
            ours.cleared_at = ours.cleared_at.max(theirs.cleared_at);
            ours.seen_at = ours.seen_at.max(theirs.seen_at);
            for (from, to) in &theirs.runs {
                ours.note_run(*from, *to);
            }
        }
        for (key, theirs) in &other.streams {
            match self.streams.get_mut(key) {
                Some(ours) => ours.merge(theirs),
                None => drop(self.streams.insert(key.clone(), theirs.clone())),
            }
        }
        for (key, at) in &other.ended_parents {
            let seen = self.ended_parents.entry(key.clone()).or_insert(*at);
            *seen = (*seen).max(*at);
        }
        self.horizon = self.horizon.max(other.horizon);
    }

    /// Copies what is known of one stream, with the epochs that it belongs to; or (`None`) of the space as a whole. All parts, merged, are the space.
    #[must_use]
    pub fn part(&self, stream: Option<&StreamId>) -> Self {
        let mut part = Self { horizon: self.horizon, ..Self::new(self.births) };
        let Some(stream) = stream else {
            part.epochs.clone_from(&self.epochs);
            part.ended_parents.clone_from(&self.ended_parents);
            return part;
        };
        for (id, epoch) in &self.epochs {
            let key = (id.clone(), stream.clone());
            if let Some(known) = self.streams.get(&key) {
                part.epochs.insert(id.clone(), epoch.clone());
                part.streams.insert(key, known.clone());
            }
        }
        part
    }

    /// Tells whether this fact about the space as a whole would change it.
    #[must_use]
    pub fn is_news(&self, fact: &Fact) -> bool {
        let epoch = self.epochs.get(fact.epoch());
        match fact {
            Fact::EpochSeen { birth, .. } => epoch.is_none_or(|known| *birth < known.birth),
            Fact::EpochEnded { .. } => epoch.is_none_or(|known| !known.closed),
            Fact::Cleared { at, .. } => epoch.is_none_or(|known| known.cleared_at < Some(*at)),
            Fact::ParentEnded { epoch, parent } => !self.ended_parents.contains_key(&(epoch.clone(), parent.clone())),
            Fact::Numbered { .. } | Fact::Session { .. } => false,
        }
    }

    /// Returns the names of all streams that something is known of.
    #[must_use]
    pub fn names(&self) -> BTreeSet<StreamId> {
        self.streams.keys().map(|(_, stream)| stream.clone()).collect()
    }

    /// Returns the epoch in force: the one born last; equals are told apart by their ids.
    #[must_use]
    pub fn current(&self) -> Option<&EpochId> {
        let born = |epoch: &Epoch| if epoch.birth == u64::MAX { 0 } else { epoch.birth };
        self.epochs.iter().max_by_key(|(id, epoch)| (born(epoch), *id)).map(|(id, _)| id)
    }

    /// Returns what is on air, in the order of the streams' names.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        let Some((id, epoch)) = self.current().and_then(|id| self.epochs.get_key_value(id)) else { return Vec::new() };
        if epoch.closed {
            return Vec::new();
        }
        let ended = |parent: &MediaSession| self.ended_parents.contains_key(&(id.clone(), parent.clone()));
        self.of_epoch(id).filter_map(|(stream, known)| known.live(stream, epoch.cleared_at, &ended)).collect()
    }

    /// Returns what is on air under one name. Cost: that of this stream alone.
    #[must_use]
    pub fn live_of(&self, stream: &StreamId) -> Option<Live> {
        let (id, epoch) = self.current().and_then(|id| self.epochs.get_key_value(id)).filter(|(_, epoch)| !epoch.closed)?;
        let ended = |parent: &MediaSession| self.ended_parents.contains_key(&(id.clone(), parent.clone()));
        self.streams.get(&(id.clone(), stream.clone()))?.live(stream, epoch.cleared_at, &ended)
    }

    fn of_epoch<'a>(&'a self, id: &'a EpochId) -> impl Iterator<Item = (&'a StreamId, &'a Stream)> {
        let from = (id.clone(), StreamId::new(""));
        self.streams.range(from..).take_while(move |((epoch, _), _)| epoch == id).map(|((_, stream), known)| (stream, known))
    }

    /// Tells whether this session has been on air and is over: a ticket is good for one publishing.
    #[must_use]
    pub fn is_spent(&self, session: &MediaSession) -> bool {
        self.streams.values().any(|stream| stream.has_closed(session))
    }

    /// Tells whether a session of this publisher has been on air and is over.
    #[must_use]
    pub fn is_spent_by(&self, publisher: &str) -> bool {
        self.streams.values().any(|stream| stream.has_closed_by(publisher))
    }

    /// Tells whether nothing is known any more, not even of what is over.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.streams.is_empty() && self.ended_parents.is_empty()
    }

    /// Returns the first sequence number that is missing in the current epoch.
    #[must_use]
    pub fn hole(&self) -> Option<u64> {
        let epoch = self.epochs.get(self.current()?)?;
        let mut runs = epoch.runs.iter();
        let first = runs.next()?;
        runs.next().map(|_| first.1 + 1)
    }

    /// Forgets what has been over for so long that no word about it can still be under way.
    pub fn forget(&mut self, now: UnixMs) {
        let horizon = UnixMs(now.0.saturating_sub(TOMBSTONE.0));
        self.horizon = self.horizon.max(horizon);
        let live: BTreeSet<StreamId> = self.live().into_iter().map(|live| live.stream).collect();
        let current = self.current().cloned();
        self.streams.retain(|(epoch, stream), known| {
            let on_air = current.as_ref() == Some(epoch) && live.contains(stream);
            if on_air {
                known.forget_sessions(horizon);
            }
            on_air || known.seen_at() >= horizon
        });
        self.ended_parents.retain(|_, seen| *seen >= horizon);
        let old = UnixMs(now.0.saturating_sub(EPOCH_TOMBSTONE.0));
        self.epochs.retain(|id, epoch| current.as_ref() == Some(id) || epoch.seen_at >= old);
    }
}

/// How what is on air changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody began to publish.
    Added(Live),
    /// Another session publishes the same stream.
    Replaced {
        /// What was on air.
        old: Live,
        /// What is on air.
        new: Live,
    },
    /// Nobody publishes it any more.
    Removed(Live),
}

/// Compares two answers of [`Space::live`].
#[must_use]
pub fn changes(before: &[Live], after: &[Live]) -> Vec<Change> {
    let find = |list: &[Live], stream: &StreamId| list.iter().find(|live| live.stream == *stream).cloned();
    let gone = before.iter().filter(|old| find(after, &old.stream).is_none()).cloned().map(Change::Removed);
    let here = after.iter().filter_map(|new| match find(before, &new.stream) {
        None => Some(Change::Added(new.clone())),
        Some(old) if old.session != new.session => Some(Change::Replaced { old, new: new.clone() }),
        Some(_) => None,
    });
    gone.chain(here).collect()
}
