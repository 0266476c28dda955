//! A room compared with the store: what is missing here is applied, what is missing there is given back, and another history is taken
//! over with a reset.
use super::{SNAPSHOT_EVERY, Task, follow::READS_MAX, to_shard};
use crate::server::{
    msg::{Class, Frame, ShardMsg, room_key},
    store::{CommitError, LogEntry, Restored, log},
};
use crate::{
    hub::{
        actor::Actor,
        decide::Draft,
        id::{OpId, UserId},
    },
    wire::{
        codec::text_frame,
        membership,
        record::{decode_commit, encode_room},
    },
};
use std::collections::BTreeMap;

/// How many entries the store answers at most; as many as that, and there may be more.
const PAGE: usize = 512;

impl Task {
    /// Compares the head with the store's: applies what is missing here, gives back what is missing there, or takes over another history.
    ///
    /// Returns whether the room stands where the store's head was.
    pub(super) async fn resync(&mut self) -> bool {
        let store = self.store();
        for _ in 0..READS_MAX {
            match store.audit(&self.home.id, self.room.head).await {
                Ok(()) => {
                    self.unsure = false;
                    return true;
                }
                Err(CommitError::Mismatch { since: Some(entries) }) => {
                    if !self.apply_all(&entries).await {
                        return self.reload().await;
                    }
                    // In a hot room the head never stands still: whoever has all that there was when the store answered has looked.
                    if entries.len() < PAGE {
                        self.unsure = false;
                        return true;
                    }
                }
                Err(CommitError::Mismatch { since: None }) => return self.give_back().await,
                Err(error) => {
                    tracing::debug!(room = %self.home.id, %error, "the store's head is not known");
                    return false;
                }
            }
        }
        false
    }

    /// The store does not know the head: it has lost it, or its history is another one.
    async fn give_back(&mut self) -> bool {
        let store = self.store();
        let entries = self.follow.as_ref().map(|follow| follow.ring.entries()).unwrap_or_default();
        match store.restore(&self.home.id, self.room.head, encode_room(&self.room), entries).await {
            Ok(done @ (Restored::Same | Restored::Appended | Restored::Seeded)) => {
                if done != Restored::Same {
                    tracing::warn!(room = %self.home.id, head = %self.room.head, ?done, "the store had lost something of the room");
                    metrics::counter!("michub_rooms_given_back_total").increment(1);
                }
                self.unsure = false;
                true
            }
            Ok(Restored::Behind(entries)) => self.apply_all(&entries).await || self.reload().await,
            Ok(Restored::Fork) => self.reload().await,
            Err(error) => {
                tracing::warn!(room = %self.home.id, %error, "the room cannot be given back");
                false
            }
        }
    }

    /// Takes over what the store has. Members whose history goes on hear what they missed; else they hear of a reset.
    pub(super) async fn reload(&mut self) -> bool {
        let store = self.store();
        let (room, tail) = match log::load(&*store, &self.home.id).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return false,
            Err(fault) => {
                self.report("a room cannot be loaded again", &fault.to_string());
                return false;
            }
        };
        let before = self.room.head;
        let missed = tail.since(before);
        (self.room, self.tail, self.unsure) = (room, tail, false);
        self.draft = Draft::new(&self.room);
        self.draft.hold_promotion(self.no_promotion_before);
        self.commits = SNAPSHOT_EVERY;
        let revoked = self.follow.as_ref().map(|follow| revoked(follow.ring.gone_from(&self.tail))).unwrap_or_default();
        if let Some(follow) = &mut self.follow {
            follow.ring.clear();
        }
        if self.room.head != before {
            self.release(before);
        }
        match missed {
            Some(frames) => {
                for frame in frames {
                    self.to_members(frame, Class::Must).await;
                }
            }
            None => {
                let head = self.room.head;
                if self.tail.begin().rev > before.rev {
                    tracing::warn!(room = %self.home.id, %before, %head, "the log does not reach back to what this node has of the room");
                } else {
                    tracing::warn!(room = %self.home.id, %before, %head, "the room's history is another one by now");
                }
                metrics::counter!("michub_room_resets_total").increment(1);
                self.reset(&revoked).await;
            }
        }
        self.tell_seats();
        true
    }

    /// Tells every member that his copy is no longer part of the history, and which of his own commands are not.
    async fn reset(&self, revoked: &BTreeMap<UserId, Vec<OpId>>) {
        let snapshot = self.snapshot();
        for (user, conn) in self.members.conns() {
            let ops: Vec<&str> = revoked.get(user).into_iter().flatten().map(OpId::as_str).collect();
            let reset = membership::room_reset(&self.home.id, "history_changed", &ops);
            for (frame, class) in
                [(Frame(text_frame(&reset)), Class::Must), (snapshot.clone(), Class::Snapshot(room_key(&self.home.id)))]
            {
                to_shard(&self.home.rooms, conn.shard, ShardMsg::Deliver { to: conn, frame, class }).await;
            }
        }
    }
}

/// Lists the commands in commits by who has sent them.
fn revoked<'a>(entries: impl Iterator<Item = &'a LogEntry>) -> BTreeMap<UserId, Vec<OpId>> {
    let mut revoked: BTreeMap<UserId, Vec<OpId>> = BTreeMap::new();
    for step in entries.filter_map(|entry| decode_commit(&entry.record).ok()).flat_map(|commit| commit.steps) {
        if let (Actor::User(user), Some(op)) = (step.by, step.op) {
            revoked.entry(user).or_default().push(op.id);
        }
    }
    revoked
}
