//! Messages between connections, shards, rooms and presence: the only ways in which they touch each other.
//!
//! Everything from a room to its connections travels through one channel per shard, in order: acks, joins and frames alike.
mod frame;
mod mailbox;
mod refusal;
mod room_set;

pub use frame::{Class, Frame, room_key};
pub use mailbox::Mailbox;
pub use refusal::{Refusal, refusal, unavailable};
pub use room_set::RoomSet;

use crate::{
    hub::{
        actor::Actor,
        command::{IfRev, Request},
        cursor::Cursor,
        id::{OpId, RoomId, SessionId, UserId, UserType},
        rules::Rules,
        time::Millis,
    },
    wire::{client::Since, close::Close, membership::Messages, message::Saying},
};
use bytes::Bytes;
use std::sync::Arc;

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
    /// `conn`: the session goes on over another connection, and is lost only where this one carries it still.
    Gone { user: UserId, session: SessionId, conn: Option<ConnId> },
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
