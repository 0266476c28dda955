//! One stream: the register of its numbered changes, and its sessions.
use super::{Live, MediaSession, Publisher, StreamId};
use crate::hub::time::UnixMs;
use std::collections::BTreeMap;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The server was asked to let it publish, which proves nothing.
    Pending,
    /// It is on air.
    Open,
    /// It was only asked for, and never came on air.
    Dropped,
    /// It is over.
    Closed,
}

/// A numbered change. The order of the fields is the order of the marks: number, close above open, birth, names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Twice the server's number, so that a poll fits between two of them.
    pub(crate) half_steps: u64,
    pub(crate) closed: bool,
    pub(crate) birth: u64,
    pub(crate) session: MediaSession,
    pub(crate) publisher: Publisher,
}

impl Mark {
    pub(super) const fn reported(seq: u64, closed: bool, birth: u64, session: MediaSession, publisher: Publisher) -> Self {
        Self { half_steps: seq.saturating_mul(2), closed, birth, session, publisher }
    }

    /// Makes the mark of a poll that saw something new: above all that was reported, below all that will be.
    pub(super) const fn polled(above: u64, birth: u64, session: MediaSession, publisher: Publisher) -> Self {
        Self { half_steps: above | 1, closed: false, birth, session, publisher }
    }

    /// Makes the mark of a poll that missed what was on air.
    pub(super) fn missed(&self) -> Self {
        Self { closed: true, ..self.clone() }
    }
}

/// One publishing of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) birth: u64,
    pub(crate) pending: bool,
    pub(crate) opened: bool,
    pub(crate) dropped: bool,
    pub(crate) closed: bool,
    pub(crate) publisher: Option<Publisher>,
    pub(crate) parent: Option<MediaSession>,
    pub(crate) seen_at: UnixMs,
    /// When a poll named it as the one on air although another was thought to be.
    pub(crate) polled_at: UnixMs,
}

impl Session {
    fn merge(&mut self, other: &Self) {
        self.birth = self.birth.min(other.birth);
        self.pending |= other.pending;
        self.opened |= other.opened;
        self.dropped |= other.dropped;
        self.closed |= other.closed;
        self.publisher = self.publisher.clone().max(other.publisher.clone());
        self.parent = self.parent.clone().max(other.parent.clone());
        self.seen_at = self.seen_at.max(other.seen_at);
        self.polled_at = self.polled_at.max(other.polled_at);
    }

    /// Returns when it was born, as far as known: a word about its end may not say.
    const fn born(&self) -> u64 {
        if self.birth == u64::MAX { 0 } else { self.birth }
    }

    /// Returns its place among the sessions. Where births are times of arrival only, a poll knows better.
    const fn rank(&self) -> u64 {
        if self.polled_at.0 > self.born() { self.polled_at.0 } else { self.born() }
    }

    /// Only a session that has been on air, or is over, has a say in which is the newest.
    const fn counts(&self) -> bool {
        self.opened || self.closed
    }
}

/// A stream of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) register: Option<Mark>,
    pub(crate) sessions: BTreeMap<MediaSession, Session>,
    pub(crate) first_seen: UnixMs,
    pub(crate) seen_at: UnixMs,
    /// Which poll missed it first, since it was heard of or seen.
    pub(crate) missed_at: Option<UnixMs>,
    /// Which poll saw it again after that.
    pub(crate) sighted_at: UnixMs,
}

impl Stream {
    pub(super) const fn first_seen(at: UnixMs) -> Self {
        Self { register: None, sessions: BTreeMap::new(), first_seen: at, seen_at: at, missed_at: None, sighted_at: UnixMs(0) }
    }

    pub(super) fn seen(&mut self, at: UnixMs) {
        self.first_seen = self.first_seen.min(at);
        self.seen_at = self.seen_at.max(at);
        self.missed_at = self.missed_at.filter(|missed| *missed > at);
    }

    /// A poll saw it.
    pub(super) fn sighted(&mut self, at: UnixMs) {
        if self.missed_at.is_some_and(|missed| missed <= at) {
            self.missed_at = None;
            self.sighted_at = self.sighted_at.max(at);
        }
    }

    /// A poll missed it. Tells whether an earlier one did, too.
    pub(super) fn missed(&mut self, at: UnixMs) -> bool {
        let again = self.missed_at.is_some_and(|missed| missed < at);
        self.missed_at.get_or_insert(at);
        again
    }

    pub(super) const fn born(&self) -> UnixMs {
        self.first_seen
    }

    pub(super) const fn seen_at(&self) -> UnixMs {
        self.seen_at
    }

    pub(super) const fn register(&self) -> Option<&Mark> {
        self.register.as_ref()
    }

    pub(super) fn session_of(&self, session: &MediaSession) -> Option<&Session> {
        self.sessions.get(session)
    }

    pub(super) fn highest_half_step(&self) -> u64 {
        self.register.as_ref().map_or(0, |mark| mark.half_steps)
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        self.register = self.register.take().max(Some(mark));
    }

    pub(super) fn session(
        &mut self,
        session: &MediaSession,
        phase: Phase,
        birth: Option<u64>,
        publisher: Option<&Publisher>,
        parent: Option<&MediaSession>,
        at: UnixMs,
    ) {
        let told = Session {
            birth: birth.unwrap_or(u64::MAX),
            pending: phase == Phase::Pending,
            opened: phase == Phase::Open,
            dropped: phase == Phase::Dropped,
            closed: phase == Phase::Closed,
            publisher: publisher.cloned(),
            parent: parent.cloned(),
            seen_at: at,
            polled_at: UnixMs(0),
        };
        match self.sessions.get_mut(session) {
            Some(known) => known.merge(&told),
            None => drop(self.sessions.insert(session.clone(), told)),
        }
    }

    /// Notes that a poll named this session as the one on air. Only where births are times.
    pub(super) fn polled(&mut self, session: &MediaSession, at: UnixMs) {
        if self.newest().is_some_and(|(newest, _)| newest == session) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(session) {
            session.polled_at = session.polled_at.max(at);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some(mark) = &other.register {
            self.mark(mark.clone());
        }
        for (id, theirs) in &other.sessions {
            match self.sessions.get_mut(id) {
                Some(ours) => ours.merge(theirs),
                None => drop(self.sessions.insert(id.clone(), theirs.clone())),
            }
        }
        self.first_seen = self.first_seen.min(other.first_seen);
        self.seen_at = self.seen_at.max(other.seen_at);
        self.sighted_at = self.sighted_at.max(other.sighted_at);
        let since = self.sighted_at.max(self.seen_at);
        self.missed_at = [self.missed_at, other.missed_at].into_iter().flatten().filter(|missed| *missed > since).min();
    }

    pub(super) fn has_closed(&self, session: &MediaSession) -> bool {
        self.sessions.get(session).is_some_and(|session| session.closed)
    }

    pub(super) fn has_closed_by(&self, publisher: &str) -> bool {
        let theirs = |session: &&Session| session.publisher.as_ref().is_some_and(|known| known.as_str() == publisher);
        self.sessions.values().filter(theirs).any(|session| session.closed)
    }

    pub(super) fn forget_sessions(&mut self, horizon: UnixMs) {
        let newest = self.newest().map(|(id, _)| id.clone());
        self.sessions.retain(|id, session| newest.as_ref() == Some(id) || session.seen_at >= horizon);
    }

    fn newest(&self) -> Option<(&MediaSession, &Session)> {
        self.sessions.iter().filter(|(_, session)| session.counts()).max_by_key(|(id, session)| (session.rank(), *id))
    }

    /// Returns what is on air, if anything.
    pub(super) fn live(&self, stream: &StreamId, cleared_at: Option<u64>, ended: &dyn Fn(&MediaSession) -> bool) -> Option<Live> {
        let hidden = |birth: u64| cleared_at.is_some_and(|at| birth <= at);
        let over = |session: &Session| session.closed || hidden(session.born()) || session.parent.as_ref().is_some_and(ended);
        let show = |id: &MediaSession, session: &Session, pending: bool| Live {
            stream: stream.clone(),
            session: id.clone(),
            publisher: session.publisher.clone(),
            birth: session.born(),
            pending,
        };
        let newest = self.newest();
        let by_session = newest.filter(|(_, session)| !over(session)).map(|(id, session)| show(id, session, false));
        let by_number = self.register.as_ref().map(|mark| {
            let closed = mark.closed || hidden(mark.birth) || self.sessions.get(&mark.session).is_some_and(over);
            let live = Live {
                stream: stream.clone(),
                session: mark.session.clone(),
                publisher: Some(mark.publisher.clone()),
                birth: mark.birth,
                pending: false,
            };
            ((mark.birth, &mark.session), (!closed).then_some(live))
        });
        let settled = match (by_number, newest) {
            (Some((number, live)), Some((id, session))) if number >= (session.rank(), id) => live,
            (Some((_, live)), None) => live,
            (_, Some(_)) => by_session,
            (None, None) => None,
        };
        settled.or_else(|| {
            let asked = |session: &Session| session.pending && !session.counts() && !session.dropped && !over(session);
            let asked = self.sessions.iter().filter(|(_, session)| asked(session));
            asked.max_by_key(|(id, session)| (session.born(), *id)).map(|(id, session)| show(id, session, true))
        })
    }
}
