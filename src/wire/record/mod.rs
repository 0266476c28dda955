//! What a store keeps of rooms: commits and snapshots, as JSON with a format number of their own, so that hub types stay free.
mod commit;
mod room;

pub use commit::{commit_time, decode_commit, encode_commit};
pub use room::{decode_room, encode_room};

use super::stored::{RecordError, user};
use crate::hub::{actor::Actor, cursor::Cursor, id::OpId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The format of the records that this version writes.
pub const FORMAT: u32 = 2;
/// The oldest format that this version reads: what came later is then empty.
const OLDEST: u32 = 1;

/// Writes an actor: `u:` and the user id, `service` or `hub`.
fn actor_text(actor: &Actor) -> String {
    match actor {
        Actor::User(user) => format!("u:{user}"),
        Actor::Service => "service".to_owned(),
        Actor::Hub => "hub".to_owned(),
    }
}

fn actor(text: &str) -> Result<Actor, RecordError> {
    match (text, text.strip_prefix("u:")) {
        (_, Some(id)) => Ok(Actor::User(user(id)?)),
        ("service", None) => Ok(Actor::Service),
        ("hub", None) => Ok(Actor::Hub),
        _ => Err(RecordError("an actor")),
    }
}

fn cursor(text: &str) -> Result<Cursor, RecordError> {
    Cursor::parse(text).ok_or(RecordError("a cursor"))
}

fn op_id(text: &str) -> Result<OpId, RecordError> {
    OpId::parse(text).map_err(|_| RecordError("an op_id"))
}

fn write<T: Serialize>(value: &T) -> Bytes {
    // Writing to memory fails only for a map whose keys are not texts; there is none here. An empty record would be refused when read.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|_| RecordError("not a record of this kind"))
}

const fn check_format(v: u32) -> Result<(), RecordError> {
    if OLDEST <= v && v <= FORMAT { Ok(()) } else { Err(RecordError("written by another version")) }
}
