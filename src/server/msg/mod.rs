//! Messages between connections, shards, rooms and presence: the only ways in which they touch each other.
//!
//! Everything from a room to its connections travels through one channel per shard, in order: acks, joins and frames alike.
mod mailbox;

pub use mailbox::Mailbox;

use crate::{
    hub::{
        actor::Actor,
        code::Code,
        command::{IfRev, Request},
        cursor::Cursor,
        id::{OpId, RoomId, SessionId, UserId, UserType},
        rules::Rules,
        time::Millis,
    },
    wire::{client::Since, close::Close, membership::Messages, message::Saying},
};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Addresses a connection on its shard. A slot is reused, a generation never: a late message finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Which shard.
    pub shard: u16,
    /// Which slot of the shard's table.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
}

/// A whole WebSocket frame, header included, encoded once and shared by all who get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Bytes);

impl Frame {
    /// Returns the JSON inside a text frame that this hub has made.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let header = match self.0.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        self.0.slice(header.min(self.0.len())..)
    }
}

/// What happens to a frame when the reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never dropped before the connection is: acks, room updates. Over the budget the connection is closed with 4102.
    Must,
    /// Replaced by a newer frame of the same key that still waits: presence, digests.
    Latest(u64),
    /// A room's first frames, or a snapshot in the place of a large update: outside the budget as long as none of the same room waits.
    Snapshot(u64),
    /// Dropped when no droppable frame is left, and counted.
    Normal,
    /// Dropped first, and counted.
    Droppable,
}

/// Returns a room's own key among the frames of which a connection may have one.
#[must_use]
pub fn room_key(room: &RoomId) -> u64 {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    hasher.finish()
}

/// How somebody sits, for whoever may let him publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Standing {
    pub seat_no: u32,
    pub grant: u64,
    pub admin_muted: bool,
}

/// To a shard.
#[derive(Debug)]
pub enum ShardMsg {
    /// A frame for one connection.
    Deliver { to: ConnId, frame: Frame, class: Class },
    /// The connection is a member from here on: first these frames, then every later frame of the room.
    RoomJoined { room: RoomId, conn: ConnId, first: Vec<Frame> },
    /// The connection is no member any more, after these last frames.
    RoomLeft { room: RoomId, conn: ConnId, last: Vec<Frame> },
    /// A frame for every member of the room on this shard.
    RoomFrame { room: RoomId, frame: Frame, class: Class },
    /// Ends a connection: `closing`, then the close frame.
    Close { to: ConnId, close: Close, retry_after_ms: u64 },
    /// Ends every connection as a drain does; the shard goes on.
    DrainAll,
    /// The shown state of people that this shard's connections watch has changed.
    Presence(Arc<Vec<Shown>>),
    /// Runs a piece of work on this shard's thread: how a room task comes to its shard.
    Run(Work),
}

/// Work for a shard's thread: called there once, it may spawn local tasks.
pub struct Work(pub Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// What others see of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who.
    pub user: UserId,
    /// Kind of user.
    pub user_type: UserType,
    /// The status shown.
    pub status: ShownStatus,
    /// Unix seconds of his last inbound frame, as far as known; 0 = never seen.
    pub last_seen: u64,
}

/// A shown status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the wire names")]
pub enum ShownStatus {
    Online,
    Busy,
    Away,
    Offline,
}

impl ShownStatus {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }
}

/// To a room's task.
#[derive(Debug)]
pub enum RoomMsg {
    /// A session enters, or enters again after a resume.
    Join { member: Member, since: Since, token_role: Option<TokenRole>, reply: JoinReply },
    /// A session leaves on purpose.
    Leave { session: SessionId, reply: Option<Reply> },
    /// A session's line is gone without a goodbye.
    Lost { session: SessionId, conn: Option<ConnId>, by_hub: Option<EndedByHub> },
    /// The 60 s of a lost session are over: it is not counted any more.
    Gone { user: UserId, session: SessionId },
    /// A command; `rated`: it counts against the room's rate (those of an API key do not).
    Command { request: Request, rated: bool, reply: Reply },
    /// Somebody says something; `rated` as in `Command`.
    Say { from: Actor, saying: Saying, rated: bool, reply: Reply },
    /// A page of messages for HTTP: after a position, before a number, or the newest. If there are none after it, the answer waits as above.
    Messages { reader: Option<UserId>, since: Option<Cursor>, before: Option<u64>, limit: usize, wait: Millis, reply: PollReply },
    /// A backend wants the room to be there: made if it is not. No rules: those of new rooms.
    Create { owner: UserId, rules: Option<Arc<Rules>>, reply: tokio::sync::oneshot::Sender<Result<Created, Refusal>> },
    /// A client asks for what it missed.
    Sync { session: SessionId, cursor: Option<Cursor>, reply: Reply },
    /// A page of members.
    Members { offset: usize, limit: usize, reply: Reply },
    /// A request that is refused already: the asker hears so if there is such a room, else that there is none.
    Refused { refusal: Refusal, reply: Reply },
    /// People's shown states have changed.
    Presence(Vec<Shown>),
    /// Drop this as soon as the other nodes have heard of everybody here.
    Settle(tokio::sync::mpsc::Sender<()>),
    /// A snapshot for HTTP: the `room_snapshot` object, empty if the room is still at `known`.
    Snapshot { reader: Option<UserId>, known: Option<Cursor>, reply: PollReply },
    /// Look at the log and at the other nodes' people: something may have been missed.
    Look,
    /// How somebody sits.
    Seat { user: UserId, reply: tokio::sync::oneshot::Sender<Result<Option<Standing>, Refusal>> },
    /// The hub's own command: what media servers report.
    Hub(crate::hub::command::Command),
    /// Missing updates for HTTP: the `/updates` object. If there are none, the answer waits for the next one, at most so long.
    Updates { reader: Option<UserId>, cursor: Option<Cursor>, wait: Millis, reply: PollReply },
}

/// The way to rooms for what rooms themselves stand on: presence, and whoever cares for dead nodes.
pub trait ToRooms: Send + Sync {
    /// Sends a message to a room if it is loaded. Returns whether it is.
    fn post(&self, room: &RoomId, message: RoomMsg) -> bool;
    /// Has a room look at its log and at the other nodes' people; it is loaded if it is not.
    fn look(&self, room: &RoomId);
    /// Has every loaded room look.
    fn look_all(&self);
    /// Returns how long a place is kept at least when the hub itself has ended the line.
    fn handover(&self) -> Millis;
    /// Returns how long a lost session is still counted.
    fn presence_timeout(&self) -> Millis;
}

/// Where an answer for HTTP goes.
pub type PollReply = tokio::sync::oneshot::Sender<Result<Polled, Refusal>>;

/// What a room says over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Where the room is.
    pub cursor: Cursor,
    /// Whether there is anything that the asker does not have.
    pub news: bool,
    /// The object.
    pub body: Bytes,
}

/// A room that a backend wanted to be there.
#[derive(Clone, Debug)]
pub struct Created {
    /// It was made just now.
    pub new: bool,
    /// Its `room_snapshot`.
    pub snapshot: Bytes,
}

impl RoomMsg {
    /// Tells whether it counts against what may wait for a room.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::Say { .. } | Self::Refused { .. })
    }
}

/// Who sits in a room: told whenever that changes.
#[derive(Clone, Debug)]
pub struct SeatsOf {
    /// Which room.
    pub room: RoomId,
    /// Who, by which grant, and what is known of his stream.
    pub seated: Vec<(UserId, u64, crate::hub::seats::Media)>,
}

/// The hub itself has ended a line: its person gets the time to come back, whatever the room's rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedByHub {
    /// How long he was told to wait.
    pub retry_after: Millis,
    /// The hub goes down: he is shown held only some time after he could be back.
    pub drained: bool,
}

/// A session as a room's member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Whose session.
    pub user: UserId,
    /// Kind of user.
    pub user_type: UserType,
    /// Which session.
    pub session: SessionId,
    /// Its connection; `None` for a polling client.
    pub conn: Option<ConnId>,
    /// Where it is: the room takes itself out when the session is not its member any more.
    pub rooms: RoomSet,
}

/// The rooms of a session, shared between the session, which asks to enter, and the rooms, which may refuse or put it out;
/// and, of a session without a socket, its mail.
#[derive(Clone, Debug, Default)]
pub struct RoomSet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rooms: Mutex<BTreeSet<RoomId>>,
    mail: OnceLock<Mailbox>,
}

impl RoomSet {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<RoomId>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the session's mail. Cost: an allocation, the first time.
    #[must_use]
    pub fn mail(&self) -> &Mailbox {
        self.0.mail.get_or_init(Mailbox::default)
    }

    /// Returns the mail of a session whose client takes everything that a socket would get.
    #[must_use]
    pub fn listener(&self) -> Option<&Mailbox> {
        self.0.mail.get().filter(|mail| mail.listens())
    }

    /// Returns the session's mail, if there ever was any.
    #[must_use]
    pub fn some_mail(&self) -> Option<&Mailbox> {
        self.0.mail.get()
    }

    /// Makes a set of these rooms.
    #[must_use]
    pub fn of(rooms: Vec<RoomId>) -> Self {
        Self(Arc::new(Shared { rooms: Mutex::new(rooms.into_iter().collect()), mail: OnceLock::new() }))
    }

    /// Adds a room unless there are `max` others already; 0 = no limit. Returns whether it is in.
    pub fn add(&self, room: &RoomId, max: usize) -> bool {
        let mut rooms = self.lock();
        rooms.contains(room) || ((max == 0 || rooms.len() < max) && rooms.insert(room.clone()))
    }

    /// Takes a room out.
    pub fn remove(&self, room: &RoomId) {
        self.lock().remove(room);
    }

    /// Tells whether a room is in.
    #[must_use]
    pub fn contains(&self, room: &RoomId) -> bool {
        self.lock().contains(room)
    }

    /// Returns all rooms, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<RoomId> {
        self.lock().iter().cloned().collect()
    }
}

/// The role that a token gives for a room.
#[derive(Clone, Debug)]
pub struct TokenRole {
    /// Which role.
    pub role: crate::hub::id::RoleId,
    /// When the token was issued.
    pub issued_at: crate::hub::time::UnixMs,
}

/// Where a join is answered.
#[derive(Debug)]
pub enum JoinReply {
    /// `room_join`: an ack frame to the connection, then snapshot or updates.
    Ack(Reply),
    /// A resume or a polling client: the caller puts the outcome into his own answer.
    Outcome(tokio::sync::oneshot::Sender<Result<Joined, Refusal>>),
}

/// How a join went.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Where the following updates lead.
    pub cursor: Cursor,
    /// Whether the client's cursor was continued.
    pub recovered: bool,
    /// Where the messages lead.
    pub messages: Messages,
}

/// Why something was refused: ready to be shown to the client.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The row of the code table.
    pub code: Code,
    /// The `details` object, as JSON.
    pub details: Option<Bytes>,
    /// After how long the same may succeed, where that is known.
    pub retry_after: Option<Millis>,
}

impl Refusal {
    /// Makes a refusal without details.
    #[must_use]
    pub const fn plain(code: Code) -> Self {
        Self { code, details: None, retry_after: None }
    }

    /// Makes a refusal with details.
    #[must_use]
    pub const fn with(code: Code, details: Bytes) -> Self {
        Self { code, details: Some(details), retry_after: None }
    }
}

/// Makes a refusal without details.
#[must_use]
pub const fn refusal(code: Code) -> Refusal {
    if matches!(code, Code::Unavailable) { unavailable("none") } else { Refusal::plain(code) }
}

/// Makes a refusal of `unavailable`: whether nothing has happened (`none`), or nobody knows (`unknown`).
#[must_use]
pub const fn unavailable(outcome: &'static str) -> Refusal {
    let details: &[u8] = match outcome.as_bytes() {
        b"none" => br#"{"outcome":"none"}"#,
        _ => br#"{"outcome":"unknown"}"#,
    };
    Refusal::with(Code::Unavailable, Bytes::from_static(details))
}

/// Where an answer goes.
#[derive(Debug)]
pub enum Reply {
    /// To a connection, as an `ack` or `error` frame with this `id` (no `id`: only errors are answered).
    Conn { to: ConnId, id: Option<i64> },
    /// To an HTTP request: the ack object with this `id`, or the refusal.
    Http { id: Option<i64>, sender: tokio::sync::oneshot::Sender<Result<Bytes, Refusal>> },
    /// Nobody waits.
    Nobody,
}

/// A command's envelope as parsed from a frame.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Echoed in the reply.
    pub id: Option<i64>,
    /// The idempotency key.
    pub op_id: Option<OpId>,
    /// The precondition.
    pub if_rev: Option<IfRev>,
}
