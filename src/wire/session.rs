//! What a store keeps of a session, so that it can be resumed after a restart.
use super::stored::RecordError;
use crate::hub::{
    id::{RoomId, SessionId, UserId, UserType},
    presence::Status,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The format of the records that this version writes; it reads no other.
const FORMAT: u32 = 1;

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct SessionRecord {
    pub session: SessionId,
    pub user: UserId,
    pub user_type: UserType,
    /// The explicit status of the user, if he has chosen one.
    pub choice: Option<Status>,
    /// Whom the session watches.
    pub watches: Vec<UserId>,
    /// In which rooms it is.
    pub rooms: Vec<RoomId>,
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    v: u32,
    user: &'a str,
    user_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    choice: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    watches: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    rooms: Vec<&'a str>,
}

impl Status {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }
}

/// Writes a session.
#[must_use]
pub fn encode_session(record: &SessionRecord) -> Bytes {
    let SessionRecord { session: _, user, user_type, choice, watches, rooms } = record;
    let record = Record {
        v: FORMAT,
        user: user.as_str(),
        user_type: user_type.as_str(),
        choice: choice.map(Status::name),
        watches: watches.iter().map(UserId::as_str).collect(),
        rooms: rooms.iter().map(RoomId::as_str).collect(),
    };
    // Texts and numbers only: writing to memory cannot fail. An empty record would be refused when read.
    serde_json::to_vec(&record).unwrap_or_default().into()
}

/// Reads a session stored under its id. Errors: not a record, or one of another version.
pub fn decode_session(session_id: &str, bytes: &[u8]) -> Result<SessionRecord, RecordError> {
    const WRONG: RecordError = RecordError("a session record");
    let record: Record = serde_json::from_slice(bytes).map_err(|_| WRONG)?;
    if record.v != FORMAT {
        return Err(RecordError("written by another version"));
    }
    let choice = match record.choice {
        None => None,
        Some("busy") => Some(Status::Busy),
        Some("away") => Some(Status::Away),
        Some("offline") => Some(Status::Offline),
        Some(_) => return Err(WRONG),
    };
    Ok(SessionRecord {
        session: SessionId::parse(session_id).map_err(|_| WRONG)?,
        user: UserId::parse(record.user).map_err(|_| WRONG)?,
        user_type: UserType::parse(record.user_type).map_err(|_| WRONG)?,
        choice,
        watches: record.watches.iter().map(|user| UserId::parse(user)).collect::<Result<_, _>>().map_err(|_| WRONG)?,
        rooms: record.rooms.iter().map(|room| RoomId::parse(room)).collect::<Result<_, _>>().map_err(|_| WRONG)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for choice in [None, Some(Status::Busy), Some(Status::Away), Some(Status::Offline)] {
            let record = SessionRecord {
                session: SessionId::parse("s1").unwrap(),
                user: UserId::parse("u1").unwrap(),
                user_type: UserType::parse("kol").unwrap(),
                choice,
                watches: vec![UserId::parse("u2").unwrap()],
                rooms: vec![RoomId::parse("r1").unwrap()],
            };
            assert_eq!(decode_session("s1", &encode_session(&record)).unwrap(), record);
        }
        assert!(decode_session("s1", b"").is_err());
        assert!(decode_session("s1", br#"{"v":2,"user":"u","user_type":"user"}"#).is_err());
    }
}
