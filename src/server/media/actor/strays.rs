//! Strays: streams on air without the right to it. Rooms are asked whenever a stream begins, a seat is lost, or a poll has looked.
use super::{Actor, Key, Person, SIGHTINGS, SOON, Stray};
use crate::{
    hub::media::Live,
    server::{
        config::Gate,
        media::{
            Ask,
            gate::{self, Denied},
        },
    },
};

/// For how long the end of a stream is left to the node that has begun it.
const KICK_MS: u64 = 1_000;

impl Actor {
    pub(super) fn check_person(&self, key: &Key, person: &Person) {
        let (Some(source), Some(known)) = (self.source(key.0), self.known.get(key)) else { return };
        let theirs = |live: &&Live| {
            let owner = source.owner(&key.1, live, &self.media.tickets);
            owner.is_some_and(|owner| owner.room == person.0 && owner.user == person.1)
        };
        for live in known.shown.values().filter(theirs) {
            self.check(key, live, true);
        }
    }

    /// Asks the room whether this stream has the right to be on air.
    pub(super) fn check(&self, key: &Key, live: &Live, at_once: bool) {
        let Some(source) = self.source(key.0).filter(|source| source.gate != Gate::Off) else { return };
        if live.pending || !source.carries_media(live.stream.as_str()) {
            return;
        }
        let owner = source.owner(&key.1, live, &self.media.tickets);
        let (media, (source, space), live) = (self.media.clone(), key.clone(), live.clone());
        tokio::spawn(async move {
            let why = match &owner {
                Some(owner) => gate::may_publish(&media.rooms, owner).await.err(),
                None => Some(Denied::BadTicket),
            };
            if let Some(why) = why.filter(|why| *why != Denied::HubError) {
                let _ = media.to_actor.send(Ask::Stray { source, space, stray: Stray { live, why, at_once } }).await;
            }
        });
    }

    pub(super) fn stray(&mut self, key: Key, stray: Stray) {
        let now = self.now();
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(&key)) else { return };
        if known.shown.get(&stray.live.stream).is_none_or(|live| live.session != stray.live.session) {
            return;
        }
        let times = known.strays.entry((stray.live.stream.clone(), stray.live.session.clone())).or_default();
        *times = times.saturating_add(1);
        if !stray.at_once && *times < SIGHTINGS {
            known.poll_by(now.plus(SOON));
            return;
        }
        let stream = stray.live.stream.as_str();
        metrics::counter!("michub_media_strays_total", "source" => source.name.to_string()).increment(1);
        let Some(api) = source.api.clone().filter(|_| source.gate == Gate::Enforce) else {
            tracing::warn!(source = %source.name, stream, why = %stray.why, "somebody is on air without the right to it");
            return;
        };
        known.poll_by(now.plus(SOON));
        let name = source.name.clone();
        tokio::spawn(async move {
            let stream = stray.live.stream.as_str();
            if !media.ledger.may_kick(&name, stream, stray.live.session.as_str(), KICK_MS).await {
                return;
            }
            match api.kick(&key.1, &stray.live).await {
                Ok(()) => tracing::info!(source = %name, stream, why = %stray.why, "a stream without the right to it was ended"),
                Err(error) => {
                    tracing::error!(source = %name, stream, why = %stray.why, %error, "a stream without the right to it goes on")
                }
            }
        });
    }
}
