//! What is on air compared with what was shown: who begins, who ends, and what is looked at more closely.
use super::{Actor, Key};
use crate::hub::media::{Fact, Live, StreamId};
use std::collections::{BTreeMap, BTreeSet};

impl Actor {
    /// Looks at what these facts can have changed.
    pub(super) fn refresh_after(&mut self, key: &Key, facts: &[Fact]) {
        let Some(known) = self.known.get(key) else { return };
        let same_epoch = known.epoch.as_ref() == known.facts.current();
        // An epoch that is seen once more changes nothing but what is compared above.
        let changing = facts.iter().filter(|fact| !matches!(fact, Fact::EpochSeen { .. }));
        let streams: Option<BTreeSet<StreamId>> = changing.map(|fact| fact.stream().cloned()).collect();
        match streams.filter(|_| same_epoch) {
            Some(streams) => self.refresh_streams(key, streams, true),
            None => self.refresh(key, true),
        }
    }

    /// Compares everything that is on air with what was.
    pub(super) fn refresh(&mut self, key: &Key, heard: bool) {
        let Some(known) = self.known.get_mut(key) else { return };
        known.epoch = known.facts.current().cloned();
        let after = known.facts.live().into_iter().map(|live| live.stream);
        let streams = known.shown.keys().cloned().chain(after).collect();
        self.refresh_streams(key, streams, heard);
    }

    /// Compares these streams with what they were, and tells whom it concerns. What was
    /// not `heard` here is no reason to judge it at once: the list will show it again, or the node that heard it does.
    pub(super) fn refresh_streams(&mut self, key: &Key, streams: BTreeSet<StreamId>, heard: bool) {
        let now = self.now();
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(key)) else { return };
        let person = |live: &Live| {
            let counts = !live.pending || source.asks_only();
            source.owner(&key.1, live, &media.tickets).filter(|_| counts).map(|owner| (owner.room, owner.user))
        };
        let mut touched = BTreeMap::new();
        let mut begun = Vec::new();
        for stream in streams {
            let (old, new) = (known.shown.get(&stream), known.facts.live_of(&stream));
            if old == new.as_ref() {
                continue;
            }
            let same_session = old.zip(new.as_ref()).is_some_and(|(old, new)| old.session == new.session);
            if let Some(old) = old {
                if !same_session || new.as_ref().is_some_and(|new| !new.pending) {
                    known.pending_since.remove(&(stream.clone(), old.session.clone()));
                }
                if !same_session {
                    known.strays.remove(&(stream.clone(), old.session.clone()));
                }
            }
            if let Some(new) = &new {
                if new.pending {
                    known.pending_since.entry((stream.clone(), new.session.clone())).or_insert(now);
                } else if !same_session || old.is_some_and(|old| old.pending) {
                    begun.push(new.clone());
                }
            }
            for (live, step) in [(old, -1), (new.as_ref(), 1)] {
                if let Some(person) = live.and_then(person) {
                    *touched.entry(person).or_insert(0_isize) += step;
                }
            }
            match new {
                Some(new) => drop(known.shown.insert(stream, new)),
                None => drop(known.shown.remove(&stream)),
            }
        }
        let mut moves = Vec::new();
        for (person, step) in touched {
            let before = known.owners.get(&person).copied().unwrap_or(0);
            let after = before.saturating_add_signed(step);
            if after == 0 {
                known.owners.remove(&person)
            } else {
                known.owners.insert(person.clone(), after)
            };
            if (before == 0) != (after == 0) {
                moves.push((person, after > 0));
            }
        }
        for (person, on) in moves {
            if on { self.begins(&person, key) } else { self.ends(&person, key) }
        }
        for live in begun.into_iter().filter(|_| heard) {
            self.check(key, &live, true);
        }
    }
}
