//! Rooms in Redis: create, load, commit, confirm, restore, and the queue for other tools.
use super::{
    AFTER_RECONNECT_MS, RedisStore,
    connect::Durability,
    engine,
    entries::{id_text, position, read_entries, read_message, read_snapshot, write_snapshot},
    live::Heard,
    word,
    write::{TOO_FEW, TOO_SOON, certainly},
};
use crate::{
    hub::{
        chain,
        cursor::Cursor,
        id::{RoomId, UserId},
        time::Millis,
    },
    server::{
        clock::Mono,
        store::{CommitError, Followed, Listener, Loaded, LogEntry, Restored, StoreFault},
    },
};
use bytes::Bytes;
use redis::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How many revs before the head stay readable for clients that resume by cursor.
pub(super) const KEEP_REVS: u64 = 256;
/// What is younger stays readable for nodes that were away, unless it is more than `store.redis.log_revs_max`.
pub(super) const KEEP_SPAN: Millis = Millis(60_000);

/// Said on a room's channel when it was lost and is given back: whoever has newer commits of it gives them back, too.
const LOOK: &[u8] = b"L";
/// The pause before a commit is offered again to a room that has only just been given back.
const SOON: Duration = Duration::from_millis(50);

/// What a script that compares positions says.
enum Said {
    Ok,
    /// What the log holds since the expected position, if it is known there.
    Moved(Option<Vec<LogEntry>>),
    /// The room was lost and has only just been given back: somebody may have newer commits of it.
    Soon,
}

impl RedisStore {
    pub(super) fn room_keys(&self, room: &RoomId) -> [String; 3] {
        ['m', 'l', 's'].map(|part| self.keys.room(room, part))
    }

    pub(super) async fn create_room(&self, room: &RoomId, at: Cursor, snapshot: Bytes) -> Result<bool, CommitError> {
        let deadline = self.deadline();
        if !self.after_reconnect(deadline).await {
            return Err(CommitError::NotDone(engine(TOO_SOON)));
        }
        let (rev, id, snapshot) = (at.rev.to_string(), id_text(at.commit), write_snapshot(at, &snapshot));
        let args: [&[u8]; 3] = [rev.as_bytes(), id.as_bytes(), &snapshot];
        let (said, durable) =
            self.write(&self.scripts.create, &self.room_keys(room), &args, deadline).await.map_err(certainly)?;
        if !durable {
            return Err(CommitError::Unknown(engine(TOO_FEW)));
        }
        self.list_room(room).await;
        Ok(said == Value::Int(1))
    }

    pub(super) async fn load_room(&self, room: &RoomId) -> Result<Option<Loaded>, StoreFault> {
        let value = self.link.script(&self.scripts.load, &self.room_keys(room), &[], self.deadline()).await.map_err(engine)?;
        let broken = |rev, what| StoreFault::Broken { room: room.clone(), rev, what };
        let Value::Array(parts) = &value else { return Err(broken(0, "the answer cannot be read")) };
        let [rev, id, Value::BulkString(snapshot), log] = parts.as_slice() else {
            return if parts.is_empty() { Ok(None) } else { Err(broken(0, "the answer cannot be read")) };
        };
        let head = position(rev, id).ok_or_else(|| broken(0, "the head cannot be read"))?;
        let (at, snapshot) = read_snapshot(snapshot).ok_or_else(|| broken(head.rev, "the snapshot cannot be read"))?;
        let entries = read_entries(log).ok_or_else(|| broken(at.rev, "a log entry cannot be read"))?;
        let (before, log): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.cursor.rev <= at.rev);
        let mut reached = at;
        for entry in &log {
            if entry.prev != reached {
                return Err(broken(reached.rev, "the chain of commits has a gap"));
            }
            reached = entry.cursor;
        }
        if reached != head {
            return Err(broken(reached.rev, "the log does not lead to the head"));
        }
        Ok(Some(Loaded { at, snapshot, log, before }))
    }

    /// Offers a commit until it is certain what became of it, or the time is over. Offering it again is safe: the script compares
    /// positions, and an entry with the same id in the log is this one.
    pub(super) async fn commit_entry(&self, room: &RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Result<(), CommitError> {
        let deadline = self.deadline();
        let (settle, settled) = oneshot::channel();
        let early = self.settings.durability == Durability::Async;
        if early {
            self.in_flight.insert(entry.cursor.commit, settle);
        }
        let outcome = tokio::select! {
            outcome = self.offer(room, &entry, snapshot, deadline) => outcome,
            Ok(()) = settled, if early => Ok(()),
        };
        self.in_flight.remove(&entry.cursor.commit);
        outcome
    }

    async fn offer(&self, room: &RoomId, entry: &LogEntry, snapshot: Option<Bytes>, deadline: Mono) -> Result<(), CommitError> {
        let snapshot = snapshot.map(|record| write_snapshot(entry.cursor, &record)).unwrap_or_default();
        let (prev_rev, prev_id) = (entry.prev.rev.to_string(), id_text(entry.prev.commit));
        let (rev, id) = (entry.cursor.rev.to_string(), id_text(entry.cursor.commit));
        let (keep, most) = (KEEP_REVS.to_string(), self.settings.log_revs_max.to_string());
        let (at, span) = (entry.at.0.to_string(), KEEP_SPAN.0.to_string());
        let args: [&[u8]; 10] = [
            prev_rev.as_bytes(),
            prev_id.as_bytes(),
            rev.as_bytes(),
            id.as_bytes(),
            &entry.record,
            &snapshot,
            keep.as_bytes(),
            most.as_bytes(),
            at.as_bytes(),
            span.as_bytes(),
        ];
        let [head, log, state] = self.room_keys(room);
        let keys = [head, log, state, self.keys.room(room, 'w')];
        loop {
            let (value, durable) = self.write_surely(&self.scripts.commit, &keys, &args, deadline, true).await?;
            let settled = || if durable { Ok(()) } else { Err(CommitError::Unknown(engine(TOO_FEW))) };
            return match said(&value, entry.prev).map_err(CommitError::Unknown)? {
                Said::Ok => settled(),
                Said::Moved(since) if since.iter().flatten().any(|known| known.cursor == entry.cursor) => settled(),
                Said::Moved(since) => Err(CommitError::Mismatch { since }),
                Said::Soon if self.clock.mono() >= deadline => Err(CommitError::Unknown(engine(TOO_SOON))),
                Said::Soon => {
                    tokio::time::sleep(SOON).await;
                    continue;
                }
            };
        }
    }

    pub(super) async fn read_head(&self, room: &RoomId) -> Result<Option<u64>, StoreFault> {
        let value = self.link.run(&redis::Cmd::hget(self.keys.room(room, 'm'), "v"), self.deadline()).await.map_err(engine)?;
        redis::from_redis_value(value).map_err(engine)
    }

    pub(super) async fn read_after(&self, room: &RoomId, from: Cursor, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let start = format!("({}-0", from.rev);
        let cmd = redis::Cmd::xrange_count(self.keys.room(room, 'l'), start, "+", limit);
        let value = self.link.run(&cmd, self.deadline()).await.map_err(engine)?;
        read_entries(&value).ok_or_else(|| engine("a log entry cannot be read"))
    }

    pub(super) async fn keep_for(&self, room: &RoomId, reader: &str, from: Option<u64>) -> Result<(), StoreFault> {
        let key = self.keys.room(room, 'w');
        let cmd = from.map_or_else(|| redis::Cmd::hdel(&key, reader), |from| redis::Cmd::hset(&key, reader, from));
        self.link.run(&cmd, self.deadline()).await.map(|_| ()).map_err(engine)
    }

    pub(super) async fn confirm_head(&self, room: &RoomId, at: Cursor) -> Result<(), CommitError> {
        let deadline = self.deadline();
        let (rev, id) = (at.rev.to_string(), id_text(at.commit));
        let args: [&[u8]; 3] = [rev.as_bytes(), id.as_bytes(), b""];
        let value = self.link.script(&self.scripts.commit, &self.room_keys(room), &args, deadline).await;
        // Nothing is written, so nothing is unknown.
        match said(&value.map_err(|error| CommitError::NotDone(engine(error)))?, at).map_err(CommitError::NotDone)? {
            Said::Ok => Ok(()),
            Said::Moved(since) => Err(CommitError::Mismatch { since }),
            Said::Soon => Err(CommitError::NotDone(engine(TOO_SOON))),
        }
    }

    pub(super) async fn restore_room(
        &self,
        room: &RoomId,
        at: Cursor,
        snapshot: Bytes,
        entries: Vec<LogEntry>,
    ) -> Result<Restored, StoreFault> {
        let mut args = vec![at.rev.to_string().into_bytes(), id_text(at.commit).into_bytes(), write_snapshot(at, &snapshot)];
        args.push(self.settle_ms().to_string().into_bytes());
        for entry in &entries {
            args.push(entry.prev.rev.to_string().into_bytes());
            args.push(id_text(entry.prev.commit).into_bytes());
            args.push(entry.cursor.rev.to_string().into_bytes());
            args.push(id_text(entry.cursor.commit).into_bytes());
            args.push(entry.record.to_vec());
        }
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let deadline = self.deadline();
        let value = self.link.script(&self.scripts.restore, &self.room_keys(room), &args, deadline).await.map_err(engine)?;
        // Its name may be lost as well.
        self.list_room(room).await;
        match word(&value) {
            (Some(b"SAME"), _) => Ok(Restored::Same),
            (Some(b"APPENDED"), _) => Ok(Restored::Appended),
            (Some(b"SEEDED"), _) => Ok(Restored::Seeded),
            _ => match said(&value, at)? {
                Said::Moved(Some(since)) => Ok(Restored::Behind(since)),
                _ => Ok(Restored::Fork),
            },
        }
    }

    pub(super) async fn project_queue(&self, room: &RoomId, at: Cursor, queue: Vec<UserId>) -> Result<(), StoreFault> {
        let keys = ['m', 'q'].map(|part| self.keys.room(room, part));
        let (rev, id) = (at.rev.to_string(), id_text(at.commit));
        let mut args: Vec<&[u8]> = vec![rev.as_bytes(), id.as_bytes()];
        args.extend(queue.iter().map(|user| user.as_str().as_bytes()));
        self.link.script(&self.scripts.project, &keys, &args, self.deadline()).await.map(|_| ()).map_err(engine)
    }

    pub(super) async fn follow_room(&self, room: &RoomId, listener: Listener) -> bool {
        let in_flight = self.in_flight.clone();
        let ear = move |heard| match heard {
            Heard::Gap => listener(Followed::Gap),
            Heard::Message(message) if &*message == LOOK => listener(Followed::Gap),
            Heard::Message(message) => match read_message(&message) {
                Some(entry) => {
                    if let Some((_, settle)) = in_flight.remove(&entry.cursor.commit) {
                        let _ = settle.send(());
                    }
                    listener(Followed::Entry(entry));
                }
                None => listener(Followed::Other(message)),
            },
        };
        self.live.listen(self.keys.room(room, 'l'), Arc::new(ear)).await
    }

    /// Returns how long replicas have for giving back what a server has lost: a command that waits may still be done after it.
    fn settle_ms(&self) -> u64 {
        let wait = u64::try_from(self.settings.wait.as_millis()).unwrap_or(u64::MAX);
        AFTER_RECONNECT_MS.min(wait / 2)
    }

    /// Waits until replicas had their chance to give a server that came back what it has lost. `false`: they have not had it by `deadline`.
    pub(super) async fn after_reconnect(&self, deadline: Mono) -> bool {
        loop {
            let up = *self.link.watch().borrow();
            let now = self.clock.mono();
            let Some(since) = up.since else {
                // The first connection of a process follows nothing that could have been lost.
                if up.generation == 0 {
                    return true;
                }
                if self.link.ready(deadline).await.is_none() {
                    return false;
                }
                continue;
            };
            let until = since.plus(self.settle_ms());
            if up.generation == 1 || until <= now {
                return true;
            }
            if until > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(until.since(now))).await;
        }
    }
}

/// Reads what a script says that compares positions.
fn said(value: &Value, expected: Cursor) -> Result<Said, StoreFault> {
    match word(value) {
        (Some(b"OK"), _) => Ok(Said::Ok),
        (Some(b"GONE"), _) => Ok(Said::Moved(None)),
        (Some(b"SOON"), _) => Ok(Said::Soon),
        (Some(b"MISMATCH"), [_, _, log]) => {
            let entries = read_entries(log).ok_or_else(|| engine("a log entry cannot be read"))?;
            let links: Vec<chain::Link> = entries.iter().map(LogEntry::link).collect();
            let known = chain::behind(expected, &links).is_some();
            Ok(Said::Moved(known.then_some(entries)))
        }
        _ => Err(engine("the answer cannot be read")),
    }
}
