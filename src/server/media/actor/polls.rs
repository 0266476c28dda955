//! Polls: what callbacks missed. A poll that fails says nothing.
use super::{Actor, HOLE, Key, Known, PENDING, POLLS_PER_TICK, Person, SOON};
use crate::{
    hub::{
        id::RoomId,
        media::{EpochId, Fact, Phase, Publisher, Space, StreamId},
        time::{Millis, UnixMs},
    },
    server::media::{
        Ask, Listed, Media, Source,
        api::{Api, ApiError, Snapshot},
    },
    wire::media::MediaWord,
};
use std::collections::{BTreeMap, BTreeSet};

impl Media {
    /// Reads a list, with people in the place of numbers that the hub gave them.
    async fn list(&self, api: &Api, source: usize, space: &str) -> Result<Snapshot, ApiError> {
        let mut snapshot = api.list(space).await?;
        if let Some(uids) = self.sources.get(source).and_then(|source| source.uids.as_ref()) {
            for sighting in &mut snapshot.sightings {
                if let Some(user) = uids.user_of(sighting.stream.as_str()).await {
                    sighting.publisher = Some(Publisher::new(&user));
                }
            }
        }
        Ok(snapshot)
    }
}

impl Known {
    /// A hole in the numbers that stays brings a look, and the next one only after the same time again.
    fn look_for_holes(&mut self, now: UnixMs) {
        match (self.facts.hole(), self.hole) {
            (Some(hole), Some((same, since))) if hole == same => {
                if since.plus(HOLE) <= now {
                    self.poll_by(now);
                    self.hole = Some((hole, now));
                }
            }
            (hole, _) => self.hole = hole.map(|hole| (hole, now)),
        }
    }
}

impl Actor {
    /// Whoever asked to publish and never came on air is not expected any more.
    pub(super) fn expire_pending(&mut self, now: UnixMs) {
        let media = self.media.clone();
        let mut changed = Vec::new();
        for (key, known) in &mut self.known {
            if media.sources.get(key.0).is_none_or(Source::asks_only) {
                continue;
            }
            let Some(epoch) = known.facts.current().cloned() else { continue };
            let due = known.pending_since.iter().filter(|(_, since)| since.plus(PENDING) <= now);
            let due: Vec<_> = due.map(|(key, _)| key.clone()).collect();
            for (stream, session) in due {
                let (epoch, phase) = (epoch.clone(), Phase::Dropped);
                let fact = Fact::Session { epoch, stream, session, phase, birth: None, publisher: None, parent: None };
                known.facts.join(&fact, now);
                changed.push(key.clone());
            }
        }
        changed.dedup();
        for key in changed {
            self.refresh(&key, false);
        }
    }

    /// Asks for the lists that are due, those that have waited longest first.
    pub(super) fn poll(&mut self, now: UnixMs) {
        let media = self.media.clone();
        let mut due: BTreeMap<usize, BTreeSet<(UnixMs, String)>> = BTreeMap::new();
        for ((index, space), known) in &mut self.known {
            let Some(api) = media.sources.get(*index).and_then(|source| source.api.as_ref()) else { continue };
            known.look_for_holes(now);
            let from = known.poll_at.max(known.polled_at.plus(api.least_gap()));
            if !known.polling && from <= now {
                due.entry(*index).or_default().insert((from, space.clone()));
            }
        }
        for (index, spaces) in due {
            for (_, space) in spaces.into_iter().take(POLLS_PER_TICK) {
                self.ask_for_list((index, space), now);
            }
        }
    }

    fn ask_for_list(&mut self, key: Key, now: UnixMs) {
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(&key)) else { return };
        let Some(api) = source.api.clone() else { return };
        let urgent = known.urgent;
        let sweep = (!urgent).then_some(source.poll.0 * 3 / 4);
        (known.polling, known.urgent) = (true, false);
        (known.polled_at, known.poll_at) = (now, now.plus(source.poll));
        let name = source.name.clone();
        tokio::spawn(async move {
            let (source, space) = key;
            let mine = media.ledger.may_list(&name, &space, api.least_gap().0, sweep).await;
            // What is claimed may have waited: the list is as old as the question.
            let asked_at = media.clock.now();
            let outcome = if mine { Listed::Here(media.list(&api, source, &space).await) } else { Listed::Elsewhere { urgent } };
            let _ = media.to_actor.send(Ask::Polled { source, space, asked_at, outcome }).await;
        });
    }

    /// Another node asks for the list, or will; this one looks again whether it has.
    fn left_to_another(&mut self, key: &Key, urgent: bool) {
        let now = self.now();
        let Some((gap, poll)) = self.source(key.0).and_then(|source| Some((source.api.as_ref()?.least_gap(), source.poll)))
        else {
            return;
        };
        let Some(known) = self.known.get_mut(key) else { return };
        if urgent {
            known.poll_by(now.plus(gap));
        } else {
            known.poll_at = known.poll_at.min(now.plus(Millis(poll.0 / 4)));
        }
    }

    pub(super) fn polled(&mut self, key: Key, asked_at: UnixMs, outcome: Listed) {
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(&key)) else { return };
        known.polling = false;
        let answer = match outcome {
            Listed::Here(answer) => answer,
            Listed::Elsewhere { urgent } => return self.left_to_another(&key, urgent),
        };
        known.pulse.asked(answer.is_ok(), asked_at);
        if let Err(ApiError::Http(_)) = &answer {
            known.pulse.unreached(asked_at);
        }
        let count = |outcome: &'static str| {
            metrics::counter!("michub_media_polls_total", "source" => source.name.to_string(), "outcome" => outcome).increment(1);
        };
        let snapshot = match answer {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // An answer that failed says nothing: what is on air stays so.
                tracing::warn!(source = %source.name, space = key.1, %error, "a media server cannot be asked");
                return count("failed");
            }
        };
        count("ok");
        self.join_list(&key, asked_at, snapshot);
        for live in self.known.get(&key).map(|known| known.shown.values().cloned().collect::<Vec<_>>()).unwrap_or_default() {
            self.check(&key, &live, false);
        }
        self.settle_unconfirmed();
    }

    /// Joins a list, keeps what it has changed, and tells the other nodes.
    fn join_list(&mut self, key: &Key, asked_at: UnixMs, snapshot: Snapshot) {
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(key)) else { return };
        let mut new_epoch = false;
        if let Some((epoch, birth)) = snapshot.epoch {
            let epoch = EpochId::new(&epoch);
            if known.facts.current() != Some(&epoch) {
                known.facts.join(&Fact::EpochSeen { epoch, birth: birth.unwrap_or(asked_at.0) }, asked_at);
                new_epoch = true;
            }
        }
        let epoch = known.facts.current().cloned().unwrap_or_else(|| EpochId::new(""));
        let seen: BTreeSet<StreamId> = snapshot.sightings.iter().map(|sighting| sighting.stream.clone()).collect();
        let concerned: BTreeSet<StreamId> = known.shown.keys().chain(&seen).cloned().collect();
        let before: Vec<Space> = concerned.iter().map(|stream| known.facts.part(Some(stream))).collect();
        let ended = known.facts.reconcile(&epoch, &snapshot.sightings, asked_at);
        known.covered = known.covered.max(asked_at);
        if ended.is_empty() && known.shown.keys().any(|stream| !seen.contains(stream)) {
            // Something is missing for the first time: the second look comes soon.
            known.poll_by(asked_at.plus(SOON));
        }
        for (stream, before) in concerned.iter().zip(before) {
            if known.facts.part(Some(stream)) != before {
                media.ledger.keep(&source.name, &key.1, Some(stream), &known.facts, None);
            }
        }
        if new_epoch {
            media.ledger.keep(&source.name, &key.1, None, &known.facts, None);
        }
        media.ledger.tell(&source.name, MediaWord { listed_at: Some(asked_at.0), ..media.ledger.word(&key.1) });
        self.refresh(key, false);
    }

    /// Whoever is on air only by his room's memory, while every poll since says that he is not, has stopped.
    pub(super) fn settle_unconfirmed(&mut self) {
        let polled = |(index, space): &Key, room: &RoomId| {
            let source = self.source(*index);
            source.is_some_and(|source| source.api.is_some() && (!source.by_room() || space == room.as_str()))
        };
        let silent = |person: &Person, since: UnixMs| {
            let mut lists = self.known.iter().filter(|(key, _)| polled(key, &person.0)).peekable();
            lists.peek().is_some() && lists.all(|(_, known)| known.covered > since.plus(SOON))
        };
        let over: Vec<Person> =
            self.unconfirmed.iter().filter(|(person, since)| silent(person, **since)).map(|(person, _)| person.clone()).collect();
        let now = self.now();
        for person in over {
            self.unconfirmed.remove(&person);
            self.stopped.insert(person.clone(), now);
            self.level(&person.0);
        }
    }
}
