//! The queue family: join, leave, insert, remove, move, reorder, clear, restore, resort.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    access::Standing,
    code::{Code, Reject},
    event::Event,
    id::UserId,
    queue::{Entry, OnMissing, Place},
    reasons::QueueLeftReason,
    roles,
};
use std::collections::BTreeSet;

impl Draft {
    pub(super) fn queue_join(&mut self, ctx: &Ctx, want_seat: Option<u32>, note: Option<&str>) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?.clone();
        self.check_unplaced(&me)?;
        self.check_queue_open(&me)?;
        self.check_access(&me)?;
        self.check_room_in_queue()?;
        let rules = &self.room.rules;
        let Standing { eff_priority, skip_queue, mut why } = self.room.standing(&me, self.now);
        let landing = self.room.queue.landing(eff_priority, skip_queue, rules.on_deck_size, rules.max_jumped_by);
        why.extend(landing.stopped_at);
        let event = Event::QueueJoined {
            user: me,
            index: landing.index,
            eff_priority,
            skip_queue,
            seq: self.room.queue.last_seq + 1,
            pinned: false,
            want_seat,
            note: note.map(str::to_owned),
            why,
        };
        self.own(event)
    }

    pub(super) fn queue_leave(&mut self, ctx: &Ctx) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?.clone();
        self.check_queued(&me)?;
        self.own(Event::QueueLeft { user: me, reason: QueueLeftReason::OnHisOwn, note: None })
    }

    pub(super) fn queue_insert(&mut self, ctx: &Ctx, target: &UserId, place: &Place, respect_rules: bool) -> Outcome {
        if matches!(place, Place::Up(_) | Place::Down(_)) {
            return Err(Reject::Argument { path: "/place".to_owned(), expected: "before, after, front or back" });
        }
        self.check_rank(ctx, target)?;
        if !self.is_member(target, ctx.members) {
            return Err(Reject::NotMember { user: target.clone(), held: false });
        }
        self.check_unplaced(target)?;
        if respect_rules {
            self.check_queue_open(target)?;
            self.check_access(target)?;
            self.check_room_in_queue()?;
        } else {
            self.check_queue_ban(target)?;
        }
        let queue = &self.room.queue;
        let index = match place {
            Place::Before(anchor) => queue.gap(anchor, Some(target), 0, OnMissing::Fail)?,
            Place::After(anchor) => queue.gap(anchor, Some(target), 1, OnMissing::Fail)?,
            Place::Front => self.behind_on_deck(),
            Place::Back | Place::Up(_) | Place::Down(_) => queue.entries.len(),
        };
        let event = self.placed_entry(target, index, None, None);
        self.own(event)
    }

    pub(super) fn queue_remove(&mut self, ctx: &Ctx, targets: &[UserId], reason: Option<&str>) -> Outcome {
        for target in targets {
            self.check_rank(ctx, target)?;
        }
        let mut results = Vec::new();
        for target in targets {
            let queued = self.room.queue.entry(target).is_some();
            results.push((target.clone(), (!queued).then_some(Code::NotQueued)));
            if queued {
                let note = reason.map(str::to_owned);
                self.emit(Event::QueueLeft { user: target.clone(), reason: QueueLeftReason::Removed, note });
            }
        }
        if self.events.is_empty() {
            return Err(Reject::NotQueued { users: targets.to_vec() });
        }
        Ok(Done::Each(0, results))
    }

    pub(super) fn queue_move(
        &mut self,
        ctx: &Ctx,
        target: &UserId,
        place: &Place,
        on_missing: OnMissing,
        force: bool,
    ) -> Outcome {
        self.check_rank(ctx, target)?;
        let queue = &self.room.queue;
        let from = queue.index_of(target).ok_or(Reject::Plain(Code::NotQueued))?;
        let to = queue.slot_for(target, place, on_missing, force, self.room.rules.on_deck_size)?;
        if from == to {
            return Ok(Done::Noop);
        }
        let after =
            if to == 0 { None } else { queue.entries.get(if to > from { to } else { to - 1 }).map(|entry| entry.user.clone()) };
        self.own(Event::QueueMoved { user: target.clone(), from, to, after })
    }

    pub(super) fn queue_reorder(&mut self, ctx: &Ctx, users: &[UserId], has_rev: bool) -> Outcome {
        for user in users {
            self.check_rank(ctx, user)?;
        }
        if !has_rev {
            return Err(Reject::Plain(Code::RevRequired));
        }
        let listed: BTreeSet<&UserId> = users.iter().collect();
        if users.is_empty() || listed.len() != users.len() {
            return Err(Reject::Argument { path: "/user_ids".to_owned(), expected: "each person once, and at least one" });
        }
        let missing: Vec<UserId> = users.iter().filter(|user| self.room.queue.entry(user).is_none()).cloned().collect();
        if !missing.is_empty() {
            return Err(Reject::NotQueued { users: missing });
        }
        let mut wanted = users.iter();
        let before = self.room.queue.order();
        let order: Vec<UserId> =
            before.iter().map(|user| if listed.contains(user) { wanted.next().unwrap_or(user) } else { user }.clone()).collect();
        if order == before {
            return Ok(Done::Noop);
        }
        self.own(Event::QueueReordered { order, resort: false, jumped_by: Vec::new() })
    }

    pub(super) fn queue_clear(&mut self) -> Outcome {
        let count = self.room.queue.entries.len();
        if count == 0 {
            return Ok(Done::Noop);
        }
        let undo_id = self.new_id();
        self.own(Event::QueueCleared { undo_id, count })
    }

    pub(super) fn queue_restore(&mut self, ctx: &Ctx, undo_id: &str) -> Outcome {
        let gone = || Reject::Plain(Code::SnapshotGone);
        let undo = self.room.undo.iter().find(|undo| undo.undo_id == undo_id).ok_or_else(gone)?;
        if self.now.since(undo.at) > crate::hub::apply::UNDO_MEMORY {
            return Err(gone());
        }
        let back = |entry: &&Entry| {
            ctx.members.is_live(&entry.user) && !self.room.is_placed(&entry.user) && self.check_access(&entry.user).is_ok()
        };
        let mut entries: Vec<Entry> = undo.entries.iter().filter(back).cloned().collect();
        for (seq, entry) in (self.room.queue.last_seq + 1..).zip(&mut entries) {
            entry.seq = seq;
            entry.pinned = true;
            entry.jumped_by = 0;
            entry.held_until = None;
            entry.joined_at = self.now;
        }
        let mut order = self.room.queue.order();
        let at = self.behind_on_deck();
        order.splice(at..at, entries.iter().map(|entry| entry.user.clone()));
        self.own(Event::QueueRestored { undo_id: undo_id.to_owned(), order, entries })
    }

    pub(super) fn queue_resort(&mut self) -> Outcome {
        let rules = &self.room.rules;
        let entries = self.room.queue.resorted(rules.on_deck_size, rules.max_jumped_by);
        if entries == self.room.queue.entries {
            return Ok(Done::Noop);
        }
        let jumped_by =
            entries.iter().filter(|entry| entry.jumped_by > 0).map(|entry| (entry.user.clone(), entry.jumped_by)).collect();
        let order = entries.into_iter().map(|entry| entry.user).collect();
        self.own(Event::QueueReordered { order, resort: true, jumped_by })
    }

    /// Puts somebody who lost his seat to the front of the queue.
    /// Whoever is refused stays out.
    pub(super) fn requeue(&mut self, user: &UserId) {
        if self.check_queue_ban(user).is_err() {
            return;
        }
        let index = self.behind_on_deck();
        let event = self.placed_entry(user, index, None, None);
        self.emit(event);
    }

    /// Makes the event of somebody who is put to the tail, in front of nobody.
    pub(super) fn tail_entry(&self, user: &UserId, want_seat: Option<u32>) -> Event {
        let Standing { eff_priority, skip_queue, why } = self.room.standing(user, self.now);
        Event::QueueJoined {
            user: user.clone(),
            index: self.room.queue.entries.len(),
            eff_priority,
            skip_queue,
            seq: self.room.queue.last_seq + 1,
            pinned: false,
            want_seat,
            note: None,
            why,
        }
    }

    fn placed_entry(&self, user: &UserId, index: usize, want_seat: Option<u32>, note: Option<String>) -> Event {
        let Standing { eff_priority, skip_queue, why } = self.room.standing(user, self.now);
        Event::QueueJoined {
            user: user.clone(),
            index,
            eff_priority,
            skip_queue,
            seq: self.room.queue.last_seq + 1,
            pinned: true,
            want_seat,
            note,
            why,
        }
    }

    fn behind_on_deck(&self) -> usize {
        self.room.rules.on_deck_size.min(self.room.queue.entries.len())
    }

    fn check_queued(&self, user: &UserId) -> Result<(), Reject> {
        self.room.queue.entry(user).map(|_| ()).ok_or(Reject::Plain(Code::NotQueued))
    }

    fn check_unplaced(&self, user: &UserId) -> Result<(), Reject> {
        if self.room.seats.of(user).is_some() {
            return Err(Reject::Plain(Code::AlreadySeated));
        }
        self.room.queue.index_of(user).map_or(Ok(()), |index| Err(Reject::AlreadyQueued { index }))
    }

    fn check_queue_open(&self, joiner: &UserId) -> Result<(), Reject> {
        let closed = !self.room.flags.queue_open && self.room.level_of(joiner) < roles::ADMIN;
        if closed { Err(Reject::Plain(Code::QueueClosed)) } else { Ok(()) }
    }

    fn check_room_in_queue(&self) -> Result<(), Reject> {
        let limit = self.room.rules.queue_limit(self.now);
        if self.room.queue.entries.len() >= limit { Err(Reject::QueueFull { limit }) } else { Ok(()) }
    }

    /// Whether the rules admit `user` to queue and seats now: not refused, at his hours, listed where that is asked for, not cooling down.
    pub(super) fn check_access(&self, user: &UserId) -> Result<(), Reject> {
        self.room.check_admitted(user, self.now)?;
        self.room.check_cooldown(user, self.now)
    }

    /// A banned, queue-banned or blacklisted person is refused everywhere.
    pub(super) fn check_queue_ban(&self, user: &UserId) -> Result<(), Reject> {
        self.room.check_refused(user, self.now)
    }
}
