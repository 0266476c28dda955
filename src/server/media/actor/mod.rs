//! What is known of all media servers, in one task: reports and polls are joined here, rooms hear who is on air, strays are shown out.
//!
//! Rooms are told by level, not by edge: a word that got lost on its way is said again.
mod polls;
mod strays;

use super::{Ask, Media, Source, gate::Denied};
use crate::hub::{
    command::Command,
    id::{RoomId, UserId},
    media::{self, Births, Change, Live, MediaSession, Space, StreamId, Told},
    room::Media as OnSeat,
    time::{Millis, UnixMs},
};
use crate::server::{
    config::Gate,
    hooks::{Kind, PublishRequest, Report},
    msg::{RoomMsg, SeatsOf},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::sync::mpsc;

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
/// How many lists of one source are asked for in one tick: 20 per second stay below every vendor's limit.
const POLLS_PER_TICK: usize = 5;
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

/// One list of streams: a room's, or a server's.
struct Known {
    facts: Space,
    shown: Vec<Live>,
    owners: BTreeSet<(RoomId, UserId)>,
    pending_since: BTreeMap<(StreamId, MediaSession), UnixMs>,
    strays: BTreeMap<(StreamId, MediaSession), u8>,
    hole: Option<(u64, UnixMs)>,
    poll_at: UnixMs,
    polled_at: UnixMs,
    /// When the last good poll was asked.
    covered: UnixMs,
    polling: bool,
}

impl Known {
    const fn new(births: Births, poll_at: UnixMs) -> Self {
        Self {
            facts: Space::new(births),
            shown: Vec::new(),
            owners: BTreeSet::new(),
            pending_since: BTreeMap::new(),
            strays: BTreeMap::new(),
            hole: None,
            poll_at,
            polled_at: UnixMs(0),
            covered: UnixMs(0),
            polling: false,
        }
    }

    fn poll_by(&mut self, at: UnixMs) {
        self.poll_at = self.poll_at.min(at);
    }
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
        loop {
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(ask) => self.hear(ask),
                    None => return,
                },
                Some(seats) = seats.recv() => self.seats_changed(seats),
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
                self.report(source, report);
                let _ = reply.send(());
            }
            Ask::Publish { source, request, grant, reply } => {
                let _ = reply.send(self.publish(source, request, grant));
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

    fn report(&mut self, index: usize, report: Report) {
        let Some(key) = self.key(index, &report.space) else { return };
        let now = self.now();
        let Some(known) = self.open(&key, report.births) else { return };
        let mut missed = report.poll;
        for fact in &report.facts {
            missed |= known.facts.join(fact, now) == Told::TooOld;
        }
        if missed {
            known.poll_by(now.plus(SOON));
        }
        self.refresh(&key);
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
            let same_grant = |live: &&Live| source.owner(&key.1, live, &tickets).is_some_and(|owner| owner.grant == grant);
            let other = |live: &&Live| !live.pending && live.stream.as_str() != request.stream;
            if grant.is_some() && known.shown.iter().filter(other).any(|live| same_grant(&live)) {
                return Err(Denied::AlreadyPublishing);
            }
        }
        if let Some(known) = self.known.get_mut(&key) {
            for fact in &request.report.facts {
                known.facts.join(fact, now);
            }
            if has_api {
                known.poll_by(now.plus(SOON));
            }
        }
        self.refresh(&key);
        Ok(())
    }

    /// Compares what is on air with what was, and tells whom it concerns.
    fn refresh(&mut self, key: &Key) {
        let now = self.now();
        let media = self.media.clone();
        let (Some(source), Some(known)) = (media.sources.get(key.0), self.known.get_mut(key)) else { return };
        let live = known.facts.live();
        known.pending_since.retain(|(stream, session), _| {
            live.iter().any(|live| live.pending && live.stream == *stream && live.session == *session)
        });
        for asked in live.iter().filter(|live| live.pending) {
            known.pending_since.entry((asked.stream.clone(), asked.session.clone())).or_insert(now);
        }
        known.strays.retain(|(stream, session), _| live.iter().any(|live| live.stream == *stream && live.session == *session));
        let settled = |list: &[Live]| -> Vec<Live> { list.iter().filter(|live| !live.pending).cloned().collect() };
        let begun: Vec<Live> = media::changes(&settled(&known.shown), &settled(&live))
            .into_iter()
            .filter_map(|change| match change {
                Change::Added(live) | Change::Replaced { new: live, .. } => Some(live),
                Change::Removed(_) => None,
            })
            .collect();
        let on_air = live.iter().filter(|live| !live.pending || source.asks_only());
        let owners: BTreeSet<Person> =
            on_air.filter_map(|live| source.owner(&key.1, live, &media.tickets)).map(|owner| (owner.room, owner.user)).collect();
        known.shown = live;
        let before = std::mem::replace(&mut known.owners, owners.clone());
        for person in owners.difference(&before) {
            self.begins(person, key);
        }
        for person in before.difference(&owners) {
            self.ends(person, key);
        }
        for live in begun {
            self.check(key, &live, true);
        }
    }

    fn begins(&mut self, person: &Person, key: &Key) {
        let by = self.on_air.entry(person.clone()).or_default();
        by.insert(key.clone());
        if by.len() == 1 {
            self.unconfirmed.remove(person);
            self.stopped.remove(person);
            self.media.rooms.deps().presence.on_air(person.1.clone(), true);
            self.level(&person.0);
        }
    }

    fn ends(&mut self, person: &Person, key: &Key) {
        let Some(by) = self.on_air.get_mut(person) else { return };
        by.remove(key);
        if by.is_empty() {
            self.on_air.remove(person);
            self.stopped.insert(person.clone(), self.now());
            if !self.on_air.keys().any(|(_, user)| *user == person.1) {
                self.media.rooms.deps().presence.on_air(person.1.clone(), false);
            }
            self.level(&person.0);
        }
    }

    /// Says to a room what it does not show yet.
    fn level(&mut self, room: &RoomId) {
        let Some(seated) = self.seats.get(room) else { return };
        let now = self.now();
        for (user, _, shown) in seated {
            let person = (room.clone(), user.clone());
            let word = match (self.on_air.contains_key(&person), shown) {
                (true, OnSeat::Publishing) => continue,
                (true, _) => Command::StreamStarted { user: user.clone() },
                (false, OnSeat::Publishing) => match self.stopped.get(&person) {
                    Some(stopped_at) => Command::StreamStopped { user: user.clone(), stopped_at: *stopped_at },
                    None => {
                        self.unconfirmed.entry(person).or_insert(now);
                        continue;
                    }
                },
                (false, _) => continue,
            };
            self.media.rooms.post(room, RoomMsg::Hub(word));
        }
    }

    fn seats_changed(&mut self, seats: SeatsOf) {
        let room = seats.room;
        let before = self.seats.remove(&room).unwrap_or_default();
        let stays = |user: &UserId, grant: u64| seats.seated.iter().any(|(now, by, _)| now == user && *by == grant);
        for (user, ..) in before.iter().filter(|(user, grant, _)| !stays(user, *grant)) {
            let person = (room.clone(), user.clone());
            self.stopped.remove(&person);
            self.unconfirmed.remove(&person);
            for key in self.on_air.get(&person).cloned().unwrap_or_default() {
                self.check_person(&key, &person);
            }
        }
        if !seats.seated.is_empty() {
            self.watch_room(&room);
            self.seats.insert(room.clone(), seats.seated);
            self.level(&room);
        }
    }

    /// Rooms with people on seats are polled, also if no callback of theirs ever came.
    fn watch_room(&mut self, room: &RoomId) {
        let media = self.media.clone();
        for (index, source) in media.sources.iter().enumerate().filter(|(_, source)| source.by_room() && source.api.is_some()) {
            self.open(&(index, room.to_string()), births_of(source.kind));
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        self.expire_pending(now);
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
            known.facts.forget(now);
            let seated = RoomId::parse(space).is_ok_and(|room| seats.contains_key(&room));
            let by_room = media.sources.get(*index).is_some_and(Source::by_room);
            !by_room || seated || known.polling || !known.facts.is_forgotten()
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
