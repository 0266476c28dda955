//! What a store keeps of somebody who was sent away from the hub.
use super::{server::json, stored::RecordError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The format of the records that this version writes; it reads no other.
const FORMAT: u32 = 1;

/// What holds for somebody who was sent away. All times are Unix milliseconds of wall time, as those of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// When it was decided: the later of two decisions holds.
    pub at: u64,
    /// Tokens issued before this are refused.
    pub since: u64,
    /// Until then nobody of that name is let in; 0 = he may come back at once, with a newer token.
    pub until: u64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    #[serde(flatten)]
    ban: Ban,
}

/// Writes a record.
#[must_use]
pub fn encode_ban(ban: Ban) -> Bytes {
    json(&Record { v: FORMAT, ban }).into()
}

/// Reads a record. Errors: not one, or one of another version.
pub fn decode_ban(bytes: &[u8]) -> Result<Ban, RecordError> {
    let record: Record = serde_json::from_slice(bytes).map_err(|_| RecordError("somebody who was sent away"))?;
    if record.v == FORMAT { Ok(record.ban) } else { Err(RecordError("written by another version")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let ban = Ban { at: 3, since: 2, until: u64::MAX };
        assert_eq!(decode_ban(&encode_ban(ban)), Ok(ban));
        assert!(decode_ban(b"").is_err() && decode_ban(br#"{"v":2,"at":1,"since":1,"until":1}"#).is_err());
    }
}
