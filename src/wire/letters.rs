//! What a store keeps of a person: whom he has blocked, and the direct messages that wait for him.
use super::{
    server::{Ack, json},
    stored::RecordError,
};
use crate::hub::{id::UserId, time::UnixMs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format of the records that this version writes; it reads no other.
const FORMAT: u32 = 1;

/// A person's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// Whose messages he does not want.
    pub blocked: BTreeSet<UserId>,
    /// What waits for him, oldest first: when it came, and the frame's JSON.
    pub kept: Vec<(UnixMs, String)>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<(u64, String)>,
}

/// Writes a record.
#[must_use]
pub fn encode_user(record: &UserRecord) -> Bytes {
    let blocked = record.blocked.iter().map(ToString::to_string).collect();
    let kept = record.kept.iter().map(|(at, text)| (at.0, text.clone())).collect();
    json(&Record { v: FORMAT, blocked, kept }).into()
}

/// Reads a record. Errors: not one, or one of another version.
pub fn decode_user(bytes: &[u8]) -> Result<UserRecord, RecordError> {
    const WRONG: RecordError = RecordError("a person's record");
    let record: Record = serde_json::from_slice(bytes).map_err(|_| WRONG)?;
    if record.v != FORMAT {
        return Err(RecordError("written by another version"));
    }
    let blocked = record.blocked.iter().map(|id| UserId::parse(id).map_err(|_| WRONG)).collect::<Result<_, _>>()?;
    Ok(UserRecord { blocked, kept: record.kept.into_iter().map(|(at, text)| (UnixMs(at), text)).collect() })
}

#[derive(Serialize)]
struct BlockedJson<'a> {
    blocked: Vec<&'a str>,
}

/// Writes the ack that names everybody whom somebody has blocked.
#[must_use]
pub fn blocked_ack(id: Option<i64>, blocked: &BTreeSet<UserId>) -> Vec<u8> {
    json(&Ack { id, fields: BlockedJson { blocked: blocked.iter().map(UserId::as_str).collect() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let user = |id| UserId::parse(id).unwrap();
        let record =
            UserRecord { blocked: [user("b"), user("a")].into(), kept: vec![(UnixMs(7), "{\"type\":\"message\"}".to_owned())] };
        for record in [UserRecord::default(), record] {
            assert_eq!(decode_user(&encode_user(&record)), Ok(record));
        }
        assert!(decode_user(b"").is_err() && decode_user(br#"{"v":2}"#).is_err());
        assert!(decode_user(br#"{"v":1,"blocked":["a b"]}"#).is_err());
    }
}
