//! Presence of this node: one actor that hears sessions come and go, and tells shards and rooms what others see differently.
//!
//! Heartbeats never come here: a session stamps its own [`Seen`], and the actor reads it when somebody asks.
mod actor;
mod asked;
mod heard;
mod later;
mod projection;
mod seen;
pub mod session_store;
mod sessions;
mod shared;
mod tell;
mod told;
mod written;

use crate::hub::{
    id::{RoomId, SessionId, UserId, UserType},
    presence::Status,
    time::{Millis, UnixMs},
};
use crate::server::{
    cluster::{
        Mail, ToPresence,
        people::{Adopted, PersonNews},
    },
    history::postgres::People as LastSeen,
    msg::{ConnId, EndedByHub, Frame, RoomSet, Shown},
    webhooks::Webhooks,
};
use shared::FromCluster;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::{mpsc, oneshot};

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
    /// A polling client without a token does not go on with his user's polling session.
    pub own: bool,
    /// Up to where the client has the session's mail.
    pub heard: Option<String>,
    /// `None` for a polling client, which lives from one opening to the next.
    pub conn: Option<ConnId>,
    pub seen: Seen,
    /// When its token was issued, wall time in ms; without a token: now.
    pub issued_ms: u64,
    /// An empty set for the rooms of the session.
    pub set: RoomSet,
}

/// An opened session.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Entered {
    pub session: SessionId,
    pub resumed: bool,
    /// Messages that came while all his lines were lost.
    pub kept: Vec<Frame>,
    /// The rooms in which the resumed session was, as far as it does not stay in them.
    pub rooms: Vec<RoomId>,
    /// The rooms of the session from here on: those of a polling client that comes again stay.
    pub set: RoomSet,
    /// Whom the session watches.
    pub watches: Vec<UserId>,
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
    /// A session without a socket.
    Session(SessionId),
}

enum Ask {
    Open {
        opening: Opening,
        reply: oneshot::Sender<Result<Entered, TooMany>>,
    },
    Lost {
        user: UserId,
        session: SessionId,
        conn: ConnId,
        rooms: Vec<RoomId>,
        by_hub: Option<EndedByHub>,
    },
    End {
        session: SessionId,
    },
    Watches {
        session: SessionId,
        users: Vec<UserId>,
    },
    Listen {
        session: SessionId,
        users: Vec<UserId>,
        reply: oneshot::Sender<Vec<Shown>>,
    },
    Drain,
    Rooms {
        session: SessionId,
        rooms: Vec<RoomId>,
    },
    Forget {
        user: UserId,
        session: SessionId,
        rooms: Vec<RoomId>,
    },
    Choose {
        user: UserId,
        status: Status,
        reply: oneshot::Sender<bool>,
    },
    Query {
        users: Vec<UserId>,
        answer: Answer,
    },
    Watch {
        by: Watcher,
        users: Vec<UserId>,
        answer: Answer,
    },
    Unwatch {
        by: Watcher,
        users: Vec<UserId>,
    },
    Message {
        to: UserId,
        frame: Frame,
        reply: oneshot::Sender<Option<usize>>,
    },
    Count {
        user: UserId,
        reply: oneshot::Sender<usize>,
    },
    SendAway {
        user: UserId,
        before: u64,
    },
    Seated {
        user: UserId,
        room: RoomId,
        on: bool,
    },
    OnAir {
        user: UserId,
        on: bool,
    },
    Cluster(FromCluster),
    /// A query about people who had to be looked up.
    Asked {
        news: Vec<PersonNews>,
        users: Vec<UserId>,
        answer: Answer,
    },
}

/// Reaches the actor from anywhere. Its mailbox needs no bound: a session waits for each answer, so it holds one ask at a time.
#[derive(Clone, Debug)]
pub struct Presence(mpsc::UnboundedSender<Ask>);

/// The actor's side of the mailbox, until it is started.
pub struct Inbox {
    asks: mpsc::UnboundedReceiver<Ask>,
    own: mpsc::WeakUnboundedSender<Ask>,
    webhooks: Option<Webhooks>,
    noted: Option<LastSeen>,
}

impl Inbox {
    /// Writes down when people are shown online and offline, for the history.
    #[must_use]
    pub fn noting(self, noted: Option<LastSeen>) -> Self {
        Self { noted, ..self }
    }
}

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
    /// After how long without a frame a line is pinged.
    pub ping: Millis,
    /// How often other nodes may read when sessions were last heard.
    pub seen: Millis,
    /// How often people are shown to other tools; 0 = never.
    pub projection: Millis,
}

impl Presence {
    /// Makes the mailbox; the actor is started with [`Inbox::run`].
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let own = sender.downgrade();
        (Self(sender), Inbox { asks: receiver, own, webhooks: None, noted: None })
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

    /// Says that a session's line is gone without a goodbye; its rooms hear so, unless it goes on over another connection.
    pub fn lost(&self, user: UserId, session: SessionId, conn: ConnId, rooms: Vec<RoomId>, by_hub: Option<EndedByHub>) {
        self.ask(Ask::Lost { user, session, conn, rooms, by_hub });
    }

    /// Says whom a session watches, all of them: they are kept with it.
    pub fn watches(&self, session: SessionId, users: Vec<UserId>) {
        self.ask(Ask::Watches { session, users });
    }

    /// Says whom a session without a socket watches, all of them. Returns how they are; what changes goes into its mail.
    pub async fn listen(&self, session: SessionId, users: Vec<UserId>) -> Vec<Shown> {
        self.asked(|reply| Ask::Listen { session, users, reply }).await.unwrap_or_default()
    }

    /// Asks every client without a socket that listens to come back a little later.
    pub fn drain(&self) {
        self.ask(Ask::Drain);
    }

    /// Says in which rooms a session is, all of them: whoever resumes it without naming rooms is in them again.
    pub fn rooms(&self, session: SessionId, rooms: Vec<RoomId>) {
        self.ask(Ask::Rooms { session, rooms });
    }

    /// Ends a session at once. A polling client leaves its rooms by that.
    pub fn end(&self, session: SessionId) {
        self.ask(Ask::End { session });
    }

    /// Tells rooms that a session does not come back to them, because it was resumed for others.
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

    /// Counts the sessions of somebody, lost ones included, on all nodes.
    pub async fn count(&self, user: UserId) -> usize {
        self.asked(|reply| Ask::Count { user, reply }).await.unwrap_or(0)
    }

    /// Sends somebody away from this node: his sessions here end at once whose tokens were issued before this, wall time in ms.
    pub fn send_away(&self, user: UserId, before: u64) {
        self.ask(Ask::SendAway { user, before });
    }

    /// Returns when the other nodes have heard of everything here, or after `limit`.
    pub(super) async fn announced(&self, limit: std::time::Duration) {
        let (done, told) = oneshot::channel();
        self.announce(Some(done));
        if tokio::time::timeout(limit, told).await.is_err() {
            tracing::warn!("other nodes have not heard of everybody");
        }
    }

    /// Notes that somebody is on air, as media servers tell, or not any more.
    pub fn on_air(&self, user: UserId, on: bool) {
        self.ask(Ask::OnAir { user, on });
    }

    /// Says that a user came to a seat of a room, or left it.
    pub fn seated(&self, user: UserId, room: &RoomId, on: bool) {
        self.ask(Ask::Seated { user, room: room.clone(), on });
    }
}

impl ToPresence for Presence {
    fn mail(&self, mail: Mail) {
        self.ask(Ask::Cluster(FromCluster::Mail(mail)));
    }

    fn announce(&self, done: Option<oneshot::Sender<()>>) {
        self.ask(Ask::Cluster(FromCluster::Announce(done)));
    }

    fn adopt(&self, adopted: Vec<Adopted>) {
        self.ask(Ask::Cluster(FromCluster::Adopted(adopted)));
    }
}
