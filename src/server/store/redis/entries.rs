//! Log entries as Redis keeps them: one stream entry per commit, its id the rev to which it leads.
use crate::{
    hub::{cursor::Cursor, id::CommitId},
    server::store::LogEntry,
    wire::record::commit_time,
};
use bytes::Bytes;
use redis::Value;

/// Writes a commit id.
#[must_use]
pub fn id_text(id: CommitId) -> String {
    format!("{:016x}", id.0)
}

/// Reads a position out of a rev and an id.
#[must_use]
pub fn position(rev: &Value, id: &Value) -> Option<Cursor> {
    Cursor::parse(&format!("{}.{}", super::link::text(rev)?, super::link::text(id)?))
}

/// Reads what XRANGE answers. `None`: some entry is not one of ours.
#[must_use]
pub fn read_entries(value: &Value) -> Option<Vec<LogEntry>> {
    let Value::Array(list) = value else { return None };
    list.iter().map(read_entry).collect()
}

fn read_entry(value: &Value) -> Option<LogEntry> {
    let Value::Array(pair) = value else { return None };
    let [id, Value::Array(fields)] = pair.as_slice() else { return None };
    let rev = super::link::text(id)?.split_once('-')?.0.to_owned();
    let field = |name: &[u8]| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [Value::BulkString(key), Value::BulkString(value)] if key == name => Some(value),
            _ => None,
        })
    };
    let text = |name: &[u8]| std::str::from_utf8(field(name)?).ok();
    let record = Bytes::copy_from_slice(field(b"d")?);
    Some(LogEntry {
        prev: Cursor::parse(&format!("{}.{}", text(b"f")?, text(b"p")?))?,
        cursor: Cursor::parse(&format!("{rev}.{}", text(b"t")?))?,
        at: commit_time(&record)?,
        record,
    })
}

/// Reads a message of the live path: two positions, then the record. `None`: it is no commit.
#[must_use]
pub fn read_message(message: &Bytes) -> Option<LogEntry> {
    let end = message.iter().position(|byte| *byte == b'\n')?;
    let (prev, cursor) = std::str::from_utf8(message.get(..end)?).ok()?.split_once(' ')?;
    let record = message.slice(end + 1..);
    Some(LogEntry { prev: Cursor::parse(prev)?, cursor: Cursor::parse(cursor)?, at: commit_time(&record)?, record })
}

/// Writes a snapshot with its position.
#[must_use]
pub fn write_snapshot(at: Cursor, record: &[u8]) -> Vec<u8> {
    let mut value = format!("{at}\n").into_bytes();
    value.extend_from_slice(record);
    value
}

/// Reads a snapshot.
#[must_use]
pub fn read_snapshot(value: &[u8]) -> Option<(Cursor, Bytes)> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let at = Cursor::parse(std::str::from_utf8(value.get(..end)?).ok()?)?;
    Some((at, Bytes::copy_from_slice(value.get(end + 1..)?)))
}
