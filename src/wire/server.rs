//! What the hub says: one type per frame, and the functions that make them from hub types.
use super::{close::Close, event::EventJson, fields::BadFrame, state::StateJson, turn::shown_actor};
use crate::hub::{
    code::{Code, Reject},
    event::Commit,
    id::{RoomId, UserId},
    room::Room,
    time::{Millis, UnixMs},
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

/// Writes a frame's JSON. Every type here has only text keys, so writing to memory cannot fail; if it did, the frame would be empty.
#[must_use]
pub fn json<T: Serialize>(frame: &T) -> Vec<u8> {
    serde_json::to_vec(frame).unwrap_or_default()
}

/// `welcome`: the session is open.
#[derive(Serialize)]
#[serde(tag = "type", rename = "welcome")]
#[allow(missing_docs, reason = "the names are those that PROTOCOL.md lists")]
pub struct Welcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub session_id: &'a str,
    pub user_id: &'a str,
    pub user_type: &'a str,
    pub resumed: bool,
    pub session_token: &'a str,
    pub server_time_ms: u64,
    pub heartbeat_interval_ms: u64,
    pub heartbeat_timeout_ms: u64,
    pub ping_interval_ms: u64,
    pub node: &'a str,
    pub version: &'a str,
    pub rooms: Vec<WelcomeRoom>,
}

/// A room that a resume joined, or why not.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WelcomeRoom {
    pub room_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg_skipped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
}

/// The answer to a polling heartbeat: a welcome, with the messages that came since the last one; `frames`, `heard`: what a socket would have got, and its position;
/// `user_status`: how those are whom the session watches from here on.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct PollAnswer<'a> {
    #[serde(flatten)]
    pub welcome: Welcome<'a>,
    pub messages: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Vec<&'a RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_status: Option<Vec<UserStatus>>,
}

/// `heartbeat_ack` of a heartbeat with an `id`; [`super::heartbeat::ack`] writes all others.
#[derive(Serialize)]
#[serde(tag = "type", rename = "heartbeat_ack")]
#[allow(missing_docs, reason = "the names say it")]
pub struct HeartbeatAck {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts_ms: Option<i64>,
    pub server_ts_ms: u64,
}

/// One person's shown state.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct UserStatus {
    pub user_id: String,
    pub user_type: String,
    pub online: bool,
    pub status: &'static str,
    pub last_seen: u64,
}

/// `userOnlineStatus`: an answer (with `id`) or a push.
#[derive(Serialize)]
#[serde(tag = "type", rename = "userOnlineStatus")]
#[allow(missing_docs, reason = "the names say it")]
pub struct UserOnlineStatus<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub user_status: &'a [UserStatus],
}

/// `message`, in the inherited shape.
#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
#[allow(missing_docs, reason = "the names say it")]
pub struct Message<'a> {
    pub from_user_id: &'a str,
    pub to_user_id: &'a str,
    pub message: &'a str,
    pub timestamp: u64,
}

/// After how long somebody may ask again who was refused for now, where nothing better is known.
const RETRY_AFTER_MS: u64 = 1_000;

/// `closing`: what comes before the close frame.
#[derive(Serialize)]
#[serde(tag = "type", rename = "closing")]
struct Closing {
    code: u16,
    name: &'static str,
    retry_after_ms: u64,
}

/// Writes a `closing` frame.
#[must_use]
pub fn closing(close: Close, retry_after_ms: u64) -> Vec<u8> {
    json(&Closing { code: close.number(), name: close.name(), retry_after_ms })
}

/// `ack`, with further fields of the kind of answer.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ack")]
#[allow(missing_docs, reason = "the names say it")]
pub struct Ack<T: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    #[serde(flatten)]
    pub fields: T,
}

/// `error`: a request was refused.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names are those that PROTOCOL.md lists")]
pub struct ErrorJson {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub code: u16,
    pub name: &'static str,
    pub message: String,
    pub temporary: bool,
    pub retry_after_ms: u64,
    pub details: Map<String, Value>,
}

impl ErrorJson {
    /// Makes an error from a row of the code table.
    #[must_use]
    pub fn new(id: Option<i64>, code: Code, details: Map<String, Value>) -> Self {
        let retry_after_ms = if code.temporary() { RETRY_AFTER_MS } else { 0 };
        let message = code.sentence().to_owned();
        Self {
            kind: "error",
            id,
            code: code.number(),
            name: code.name(),
            message,
            temporary: code.temporary(),
            retry_after_ms,
            details,
        }
    }

    /// Makes an error from a frame that could not be read.
    #[must_use]
    pub fn from_bad_frame(bad: &BadFrame) -> Self {
        let mut details = Map::new();
        if let Some(path) = &bad.path {
            details.insert("path".to_owned(), path.as_str().into());
        }
        details.insert("expected".to_owned(), bad.expected.into());
        Self::new(bad.id, bad.code, details)
    }

    /// Makes an error from a refusal of the room.
    #[must_use]
    pub fn from_reject(id: Option<i64>, reject: &Reject) -> Self {
        Self::new(id, reject.code(), details(reject)).after(reject.retry_after())
    }

    /// Says when to ask again, where that is known.
    #[must_use]
    pub fn after(mut self, wait: Option<Millis>) -> Self {
        self.retry_after_ms = wait.map_or(self.retry_after_ms, |wait| wait.0);
        self
    }
}

/// Writes what a refusal carries as its `details`.
#[must_use]
pub fn details(reject: &Reject) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    let text = |user: &Option<UserId>| user.as_ref().map_or(Value::Null, |user| user.as_str().into());
    let time = |at: &Option<UnixMs>| at.map_or(Value::Null, |at| at.0.into());
    match reject {
        Reject::Plain(_) => {}
        Reject::Argument { path, expected } => {
            put("path", path.as_str().into());
            put("expected", (*expected).into());
        }
        Reject::StaleRev { rev } => {
            put("rev", (*rev).into());
        }
        Reject::NotMember { user, held } => {
            put("user_id", user.as_str().into());
            put("held", (*held).into());
        }
        Reject::AlreadyQueued { index } => {
            put("index", (*index).into());
        }
        Reject::NotQueued { users } => {
            put("user_ids", users.iter().map(UserId::as_str).collect::<Vec<_>>().into());
        }
        Reject::QueueFull { limit } => {
            put("limit", (*limit).into());
        }
        Reject::AnchorGone { before, after } => {
            put("before", text(before));
            put("after", text(after));
        }
        Reject::Until { until, .. } => {
            put("until_ms", time(until));
        }
        Reject::TooSoon { until, .. } => {
            put("until_ms", until.0.into());
        }
        Reject::WindowClosed { opens_at } => {
            put("opens_at_ms", time(opens_at));
        }
        Reject::TurnChanged { turn_id } => {
            put("turn_id", turn_id.clone().map_or(Value::Null, Value::from));
        }
        Reject::ApplyResolved { outcome, by } => {
            put("outcome", (*outcome).into());
            put("by", by.as_str().into());
        }
        Reject::BadRules { path, message } => {
            put("path", path.as_str().into());
            put("message", message.as_str().into());
        }
        Reject::BatchFailed { index, error } => {
            put("index", (*index).into());
            put("error", serde_json::to_value(ErrorJson::from_reject(None, error)).unwrap_or_default());
        }
    }
    map
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "room_update")]
struct RoomUpdate<'a> {
    room_id: &'a str,
    prev: String,
    cursor: String,
    events: Vec<UpdateEvent<'a>>,
}

/// An event as everybody sees it.
#[derive(Serialize)]
pub(super) struct UpdateEvent<'a> {
    rev: u64,
    #[serde(flatten)]
    event: EventJson,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    op_id: Option<&'a str>,
    at_ms: u64,
}

/// Returns the events of a commit, in causal order.
pub(super) fn shown_events(commit: &Commit) -> Vec<UpdateEvent<'_>> {
    let mut events = Vec::new();
    for step in &commit.steps {
        let by = shown_actor(&step.by);
        let op_id = step.op.as_ref().map(|op| op.id.as_str());
        let of = |event| UpdateEvent { rev: step.rev, event: EventJson::from(event), by, op_id, at_ms: commit.at.0 };
        events.extend(step.events.iter().map(of));
    }
    events
}

/// Writes the `room_update` of a commit: once for everybody.
#[must_use]
pub fn room_update(room: &RoomId, commit: &Commit) -> Vec<u8> {
    let events = shown_events(commit);
    json(&RoomUpdate { room_id: room.as_str(), prev: commit.prev.to_string(), cursor: commit.cursor.to_string(), events })
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "room_snapshot")]
struct RoomSnapshot<'a> {
    room_id: &'a str,
    cursor: String,
    rev: u64,
    state: StateJson<'a>,
    server_time_ms: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

/// Writes a `room_snapshot`.
#[must_use]
pub fn room_snapshot(room: &Room, now: UnixMs) -> Vec<u8> {
    last_snapshot(room, now, false)
}

/// As [`room_snapshot`]; `stale`: others may have changed the room since, where it cannot be read now.
#[must_use]
pub fn last_snapshot(room: &Room, now: UnixMs, stale: bool) -> Vec<u8> {
    json(&RoomSnapshot {
        room_id: room.id.as_str(),
        cursor: room.head.to_string(),
        rev: room.head.rev,
        state: StateJson::at(room, now),
        server_time_ms: now.0,
        stale,
    })
}
