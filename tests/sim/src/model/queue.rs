//! The queue family.
use super::{Done, Entry, Model, Outcome, Refusal, State, no, no_with, show::DAY, text};
use serde_json::{Value, json};

impl State {
    /// Priority at insert: the higher of role and special, and the boosts of the hour.
    pub fn priority(&self, user: &str) -> (i64, bool) {
        let role = self.role_of(user);
        let said = self.rules.role(&role);
        let by_role = said.and_then(|r| r["priority_level"].as_i64()).unwrap_or(0);
        let special = self
            .rules
            .list("special_user_list")
            .iter()
            .find(|special| special["user_id"] == user && special["until_ms"].as_u64().is_none_or(|until| until > self.now));
        let base = special.and_then(|special| special["priority_level"].as_i64()).map_or(by_role, |p| p.max(by_role));
        let boosts: i64 = self.rules.windows(self.now).iter().filter_map(|window| window["boost"][role.as_str()].as_i64()).sum();
        (base + boosts, said.is_some_and(|r| r["can_skip_queue"] == true))
    }

    /// Rule 2: from the tail towards the head, past strictly lower priorities.
    fn landing(&self, prio: i64, skip: bool) -> usize {
        let mut at = self.queue.len();
        while at > self.rules.on_deck_size {
            let entry = &self.queue[at - 1];
            let lower = if skip { !entry.skip } else { !entry.skip && entry.prio < prio };
            if !lower || entry.pinned || entry.jumped >= self.rules.max_jumped_by {
                break;
            }
            at -= 1;
        }
        at
    }

    fn insert_by_rule(&mut self, entry: Entry) -> usize {
        let at = self.landing(entry.prio, entry.skip);
        for passed in &mut self.queue[at..] {
            passed.jumped += 1;
        }
        self.queue.insert(at, entry);
        at
    }

    pub fn new_entry(&mut self, user: &str, pinned: bool) -> Entry {
        self.last_seq += 1;
        let (prio, skip) = self.priority(user);
        let (user, seq, joined) = (user.to_owned(), self.last_seq, self.now);
        Entry { user, seq, prio, skip, want: None, note: None, held: None, pinned, jumped: 0, joined }
    }

    fn behind_on_deck(&self) -> usize {
        self.rules.on_deck_size.min(self.queue.len())
    }

    fn check_unplaced(&self, user: &str) -> Result<(), Refusal> {
        if self.seat_of(user).is_some() {
            return no("already_seated");
        }
        match self.index_of(user) {
            Some(index) => no_with("already_queued", json!({"index": index})),
            None => Ok(()),
        }
    }

    fn check_open(&self, actor: &str) -> Result<(), Refusal> {
        if self.flags["queue_open"] || self.level_of(actor) >= 800 { Ok(()) } else { no("queue_closed") }
    }

    fn check_space(&self) -> Result<(), Refusal> {
        let limit = self.windows_scalar("max_queue_len").unwrap_or(self.rules.max_queue_len as u64);
        if (self.queue.len() as u64) < limit { Ok(()) } else { no_with("queue_full", json!({"limit": limit})) }
    }

    /// What the last active window says of a number.
    pub fn windows_scalar(&self, key: &str) -> Option<u64> {
        self.rules.windows(self.now).iter().rev().find_map(|window| window[key].as_u64())
    }

    /// The gap (0 = in front of everybody) beside an anchor.
    fn gap(&self, mover: &str, place: &Value, nearest: bool) -> Result<usize, Refusal> {
        let (anchor, side) = match (place["before"].as_str(), place["after"].as_str()) {
            (Some(anchor), _) => (anchor, 0),
            (None, anchor) => (anchor.unwrap_or(""), 1),
        };
        if anchor == mover {
            return no("self_anchor");
        }
        if let Some(index) = self.index_of(anchor) {
            return Ok(index + side);
        }
        let slot = self.slots.get(anchor).filter(|(rev, ..)| self.rev - rev < 64);
        let first = |list: &[String]| list.iter().find(|user| *user != mover && self.index_of(user).is_some()).cloned();
        let before = slot.and_then(|(_, ahead, _)| first(ahead));
        let after = slot.and_then(|(_, _, behind)| first(behind));
        let index = |user: &Option<String>| user.as_ref().and_then(|user| self.index_of(user));
        match (nearest, index(&after), index(&before)) {
            (true, Some(index), _) => Ok(index),
            (true, None, Some(index)) => Ok(index + 1),
            _ => no_with("anchor_gone", json!({"before": before, "after": after})),
        }
    }

    fn remember_slot(&mut self, index: usize) {
        let name = |entry: &Entry| entry.user.clone();
        let ahead = self.queue[..index].iter().rev().map(name).collect();
        let behind = self.queue[index + 1..].iter().map(name).collect();
        self.slots.insert(self.queue[index].user.clone(), (self.rev + 1, ahead, behind));
    }

    /// A cooldown never becomes shorter by another one.
    pub fn cool_down(&mut self, user: &str, explicit: u64) -> Option<u64> {
        let span = self.rules.cooldown.max(explicit);
        let until = (span > 0).then_some(self.now + span)?;
        let known = self.cooldowns.entry(user.to_owned()).or_insert(until);
        *known = until.max(*known);
        Some(*known)
    }
}

impl Model {
    pub(super) fn queue_join(&mut self, me: &str, f: &Value) -> Outcome {
        self.s.check_unplaced(me)?;
        self.s.check_open(me)?;
        self.s.check_access(me)?;
        self.s.check_space()?;
        let mut entry = self.s.new_entry(me, false);
        entry.want = f["want_seat"].as_u64();
        entry.note = f["note"].as_str().map(str::to_owned);
        let (seq, prio) = (entry.seq, entry.prio);
        let index = self.s.insert_by_rule(entry);
        self.own(json!({"event": "queue_joined", "user_id": me, "index": index, "eff_priority": prio, "seq": seq}))
    }

    /// Takes somebody out of the queue.
    pub(super) fn leave_queue(&mut self, user: &str, reason: &str) {
        let Some(index) = self.s.index_of(user) else { return };
        self.s.remember_slot(index);
        self.s.queue.remove(index);
        if !matches!(reason, "promoted" | "seated") {
            self.s.cool_down(user, 0);
        }
        self.emit(json!({"event": "queue_left", "user_id": user, "reason": reason}));
    }

    pub(super) fn queue_leave(&mut self, me: &str) -> Outcome {
        if self.s.index_of(me).is_none() {
            return no("not_queued");
        }
        self.leave_queue(me, "self");
        Ok(Done::Own(0))
    }

    pub(super) fn queue_insert(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        if !self.s.is_member(target) {
            return no_with("not_member", json!({"user_id": target}));
        }
        self.s.check_unplaced(target)?;
        if f["respect_rules"] == true {
            self.s.check_open(target)?;
            self.s.check_access(target)?;
            self.s.check_space()?;
        } else {
            self.s.check_banned(target)?;
        }
        let index = match f["place"].as_str() {
            Some("front") => self.s.behind_on_deck(),
            Some(_) => self.s.queue.len(),
            None => self.s.gap(target, &f["place"], false)?,
        };
        self.put(target, index);
        Ok(Done::Own(self.out.len() - 1))
    }

    /// Puts somebody where a person said.
    fn put(&mut self, user: &str, index: usize) {
        let entry = self.s.new_entry(user, true);
        let (seq, prio) = (entry.seq, entry.prio);
        self.s.queue.insert(index, entry);
        let event =
            json!({"event": "queue_joined", "user_id": user, "index": index, "eff_priority": prio, "seq": seq, "pinned": true});
        self.emit(event);
    }

    /// Back to the front of the queue, unless he may not queue.
    pub(super) fn requeue(&mut self, user: &str) {
        if self.s.check_banned(user).is_ok() {
            self.put(user, self.s.behind_on_deck());
        }
    }

    pub(super) fn queue_remove(&mut self, actor: &str, f: &Value) -> Outcome {
        let mut targets: Vec<&str> = Vec::new();
        for target in f["target_user_ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // Somebody named twice counts once.
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        for target in &targets {
            self.s.check_rank(actor, target)?;
        }
        let mut results = Vec::new();
        for target in &targets {
            let queued = self.s.index_of(target).is_some();
            let result = json!({"user_id": target, "ok": queued});
            results.push(if queued { result } else { json!({"user_id": target, "ok": false, "name": "not_queued"}) });
            self.leave_queue(target, "removed");
            if let (Some(event), true) = (self.out.last_mut(), queued) {
                event["note"] = f["reason"].clone();
            }
        }
        self.results = Some(Value::Array(results));
        if self.out.is_empty() { no("not_queued") } else { Ok(Done::Own(0)) }
    }

    pub(super) fn queue_move(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        let Some(from) = self.s.index_of(target) else { return no("not_queued") };
        let (place, force) = (&f["place"], f["force"] == true);
        let last = self.s.queue.len() - 1;
        let floor = if force { 0 } else { self.s.rules.on_deck_size.min(last) };
        let stays = !force && from < self.s.rules.on_deck_size;
        let steps = |key: &str| place[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let to = if place == "back" {
            last
        } else if place == "front" {
            if stays { from } else { floor }
        } else if let Some(n) = steps("up") {
            if stays { from } else { from.saturating_sub(n).max(floor) }
        } else if let Some(n) = steps("down") {
            (from + n).min(last)
        } else {
            let gap = self.s.gap(target, place, f["on_missing"] == "nearest")?;
            if gap > from { gap - 1 } else { gap }
        };
        if to == from {
            return Ok(Done::Noop);
        }
        let mut entry = self.s.queue.remove(from);
        entry.pinned = true;
        self.s.queue.insert(to, entry);
        let after = to.checked_sub(1).map(|i| self.s.queue[i].user.clone());
        self.own(json!({"event": "queue_moved", "user_id": target, "from": from, "to": to, "after_user_id": after}))
    }

    pub(super) fn queue_reorder(&mut self, actor: &str, f: &Value) -> Outcome {
        let users: Vec<&str> = f["user_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for user in &users {
            self.s.check_rank(actor, user)?;
        }
        if f["if_rev"].is_null() {
            return no("rev_required");
        }
        let twice = users.iter().enumerate().any(|(i, user)| users[..i].contains(user));
        if users.is_empty() || twice {
            return no("bad_argument");
        }
        let missing: Vec<&&str> = users.iter().filter(|user| self.s.index_of(user).is_none()).collect();
        if !missing.is_empty() {
            return no_with("not_queued", json!({"user_ids": missing}));
        }
        let mut slots: Vec<usize> = users.iter().filter_map(|user| self.s.index_of(user)).collect();
        slots.sort_unstable();
        let old = self.s.queue.clone();
        for (slot, user) in slots.into_iter().zip(&users) {
            self.s.queue[slot] = old.iter().find(|entry| entry.user == **user).expect("queued").clone();
        }
        let mut changed = false;
        for (new, old) in self.s.queue.iter_mut().zip(&old) {
            if new.user != old.user {
                new.pinned = true;
                changed = true;
            }
        }
        if !changed {
            return Ok(Done::Noop);
        }
        self.own(json!({"event": "queue_reordered", "order": self.order()}))
    }

    fn order(&self) -> Vec<String> {
        self.s.queue.iter().map(|entry| entry.user.clone()).collect()
    }

    pub(super) fn queue_clear(&mut self) -> Outcome {
        let count = self.s.queue.len();
        if count == 0 {
            return Ok(Done::Noop);
        }
        (0..count).for_each(|index| self.s.remember_slot(index));
        let undo_id = self.new_id("undo_id");
        let entries = std::mem::take(&mut self.s.queue);
        self.s.undo.push((undo_id.clone(), self.s.now, entries));
        if self.s.undo.len() > 3 {
            self.s.undo.remove(0);
        }
        self.own(json!({"event": "queue_cleared", "undo_id": undo_id, "count": count}))
    }

    pub(super) fn queue_restore(&mut self, f: &Value) -> Outcome {
        let undo_id = text(f, "undo_id");
        let known = self.s.undo.iter().position(|(id, at, _)| id == undo_id && self.s.now - at <= DAY);
        let Some(index) = known else { return no("snapshot_gone") };
        let (_, _, entries) = self.s.undo.remove(index);
        let at = self.s.behind_on_deck();
        let mut back = Vec::new();
        for entry in entries {
            let user = entry.user.as_str();
            let placed = self.s.seat_of(user).is_some() || self.s.index_of(user).is_some();
            if placed || !self.s.is_live(user) || self.s.check_access(user).is_err() {
                continue;
            }
            self.s.last_seq += 1;
            back.push(Entry { seq: self.s.last_seq, pinned: true, jumped: 0, held: None, joined: self.s.now, ..entry });
        }
        self.s.queue.splice(at..at, back);
        self.own(json!({"event": "queue_restored", "undo_id": undo_id, "order": self.order()}))
    }

    pub(super) fn queue_resort(&mut self) -> Outcome {
        let old = std::mem::take(&mut self.s.queue);
        let mut by_seq = old.clone();
        by_seq.sort_by_key(|entry| entry.seq);
        for entry in by_seq {
            self.s.insert_by_rule(Entry { pinned: false, jumped: 0, ..entry });
        }
        let same = |(a, b): (&Entry, &Entry)| a.user == b.user && a.pinned == b.pinned && a.jumped == b.jumped;
        if self.s.queue.iter().zip(&old).all(same) {
            return Ok(Done::Noop);
        }
        self.own(json!({"event": "queue_reordered", "order": self.order()}))
    }
}
