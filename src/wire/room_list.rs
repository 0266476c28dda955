//! What backends are told of all rooms, and of whom they sent away.
use super::server::json;
use serde::Serialize;

/// A line of the list of rooms.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ListedRoom<'a> {
    pub room_id: &'a str,
    pub online: usize,
}

#[derive(Serialize)]
struct RoomListJson<'a> {
    rooms: &'a [ListedRoom<'a>],
    cursor: Option<&'a str>,
}

/// Writes a page of rooms, and where the next one begins.
#[must_use]
pub fn room_list(rooms: &[ListedRoom], cursor: Option<&str>) -> Vec<u8> {
    json(&RoomListJson { rooms, cursor })
}

/// Somebody who was sent away.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct KickedJson<'a> {
    pub user_id: &'a str,
    pub sessions: usize,
    /// When a ban ends that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

/// Writes the answer to sending somebody away.
#[must_use]
pub fn kicked(kicked: &KickedJson) -> Vec<u8> {
    json(kicked)
}
