//! The mic queue: order, places, pins, the slots of those who left. It knows no rules of the room and no people.
use super::{
    code::{Code, Reject},
    id::UserId,
    time::UnixMs,
};
use std::collections::VecDeque;

/// For how many revs the slot of somebody who left is remembered.
pub const SLOT_MEMORY_REVS: u64 = 64;
/// How many slots are remembered at most; the oldest are forgotten first.
pub const SLOTS_MAX: usize = 512;
/// How many neighbours on each side a remembered slot knows.
pub const SLOT_NEIGHBOURS: usize = 64;
/// How many it knows of somebody who was cleared away with all the others.
pub const CLEARED_NEIGHBOURS: usize = 16;

/// The explicit list. The order is the list; no clock, no score.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MicQueue {
    /// Who waits, head first.
    pub entries: Vec<Entry>,
    /// The room's own counter: the `seq` of the newest entry.
    pub last_seq: u64,
    /// Where those stood who left within the last [`SLOT_MEMORY_REVS`] revs, oldest first.
    pub slots: VecDeque<Slot>,
}

/// Somebody waiting in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who waits.
    pub user: UserId,
    /// The room's own counter at the time of joining; the order among equals.
    pub seq: u64,
    /// Priority, frozen at insert.
    pub eff_priority: i64,
    /// Counts as above every number.
    pub skip_queue: bool,
    /// The seat he would like.
    pub want_seat: Option<u32>,
    /// Up to 200 bytes for people to read.
    pub note: Option<String>,
    /// Away, and his place is kept until then.
    pub held_until: Option<UnixMs>,
    /// Placed by a person: no rule overtakes him.
    pub pinned: bool,
    /// How often a rule put somebody in front of him.
    pub jumped_by: u32,
    /// When he joined.
    pub joined_at: UnixMs,
}

/// A place in the queue: a neighbour, an end or a step, never an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Directly in front of somebody.
    Before(UserId),
    /// Directly behind somebody.
    After(UserId),
    /// The head, behind the on-deck entries.
    Front,
    /// The tail.
    Back,
    /// So many places towards the head, at least 1, clamped.
    Up(u32),
    /// So many places towards the tail, at least 1, clamped.
    Down(u32),
}

/// What to do when the anchor of a move no longer waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnMissing {
    /// Refuse with `anchor_gone`.
    #[default]
    Fail,
    /// Use the anchor's last slot, if remembered.
    Nearest,
}

/// What `queue_clear` put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Undo {
    pub undo_id: String,
    pub at: UnixMs,
    pub entries: Vec<Entry>,
}

/// The slot of somebody who does not wait any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Who left.
    pub user: UserId,
    /// At which rev.
    pub rev: u64,
    /// Who stood in front, nearest first.
    pub ahead: Vec<UserId>,
    /// Who stood behind, nearest first.
    pub behind: Vec<UserId>,
}

/// How an insert by rule came to its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The 0-based index.
    pub index: usize,
    /// Why not further in front, for people to read; `None` = nobody of lower priority stood there.
    pub stopped_at: Option<String>,
}

impl MicQueue {
    /// Returns the 0-based index of `user`.
    #[must_use]
    pub fn index_of(&self, user: &UserId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.user == *user)
    }

    /// Returns the entry of `user`.
    #[must_use]
    pub fn entry(&self, user: &UserId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.user == *user)
    }

    /// Returns who waits, head first.
    #[must_use]
    pub fn order(&self) -> Vec<UserId> {
        self.entries.iter().map(|entry| entry.user.clone()).collect()
    }

    /// Returns who is on deck: the first `size` entries.
    pub fn on_deck(&self, size: usize) -> impl Iterator<Item = &UserId> {
        self.entries.iter().take(size).map(|entry| &entry.user)
    }

    /// Finds where a newcomer lands by rule: from the tail towards the head, past strictly lower priorities, up to the first entry
    /// that is on deck, pinned, or was overtaken often enough. Cost: O(entries walked past).
    #[must_use]
    pub fn landing(&self, priority: i64, skip_queue: bool, on_deck: usize, max_jumped_by: u32) -> Landing {
        let mut index = self.entries.len();
        let mut stopped_at = None;
        while let Some(entry) = index.checked_sub(1).and_then(|i| self.entries.get(i)) {
            if (entry.skip_queue, entry.eff_priority * i64::from(!entry.skip_queue))
                >= (skip_queue, priority * i64::from(!skip_queue))
            {
                break;
            }
            if index <= on_deck {
                stopped_at = Some("stopped at on_deck".to_owned());
            } else if entry.pinned {
                stopped_at = Some(format!("stopped at pinned {}", entry.user));
            } else if entry.jumped_by >= max_jumped_by {
                stopped_at = Some(format!("stopped at max_jumped_by {}", entry.user));
            }
            if stopped_at.is_some() {
                break;
            }
            index -= 1;
        }
        Landing { index, stopped_at }
    }

    /// Finds the index where `user` lands when moved to `place`; nobody else changes relative order.
    ///
    /// Shape: a place is a neighbour, an end or a step, never an index: two admins at once cannot hit the wrong person.
    /// Limits: `Front` and `Up` stop behind the on-deck entries unless `force`; steps stop at the ends.
    /// Errors: `not_queued`, `self_anchor`, `anchor_gone` with the anchor's last neighbours.
    pub fn slot_for(
        &self,
        user: &UserId,
        place: &Place,
        on_missing: OnMissing,
        force: bool,
        on_deck: usize,
    ) -> Result<usize, Reject> {
        let from = self.index_of(user).ok_or(Reject::Plain(Code::NotQueued))?;
        let last = self.entries.len().saturating_sub(1);
        let on_deck_now = from < on_deck && !force;
        let floor = if force { 0 } else { on_deck.min(last) };
        let without = |index: usize| if index > from { index - 1 } else { index };
        Ok(match place {
            Place::Before(anchor) => without(self.gap(anchor, Some(user), 0, on_missing)?),
            Place::After(anchor) => without(self.gap(anchor, Some(user), 1, on_missing)?),
            Place::Front | Place::Up(_) if on_deck_now => from,
            Place::Front => floor,
            Place::Up(n) => from.saturating_sub(*n as usize).max(floor),
            Place::Down(n) => from.saturating_add(*n as usize).min(last),
            Place::Back => last,
        })
    }

    /// Finds the gap (0 = in front of everybody) next to `anchor`: `side` 0 in front of it, 1 behind it.
    pub fn gap(&self, anchor: &UserId, mover: Option<&UserId>, side: usize, on_missing: OnMissing) -> Result<usize, Reject> {
        if mover == Some(anchor) {
            return Err(Reject::Plain(Code::SelfAnchor));
        }
        if let Some(index) = self.index_of(anchor) {
            return Ok(index + side);
        }
        let slot = self.slots.iter().rev().find(|slot| slot.user == *anchor);
        let waiting = |users: &[UserId]| {
            users
                .iter()
                .filter(|user| Some(*user) != mover)
                .find_map(|user| self.index_of(user).map(|index| (user.clone(), index)))
        };
        let before = slot.and_then(|slot| waiting(&slot.ahead));
        let after = slot.and_then(|slot| waiting(&slot.behind));
        match (on_missing, &before, &after) {
            (OnMissing::Nearest, _, Some((_, index))) => Ok(*index),
            (OnMissing::Nearest, Some((_, index)), None) => Ok(index + 1),
            _ => Err(Reject::AnchorGone { before: before.map(|(user, _)| user), after: after.map(|(user, _)| user) }),
        }
    }

    /// Rebuilds the queue from nothing by rule, in order of `seq`, with frozen priorities.
    #[must_use]
    pub fn resorted(&self, on_deck: usize, max_jumped_by: u32) -> Vec<Entry> {
        let mut by_seq = self.entries.clone();
        by_seq.sort_by_key(|entry| entry.seq);
        let mut rebuilt = Self::default();
        for mut entry in by_seq {
            entry.pinned = false;
            entry.jumped_by = 0;
            let landing = rebuilt.landing(entry.eff_priority, entry.skip_queue, on_deck, max_jumped_by);
            rebuilt.insert_by_rule(landing.index, entry);
        }
        rebuilt.entries
    }

    /// Inserts by rule: everybody behind was walked past, and that is counted.
    pub fn insert_by_rule(&mut self, index: usize, entry: Entry) {
        let index = index.min(self.entries.len());
        for passed in self.entries.iter_mut().skip(index) {
            passed.jumped_by = passed.jumped_by.saturating_add(1);
        }
        self.entries.insert(index, entry);
    }

    /// Inserts where a person said.
    pub fn insert_at(&mut self, index: usize, entry: Entry) {
        self.entries.insert(index.min(self.entries.len()), entry);
    }

    /// Takes `user` out and remembers his slot.
    pub fn remove(&mut self, user: &UserId, rev: u64) -> Option<Entry> {
        let index = self.index_of(user)?;
        self.remember_slot(index, SLOT_NEIGHBOURS, rev);
        Some(self.entries.remove(index))
    }

    /// Takes everybody out and remembers their slots, for whoever comes back: of so many at once fewer neighbours each.
    pub fn clear(&mut self, rev: u64) -> Vec<Entry> {
        for index in (0..self.entries.len().min(SLOTS_MAX)).rev() {
            self.remember_slot(index, CLEARED_NEIGHBOURS, rev);
        }
        std::mem::take(&mut self.entries)
    }

    fn remember_slot(&mut self, index: usize, neighbours: usize, rev: u64) {
        let Some(user) = self.entries.get(index).map(|entry| entry.user.clone()) else { return };
        let ids = |entries: &mut dyn Iterator<Item = &Entry>| entries.take(neighbours).map(|entry| entry.user.clone()).collect();
        let ahead = ids(&mut self.entries.iter().take(index).rev());
        let behind = ids(&mut self.entries.iter().skip(index + 1));
        self.slots.retain(|slot| slot.user != user);
        self.slots.push_back(Slot { user, rev, ahead, behind });
        if self.slots.len() > SLOTS_MAX {
            self.slots.pop_front();
        }
    }

    /// Forgets the slots that are too old at this rev.
    pub fn forget(&mut self, rev: u64) {
        while self.slots.front().is_some_and(|slot| slot.rev + SLOT_MEMORY_REVS <= rev) {
            self.slots.pop_front();
        }
    }

    /// Moves the entry at `from` to `to`, and pins it.
    pub fn shift(&mut self, from: usize, to: usize) {
        if from >= self.entries.len() || to >= self.entries.len() {
            return;
        }
        let mut entry = self.entries.remove(from);
        entry.pinned = true;
        self.entries.insert(to, entry);
    }
}
