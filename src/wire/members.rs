//! What the hub says about membership of a room: answers to join, sync and members, resets, presence, and the polling form of updates.
use super::server::{Ack, json};
use crate::hub::{cursor::Cursor, id::RoomId};
use serde::Serialize;

#[derive(Serialize)]
struct Joined<'a> {
    room_id: &'a str,
    cursor: String,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    recovered: bool,
}

/// Writes the ack of `room_join`: the cursor is where the following updates lead.
#[must_use]
pub fn join_ack(id: Option<i64>, room: &RoomId, cursor: Cursor, role: &str, recovered: bool) -> Vec<u8> {
    let fields = Joined { room_id: room.as_str(), cursor: cursor.to_string(), rev: cursor.rev, role: Some(role), recovered };
    json(&Ack { id, fields })
}

/// Writes the ack of `room_sync`.
#[must_use]
pub fn sync_ack(id: Option<i64>, room: &RoomId, cursor: Cursor, recovered: bool) -> Vec<u8> {
    let fields = Joined { room_id: room.as_str(), cursor: cursor.to_string(), rev: cursor.rev, role: None, recovered };
    json(&Ack { id, fields })
}

/// A member on a page of `room_members`.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MemberRow<'a> {
    pub user_id: &'a str,
    pub user_type: &'a str,
    pub role: &'a str,
    pub status: &'a str,
}

#[derive(Serialize)]
struct Members<'a> {
    room_id: &'a str,
    members: &'a [MemberRow<'a>],
    total: usize,
}

/// Writes the ack of `room_members`: one page, and how many there are in all.
#[must_use]
pub fn members_ack(id: Option<i64>, room: &RoomId, members: &[MemberRow], total: usize) -> Vec<u8> {
    json(&Ack { id, fields: Members { room_id: room.as_str(), members, total } })
}

#[derive(Serialize)]
struct RoomReset<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    room_id: &'a str,
    reason: &'a str,
}

/// Writes a `room_reset`: what the clients hold is no longer part of the history. A snapshot follows it.
#[must_use]
pub fn room_reset(room: &RoomId, reason: &str) -> Vec<u8> {
    json(&RoomReset { kind: "room_reset", room_id: room.as_str(), reason })
}

/// How one person's presence in a room changed.
#[derive(Clone, Debug, Serialize)]
pub struct PresenceChange<'a> {
    /// Who.
    pub user_id: &'a str,
    /// His shown status.
    pub status: &'a str,
    /// `true` = he came, `false` = he went, `None` = he stays and only his status changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<bool>,
}

#[derive(Serialize)]
struct RoomPresence<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    room_id: &'a str,
    online: usize,
    changes: &'a [PresenceChange<'a>],
}

/// Writes a `room_presence`: how many people are there, and what changed.
#[must_use]
pub fn room_presence(room: &RoomId, online: usize, changes: &[PresenceChange]) -> Vec<u8> {
    json(&RoomPresence { kind: "room_presence", room_id: room.as_str(), online, changes })
}

/// Writes what `/updates` answers: the missing `room_update` objects, already encoded, and where they lead.
#[must_use]
pub fn updates_page<'a>(updates: impl Iterator<Item = &'a [u8]>, cursor: Cursor) -> Vec<u8> {
    let mut out = b"{\"updates\":[".to_vec();
    for (index, update) in updates.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(update);
    }
    out.extend_from_slice(format!("],\"cursor\":\"{cursor}\"}}").as_bytes());
    out
}

/// Writes what `/updates` answers when the client's position is unknown: an encoded `room_snapshot` to start from.
#[must_use]
pub fn reset_page(snapshot: &[u8], cursor: Cursor) -> Vec<u8> {
    let mut out = b"{\"reset\":true,\"snapshot\":".to_vec();
    out.extend_from_slice(snapshot);
    out.extend_from_slice(format!(",\"cursor\":\"{cursor}\"}}").as_bytes());
    out
}
