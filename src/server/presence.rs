//! Presence of this node: one actor that hears sessions come and go, and tells shards and rooms what others see differently.
//!
//! Heartbeats never come here: a session stamps its own [`Seen`], and the actor reads it when somebody asks.
use super::{
    clock::Clock,
    msg::{Class, ConnId, Frame, RoomMsg, ShardMsg, Shown, ShownStatus},
    rooms::Rooms,
    session_store::SessionStore,
    shard::ShardHandle,
};
use crate::{
    hub::{
        id::{RoomId, SessionId, UserId, UserType},
        presence::{People, Status, View},
        time::{Millis, UnixMs},
    },
    wire::{close::Close, session::SessionRecord},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How many asks are taken at once.
const BATCH: usize = 512;
/// How many direct messages are kept for somebody whose lines are all lost.
const KEPT_MAX: usize = 64;
/// The longest wait between two looks at the clock.
const TICK_MS: u64 = 1_000;
/// Coming this much late means that the process stood still.
const PAUSED_MS: u64 = 1_000;

/// When a session was last heard, on the hub clock: written by the session, read by the actor.
#[derive(Clone, Debug)]
pub struct Seen(Arc<AtomicU64>);

impl Seen {
    /// Starts at `now`.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Notes a sign of life.
    pub fn stamp(&self, now: UnixMs) {
        self.0.store(now.0, Relaxed);
    }

    /// Returns the last sign of life.
    #[must_use]
    pub fn at(&self) -> UnixMs {
        UnixMs(self.0.load(Relaxed))
    }
}

/// A session that wants to be opened.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Opening {
    pub user: UserId,
    pub user_type: UserType,
    /// The session of a session token that was verified for this user.
    pub resume: Option<SessionId>,
    /// The id of the new session if there is nothing to resume.
    pub fresh: SessionId,
    /// `None` for a polling client, which lives from one opening to the next.
    pub conn: Option<ConnId>,
    pub seen: Seen,
}

/// An opened session.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Entered {
    pub session: SessionId,
    pub resumed: bool,
    /// Messages that came while all his lines were lost.
    pub kept: Vec<Frame>,
    /// The rooms in which the resumed session was when its line was lost.
    pub rooms: Vec<RoomId>,
}

/// The user has as many sessions as he may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user has as many sessions as he may")]
pub struct TooMany;

/// Makes the frame of an answer about people.
pub type Encode = Box<dyn FnOnce(&[Shown]) -> Frame + Send>;

/// Where an answer about people goes.
pub enum Answer {
    /// Through the shard's channel, so that it stands in order with later pushes.
    Conn { to: ConnId, encode: Encode },
    /// To whoever waits.
    Value(oneshot::Sender<Vec<Shown>>),
    /// Nobody waits.
    Nobody,
}

/// Who is told about changes of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watcher {
    Shard(u16),
    Room(RoomId),
}

enum Ask {
    Open { opening: Opening, reply: oneshot::Sender<Result<Entered, TooMany>> },
    Lost { session: SessionId, conn: ConnId, rooms: Vec<RoomId> },
    End { session: SessionId },
    Forget { user: UserId, session: SessionId, rooms: Vec<RoomId> },
    Choose { user: UserId, status: Status, reply: oneshot::Sender<bool> },
    Query { users: Vec<UserId>, answer: Answer },
    Watch { by: Watcher, users: Vec<UserId>, answer: Answer },
    Unwatch { by: Watcher, users: Vec<UserId> },
    Message { to: UserId, frame: Frame, reply: oneshot::Sender<Option<usize>> },
    Seated { user: UserId, room: RoomId, on: bool },
}

/// Reaches the actor from anywhere. Its mailbox needs no bound: a session waits for each answer, so it holds one ask at a time.
#[derive(Clone, Debug)]
pub struct Presence(mpsc::UnboundedSender<Ask>);

/// The actor's side of the mailbox, until it is started.
pub struct Inbox(mpsc::UnboundedReceiver<Ask>);

/// What presence is allowed to do, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct PresenceSettings {
    /// How long a lost session is shown as before, from its last sign of life.
    pub timeout: Millis,
    /// For how long changes are gathered before they are told.
    pub coalesce: Millis,
    /// Whether somebody on a seat is shown busy.
    pub busy_on_seat: bool,
    /// How many live sessions a user may have; 0 = any number.
    pub sessions_per_user: usize,
}

impl Presence {
    /// Makes the mailbox; the actor is started with [`Inbox::run`].
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Inbox(receiver))
    }

    fn ask(&self, ask: Ask) {
        // The actor ends with the process: whoever still asks then gets no answer.
        let _ = self.0.send(ask);
    }

    async fn asked<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.ask(ask(reply));
        answer.await.ok()
    }

    /// Opens or resumes a session, stored before this returns. `None`: the hub ends.
    pub async fn open(&self, opening: Opening) -> Option<Result<Entered, TooMany>> {
        self.asked(|reply| Ask::Open { opening, reply }).await
    }

    /// Says that a session's line is gone without a goodbye, if `conn` still is its line.
    pub fn lost(&self, session: SessionId, conn: ConnId, rooms: Vec<RoomId>) {
        self.ask(Ask::Lost { session, conn, rooms });
    }

    /// Ends a session at once.
    pub fn end(&self, session: SessionId) {
        self.ask(Ask::End { session });
    }

    /// Tells rooms that a session does not come back to them, because it was resumed without naming them.
    pub fn forget(&self, user: UserId, session: SessionId, rooms: Vec<RoomId>) {
        self.ask(Ask::Forget { user, session, rooms });
    }

    /// Sets the explicit status of a user, stored before this returns; `Online` clears it.
    pub async fn choose(&self, user: UserId, status: Status) -> bool {
        self.asked(|reply| Ask::Choose { user, status, reply }).await.unwrap_or(false)
    }

    /// Asks for the shown states of users, in the order named.
    pub fn query(&self, users: Vec<UserId>, answer: Answer) {
        self.ask(Ask::Query { users, answer });
    }

    /// Asks and waits.
    pub async fn states(&self, users: Vec<UserId>) -> Vec<Shown> {
        self.asked(|reply| Ask::Query { users, answer: Answer::Value(reply) }).await.unwrap_or_default()
    }

    /// A shard wants to hear of users from here on; the answer tells their states now.
    pub fn watch(&self, shard: u16, users: Vec<UserId>, answer: Answer) {
        self.ask(Ask::Watch { by: Watcher::Shard(shard), users, answer });
    }

    /// A shard does not want to hear of users any more.
    pub fn unwatch(&self, shard: u16, users: Vec<UserId>) {
        self.ask(Ask::Unwatch { by: Watcher::Shard(shard), users });
    }

    /// A room has a new member: it hears his state at once and from here on.
    pub fn enter(&self, room: &RoomId, user: UserId) {
        self.ask(Ask::Watch { by: Watcher::Room(room.clone()), users: vec![user], answer: Answer::Nobody });
    }

    /// A room has lost a member.
    pub fn leave(&self, room: &RoomId, user: UserId) {
        self.ask(Ask::Unwatch { by: Watcher::Room(room.clone()), users: vec![user] });
    }

    /// Sends a frame to every live session of a user. Returns how many there were, 0 if it is kept; `None` = he is not here.
    pub async fn message(&self, to: UserId, frame: Frame) -> Option<usize> {
        self.asked(|reply| Ask::Message { to, frame, reply }).await.flatten()
    }

    /// Says that a user came to a seat of a room, or left it.
    pub fn seated(&self, user: UserId, room: &RoomId, on: bool) {
        self.ask(Ask::Seated { user, room: room.clone(), on });
    }
}

struct Line {
    conn: Option<ConnId>,
    seen: Seen,
    /// Where the session was when its line was lost.
    rooms: Vec<RoomId>,
}

struct Actor {
    people: People,
    lines: HashMap<SessionId, Line>,
    /// Sessions that were replaced by another one of their user: when their rooms stop counting them.
    replaced: BTreeMap<(UnixMs, SessionId), (UserId, Vec<RoomId>)>,
    watchers: HashMap<UserId, BTreeSet<Watcher>>,
    kept: HashMap<UserId, VecDeque<Frame>>,
    settings: PresenceSettings,
    shards: Vec<ShardHandle>,
    rooms: Rooms,
    store: SessionStore,
    clock: Clock,
}

impl Inbox {
    /// Takes over the stored sessions and lives until all handles are gone.
    pub async fn run(
        self,
        settings: PresenceSettings,
        shards: Vec<ShardHandle>,
        rooms: Rooms,
        store: SessionStore,
        clock: Clock,
    ) {
        let mut actor = Actor {
            people: People::new(settings.timeout, settings.busy_on_seat),
            lines: HashMap::new(),
            replaced: BTreeMap::new(),
            watchers: HashMap::new(),
            kept: HashMap::new(),
            settings,
            shards,
            rooms,
            store,
            clock,
        };
        actor.restore().await;
        actor.live(self.0).await;
    }
}

impl Actor {
    async fn restore(&mut self) {
        let now = self.clock.now();
        for record in self.store.load().await {
            let SessionRecord { session, user, user_type, choice } = record;
            self.people.restore(&user, &user_type, session.clone(), choice, now);
            self.lines.insert(session, Line { conn: None, seen: Seen::new(now), rooms: Vec::new() });
        }
        // Nobody listens yet: what people look like now is where everybody starts.
        self.people.take_changes();
    }

    async fn live(&mut self, mut inbox: mpsc::UnboundedReceiver<Ask>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut flush_at: Option<UnixMs> = None;
        loop {
            let now = self.clock.now();
            let deadline =
                self.people.next_deadline().into_iter().chain(self.replaced.keys().next().map(|(at, _)| *at)).chain(flush_at);
            let wake_at = deadline.min().unwrap_or(UnixMs(u64::MAX)).min(now.plus(Millis(TICK_MS)));
            let wait = Duration::from_millis(wake_at.since(now).0);
            // Reaching the timer is the normal case; an end of the mailbox shows as an empty batch before it.
            if let Ok(0) = tokio::time::timeout(wait, inbox.recv_many(&mut batch, BATCH)).await {
                return;
            }
            let late = self.clock.now().since(wake_at);
            if late.0 > PAUSED_MS {
                tracing::warn!(late_ms = late.0, "the process stood still; nobody is judged for it");
                self.people.slept(late);
            }
            for ask in batch.drain(..) {
                self.take(ask).await;
            }
            let now = self.clock.now();
            self.expire(now);
            if self.people.has_touched() && flush_at.is_none() {
                flush_at = Some(now.plus(self.settings.coalesce));
            }
            if flush_at.is_some_and(|at| at <= now) {
                flush_at = None;
                self.tell().await;
            }
        }
    }

    async fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Open { opening, reply } => self.open(opening, reply).await,
            Ask::Lost { session, conn, rooms } => {
                let Some(line) = self.lines.get_mut(&session).filter(|line| line.conn == Some(conn)) else { return };
                line.conn = None;
                line.rooms = rooms;
                self.people.lost(&session, line.seen.at());
            }
            Ask::End { session } => {
                self.lines.remove(&session);
                if self.people.end(&session, self.clock.now()) {
                    self.store.put(session, None, || {});
                }
            }
            Ask::Forget { user, session, rooms } => self.gone(&user, &session, rooms),
            Ask::Choose { user, status, reply } => self.choose(&user, status, reply),
            Ask::Query { users, answer } => self.answer(&users, answer).await,
            Ask::Watch { by, users, answer } => {
                for user in &users {
                    self.watchers.entry(user.clone()).or_default().insert(by.clone());
                }
                if let Watcher::Room(room) = &by {
                    self.rooms.post(room, RoomMsg::Presence(users.iter().map(|user| self.shown(user)).collect()));
                }
                self.answer(&users, answer).await;
            }
            Ask::Unwatch { by, users } => {
                for user in &users {
                    let Some(watchers) = self.watchers.get_mut(user) else { continue };
                    watchers.remove(&by);
                    if watchers.is_empty() {
                        self.watchers.remove(user);
                    }
                }
            }
            Ask::Message { to, frame, reply } => {
                let outcome = self.message(&to, frame).await;
                let _ = reply.send(outcome);
            }
            Ask::Seated { user, room, on } => self.people.seat(&user, &room, on),
        }
    }

    async fn open(&mut self, opening: Opening, reply: oneshot::Sender<Result<Entered, TooMany>>) {
        let Opening { user, user_type, resume, fresh, conn, seen } = opening;
        let now = self.clock.now();
        let resumable = resume.as_ref().is_some_and(|session| self.people.sessions(&user).contains(session));
        let max = self.settings.sessions_per_user;
        if !resumable && max > 0 && self.people.live(&user).len() >= max {
            let _ = reply.send(Err(TooMany));
            return;
        }
        let opened = self.people.open(&user, &user_type, resume.as_ref(), fresh, now);
        let session = opened.session;
        let before = self.lines.insert(session.clone(), Line { conn, seen, rooms: Vec::new() });
        if conn.is_none() {
            // A polling client's line is lost from the start: it ends unless it is opened again in time.
            self.people.lost(&session, now);
        }
        let mut rooms = Vec::new();
        if let Some(line) = before {
            rooms = line.rooms;
            if let Some(to) = line.conn.filter(|old| Some(*old) != conn) {
                self.to_shard(to.shard, ShardMsg::Close { to, close: Close::Replaced, retry_after_ms: 0 }).await;
            }
        }
        for old in opened.replaced {
            let line = self.lines.remove(&old);
            self.store.put(old.clone(), None, || {});
            if let Some(line) = line.filter(|line| !line.rooms.is_empty()) {
                let at = line.seen.at().plus(self.settings.timeout).max(now);
                self.replaced.insert((at, old), (user.clone(), line.rooms));
            }
        }
        let kept = if conn.is_some() { self.kept.remove(&user).unwrap_or_default().into() } else { Vec::new() };
        let entered = Entered { session: session.clone(), resumed: opened.resumed, kept, rooms };
        let answer = move || {
            let _ = reply.send(Ok(entered));
        };
        if opened.resumed {
            answer();
        } else {
            self.store.put(session.clone(), Some(self.record(&user, session)), answer);
        }
    }

    fn record(&self, user: &UserId, session: SessionId) -> SessionRecord {
        let user_type = self.people.type_of(user).cloned().unwrap_or_else(UserType::plain);
        SessionRecord { session, user: user.clone(), user_type, choice: self.people.choice(user) }
    }

    /// Every stored session of the user carries his choice; the last one written answers.
    fn choose(&mut self, user: &UserId, status: Status, reply: oneshot::Sender<bool>) {
        let before = self.people.choice(user);
        if !self.people.choose(user, status) || self.people.choice(user) == before {
            let _ = reply.send(self.people.is_here(user));
            return;
        }
        let mut sessions = self.people.sessions(user);
        let last = sessions.pop();
        for session in sessions {
            self.store.put(session.clone(), Some(self.record(user, session)), || {});
        }
        if let Some(session) = last {
            let answer = move || {
                let _ = reply.send(true);
            };
            self.store.put(session.clone(), Some(self.record(user, session)), answer);
        }
    }

    async fn answer(&self, users: &[UserId], answer: Answer) {
        let shown = || users.iter().map(|user| self.shown(user)).collect::<Vec<_>>();
        match answer {
            Answer::Conn { to, encode } => {
                let frame = encode(&shown());
                self.to_shard(to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Answer::Value(reply) => {
                let _ = reply.send(shown());
            }
            Answer::Nobody => {}
        }
    }

    async fn message(&mut self, to: &UserId, frame: Frame) -> Option<usize> {
        let live = self.people.live(to);
        for session in &live {
            if let Some(to) = self.lines.get(session).and_then(|line| line.conn) {
                self.to_shard(to.shard, ShardMsg::Deliver { to, frame: frame.clone(), class: Class::Must }).await;
            }
        }
        if live.is_empty() && !self.people.is_here(to) {
            return None;
        }
        if live.is_empty() {
            let kept = self.kept.entry(to.clone()).or_default();
            kept.push_back(frame);
            if kept.len() > KEPT_MAX {
                kept.pop_front();
            }
        }
        Some(live.len())
    }

    fn expire(&mut self, now: UnixMs) {
        for (user, session) in self.people.expire(now) {
            let line = self.lines.remove(&session);
            self.store.put(session.clone(), None, || {});
            self.gone(&user, &session, line.map(|line| line.rooms).unwrap_or_default());
            if !self.people.is_here(&user) {
                self.kept.remove(&user);
            }
        }
        while let Some(entry) = self.replaced.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, session), (user, rooms)) = entry.remove_entry();
            self.gone(&user, &session, rooms);
        }
    }

    fn gone(&self, user: &UserId, session: &SessionId, rooms: Vec<RoomId>) {
        for room in rooms {
            self.rooms.post(&room, RoomMsg::Gone { user: user.clone(), session: session.clone() });
        }
    }

    /// Tells every shard and room that is interested what has changed, once each.
    async fn tell(&mut self) {
        let mut by_shard: BTreeMap<u16, Vec<Shown>> = BTreeMap::new();
        let mut by_room: BTreeMap<RoomId, Vec<Shown>> = BTreeMap::new();
        for view in self.people.take_changes() {
            let Some(watchers) = self.watchers.get(&view.user) else { continue };
            let shown = self.show(view);
            for watcher in watchers {
                match watcher {
                    Watcher::Shard(shard) => by_shard.entry(*shard).or_default().push(shown.clone()),
                    Watcher::Room(room) => by_room.entry(room.clone()).or_default().push(shown.clone()),
                }
            }
        }
        for (room, shown) in by_room {
            self.rooms.post(&room, RoomMsg::Presence(shown));
        }
        for (shard, shown) in by_shard {
            self.to_shard(shard, ShardMsg::Presence(Arc::new(shown))).await;
        }
    }

    fn shown(&self, user: &UserId) -> Shown {
        self.show(self.people.view(user))
    }

    fn show(&self, view: View) -> Shown {
        let heard = self.people.live(&view.user).iter().filter_map(|session| Some(self.lines.get(session)?.seen.at())).max();
        let status = match view.status {
            Status::Online => ShownStatus::Online,
            Status::Busy => ShownStatus::Busy,
            Status::Away => ShownStatus::Away,
            Status::Offline => ShownStatus::Offline,
        };
        let last_seen = view.last_seen.max(heard).map_or(0, UnixMs::seconds);
        Shown { user: view.user, user_type: view.user_type, status, last_seen }
    }

    async fn to_shard(&self, shard: u16, message: ShardMsg) {
        if let Some(handle) = self.shards.get(usize::from(shard)) {
            handle.send(message).await;
        }
    }
}
