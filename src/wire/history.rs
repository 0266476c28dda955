//! Commits as the history shows them: one object per event, with room, rev, actor and time.
use super::server::{UpdateEvent, json, shown_events};
use crate::hub::{
    event::Commit,
    id::{RoomId, UserId},
};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Line<'a> {
    room_id: &'a str,
    #[serde(flatten)]
    event: UpdateEvent<'a>,
}

/// Writes the events of a commit, in causal order.
#[must_use]
pub fn history_events(room: &RoomId, commit: &Commit) -> Vec<Map<String, Value>> {
    let line = |event| match serde_json::to_value(Line { room_id: room.as_str(), event }) {
        Ok(Value::Object(line)) => Some(line),
        _ => None,
    };
    shown_events(commit).into_iter().filter_map(line).collect()
}

/// Tells whether an event is about a person: he did it, it names him, or he is in the order that it gives.
#[must_use]
pub fn concerns(line: &Map<String, Value>, user: &UserId) -> bool {
    let is_him = |value: &Value| value == user.as_str();
    let lists_him = |value: &Value| {
        value.as_array().is_some_and(|list| list.iter().any(|one| is_him(one) || one.get("user_id").is_some_and(is_him)))
    };
    ["by", "user_id", "target_user_id"].iter().any(|key| line.get(*key).is_some_and(is_him))
        || ["order", "entries", "user_ids"].iter().any(|key| line.get(*key).is_some_and(lists_him))
}

#[derive(Serialize)]
struct Page<'a> {
    events: &'a [Map<String, Value>],
    cursor: Option<&'a str>,
}

/// Writes a page of the history; without a cursor it is the last one.
#[must_use]
pub fn history_page(events: &[Map<String, Value>], cursor: Option<&str>) -> Vec<u8> {
    json(&Page { events, cursor })
}
