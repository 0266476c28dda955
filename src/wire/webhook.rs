//! What the hub tells a backend: one message per event, as Standard Webhooks 1.0.0 shapes them.
use super::{history::history_events, server::json};
use crate::hub::{
    cursor::Cursor,
    event::Commit,
    id::{RoomId, UserId},
    time::UnixMs,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What stays of a message that is too large: enough to know that a snapshot is to be read.
const KEPT: &[&str] =
    &["room_id", "rev", "index", "cursor", "prev_rev", "prev_index", "event", "by", "op_id", "at_ms", "user_id"];

/// The place of a message in its room: the event with this index among those of this rev.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Position {
    pub rev: u64,
    pub index: usize,
}

/// A message, without what depends on the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The same at every attempt and at every endpoint.
    pub id: String,
    /// Like `mic.seat.taken`.
    pub kind: String,
    /// When it happened.
    pub at: UnixMs,
    /// Its place in its room; `None` = it belongs to no room.
    pub position: Option<Position>,
    /// The body's `data`.
    pub data: Map<String, Value>,
}

/// Returns the message type of an event: `seat_taken` is `mic.seat.taken`, `mode_changed` is `room.mode.changed`.
#[must_use]
pub fn kind_of(event: &str) -> String {
    match event.split_once('_') {
        Some((noun @ ("queue" | "seat" | "turn" | "apply" | "invite"), what)) => format!("mic.{noun}.{what}"),
        Some(("room", what)) => format!("room.{what}"),
        Some((noun, what)) => format!("room.{noun}.{what}"),
        None => format!("room.{event}"),
    }
}

fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Writes the events of a commit as messages, in causal order: those of the history, with their place.
#[must_use]
pub fn messages(room: &RoomId, commit: &Commit) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for mut data in history_events(room, commit) {
        let rev = data.get("rev").and_then(Value::as_u64).unwrap_or_default();
        let before = messages.last().and_then(|last| last.position).filter(|position| position.rev == rev);
        let index = before.map_or(0, |before| before.index + 1);
        data.insert("index".to_owned(), index.into());
        data.insert("cursor".to_owned(), commit.cursor.to_string().into());
        let id = format!("msg_{:016x}_{}", commit.cursor.commit.0, messages.len());
        let kind = kind_of(data.get("event").and_then(Value::as_str).unwrap_or_default());
        messages.push(Message { id, kind, at: commit.at, position: Some(Position { rev, index }), data });
    }
    messages
}

#[derive(Serialize)]
struct OpenedData<'a> {
    room_id: &'a str,
    rev: u64,
    index: usize,
    cursor: String,
    at_ms: u64,
}

/// Writes `room.opened`: the room is there, and stands at `at`.
#[must_use]
pub fn opened(room: &RoomId, cursor: Cursor, at: UnixMs) -> Message {
    let position = Position { rev: cursor.rev, index: 0 };
    let data = object(&OpenedData { room_id: room.as_str(), rev: cursor.rev, index: 0, cursor: cursor.to_string(), at_ms: at.0 });
    let id = format!("msg_{:016x}_opened", cursor.commit.0);
    Message { id, kind: "room.opened".to_owned(), at, position: Some(position), data }
}

/// A hole, as an endpoint is told of it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names are those that WEBHOOKS.md lists")]
pub struct GapData<'a> {
    pub room_id: &'a str,
    pub rev: u64,
    pub index: usize,
    pub cursor: &'a str,
    pub reason: &'static str,
    pub from_rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Writes `system.gap`.
#[must_use]
pub fn gap(gap: &GapData<'_>, at: UnixMs) -> Message {
    let commit = gap.cursor.split_once('.').map_or(gap.cursor, |(_, commit)| commit);
    let id = format!("msg_{commit}_{}_gap", gap.index);
    let position = Some(Position { rev: gap.rev, index: gap.index });
    Message { id, kind: "system.gap".to_owned(), at, position, data: object(gap) }
}

/// Writes `user.status.changed`. `unique` makes its id.
#[must_use]
pub fn status_changed(user: &UserId, user_type: &str, status: &str, last_seen: u64, at: UnixMs, unique: u64) -> Message {
    #[derive(Serialize)]
    struct StatusData<'a> {
        user_id: &'a str,
        user_type: &'a str,
        status: &'a str,
        last_seen: u64,
        at_ms: u64,
    }
    let data = object(&StatusData { user_id: user.as_str(), user_type, status, last_seen, at_ms: at.0 });
    Message { id: format!("msg_{unique:016x}_status"), kind: "user.status.changed".to_owned(), at, position: None, data }
}

/// Somebody was not let on air, or should not have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are those that WEBHOOKS.md lists")]
pub struct Denial {
    pub source: String,
    pub stream: String,
    pub why: String,
    /// The gate only logs, or lets people in while rooms cannot be asked.
    pub let_in: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// Writes `media.publish.denied`. `unique` makes its id.
#[must_use]
pub fn publish_denied(denial: &Denial, at: UnixMs, unique: u64) -> Message {
    let mut data = object(denial);
    data.insert("at_ms".to_owned(), at.0.into());
    Message { id: format!("msg_{unique:016x}_denied"), kind: "media.publish.denied".to_owned(), at, position: None, data }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Map<String, Value>,
}

impl Message {
    /// Writes the body. `prev` is the message before it at this endpoint. A body of more than `max` bytes loses its details
    /// and says so with `truncated`.
    #[must_use]
    pub fn body(&self, prev: Option<Position>, max: usize) -> Vec<u8> {
        let stamp = i64::try_from(self.at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let timestamp = stamp.map(|stamp| format!("{stamp:.3}")).unwrap_or_default();
        let mut data = self.data.clone();
        if self.position.is_some() {
            data.insert("prev_rev".to_owned(), prev.map(|prev| prev.rev).into());
            data.insert("prev_index".to_owned(), prev.map(|prev| prev.index).into());
        }
        let whole = json(&Body { kind: &self.kind, timestamp: timestamp.clone(), data: data.clone() });
        if whole.len() <= max {
            return whole;
        }
        data.retain(|key, _| KEPT.contains(&key.as_str()));
        data.insert("truncated".to_owned(), true.into());
        json(&Body { kind: &self.kind, timestamp, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{
        actor::Actor,
        event::{Answer, Event, Op, Step},
        id::{CommitId, OpId},
        seats::Via,
    };

    fn commit() -> Commit {
        let user = UserId::parse("u1").unwrap();
        let events = vec![
            Event::SeatTaken { seat_no: 2, user: user.clone(), via: Via::Take },
            Event::RoomClosed { reason: Some("x".repeat(500)) },
        ];
        let op = Some(Op { id: OpId::parse("op").unwrap(), fingerprint: 1, answer: Answer::Plain });
        let step = Step { rev: 42, by: Actor::User(user), op, own: 0, events };
        let at = |rev, commit| Cursor { rev, commit: CommitId(commit) };
        Commit { prev: at(41, 1), cursor: at(42, 0xa8f), at: UnixMs(1_780_000_000_000), steps: vec![step] }
    }

    #[test]
    fn a_message_names_its_place() {
        let messages = messages(&RoomId::parse("r").unwrap(), &commit());
        let [taken, closed] = &messages[..] else { panic!("{messages:?}") };
        let prev = Some(Position { rev: 41, index: 3 });
        assert_eq!(
            String::from_utf8(taken.body(prev, 1000)).unwrap(),
            r#"{"type":"mic.seat.taken","timestamp":"2026-05-28T20:26:40.000Z","data":{"at_ms":1780000000000,"by":"u1","cursor":"42.0000000000000a8f","event":"seat_taken","index":0,"op_id":"op","prev_index":3,"prev_rev":41,"rev":42,"room_id":"r","seat_no":2,"user_id":"u1","via":"take"}}"#
        );
        assert_eq!((taken.id.as_str(), closed.id.as_str()), ("msg_0000000000000a8f_0", "msg_0000000000000a8f_1"));
        assert_eq!(closed.kind, "room.closed");
        let cut = String::from_utf8(closed.body(None, 500)).unwrap();
        assert!(cut.contains(r#""truncated":true"#) && !cut.contains("xxx") && cut.contains(r#""prev_rev":null"#), "{cut}");
    }

    #[test]
    fn types_follow_the_events() {
        for (event, kind) in [
            ("queue_on_deck", "mic.queue.on_deck"),
            ("seat_taken", "mic.seat.taken"),
            ("mode_changed", "room.mode.changed"),
            ("member_kicked", "room.member.kicked"),
            ("room_closed", "room.closed"),
        ] {
            assert_eq!(kind_of(event), kind);
        }
    }
}
