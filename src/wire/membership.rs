//! Frames about who is in a room, and the answers to joining and leaving it.
use super::server::{Ack, json};
use crate::hub::{cursor::Cursor, id::RoomId};
use serde::Serialize;
use serde_json::value::RawValue;

/// Fields of the ack of `room_join` and `room_sync`.
#[derive(Serialize)]
struct JoinedJson<'a> {
    room_id: &'a str,
    cursor: String,
    rev: u64,
    role: &'a str,
    recovered: bool,
}

/// Writes the ack of `room_join` or `room_sync`.
#[must_use]
pub fn joined_ack(id: Option<i64>, room: &RoomId, head: Cursor, role: &str, recovered: bool) -> Vec<u8> {
    let fields = JoinedJson { room_id: room.as_str(), cursor: head.to_string(), rev: head.rev, role, recovered };
    json(&Ack { id, fields })
}

#[derive(Serialize)]
struct LeftJson<'a> {
    room_id: &'a str,
    cursor: String,
    rev: u64,
}

/// Writes the ack of `room_leave`.
#[must_use]
pub fn left_ack(id: Option<i64>, room: &RoomId, head: Cursor) -> Vec<u8> {
    json(&Ack { id, fields: LeftJson { room_id: room.as_str(), cursor: head.to_string(), rev: head.rev } })
}

/// A line of `room_members`.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MemberJson<'a> {
    pub user_id: &'a str,
    pub user_type: &'a str,
    pub role: &'a str,
    pub status: &'static str,
}

#[derive(Serialize)]
struct MembersJson<'a> {
    room_id: &'a str,
    members: &'a [MemberJson<'a>],
    total: usize,
}

/// Writes the ack of `room_members`.
#[must_use]
pub fn members_ack(id: Option<i64>, room: &RoomId, members: &[MemberJson], total: usize) -> Vec<u8> {
    json(&Ack { id, fields: MembersJson { room_id: room.as_str(), members, total } })
}

/// A line of `room_presence`.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct PresenceChange<'a> {
    pub user_id: &'a str,
    pub status: &'static str,
    /// Whether he is in the room.
    pub joined: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "room_presence")]
struct RoomPresence<'a> {
    room_id: &'a str,
    online: usize,
    changes: &'a [PresenceChange<'a>],
}

/// Writes a `room_presence`.
#[must_use]
pub fn room_presence(room: &RoomId, online: usize, changes: &[PresenceChange]) -> Vec<u8> {
    json(&RoomPresence { room_id: room.as_str(), online, changes })
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "room_reset")]
struct RoomReset<'a> {
    room_id: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    revoked: &'a [&'a str],
}

/// Writes a `room_reset`. `revoked`: what of the reader's own is no longer part of the history, as far as known.
#[must_use]
pub fn room_reset(room: &RoomId, reason: &'static str, revoked: &[&str]) -> Vec<u8> {
    json(&RoomReset { room_id: room.as_str(), reason, revoked })
}

#[derive(Serialize)]
struct Updates<'a> {
    updates: Vec<&'a RawValue>,
    cursor: String,
}

#[derive(Serialize)]
struct Reset<'a> {
    reset: bool,
    snapshot: Option<&'a RawValue>,
    cursor: String,
}

/// Writes the answer of the polling route: updates, or a snapshot where they cannot be given. The parts are frames written before.
#[must_use]
pub fn polled(parts: Result<&[&[u8]], &[u8]>, head: Cursor) -> Vec<u8> {
    fn raw(bytes: &[u8]) -> Option<&RawValue> {
        serde_json::from_slice(bytes).ok()
    }
    let cursor = head.to_string();
    match parts {
        Ok(updates) => json(&Updates { updates: updates.iter().filter_map(|update| raw(update)).collect(), cursor }),
        Err(snapshot) => json(&Reset { reset: true, snapshot: raw(snapshot), cursor }),
    }
}
