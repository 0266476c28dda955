//! How keys and values look on the disk. The records inside are those of `wire/record/`; nothing here opens them.
use crate::{
    hub::{cursor::Cursor, id::RoomId, time::UnixMs},
    server::store::{
        LogEntry,
        archive::{Fed, FedKind},
    },
};
use bytes::Bytes;

/// The milliseconds of a day: the archive has one keyspace per day of UTC.
const DAY_MS: u64 = 86_400_000;

/// The key of a commit in the log.
pub(super) fn log_key(room: &RoomId, rev: u64) -> Vec<u8> {
    room_key(room, None, &[rev])
}

/// The key of a commit in the archive: by time, then by rev.
pub(super) fn event_key(room: &RoomId, at: UnixMs, rev: u64) -> Vec<u8> {
    room_key(room, Some(b'e'), &[at.0, rev])
}

/// The key of the state from which a room can be replayed in an archived day.
pub(super) fn base_key(room: &RoomId) -> Vec<u8> {
    room_key(room, Some(b'b'), &[])
}

fn room_key(room: &RoomId, kind: Option<u8>, numbers: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(room.as_str().len() + 2 + numbers.len() * 8);
    key.extend_from_slice(room.as_str().as_bytes());
    key.push(0);
    key.extend(kind);
    for number in numbers {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

/// A value: the position before, the position, and a number; then the record.
///
/// The number is the time of a commit, and the lowest rev that the log keeps for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub prev: Cursor,
    pub cursor: Cursor,
    pub number: u64,
    pub record: Bytes,
}

impl Packed {
    pub fn pack(&self) -> Vec<u8> {
        let mut value = format!("{} {} {}\n", self.prev, self.cursor, self.number).into_bytes();
        value.extend_from_slice(&self.record);
        value
    }

    pub fn unpack(value: &[u8]) -> Option<Self> {
        let end = value.iter().position(|byte| *byte == b'\n')?;
        let mut words = std::str::from_utf8(value.get(..end)?).ok()?.split(' ');
        let (prev, cursor) = (Cursor::parse(words.next()?)?, Cursor::parse(words.next()?)?);
        let number = words.next()?.parse().ok().filter(|_| words.next().is_none())?;
        Some(Self { prev, cursor, number, record: Bytes::copy_from_slice(value.get(end + 1..)?) })
    }
}

impl From<&LogEntry> for Packed {
    fn from(entry: &LogEntry) -> Self {
        let LogEntry { prev, cursor, at, record } = entry.clone();
        Self { prev, cursor, number: at.0, record }
    }
}

impl From<Packed> for LogEntry {
    fn from(packed: Packed) -> Self {
        let Packed { prev, cursor, number, record } = packed;
        Self { prev, cursor, at: UnixMs(number), record }
    }
}

/// The key of an entry in the feed: the number of its commit, then what it is.
pub(super) fn feed_key(number: u64, kind: FedKind) -> [u8; 9] {
    let mut key = [0; 9];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&number.to_be_bytes());
    tail.fill(match kind {
        FedKind::Commit => b'c',
        FedKind::State => b's',
    });
    key
}

/// The value of an entry in the feed: its room, then what is stored.
pub(super) fn feed_value(room: &RoomId, packed: &Packed) -> Vec<u8> {
    let mut value = room.as_str().as_bytes().to_vec();
    value.push(0);
    value.extend(packed.pack());
    value
}

/// Reads an entry of the feed; `None` if it is damaged.
pub(super) fn read_feed(key: &[u8], value: &[u8]) -> Option<Fed> {
    let (number, kind) = key.split_at_checked(8)?;
    let end = value.iter().position(|byte| *byte == 0)?;
    let room = RoomId::parse(std::str::from_utf8(value.get(..end)?).ok()?).ok()?;
    let kind = match kind {
        b"c" => FedKind::Commit,
        b"s" => FedKind::State,
        _ => return None,
    };
    let entry = Packed::unpack(value.get(end + 1..)?)?.into();
    Some(Fed { number: u64::from_be_bytes(number.try_into().ok()?), kind, room, entry })
}

/// The archive's day of a point in time, counted from 1970.
pub(super) const fn day_of(at: UnixMs) -> u64 {
    at.0 / DAY_MS
}

/// The name of a day's keyspace.
pub(super) fn day_name(day: u64) -> String {
    format!("day-{day}")
}

/// The day that a keyspace holds, if it is one of the archive.
pub(super) fn day_of_name(name: &str) -> Option<u64> {
    name.strip_prefix("day-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::id::CommitId;

    #[test]
    fn a_value_comes_back() {
        let at = |rev| Cursor { rev, commit: CommitId(rev + 7) };
        let packed = Packed { prev: at(1), cursor: at(2), number: 9, record: "a\nb".into() };
        assert_eq!(Packed::unpack(&packed.pack()), Some(packed.clone()));
        let value = packed.pack();
        for cut in 0..value.len() - 3 {
            assert_eq!(Packed::unpack(&value[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_time() {
        let room = RoomId::parse("r").unwrap();
        assert!(event_key(&room, UnixMs(255), 9) < event_key(&room, UnixMs(256), 1));
        assert!(log_key(&room, 255) < log_key(&room, 256));
        assert_eq!(day_of_name(&day_name(20_000)), Some(20_000));
    }
}
