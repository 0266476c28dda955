//! What other nodes know, what was known before a restart, and whether servers live.
use super::{Actor, Key, SOON};
use crate::{
    hub::{
        media::{Space, StreamId},
        time::{Millis, UnixMs},
    },
    server::media::{Media, ledger::FromOthers},
    wire::media::{MediaWord, PartRecord, Sign},
};
use std::collections::BTreeSet;
use tokio::sync::mpsc;

/// How many words of other nodes may wait for the actor.
const OTHERS_MAX: usize = 256;
/// Within this time of its start a server's word of it has come: what was heard of longer ago belongs to the process before.
const STARTED: Millis = Millis(30_000);

impl Media {
    pub(super) fn tell(&self, key: &Key, word: MediaWord) {
        if let Some(source) = self.sources.get(key.0) {
            self.ledger.tell(&source.name, word);
        }
    }
}

impl Actor {
    /// Reads what was known before the start, and listens to the other nodes from then on.
    pub(super) async fn remember(&mut self) -> mpsc::Receiver<(usize, FromOthers)> {
        let (to_actor, others) = mpsc::channel(OTHERS_MAX);
        let media = self.media.clone();
        for (index, source) in media.sources.iter().enumerate() {
            self.learn_all(index, media.ledger.load(&source.name).await);
            if media.ledger.shared() {
                tokio::spawn(media.ledger.clone().follow(index, source.name.clone(), to_actor.clone()));
            }
        }
        if !media.ledger.shared() {
            // A channel that stays open, and silent.
            tokio::spawn(async move { to_actor.closed().await });
        }
        others
    }

    pub(super) fn told(&mut self, index: usize, said: FromOthers) {
        match said {
            FromOthers::Notes(parts) => self.learn_all(index, parts),
            FromOthers::Word(word) => self.word(index, &word),
        }
    }

    fn word(&mut self, index: usize, word: &MediaWord) {
        if let Some((space, part)) = word.part.as_ref().and_then(PartRecord::read) {
            self.learn((index, space.to_owned()), &part);
        }
        let key = (index, word.space.clone());
        if let Some((sign, at)) = word.sign {
            self.sign(&key, sign, UnixMs(at));
        }
        if let Some(listed_at) = word.listed_at {
            self.listed_elsewhere(&key, UnixMs(listed_at));
        }
    }

    fn learn_all(&mut self, index: usize, parts: Vec<(String, Space)>) {
        for (space, part) in parts {
            self.learn((index, space), &part);
        }
    }

    /// Joins a part that another node, or this one before its start, has put together.
    fn learn(&mut self, key: Key, part: &Space) {
        let Some(known) = self.open(&key, part.births()) else { return };
        known.facts.merge(part);
        let same_epoch = known.epoch.as_ref() == known.facts.current();
        let streams: BTreeSet<StreamId> = part.names();
        if same_epoch && !streams.is_empty() {
            self.refresh_streams(&key, streams, false);
        } else {
            self.refresh(&key, false);
        }
    }

    /// Another node has just read this list.
    fn listed_elsewhere(&mut self, key: &Key, asked_at: UnixMs) {
        let Some(poll) = self.source(key.0).map(|source| source.poll) else { return };
        let Some(known) = self.known.get_mut(key) else { return };
        known.covered = known.covered.max(asked_at);
        known.polled_at = known.polled_at.max(asked_at);
        known.pulse.asked(true, asked_at);
        if !known.urgent || known.poll_at <= asked_at {
            known.urgent = false;
            // Not all nodes at once.
            known.poll_at = asked_at.plus(poll).plus(Millis(rand::random_range(0..=poll.0 / 8)));
        }
        self.settle_unconfirmed();
    }

    /// A server says something of itself.
    pub(super) fn sign(&mut self, key: &Key, sign: Sign, at: UnixMs) {
        let now = self.now();
        let Some(known) = self.known.get_mut(key) else { return };
        known.pulse.heard(sign, at);
        // A server whose id does not tell its processes apart: whatever has been on air for longer than it runs is over.
        let nameless = known.facts.current().is_none_or(|epoch| epoch.as_str().is_empty());
        if sign == Sign::Started && nameless {
            let ended = known.facts.end_all(UnixMs(at.0.saturating_sub(STARTED.0)), now);
            self.ended(key, ended.into_iter().map(|live| live.stream).collect());
        }
    }

    /// Servers that have gone silent are asked, and given up in the end.
    pub(super) fn feel_pulses(&mut self, now: UnixMs) {
        let media = self.media.clone();
        let mut dead = Vec::new();
        for (key, known) in &mut self.known {
            let Some(source) = media.sources.get(key.0).filter(|source| !source.by_room()) else { continue };
            if !known.pulse.look(now, source.keepalive) {
                continue;
            }
            if !known.polling {
                known.poll_by(now.plus(SOON));
            }
            if let Some(since) = known.pulse.take_death(now, source.api.is_some()) {
                tracing::error!(source = %source.name, "the media server is gone; what it had on air is over");
                metrics::counter!("michub_media_servers_lost_total", "source" => source.name.to_string()).increment(1);
                dead.push((key.clone(), known.facts.end_all(since, now)));
            }
        }
        for (key, ended) in dead {
            self.ended(&key, ended.into_iter().map(|live| live.stream).collect());
        }
    }

    /// Shows, keeps and tells what has just ended.
    fn ended(&mut self, key: &Key, streams: BTreeSet<StreamId>) {
        self.refresh_streams(key, streams.clone(), true);
        let (Some(source), Some(known)) = (self.source(key.0), self.known.get(key)) else { return };
        for stream in &streams {
            self.media.ledger.keep(&source.name, &key.1, Some(stream), &known.facts, None);
        }
    }
}
