//! Replays a room from the archive: every commit on the way to the stored head, and what differs from the states that were kept.
use super::{HistoryError, Question, Walk, commit};
use crate::{
    hub::{cursor::Cursor, event::Commit, room::Room, time::UnixMs},
    server::store::{StoreFault, archive::Archive},
    wire::record::{decode_room, encode_room},
};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// How many differences are named per comparison.
const DIFFERENCES_MAX: usize = 20;

/// What a replay brought.
#[derive(Debug)]
pub struct Replayed {
    /// The state at its end.
    pub room: Room,
    /// Where it began: the oldest state that the archive has of this history.
    pub from: Cursor,
    /// How many commits were applied.
    pub commits: usize,
    /// How many archived commits belong to no history of the stored room: their tail was lost later on.
    pub outside: usize,
    /// How many kept states were compared with it, the stored one included.
    pub compared: usize,
    /// Where it differs from them, a sentence each; empty = nowhere.
    pub differences: Vec<String>,
}

/// Replays a room up to `until`, and compares with the states kept on the way and with the stored one, if it is reached.
///
/// `each` sees the room before each commit, the commit, and the room after it. Cost: two passes over the room's archive; 48 bytes per commit.
/// Errors: no state of this history is in the archive any more, the store fails, or a record cannot be read.
pub async fn replay(
    archive: &dyn Archive,
    stored: &Room,
    until: UnixMs,
    mut each: impl FnMut(&Room, &Commit, &Room),
) -> Result<Replayed, HistoryError> {
    let id = &stored.id;
    let question = Question { room: id.clone(), user: None, from: UnixMs(0), to: UnixMs(u64::MAX), after: None, limit: 0 };
    let path = path_to(archive, &question, stored.head).await?;
    let mut states = HashMap::new();
    let mut first: Option<Room> = None;
    for entry in archive.states(id.clone()).await?.into_iter().filter(|entry| path.contains(&entry.cursor)) {
        let broken = |_| StoreFault::Archive { room: id.clone(), at: entry.at };
        let state = decode_room(&entry.record).map_err(broken)?;
        if first.as_ref().is_none_or(|first| state.head.rev < first.head.rev) {
            first = Some(state);
        }
        states.insert(entry.cursor, entry.record);
    }
    let room = first.ok_or_else(|| HistoryError::NoRoom(id.clone()))?;
    let from = room.head;
    let mut done = Replayed { room, from, commits: 0, outside: 0, compared: 0, differences: Vec::new() };
    let mut walk = Walk::new(archive, &question);
    'walk: while let Some(entries) = walk.next().await? {
        for entry in entries {
            if !path.contains(&entry.cursor) {
                // What is behind the stored head was committed after it was read.
                done.outside += usize::from(entry.cursor.rev <= stored.head.rev);
                continue;
            }
            if entry.cursor.rev <= from.rev {
                continue;
            }
            if entry.at > until {
                break 'walk;
            }
            let commit = commit(id, &entry)?;
            let mut next = done.room.clone();
            if next.apply(&commit).is_err() {
                done.differences.push(format!("rev {}: the archive has a gap behind it", done.room.head.rev));
                break 'walk;
            }
            each(&done.room, &commit, &next);
            done.room = next;
            done.commits += 1;
            if let Some(kept) = states.get(&entry.cursor) {
                done.compare(kept);
            }
        }
    }
    if done.room.head == stored.head {
        done.compare(&encode_room(stored));
    } else if stored.last_event <= until && done.differences.is_empty() {
        done.differences
            .push(format!("the archive ends at rev {}, the stored room at rev {}", done.room.head.rev, stored.head.rev));
    }
    Ok(done)
}

/// Returns the positions that lead to `head`, as far back as the archive goes.
async fn path_to(archive: &dyn Archive, question: &Question, head: Cursor) -> Result<HashSet<Cursor>, HistoryError> {
    let mut before = HashMap::new();
    let mut walk = Walk::new(archive, question);
    while let Some(entries) = walk.next().await? {
        before.extend(entries.into_iter().map(|entry| (entry.cursor, entry.prev)));
    }
    let mut path = HashSet::from([head]);
    let mut at = head;
    while let Some(prev) = before.get(&at) {
        path.insert(*prev);
        at = *prev;
    }
    Ok(path)
}

impl Replayed {
    fn compare(&mut self, kept: &[u8]) {
        self.compared += 1;
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let before = self.differences.len();
        let mut found = Vec::new();
        differences("", &read(&encode_room(&self.room)), &read(kept), &mut found);
        let rev = self.room.head.rev;
        self.differences.extend(found.into_iter().map(|difference| format!("rev {rev}: {difference}")));
        self.differences.truncate(before + DIFFERENCES_MAX);
    }
}

fn differences(path: &str, replayed: &Value, kept: &Value, found: &mut Vec<String>) {
    if found.len() > DIFFERENCES_MAX {
        return;
    }
    match (replayed, kept) {
        (Value::Object(one), Value::Object(other)) => {
            let only_there = other.keys().filter(|key| !one.contains_key(*key));
            for key in one.keys().chain(only_there) {
                let path = format!("{path}/{key}");
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => differences(&path, one, other, found),
                    (Some(one), None) => found.push(format!("{path} is {one} in the replay and absent in the kept state")),
                    (None, Some(other)) => found.push(format!("{path} is absent in the replay and {other} in the kept state")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(&format!("{path}/{index}"), one, other, found);
            }
        }
        _ if replayed == kept => {}
        _ => found.push(format!("{path} is {replayed} in the replay and {kept} in the kept state")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_their_path() {
        let mut found = Vec::new();
        let (one, other) = (json!({"a": [1, {"b": 2}], "c": 3}), json!({"a": [1, {"b": 4}], "d": 5}));
        differences("", &one, &other, &mut found);
        assert_eq!(
            found,
            [
                "/a/1/b is 2 in the replay and 4 in the kept state",
                "/c is 3 in the replay and absent in the kept state",
                "/d is absent in the replay and 5 in the kept state",
            ]
        );
    }
}
