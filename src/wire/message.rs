//! Room messages: what somebody says, what everybody hears, and what a store keeps of the class `must`.
use super::{
    fields::{BadFrame, Fields},
    server::{Ack, json},
    stored::RecordError,
};
use crate::hub::{
    actor::Actor,
    code::Code,
    cursor::Cursor,
    id::{OpId, RoomId, UserId},
    talk::Weight,
    time::UnixMs,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest `body`, in bytes.
pub const BODY_BYTES: usize = 12 * 1024;
/// The longest `kind`, in bytes.
pub const KIND_BYTES: usize = 64;
/// The format of the records that this version writes; it reads no other.
const FORMAT: u32 = 1;

/// What somebody wants to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Its class.
    pub weight: Weight,
    /// Free text that says what the body is.
    pub kind: String,
    /// Free text.
    pub body: String,
    /// The sender's own key: a repeat says nothing again.
    pub dedup_id: Option<OpId>,
}

/// Reads what somebody wants to say. Errors: `bad_argument`, `message_too_large`.
pub fn parse(f: &Fields) -> Result<Saying, BadFrame> {
    let class = f.text("class")?;
    let weight = Weight::ALL.into_iter().find(|weight| class.as_deref() == Some(weight.name()));
    let weight = weight.ok_or_else(|| f.wrong("class", "must, normal or droppable"))?;
    let kind = f.free_text("kind", KIND_BYTES)?.filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| f.wrong("kind", "a text of 1 to 64 bytes"))?;
    if f.text("body")?.is_some_and(|body| body.len() > BODY_BYTES) {
        return Err(BadFrame { code: Code::MessageTooLarge, ..f.wrong("body", "at most 12288 bytes") });
    }
    let body = f.free_text("body", BODY_BYTES)?.ok_or_else(|| f.wrong("body", "a text"))?;
    Ok(Saying { weight, kind, body, dedup_id: f.op_id("dedup_id")? })
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// A person, or a backend.
    pub from: Actor,
    /// What was said.
    pub saying: Saying,
    /// When.
    pub at: UnixMs,
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    /// Absent: a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    kind: String,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dedup: Option<String>,
    at: u64,
}

fn sender(from: &Actor) -> Option<&str> {
    match from {
        Actor::User(user) => Some(user.as_str()),
        Actor::Service | Actor::Hub => None,
    }
}

/// Writes a message of the class `must`.
#[must_use]
pub fn encode_said(said: &Said) -> Bytes {
    let Said { from, saying: Saying { kind, body, dedup_id, .. }, at } = said;
    let (from, dedup) = (sender(from).map(str::to_owned), dedup_id.as_ref().map(ToString::to_string));
    json(&Record { v: FORMAT, from, kind: kind.clone(), body: body.clone(), dedup, at: at.0 }).into()
}

/// Reads a message of the class `must`. Errors: not a record, or one of another version.
pub fn decode_said(bytes: &[u8]) -> Result<Said, RecordError> {
    const WRONG: RecordError = RecordError("a message");
    let record: Record = serde_json::from_slice(bytes).map_err(|_| WRONG)?;
    if record.v != FORMAT {
        return Err(RecordError("written by another version"));
    }
    let from = match record.from {
        Some(id) => Actor::User(UserId::parse(&id).map_err(|_| WRONG)?),
        None => Actor::Service,
    };
    let dedup_id = record.dedup.map(|id| OpId::parse(&id).map_err(|_| WRONG)).transpose()?;
    let saying = Saying { weight: Weight::Must, kind: record.kind, body: record.body, dedup_id };
    Ok(Said { from, saying, at: UnixMs(record.at) })
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "room_message")]
struct MessageJson<'a> {
    room_id: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_cursor: Option<String>,
    from_user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<bool>,
    class: &'static str,
    kind: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_id: Option<&'a str>,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<bool>,
}

/// Writes a `room_message`. `at` is its own position for the class `must`, else that of the last one of that class.
#[must_use]
pub fn room_message(room: &RoomId, at: Cursor, said: &Said, skipped: bool) -> Vec<u8> {
    let Said { from, saying: Saying { weight, kind, body, dedup_id }, at: time } = said;
    let from_user = sender(from);
    json(&MessageJson {
        room_id: room.as_str(),
        seq: at.rev,
        msg_cursor: (*weight == Weight::Must).then(|| at.to_string()),
        from_user_id: from_user.unwrap_or("service"),
        system: from_user.is_none().then_some(true),
        class: weight.name(),
        kind,
        body,
        dedup_id: dedup_id.as_ref().map(OpId::as_str),
        at_ms: time.0,
        skipped: skipped.then_some(true),
    })
}

/// Where a message came to stand; the fields of its ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// As in [`room_message`].
    pub at: Cursor,
    /// Whether it is kept there.
    pub kept: bool,
    /// When it was said.
    pub time: UnixMs,
}

#[derive(Serialize)]
struct HeardJson<'a> {
    room_id: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_cursor: Option<String>,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dup: Option<bool>,
}

/// Writes the ack of a `room_message`.
#[must_use]
pub fn message_ack(id: Option<i64>, room: &RoomId, heard: Heard, dup: bool) -> Vec<u8> {
    let msg_cursor = heard.kept.then(|| heard.at.to_string());
    let fields =
        HeardJson { room_id: room.as_str(), seq: heard.at.rev, msg_cursor, at_ms: heard.time.0, dup: dup.then_some(true) };
    json(&Ack { id, fields })
}

#[derive(Serialize)]
struct PageJson<'a> {
    messages: Vec<&'a RawValue>,
    cursor: String,
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<bool>,
}

/// Writes a page of messages for HTTP: frames written before, and where the next page begins.
#[must_use]
pub fn messages_page(messages: &[Vec<u8>], cursor: Cursor, more: bool, skipped: bool) -> Vec<u8> {
    let messages = messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
    json(&PageJson { messages, cursor: cursor.to_string(), more, skipped: skipped.then_some(true) })
}
