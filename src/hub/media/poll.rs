//! What a poll of the media server adds to the callbacks: it repairs what got lost, and never beats a newer word.
use super::{Births, EpochId, Live, Mark, MediaSession, Phase, Publisher, Space, StreamId, stream::Stream};
use crate::hub::time::{Millis, UnixMs};
use std::collections::{BTreeMap, BTreeSet};

/// Whatever began so shortly before a poll may be missing in it.
const FRESH: Millis = Millis::from_seconds(10);

/// What stands behind the name of a session that came back after it was over.
const AGAIN: char = '+';

impl MediaSession {
    /// Returns the name that the media server knows: a session that came back has another one here.
    #[must_use]
    pub fn at_the_server(&self) -> &str {
        self.as_str().split(AGAIN).next().unwrap_or_default()
    }
}

/// One stream that a poll found on air.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Sighting {
    pub stream: StreamId,
    /// Which publishing it is, where the server says so.
    pub session: Option<MediaSession>,
    pub publisher: Option<Publisher>,
    /// Since when, where the server says so.
    pub birth: Option<u64>,
}

impl Space {
    /// Joins a complete list of what was on air, asked for at `asked_at`, and returns what it ended.
    ///
    /// A stream that the list has and nobody reported is added; what the list misses is closed if it began 10 s or more before the poll, nobody
    /// reported on it since, and the poll before missed it too. An answer that failed is no list: don't call this.
    pub fn reconcile(&mut self, epoch: &EpochId, sightings: &[Sighting], asked_at: UnixMs) -> Vec<Live> {
        let before = self.live();
        let by_name: BTreeMap<&StreamId, &Live> = before.iter().map(|live| (&live.stream, live)).collect();
        let seen: BTreeSet<&StreamId> = sightings.iter().map(|sighting| &sighting.stream).collect();
        for sighting in sightings {
            self.sighted(epoch, sighting, by_name.get(&sighting.stream).copied(), asked_at);
        }
        let mut ended = Vec::new();
        for live in &before {
            if seen.contains(&live.stream) {
                continue;
            }
            let Some(known) = self.streams.get_mut(&(epoch.clone(), live.stream.clone())) else { continue };
            let settled = known.born().plus(FRESH) <= asked_at && known.seen_at() < asked_at;
            if !settled {
                continue;
            }
            if known.missed(asked_at) {
                close(known, live, asked_at);
                ended.push(live.clone());
            }
        }
        ended
    }

    /// Ends everything on air that was last heard of before `since`: the server has ended, or begun anew. Returns what it ended.
    pub fn end_all(&mut self, since: UnixMs, at: UnixMs) -> Vec<Live> {
        let Some(epoch) = self.current().cloned() else { return Vec::new() };
        let mut ended = Vec::new();
        for live in self.live() {
            let known = self.streams.get_mut(&(epoch.clone(), live.stream.clone())).filter(|known| known.seen_at() < since);
            if let Some(known) = known {
                close(known, &live, at);
                ended.push(live);
            }
        }
        ended
    }

    fn sighted(&mut self, epoch: &EpochId, sighting: &Sighting, live: Option<&Live>, at: UnixMs) {
        self.epochs.entry(epoch.clone()).or_insert_with(|| super::Epoch::unborn(at));
        let key = (epoch.clone(), sighting.stream.clone());
        let known = self.streams.entry(key).or_insert_with(|| Stream::first_seen(at));
        known.sighted(at);
        let unknown = if self.births == Births::Times { at.0 } else { 0 };
        let birth = sighting.birth.or(live.map(|live| live.birth)).unwrap_or(unknown);
        if let Some(session) = &sighting.session {
            if let Some(over) = known.session_of(session).filter(|known| known.closed) {
                // It was said to be over some time ago, and is on air: then it has come back, under a name of its own.
                let again = format!("{session}{AGAIN}");
                let stays = live.is_some_and(|live| live.session.as_str().starts_with(&again));
                if !stays && over.seen_at.plus(FRESH) <= at {
                    let (birth, publisher) = (over.birth, over.publisher.clone());
                    let session = MediaSession::new(&format!("{again}{}", at.0));
                    known.session(&session, Phase::Open, Some(birth), publisher.as_ref(), None, at);
                }
                return;
            }
            known.session(session, Phase::Open, Some(birth), sighting.publisher.as_ref(), None, at);
            if self.births == Births::Times {
                known.polled(session, at);
            }
            return;
        }
        if let Some(asked) = live.filter(|live| live.pending) {
            // Somebody asked whether he may publish, and the list has his stream: it is he.
            known.session(&asked.session, Phase::Open, None, None, None, at);
            return;
        }
        let newer = live.is_none_or(|live| sighting.birth.is_some_and(|birth| birth > live.birth));
        // A callback after the question was asked knows better than the answer.
        if !newer || known.seen_at() > at {
            return;
        }
        let session = MediaSession::new(&format!("poll:{birth}"));
        let publisher = sighting.publisher.clone().unwrap_or_else(|| Publisher::new(""));
        match known.register() {
            Some(_) => known.mark(Mark::polled(known.highest_half_step(), birth, session, publisher)),
            None => known.session(&session, Phase::Open, Some(birth), Some(&publisher), None, at),
        }
    }
}

fn close(known: &mut Stream, live: &Live, at: UnixMs) {
    if let Some(missed) = known.register().map(Mark::missed) {
        known.mark(missed);
    }
    let phase = if live.pending { Phase::Dropped } else { Phase::Closed };
    known.session(&live.session, phase, Some(live.birth), None, None, at);
}
