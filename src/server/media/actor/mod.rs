//! What is known of all media servers, in one task: reports and polls are joined here, rooms hear who is on air, strays are shown out.
//!
//! Rooms are told by level, not by edge: a word that got lost on its way is said again.
mod known;
mod others;
mod polls;
mod pulse;
mod shown;
mod strays;
mod tell;

use super::{Ask, Media, OnAir, Source, gate::Denied};
use crate::hub::{
    id::{RoomId, UserId},
    media::{Births, Fact, Live, MediaSession, StreamId, Told},
    seats::Media as OnSeat,
    time::{Millis, UnixMs},
};
use crate::server::{
    auth::ticket::grant_of,
    config::Gate,
    media::hooks::{Kind, PublishRequest, Report},
    msg::SeatsOf,
};
use crate::wire::media::MediaWord;
use known::Known;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How often the actor looks at what is due.
const TICK: Duration = Duration::from_millis(250);
/// How often rooms that hear nothing are compared with what is known.
const LEVEL_EVERY: Millis = Millis(5_000);
/// How often what is over for long is forgotten.
const FORGET_EVERY: Millis = Millis(60_000);
/// For how long somebody who asked to publish may take to come on air.
const PENDING: Millis = Millis(30_000);
/// How soon the server is asked after something may have been missed, or after it was asked to let somebody publish.
const SOON: Millis = Millis(1_500);
/// For how long a hole in the numbers may still be filled by a repetition.
const HOLE: Millis = Millis(70_000);
/// How many lists of one source are asked for in one tick: 40 per second stay below every vendor's limit.
const POLLS_PER_TICK: usize = 10;
/// How many rooms or servers one source may name.
const SPACES_MAX: usize = 50_000;
/// How many sightings make a stray one that is shown out.
const SIGHTINGS: u8 = 2;

/// A stream that is on air without the right to it.
#[derive(Clone, Debug)]
pub(in crate::server::media) struct Stray {
    pub live: Live,
    pub why: Denied,
    /// It has just begun, or just lost its right: no second sighting is needed.
    pub at_once: bool,
}

type Key = (usize, String);
type Person = (RoomId, UserId);

pub(in crate::server::media) struct Actor {
    media: Media,
    known: BTreeMap<Key, Known>,
    on_air: BTreeMap<Person, BTreeSet<Key>>,
    /// When somebody's last stream stopped.
    stopped: BTreeMap<Person, UnixMs>,
    /// Rooms say that they are on air, nobody else does: since when. A poll will tell.
    unconfirmed: BTreeMap<Person, UnixMs>,
    seats: BTreeMap<RoomId, Vec<(UserId, u64, OnSeat)>>,
    level_at: UnixMs,
    forget_at: UnixMs,
}

impl Actor {
    pub fn new(media: Media) -> Self {
        let now = media.clock.now();
        let mut known = BTreeMap::new();
        for (index, source) in media.sources.iter().enumerate().filter(|(_, source)| !source.by_room()) {
            known.insert((index, String::new()), Known::new(births_of(source.kind), now));
        }
        Self {
            known,
            on_air: BTreeMap::new(),
            stopped: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            seats: BTreeMap::new(),
            level_at: now.plus(LEVEL_EVERY),
            forget_at: now.plus(FORGET_EVERY),
            media,
        }
    }

    pub async fn run(mut self, mut inbox: mpsc::Receiver<Ask>, mut seats: mpsc::UnboundedReceiver<SeatsOf>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut others = self.remember().await;
        loop {
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(ask) => self.hear(ask),
                    None => return,
                },
                Some(seats) = seats.recv() => self.seats_changed(seats),
                Some((source, word)) = others.recv() => self.told(source, word),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn now(&self) -> UnixMs {
        self.media.clock.now()
    }

    fn source(&self, index: usize) -> Option<&Source> {
        self.media.sources.get(index)
    }

    fn hear(&mut self, ask: Ask) {
        match ask {
            Ask::Report { source, report, reply } => {
                self.report(source, report, reply);
            }
            Ask::Publish { source, request, grant, reply } => {
                let _ = reply.send(self.publish(source, request, grant));
            }
            Ask::Live { source, reply } => {
                let _ = reply.send(self.on_air_at(source));
            }
            Ask::Doubt { source } => {
                let soon = self.now().plus(SOON);
                for (_, known) in self.known.iter_mut().filter(|((index, _), _)| *index == source) {
                    known.poll_by(soon);
                }
            }
            Ask::Polled { source, space, asked_at, outcome } => self.polled((source, space), asked_at, outcome),
            Ask::Stray { source, space, stray } => self.stray((source, space), stray),
        }
    }

    fn on_air_at(&self, index: usize) -> Vec<OnAir> {
        let Some(source) = self.source(index) else { return Vec::new() };
        let counts = |live: &&Live| (!live.pending || source.asks_only()) && source.carries_media(live.stream.as_str());
        let of = |space: &String, live: &Live| {
            let owner = source.owner(space, live, &self.media.tickets);
            let (room_id, user_id) = owner.map(|owner| (owner.room.to_string(), owner.user.to_string())).unzip();
            let (stream, session) = (live.stream.as_str().to_owned(), live.session.as_str().to_owned());
            OnAir { space: space.clone(), stream, session, room_id, user_id }
        };
        let spaces = self.known.range((index, String::new())..).take_while(|((of, _), _)| *of == index);
        spaces.flat_map(|((_, space), known)| known.shown.values().filter(counts).map(move |live| of(space, live))).collect()
    }

    fn report(&mut self, index: usize, report: Report, reply: oneshot::Sender<()>) {
        let Some(key) = self.key(index, &report.space) else { return };
        let now = self.now();
        let Some(known) = self.open(&key, report.births) else { return };
        let (mut missed, mut news) = (report.poll, false);
        for fact in &report.facts {
            news |= known.facts.is_news(fact);
            missed |= known.facts.join(fact, now) == Told::TooOld;
        }
        known.pulse.reported(now);
        if missed {
            known.poll_by(now.plus(SOON));
        }
        if let Some(sign) = report.sign {
            self.sign(&key, sign, now);
            self.media.tell(&key, MediaWord { sign: Some((sign, now.0)), ..self.media.ledger.word(&key.1) });
        }
        self.refresh_after(&key, &report.facts);
        self.keep(&key, &report.facts, news, Some(reply));
    }

    /// Keeps what these facts can have changed, and tells the other nodes.
    fn keep(&self, key: &Key, facts: &[Fact], news: bool, mut reply: Option<oneshot::Sender<()>>) {
        let (Some(source), Some(known)) = (self.source(key.0), self.known.get(key)) else { return };
        let streams: BTreeSet<&StreamId> = facts.iter().filter_map(Fact::stream).collect();
        let mut parts = streams.into_iter().map(Some).chain(news.then_some(None)).peekable();
        if parts.peek().is_none() {
            let _ = reply.take().map(|reply| reply.send(()));
        }
        while let Some(stream) = parts.next() {
            let done = if parts.peek().is_none() { reply.take() } else { None };
            self.media.ledger.keep(&source.name, &key.1, stream, &known.facts, done);
        }
    }

    /// One list per room, or one for the whole server.
    fn key(&self, index: usize, space: &str) -> Option<Key> {
        let by_room = self.source(index)?.by_room();
        Some((index, if by_room { space.to_owned() } else { String::new() }))
    }

    fn open(&mut self, key: &Key, births: Births) -> Option<&mut Known> {
        if !self.known.contains_key(key) {
            if self.known.len() >= SPACES_MAX {
                tracing::error!(spaces = SPACES_MAX, "too many rooms on media servers; a report is dropped");
                return None;
            }
            let now = self.now();
            self.known.insert(key.clone(), Known::new(births, now));
        }
        self.known.get_mut(key)
    }

    /// Joins a question to publish, unless its ticket has been used. The seat was looked at before.
    fn publish(&mut self, index: usize, request: PublishRequest, grant: Option<u64>) -> Result<(), Denied> {
        let Some(key) = self.key(index, &request.report.space) else { return Ok(()) };
        let now = self.now();
        let tickets = self.media.tickets.clone();
        let has_api = self.source(index).is_some_and(|source| source.api.is_some());
        let Some(source) = self.media.sources.get(index) else { return Ok(()) };
        let gated = source.gate == Gate::Enforce;
        let Some(known) = self.known.get(&key) else { return Ok(()) };
        if let (true, Some(ticket)) = (gated, &request.ticket) {
            // Where a ticket is the session, it tells itself whether it has been used; else whoever showed it before does.
            let session = MediaSession::new(ticket);
            let spent = known.facts.is_spent(&session) || known.facts.is_spent_by(ticket);
            if spent {
                return Err(Denied::TicketUsed);
            }
            let other = |live: &&Live| !live.pending && live.stream.as_str() != request.stream;
            let text = |live: &Live| live.publisher.as_ref().and_then(|publisher| grant_of(publisher.as_str()));
            let same = |live: &&Live| {
                text(live) == grant && source.owner(&key.1, live, &tickets).is_some_and(|owner| owner.is_of(ticket, &tickets))
            };
            if grant.is_some() && known.shown.values().filter(other).any(|live| same(&live)) {
                return Err(Denied::AlreadyPublishing);
            }
        }
        if let Some(known) = self.known.get_mut(&key) {
            for fact in &request.report.facts {
                known.facts.join(fact, now);
            }
            known.pulse.reported(now);
            if has_api {
                known.poll_by(now.plus(SOON));
            }
        }
        self.refresh_after(&key, &request.report.facts);
        self.keep(&key, &request.report.facts, false, None);
        Ok(())
    }

    fn tick(&mut self) {
        let now = self.now();
        self.expire_pending(now);
        self.feel_pulses(now);
        self.poll(now);
        if now >= self.level_at {
            self.level_at = now.plus(LEVEL_EVERY);
            for room in self.seats.keys().cloned().collect::<Vec<_>>() {
                self.level(&room);
            }
        }
        if now >= self.forget_at {
            self.forget_at = now.plus(FORGET_EVERY);
            self.forget(now);
        }
    }

    fn forget(&mut self, now: UnixMs) {
        let media = self.media.clone();
        let seats = &self.seats;
        self.known.retain(|(index, space), known| {
            let Some(source) = media.sources.get(*index) else { return false };
            let before = known.facts.names();
            known.facts.forget(now);
            let after = known.facts.names();
            for gone in before.difference(&after) {
                media.ledger.forget(&source.name, space, Some(gone));
            }
            let seated = RoomId::parse(space).is_ok_and(|room| seats.contains_key(&room));
            let stays = !source.by_room() || seated || known.polling || !known.facts.is_forgotten();
            if !stays {
                media.ledger.forget(&source.name, space, None);
            }
            stays
        });
        self.stopped.retain(|(room, user), _| seats.get(room).is_some_and(|seated| seated.iter().any(|(who, ..)| who == user)));
    }
}

/// What births count at this kind of server.
const fn births_of(kind: Kind) -> Births {
    match kind {
        Kind::ZlMediaKit | Kind::Livego => Births::Grants,
        Kind::Zego | Kind::Srs | Kind::LiveKit | Kind::Agora => Births::Times,
    }
}
