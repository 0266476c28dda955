//! What a poll of the media server adds to the callbacks: it repairs what got lost, and never beats a newer word.
use super::{Births, EpochId, Live, Mark, MediaSession, Phase, Publisher, Space, StreamId, stream::Stream};
use crate::hub::time::{Millis, UnixMs};
use std::collections::{BTreeMap, BTreeSet};

/// Whatever began so shortly before a poll may be missing in it.
const FRESH: Millis = Millis::from_seconds(10);
/// In so many polls in a row something must be missing before it counts as gone.
const ABSENCES: u8 = 2;

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
            known.absences = known.absences.saturating_add(1);
            if known.absences >= ABSENCES {
                close(known, live, asked_at);
                ended.push(live.clone());
            }
        }
        ended
    }

    fn sighted(&mut self, epoch: &EpochId, sighting: &Sighting, live: Option<&Live>, at: UnixMs) {
        self.epochs.entry(epoch.clone()).or_insert_with(|| super::Epoch::unborn(at));
        let key = (epoch.clone(), sighting.stream.clone());
        let known = self.streams.entry(key).or_insert_with(|| Stream::first_seen(at));
        known.absences = 0;
        let birth = sighting.birth.or(live.map(|live| live.birth)).unwrap_or(at.0);
        if let Some(session) = &sighting.session {
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
