//! What is told of a person: to others, to other nodes, to whoever opened a session.
use crate::hub::{
    id::{SessionId, UserId, UserType},
    time::UnixMs,
};

/// A status as shown to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the wire names")]
pub enum Status {
    Online,
    Busy,
    Away,
    Offline,
}

/// What others see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct View {
    pub user: UserId,
    pub user_type: UserType,
    pub status: Status,
    /// The last sign of life that was reported; `None` = never seen.
    pub last_seen: Option<UnixMs>,
}

/// What other nodes have of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Whether he has a session there, lost or not.
    pub here: bool,
    /// Whether he is on a seat there.
    pub seated: bool,
    /// Whether he has any session at all, here included: then his choice counts.
    pub known: bool,
    /// Kind of user, if he is known.
    pub user_type: Option<UserType>,
    /// His explicit status.
    pub choice: Option<Status>,
    /// The last sign of life that was told.
    pub last_seen: Option<UnixMs>,
}

/// A session as its own node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// Which.
    pub session: SessionId,
    /// When it ends; `None`: it is live.
    pub ends: Option<UnixMs>,
    /// It goes on without a connection.
    pub polls: bool,
}

/// How a session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Opened {
    pub session: SessionId,
    pub resumed: bool,
    /// Lost sessions that are over now, because their user came back without their tokens.
    pub replaced: Vec<SessionId>,
}
