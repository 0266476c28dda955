//! `michub repair` on Redis: a log that cannot be followed is cut where it breaks, and a Redis that came back empty is accepted. Hubs may
//! run meanwhile: nothing is changed unless the room still is where it was read, and whoever has more of it in memory gives it back.
use super::{
    RedisStore, engine,
    entries::{id_text, position, read_entries, read_snapshot},
    link::text,
};
use crate::{
    hub::{cursor::Cursor, id::RoomId},
    server::store::{Store, StoreFault},
};
use redis::Value;

/// What a repair has found.
#[derive(Debug, Default)]
pub struct RedisReport {
    /// What was wrong, one line each.
    pub findings: Vec<String>,
    /// How many rooms are whole.
    pub rooms: usize,
}

impl RedisStore {
    /// Looks at every room and at the epoch, and mends what is wrong. Errors: Redis cannot be reached or refuses.
    pub async fn repair(&self, accept_empty: bool) -> Result<RedisReport, StoreFault> {
        let mut report = RedisReport::default();
        for room in self.rooms().await? {
            match self.load_room(&room).await {
                Ok(Some(_)) => report.rooms += 1,
                Ok(None) => report.findings.push(format!("room {room}: it is listed, and not there")),
                Err(StoreFault::Broken { .. }) => report.findings.push(self.cut_room(&room).await?),
                Err(fault) => return Err(fault),
            }
        }
        let epoch = self.link.run(&redis::Cmd::get(self.keys.hub("epoch")), self.deadline()).await.map_err(engine)?;
        if epoch == Value::Nil {
            let what = "hub:epoch is missing: no hub has used this Redis yet, or it came back empty";
            if accept_empty {
                self.begin_epoch().await.map_err(engine)?;
                report.findings.push(format!("{what}; that is accepted, and rooms are made again"));
            } else {
                report.findings.push(format!("{what}; `michub repair --accept-empty` accepts that"));
            }
        }
        Ok(report)
    }

    /// Cuts a room's log behind the last commit that can be followed, or removes a room without a readable snapshot.
    async fn cut_room(&self, room: &RoomId) -> Result<String, StoreFault> {
        let value = self.link.script(&self.scripts.load, &self.room_keys(room), &[], self.deadline()).await.map_err(engine)?;
        let Value::Array(parts) = &value else { return Err(engine("the answer cannot be read")) };
        let [rev, id, Value::BulkString(snapshot), Value::Array(log)] = parts.as_slice() else {
            return Ok(format!("room {room}: it is gone"));
        };
        let (rev, id) = (text(rev).unwrap_or_default(), text(id).unwrap_or_default());
        let head = position(&Value::BulkString(rev.clone().into()), &Value::BulkString(id.clone().into()));
        let found = read_snapshot(snapshot).map(|(at, _)| at);
        let (to, mut gone) = (found.map(|at| reached(at, log)), Vec::new());
        if let Some(to) = to {
            gone.extend(log.iter().filter_map(entry_id).filter(|entry| rev_of(entry).is_none_or(|rev| rev > to.rev)));
        }
        let (new_rev, new_id) = to.map(|to| (to.rev.to_string(), id_text(to.commit))).unwrap_or_default();
        let mut args = vec![rev.as_bytes(), id.as_bytes(), new_rev.as_bytes(), new_id.as_bytes()];
        args.extend(gone.iter().map(String::as_bytes));
        let keys = ['m', 'l', 's', 'q'].map(|part| self.keys.room(room, part));
        let cut = self.link.script(&self.scripts.cut, &keys, &args, self.deadline()).await.map_err(engine)?;
        let head = head.map_or_else(|| "somewhere".to_owned(), |head| head.rev.to_string());
        Ok(match (cut, to) {
            (Value::Int(1), Some(to)) => format!("room {room}: cut back from rev {head} to {}, where its log breaks", to.rev),
            (Value::Int(1), None) => format!("room {room}: removed, as it has no snapshot that can be read"),
            _ => format!("room {room}: it has changed meanwhile; look again"),
        })
    }
}

fn entry_id(entry: &Value) -> Option<String> {
    match entry {
        Value::Array(pair) => text(pair.first()?),
        _ => None,
    }
}

fn rev_of(entry: &str) -> Option<u64> {
    entry.split_once('-')?.0.parse().ok()
}

/// Returns how far the log can be followed from a snapshot.
fn reached(at: Cursor, log: &[Value]) -> Cursor {
    let mut reached = at;
    for entry in log {
        let read = read_entries(&Value::Array(vec![entry.clone()])).unwrap_or_default();
        match read.first() {
            Some(entry) if entry.cursor.rev <= at.rev => {}
            Some(entry) if entry.prev == reached => reached = entry.cursor,
            _ => break,
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::{id::CommitId, time::UnixMs},
        server::store::LogEntry,
    };

    #[tokio::test]
    async fn a_broken_log_is_cut_and_a_lost_snapshot_is_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions::default()).unwrap();
        let store = super::super::testing::store(&server.url(), |_| {});
        let at = |rev: u64| Cursor { rev, commit: CommitId(rev + 70) };
        let rooms = ["whole", "gap", "lost"].map(|name| RoomId::parse(name).unwrap());
        for room in &rooms {
            assert!(store.create(room, at(0), "first".into()).await.unwrap());
            for rev in 1..=5 {
                let record = format!("{{\"at\":{rev}}}").into();
                let entry = LogEntry { prev: at(rev - 1), cursor: at(rev), at: UnixMs(rev), record };
                store.commit(room, entry, None).await.unwrap();
            }
        }
        server.ask("XDEL {r:gap}:l 3-0").unwrap();
        server.ask("SET {r:lost}:s nonsense").unwrap();
        assert!(matches!(store.load(&rooms[1]).await, Err(StoreFault::Broken { .. })));
        let mut report = store.repair(false).await.unwrap();
        report.findings.sort();
        let wanted = ["hub:epoch is missing", "room gap: cut back from rev 5 to 2", "room lost: removed"];
        for (finding, wanted) in report.findings.iter().zip(wanted) {
            assert!(finding.starts_with(wanted), "{finding}");
        }
        assert_eq!((report.findings.len(), report.rooms), (3, 1));
        let cut = store.load(&rooms[1]).await.unwrap().unwrap();
        assert_eq!(cut.log.last().map(|entry| entry.cursor), Some(at(2)));
        let next = LogEntry { prev: at(2), cursor: at(3), at: UnixMs(3), record: "{\"at\":3}".into() };
        store.commit(&rooms[1], next, None).await.unwrap();
        assert_eq!(store.load(&rooms[2]).await.unwrap(), None);
        let again = store.repair(true).await.unwrap();
        assert_eq!((again.rooms, again.findings.len()), (2, 2), "{:?}", again.findings);
    }
}
