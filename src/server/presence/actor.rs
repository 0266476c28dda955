//! The actor: takes what it is asked in order, and looks at the clock in between.
use super::{
    Answer, Ask, Inbox, LastSeen, PresenceSettings, Seen, Watcher,
    later::Later,
    shared::{Purpose, Shared},
};
use crate::server::{
    clock::Clock,
    cluster::Cluster,
    msg::{ConnId, Frame, Mailbox, RoomMsg, RoomSet, ShardMsg, ToRooms},
    net::shard::ShardHandle,
    presence::session_store::SessionStore,
    telemetry::metrics,
    webhooks::Webhooks,
};
use crate::{
    hub::{
        id::{RoomId, SessionId, UserId},
        presence::People,
        time::{Millis, UnixMs},
    },
    wire::{close::Close, session::SessionRecord},
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// How many asks are taken at once.
const BATCH: usize = 512;
/// The longest wait between two looks at the clock.
const TICK_MS: u64 = 1_000;
/// Coming this much late means that the process stood still.
const PAUSED_MS: u64 = 1_000;
/// A demonstration's drain tells clients without a socket to come back within so long, and twice that.
const DRAIN_MS: u64 = 500;

pub(super) struct Line {
    pub conn: Option<ConnId>,
    pub seen: Seen,
    /// What other nodes may read of that.
    pub seen_written: UnixMs,
    /// When this node got it, on the clock of Redis, in µs; 0 = not from another node.
    pub since: u64,
    /// It was a dead node's: nothing else is known of it here.
    pub adopted: bool,
    /// When its token was issued, wall time in ms.
    pub issued_ms: u64,
    /// Where the session is, or was when its line was lost.
    pub set: RoomSet,
    /// The same, as stored.
    pub rooms: Vec<RoomId>,
    pub watches: Vec<UserId>,
    /// Redis has both as they are now, as far as known.
    pub kept: bool,
    /// Its connection was told to end because its person was sent away: it does not count as lost.
    pub sent_away: bool,
}

impl Line {
    pub fn new(conn: Option<ConnId>, seen: Seen, set: RoomSet, watches: Vec<UserId>) -> Self {
        let rooms = set.list();
        let (adopted, kept, sent_away) = (false, true, false);
        Self { conn, seen, seen_written: UnixMs(0), since: 0, adopted, issued_ms: 0, rooms, set, watches, kept, sent_away }
    }
}

pub(super) struct Actor {
    pub people: People,
    pub lines: HashMap<SessionId, Line>,
    /// What rooms are to hear later, about sessions and connections that were replaced.
    pub later: Later,
    pub watchers: HashMap<UserId, BTreeSet<Watcher>>,
    /// What rooms were told of people before everybody was: whatever becomes of those people until then, the rooms hear it.
    pub told_early: BTreeSet<(RoomId, UserId)>,
    pub kept: HashMap<UserId, VecDeque<Frame>>,
    pub settings: PresenceSettings,
    pub shards: Vec<ShardHandle>,
    pub rooms: Arc<dyn ToRooms>,
    pub store: SessionStore,
    pub clock: Clock,
    pub noted: Option<LastSeen>,
    pub webhooks: Option<Webhooks>,
    /// The other nodes, if there can be any.
    pub shared: Option<Shared>,
}

impl Inbox {
    /// Has backends told of changes too.
    #[must_use]
    pub fn told_to(self, webhooks: Option<Webhooks>) -> Self {
        Self { webhooks, ..self }
    }

    /// Takes over the stored sessions and lives until all handles are gone.
    pub async fn run(
        self,
        settings: PresenceSettings,
        shards: Vec<ShardHandle>,
        rooms: Arc<dyn ToRooms>,
        store: SessionStore,
        clock: Clock,
        cluster: Option<Arc<Cluster>>,
    ) {
        let own = self.own;
        let mut actor = Actor {
            people: People::new(settings.timeout, settings.busy_on_seat),
            lines: HashMap::new(),
            later: Later::default(),
            watchers: HashMap::new(),
            told_early: BTreeSet::new(),
            kept: HashMap::new(),
            settings,
            shards,
            rooms,
            store,
            clock,
            noted: self.noted,
            webhooks: self.webhooks,
            shared: cluster.map(|cluster| Shared::new(cluster, own, settings.projection)),
        };
        actor.restore().await;
        actor.live(self.asks).await;
    }
}

impl Actor {
    async fn restore(&mut self) {
        let now = self.clock.now();
        for record in self.store.load().await {
            let SessionRecord { session, user, user_type, choice, watches, rooms } = record;
            self.people.restore(&user, &user_type, session.clone(), choice, now);
            self.lines.insert(session, Line::new(None, Seen::new(now), RoomSet::of(rooms), watches));
        }
        // Nobody listens yet: what people look like now is where everybody starts.
        self.people.take_changes();
    }

    async fn live(&mut self, mut inbox: mpsc::UnboundedReceiver<Ask>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut flush_at: Option<UnixMs> = None;
        let mut touched = 0;
        loop {
            let now = self.clock.now();
            let timed = self.people.next_deadline().filter(|_| self.clock.is_in_time());
            let deadline = timed.into_iter().chain(self.later.next_deadline()).chain(flush_at);
            let shared = self.shared.as_ref();
            let deadline = deadline.chain(shared.and_then(|shared| shared.next_deadline(now)));
            let deadline = deadline.chain(shared.and_then(|shared| shared.seen.next_look(self.lines.len())));
            let deadline = deadline.chain(shared.and_then(|shared| shared.projection.as_ref()?.next_deadline()));
            let wake_at = deadline.min().unwrap_or(UnixMs(u64::MAX)).min(now.plus(Millis(TICK_MS)));
            let wait = Duration::from_millis(wake_at.since(now).0);
            // Reaching the timer is the normal case; an end of the mailbox shows as an empty batch before it.
            if let Ok(0) = tokio::time::timeout(wait, inbox.recv_many(&mut batch, BATCH)).await {
                return;
            }
            let late = self.clock.now().since(wake_at);
            if late.0 > PAUSED_MS {
                tracing::warn!(late_ms = late.0, "the process was paused; no session times out because of that");
                self.people.slept(late);
            }
            for ask in batch.drain(..) {
                self.take(ask).await;
            }
            let now = self.clock.now();
            self.expire(now);
            self.sync(now);
            self.note_seen(now);
            self.show_projection(now);
            if self.people.has_touched() && flush_at.is_none() {
                flush_at = Some(now.plus(self.settings.coalesce));
                touched = self.clock.micros();
            }
            if flush_at.is_some_and(|at| at <= now) {
                flush_at = None;
                self.tell().await;
                metrics::STATUS_SECONDS.record(metrics::seconds(self.clock.micros().saturating_sub(touched)));
            }
            metrics::SESSIONS.set(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        }
    }

    async fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Open { opening, reply } => {
                if let Some((opening, reply)) = self.open_shared(opening, reply) {
                    self.open(opening, reply).await;
                }
            }
            Ask::Lost { user, session, conn, rooms, by_hub } => self.lost(user, session, conn, rooms, by_hub),
            Ask::End { session } => self.end(session),
            Ask::Count { user, reply } => {
                if let Some(reply) = self.count_shared(&user, reply) {
                    let _ = reply.send(self.people.sessions(&user).len());
                }
            }
            Ask::SendAway { user, before } => self.send_away(&user, before).await,
            Ask::Watches { session, users } => drop(self.keep_watches(session, users)),
            Ask::Listen { session, users, reply } => {
                let watcher = Watcher::Session(session.clone());
                let before = self.keep_watches(session, users.clone());
                let still: BTreeSet<&UserId> = users.iter().collect();
                self.unwatch(&watcher, before.iter().filter(|user| !still.contains(user)));
                self.watch(watcher, users, Answer::Value(reply)).await;
            }
            Ask::Drain => self.drain(),
            Ask::Rooms { session, rooms } => self.keep_rooms(session, rooms),
            Ask::Forget { user, session, rooms } => self.gone(&user, &session, rooms),
            Ask::Choose { user, status, reply } => {
                if let Some(reply) = self.choose_shared(&user, status, reply) {
                    self.choose(&user, status, reply);
                }
            }
            Ask::Query { users, answer } => {
                if let Some((users, answer)) = self.query_shared(users, answer) {
                    self.answer(&users, answer).await;
                }
            }
            Ask::Asked { news, users, answer } => self.answer_once(news, &users, answer).await,
            Ask::Cluster(heard) => self.heard(heard).await,
            Ask::Watch { by, users, answer } => self.watch(by, users, answer).await,
            Ask::Unwatch { by, users } => {
                if let Watcher::Room(room) = &by {
                    // That they have gone is told with how they are now.
                    self.rooms.post(room, RoomMsg::Presence(users.iter().map(|user| self.shown(user)).collect()));
                }
                self.unwatch(&by, users.iter());
            }
            Ask::Message { to, frame, reply } => {
                if let Some((to, frame, reply)) = self.message_shared(to, frame, reply) {
                    let outcome = self.message(&to, frame).await;
                    let _ = reply.send(outcome);
                }
            }
            Ask::Seated { user, room, on } => {
                self.people.seat(&user, &room, on);
                if self.people.is_here(&user) {
                    self.touched(&user);
                }
            }
            Ask::OnAir { user, on } => {
                self.people.air(&user, on);
                if self.people.is_here(&user) {
                    self.touched(&user);
                }
            }
        }
    }

    /// Ends the sessions here of somebody whose tokens were issued before this.
    async fn send_away(&mut self, user: &UserId, before: u64) {
        for session in self.people.sessions(user) {
            let Some(line) = self.lines.get_mut(&session).filter(|line| line.issued_ms < before) else { continue };
            match line.conn {
                // It ends as if its client had said goodbye, also if the connection breaks before it hears that.
                Some(to) => {
                    line.sent_away = true;
                    let close = ShardMsg::Close { to, close: Close::Banned, retry_after_ms: 0 };
                    self.to_shard(to.shard, close).await;
                }
                None => {
                    if let Some(mail) = self.mail_of(&session) {
                        mail.close(Close::Banned, 0);
                    }
                    self.end(session);
                }
            }
        }
    }

    /// Asks everybody who listens without a connection to come back a little later.
    #[expect(clippy::disallowed_methods, reason = "each has mail of its own")]
    fn drain(&self) {
        for mail in self.lines.values().filter(|line| line.conn.is_none()).filter_map(|line| line.set.listener()) {
            mail.close(Close::Draining, DRAIN_MS + u64::from(rand::random::<u16>()) % DRAIN_MS);
        }
    }

    async fn watch(&mut self, by: Watcher, users: Vec<UserId>, answer: Answer) {
        // What the answer says is not told once more to whoever begins to watch.
        if !matches!(by, Watcher::Room(_)) && users.iter().any(|user| self.people.is_touched(user)) {
            self.tell().await;
        }
        for user in &users {
            self.watchers.entry(user.clone()).or_default().insert(by.clone());
        }
        let unknown = self.shared.as_mut().map(|shared| shared.watch(&users)).unwrap_or_default();
        if let Watcher::Room(room) = &by {
            let known = |user: &&UserId| self.people.is_here(user) || !unknown.contains(user);
            let known: Vec<UserId> = users.iter().filter(known).cloned().collect();
            self.tell_room(room, &known);
        }
        match (&self.shared, by) {
            (Some(shared), Watcher::Room(room)) if !unknown.is_empty() => {
                shared.look(unknown, true, Purpose::Room(room, users));
            }
            (Some(shared), _) if !unknown.is_empty() => shared.look(unknown, true, Purpose::Answer(users, answer)),
            _ => self.answer(&users, answer).await,
        }
    }

    fn unwatch<'a>(&mut self, by: &Watcher, users: impl Iterator<Item = &'a UserId>) {
        for user in users {
            let Some(watchers) = self.watchers.get_mut(user) else { continue };
            watchers.remove(by);
            if watchers.is_empty() {
                self.watchers.remove(user);
                if let Some(shared) = &mut self.shared {
                    shared.unwatch(user);
                    self.people.glance(user, None);
                }
            }
        }
    }

    /// Takes a session's line out. One without a connection watches nobody any more.
    pub(super) fn take_line(&mut self, session: &SessionId) -> Option<Line> {
        let line = self.lines.remove(session)?;
        if line.conn.is_none() {
            self.unwatch(&Watcher::Session(session.clone()), line.watches.iter());
        }
        if let Some(shared) = self.shared.as_mut().filter(|_| line.seen_written.0 > 0) {
            shared.seen.forget(session);
        }
        Some(line)
    }

    /// Returns the mail of a session that has no connection, if there ever was any.
    pub(super) fn mail_of(&self, session: &SessionId) -> Option<&Mailbox> {
        self.lines.get(session).filter(|line| line.conn.is_none())?.set.some_mail()
    }

    /// A session is over. One without a connection leaves its rooms by that.
    pub(super) fn end(&mut self, session: SessionId) {
        let silent = self.take_line(&session).filter(|line| line.conn.is_none());
        if let Some(mail) = silent.as_ref().and_then(|line| line.set.some_mail()) {
            mail.close(Close::Normal, 0);
        }
        for room in silent.map(|line| line.set.list()).unwrap_or_default() {
            self.rooms.post(&room, RoomMsg::Leave { session: session.clone(), reply: None });
        }
        let user = self.people.user_of(&session).cloned();
        if self.people.end(&session, self.clock.now()) {
            self.store.put(session, None, || {});
        }
        if let Some(user) = user {
            self.touched(&user);
            if self.shared.is_none() && !self.people.is_here(&user) {
                self.left_for_good(&user);
            }
        }
    }

    /// Somebody has no session any more, anywhere: what sessions that were replaced still had in rooms ends with his last one.
    pub(super) fn left_for_good(&mut self, user: &UserId) {
        for (room, session) in self.later.take_ends(user) {
            self.rooms.post(&room, RoomMsg::Leave { session, reply: None });
        }
    }

    fn expire(&mut self, now: UnixMs) {
        // A clock that is off says nothing about how long somebody has been silent.
        let over = if self.clock.is_in_time() { self.people.expire(now) } else { Vec::new() };
        for (user, session) in over {
            let line = self.take_line(&session);
            if let Some(mail) = line.as_ref().and_then(|line| line.set.some_mail()) {
                mail.close(Close::HeartbeatTimeout, 0);
            }
            self.touched(&user);
            self.store.put(session.clone(), None, || {});
            self.gone(&user, &session, line.map(|line| line.set.list()).unwrap_or_default());
            if !self.people.is_here(&user) {
                self.kept.remove(&user);
            }
        }
        while let Some((room, message)) = self.later.due(now) {
            self.rooms.post(&room, message);
        }
    }

    pub(super) fn gone(&self, user: &UserId, session: &SessionId, rooms: Vec<RoomId>) {
        for room in rooms {
            // Somebody who polls has no connection whose end the room could have heard of.
            self.rooms.post(&room, RoomMsg::Lost { session: session.clone(), conn: None, by_hub: None });
            self.rooms.post(&room, RoomMsg::Gone { user: user.clone(), session: session.clone(), conn: None });
        }
    }
}
