//! A session as a store keeps it, so that it can be resumed after a restart.
use super::{
    event::{RecordError, user},
    record::{FORMAT, check_format, read, write},
};
use crate::hub::{
    id::{RoomId, UserId, UserType},
    time::UnixMs,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The status that a user chose for himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the wire names")]
pub enum Chosen {
    Busy,
    Away,
    Offline,
}

/// A session without its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Whose.
    pub user: UserId,
    /// Kind of user.
    pub user_type: UserType,
    /// The user's explicit choice; `None` = none.
    pub choice: Option<Chosen>,
    /// The rooms it is in.
    pub rooms: Vec<RoomId>,
    /// Its last sign of life, as far as it was written down.
    pub last_seen: UnixMs,
}

#[derive(Serialize, Deserialize)]
struct SessionRecord {
    v: u32,
    user: String,
    user_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    choice: Option<Chosen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
    last_seen: u64,
}

/// Writes a session.
#[must_use]
pub fn encode_session(session: &StoredSession) -> Bytes {
    write(&SessionRecord {
        v: FORMAT,
        user: session.user.to_string(),
        user_type: session.user_type.to_string(),
        choice: session.choice,
        rooms: session.rooms.iter().map(ToString::to_string).collect(),
        last_seen: session.last_seen.0,
    })
}

/// Reads a session. Errors: not a record, or one of another version.
pub fn decode_session(bytes: &[u8]) -> Result<StoredSession, RecordError> {
    let record: SessionRecord = read(bytes)?;
    check_format(record.v)?;
    let room = |text: &String| RoomId::parse(text).map_err(|_| RecordError("a room id"));
    Ok(StoredSession {
        user: user(&record.user)?,
        user_type: UserType::parse(&record.user_type).map_err(|_| RecordError("a kind of user"))?,
        choice: record.choice,
        rooms: record.rooms.iter().map(room).collect::<Result<_, _>>()?,
        last_seen: UnixMs(record.last_seen),
    })
}
