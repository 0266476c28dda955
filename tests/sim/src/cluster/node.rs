//! One node's replica of the room, doing what a room's task does when others write to the same log.
use super::redis::{Entry, Fault, Redis, Restored, Said};
use michub::{
    hub::{
        chain::{self, Heard, Link, Offered},
        command::Request,
        cursor::Cursor,
        decide::{Decision, Draft, Members},
        event::Commit,
        id::{CommitId, UserId},
        room::Room,
        time::UnixMs,
    },
    wire::record::{decode_commit, decode_room, encode_commit, encode_room},
};
use std::collections::VecDeque;

/// How many commits a node keeps for a store that loses its own.
const RING: usize = 10;
/// How often a batch is decided again.
const ATTEMPTS: usize = 8;
/// At every how many revs a snapshot is written.
const SNAPSHOT_EVERY: u64 = 3;

/// Everybody is in the room.
pub struct All;

impl Members for All {
    fn is_live(&self, _: &UserId) -> bool {
        true
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Acked: this is true, here.
    Acked(Cursor),
    /// Refused or nothing to do.
    Said,
    /// `unavailable`; `true` = nobody knows whether it was done.
    Failed { unknown: bool },
}

/// A replica, and what a client that follows it sees.
pub struct Node {
    pub room: Room,
    ring: VecDeque<Entry>,
    unsure: bool,
    pub look: bool,
    /// Where the client is.
    seen: Cursor,
    pub resets: u64,
    /// Where the client was before the newest reset.
    pub reset_from: Cursor,
    /// Whether it reaches the store.
    pub cut: bool,
    /// The commits that were offered for the last command: at most one of them may be in the log.
    pub offers: Vec<Cursor>,
}

impl Node {
    /// Loads the room.
    pub fn load(redis: &Redis) -> Option<Self> {
        let room = loaded(redis)?;
        let seen = room.head;
        let (ring, offers) = (VecDeque::new(), Vec::new());
        Some(Self { room, ring, unsure: false, look: true, seen, resets: 0, reset_from: seen, cut: false, offers })
    }

    /// The clients of the process before come back with their cursor: they go on where they were, or are reset.
    pub fn welcome_back(&mut self, before: &Self, redis: &Redis) {
        let goes_on = before.seen == self.room.head || redis.since(before.seen).is_some();
        (self.resets, self.reset_from) = (before.resets + u64::from(!goes_on), before.seen);
    }

    fn holds(&self, cursor: Cursor) -> bool {
        self.ring.iter().any(|entry| entry.link.cursor == cursor || entry.link.prev == cursor)
    }

    /// Takes a commit of the log. `false` = it does not fit.
    pub fn hear(&mut self, entry: &Entry) -> Result<bool, String> {
        match chain::heard(self.room.head, entry.link, |cursor| self.holds(cursor)) {
            Heard::Known => Ok(true),
            Heard::Gap => {
                self.look = true;
                Ok(false)
            }
            Heard::Next => {
                let commit = decode_commit(&entry.record).map_err(|error| error.to_string())?;
                self.room.apply(&commit).map_err(|error| error.to_string())?;
                self.keep(entry.clone());
                self.show(entry.link)?;
                Ok(true)
            }
        }
    }

    fn keep(&mut self, entry: Entry) {
        if self.ring.back().is_some_and(|last| last.link.cursor != entry.link.prev) {
            self.ring.clear();
        }
        self.ring.push_back(entry);
        if self.ring.len() > RING {
            self.ring.pop_front();
        }
    }

    /// The client applies an update; the chain must not break.
    fn show(&mut self, link: Link) -> Result<(), String> {
        if link.prev != self.seen {
            return Err(format!("I22: the client is at {}, and gets {} -> {}", self.seen, link.prev, link.cursor));
        }
        self.seen = link.cursor;
        Ok(())
    }

    fn hear_all(&mut self, entries: &[Entry]) -> Result<bool, String> {
        for entry in entries {
            if !self.hear(entry)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares the head with the store's, and mends whichever side is behind. `false` = not now.
    pub fn resync(&mut self, redis: &mut Redis) -> Result<bool, String> {
        if self.cut {
            return Ok(false);
        }
        self.look = false;
        for _ in 0..4 {
            match redis.confirm(self.room.head) {
                Said::Ok => {
                    self.unsure = false;
                    return Ok(true);
                }
                Said::Moved(Some(entries)) => {
                    if !self.hear_all(&entries)? {
                        return self.reload(redis);
                    }
                }
                Said::Moved(None) | Said::Nothing => return self.give_back(redis),
            }
        }
        Ok(false)
    }

    fn give_back(&mut self, redis: &mut Redis) -> Result<bool, String> {
        let entries: Vec<Entry> = self.ring.iter().cloned().collect();
        match redis.restore(self.room.head, encode_room(&self.room).to_vec(), &entries) {
            Restored::Done => {
                self.unsure = false;
                Ok(true)
            }
            Restored::Behind(entries) => Ok(self.hear_all(&entries)? || self.reload(redis)?),
            Restored::Fork => self.reload(redis),
        }
    }

    /// Takes over what the store has; the client gets what it missed, or a reset.
    fn reload(&mut self, redis: &Redis) -> Result<bool, String> {
        let Some(room) = loaded(redis) else { return Ok(false) };
        let missed = redis.since(self.room.head);
        (self.room, self.unsure) = (room, false);
        self.ring.clear();
        match missed {
            Some(entries) => entries.iter().try_for_each(|entry| self.show(entry.link))?,
            None if self.seen == self.room.head => {}
            None => {
                self.resets += 1;
                self.reset_from = std::mem::replace(&mut self.seen, self.room.head);
            }
        }
        if self.seen == self.room.head { Ok(true) } else { Err("a client is not where the room is".to_owned()) }
    }

    /// Decides a request and commits it, as often as the log moves on meanwhile.
    pub fn ask(
        &mut self,
        redis: &mut Redis,
        request: &Request,
        ids: &mut u64,
        now: UnixMs,
        deaf: &[usize],
        faults: &[Fault],
    ) -> Result<Ended, String> {
        let mut faults = faults.iter().copied();
        self.offers.clear();
        for _ in 0..ATTEMPTS {
            if self.cut {
                return Ok(Ended::Failed { unknown: false });
            }
            if self.unsure && !self.resync(redis)? {
                return Ok(Ended::Failed { unknown: false });
            }
            let mut draft = Draft::new(&self.room);
            *ids += 1;
            draft.begin(CommitId(*ids), now);
            draft.due(&All);
            let decision = draft.decide(request, &All);
            let room = draft.room().clone();
            let moved = match draft.finish() {
                None => match redis.confirm(self.room.head) {
                    Said::Ok => None,
                    other => Some(other),
                },
                Some(commit) => {
                    if matches!(decision, Ok(Decision::Accepted { dup: false, .. } | Decision::Batch { dup: false, .. })) {
                        self.offers.push(commit.cursor);
                    }
                    match self.commit(redis, &commit, &room, deaf, &mut faults)? {
                        Committed::Done => None,
                        Committed::Moved(said) => Some(said),
                        Committed::Unknown => {
                            self.unsure = true;
                            return Ok(Ended::Failed { unknown: true });
                        }
                    }
                }
            };
            let Some(moved) = moved else {
                let accepted = matches!(decision, Ok(Decision::Accepted { .. }));
                return Ok(if accepted { Ended::Acked(self.room.head) } else { Ended::Said });
            };
            self.unsure = match moved {
                Said::Moved(Some(entries)) => !self.hear_all(&entries)?,
                Said::Moved(None) | Said::Ok | Said::Nothing => true,
            };
        }
        Ok(Ended::Failed { unknown: false })
    }

    fn commit(
        &mut self,
        redis: &mut Redis,
        commit: &Commit,
        room: &Room,
        deaf: &[usize],
        faults: &mut impl Iterator<Item = Fault>,
    ) -> Result<Committed, String> {
        let link = Link { prev: commit.prev, cursor: commit.cursor };
        let entry = Entry { link, record: encode_commit(commit).to_vec() };
        let crosses = link.prev.rev / SNAPSHOT_EVERY != link.cursor.rev / SNAPSHOT_EVERY;
        let snapshot = crosses.then(|| encode_room(room).to_vec());
        let mut said = redis.commit(&entry, snapshot.clone(), deaf, faults.next().unwrap_or(Fault::None));
        let uncertain = said == Said::Nothing;
        if uncertain {
            said = redis.commit(&entry, snapshot, deaf, faults.next().unwrap_or(Fault::None));
        }
        match said {
            Said::Ok => {}
            Said::Nothing => return Ok(Committed::Unknown),
            Said::Moved(since) => {
                let links: Option<Vec<Link>> = since.as_ref().map(|entries| entries.iter().map(|entry| entry.link).collect());
                match chain::offered(link.cursor, links.as_deref(), uncertain) {
                    Offered::Landed => {}
                    Offered::Race | Offered::Lost => return Ok(Committed::Moved(Said::Moved(since))),
                    Offered::Unknown => return Ok(Committed::Unknown),
                }
            }
        }
        self.room.apply(commit).map_err(|error| error.to_string())?;
        self.keep(entry);
        self.show(link)?;
        Ok(Committed::Done)
    }
}

enum Committed {
    Done,
    Moved(Said),
    Unknown,
}

fn loaded(redis: &Redis) -> Option<Room> {
    let (snapshot, log) = redis.load()?;
    let mut room = decode_room(&snapshot).ok()?;
    for entry in log {
        room.apply(&decode_commit(&entry.record).ok()?).ok()?;
    }
    Some(room)
}
