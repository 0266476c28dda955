//! The room family: mode, flags, rules, roles, kicks, bans, closing.
use super::{Done, Model, Outcome, Rules, Seat, no, no_with, text};
use serde_json::{Value, json};

const FLAGS: [&str; 3] = ["queue_open", "floor_controlled", "mute_all"];

impl Model {
    pub(super) fn mode_set(&mut self, actor: &str, f: &Value) -> Outcome {
        let (mode, from) = (text(f, "mode").to_owned(), self.s.mode.clone());
        if mode == from {
            return Ok(Done::Noop);
        }
        let ready = self.s.mode_at.map_or(0, |at| at + self.s.rules.mode_interval);
        if self.s.now < ready {
            return no_with("too_soon", json!({"until_ms": ready}));
        }
        self.emit(json!({"event": "mode_changed", "mode": mode, "from": from}));
        self.s.mode.clone_from(&mode);
        self.s.mode_at = Some(self.s.now);
        self.s.promotion_from = if mode == "queue" { self.s.now + self.s.rules.mode_grace } else { 0 };
        if mode == "free" || mode == "apply" {
            for turn in self.s.turns.clone() {
                self.end_turn(&turn.user, "mode_changed");
            }
        }
        if mode == "free" || mode == "queue" {
            let open: Vec<_> = self.s.applies.iter().filter(|apply| apply.ended.is_none()).cloned().collect();
            for apply in &open {
                self.end_apply(&apply.id, "mode_changed", actor);
            }
            for apply in open.iter().filter(|_| mode == "queue") {
                let user = apply.user.as_str();
                let placed = self.s.seat_of(user).is_some() || self.s.index_of(user).is_some();
                if placed || !self.s.is_live(user) || self.s.check_access(user).is_err() {
                    continue;
                }
                let mut entry = self.s.new_entry(user, false);
                entry.want = apply.seat;
                let event = json!({"event": "queue_joined", "user_id": user, "index": self.s.queue.len(), "seq": entry.seq});
                self.s.queue.push(entry);
                self.emit(event);
            }
        }
        if mode == "queue" {
            self.settle_pauses();
            let seated: Vec<String> = self.s.seats.iter().filter_map(|seat| Some(seat.occ.as_ref()?.user.clone())).collect();
            for user in seated {
                self.start_turn(&user);
            }
        }
        Ok(Done::Own(0))
    }

    pub(super) fn flag_set(&mut self, f: &Value) -> Outcome {
        let (flag, on) = (text(f, "flag"), f["on"] == true);
        let flag = FLAGS.into_iter().find(|known| *known == flag).expect("a flag");
        if self.s.flags.insert(flag, on) == Some(on) {
            return Ok(Done::Noop);
        }
        self.own(json!({"event": "flags_changed", "flags": self.s.flags}))
    }

    pub(super) fn rules_set(&mut self, actor: &str, f: &Value) -> Outcome {
        let known = super::rules::defaults();
        let unknown =
            f["rules"].as_object().into_iter().flatten().map(|(key, _)| key).find(|key| known.get(key.as_str()).is_none());
        if let Some(key) = unknown {
            return no_with("bad_rules", json!({"path": format!("/{key}")}));
        }
        let rules = Rules::parse(&f["rules"]);
        if rules.host_seat != self.s.rules.host_seat {
            return no_with("bad_rules", json!({"path": "/host_seat"}));
        }
        if f["if_rules_rev"].as_u64().is_some_and(|rev| rev != self.s.rules_rev) {
            return no_with("stale_rev", json!({"rev": self.s.rules_rev}));
        }
        if rules.doc == self.s.rules.doc {
            return Ok(Done::Noop);
        }
        let asking = self.s.applies.iter().chain(&self.s.invites).filter(|ask| ask.ended.is_none()).map(|ask| ask.user.clone());
        let concerned: Vec<String> =
            self.placed().into_iter().chain(asking).filter(|user| !self.s.is_blacklisted(user)).collect();
        self.s.rules = rules;
        self.s.rules_rev += 1;
        self.emit(json!({"event": "rules_changed", "rules_rev": self.s.rules_rev, "rules": self.s.rules.doc}));
        self.fit_seats();
        for user in concerned {
            if user != self.s.owner && self.s.is_blacklisted(&user) {
                self.clear_place(&user, "blacklisted");
                self.cancel_asks(&user, actor);
            }
        }
        Ok(Done::Own(0))
    }

    /// Seats that are too many close when they are empty; seats that are missing appear.
    fn fit_seats(&mut self) {
        let most = self.s.rules.max_mic_count + u64::from(self.s.rules.host_seat);
        let surplus: Vec<u64> = self.s.seats.iter().filter(|seat| seat.no > most).map(|seat| seat.no).collect();
        for number in surplus {
            self.cancel_reservation(number);
            self.s.seat_mut(number).closing = true;
        }
        self.s.seats.retain(|seat| !(seat.closing && seat.occ.is_none()));
        for seat in self.s.seats.iter_mut().filter(|seat| seat.no <= most) {
            seat.closing = false;
        }
        for no in 1..=most {
            if self.s.seat(no).is_none() {
                self.s.seats.push(Seat::new(no, false));
            }
        }
        self.s.seats.sort_by_key(|seat| seat.no);
    }

    /// Everybody in queue or on a seat.
    pub fn placed(&self) -> Vec<String> {
        let seated = self.s.seats.iter().filter_map(|seat| Some(seat.occ.as_ref()?.user.clone()));
        seated.chain(self.s.queue.iter().map(|entry| entry.user.clone())).collect()
    }

    pub(super) fn role_set(&mut self, actor: &str, f: &Value) -> Outcome {
        let (target, role) = (text(f, "target_user_id"), f["role_id"].as_str());
        let level = role.map(|role| self.s.rules.level(role));
        if level.flatten().is_some_and(|level| level >= self.s.level_of(actor).min(1000)) {
            return no("forbidden");
        }
        self.s.check_rank(actor, target)?;
        if level == Some(None) {
            return no_with("bad_argument", json!({"path": "/role_id"}));
        }
        if target == self.s.owner {
            return no("last_owner");
        }
        let role = role.filter(|role| *role != "member").map(str::to_owned);
        // A person's word on somebody who has no role is kept too: it wins over older tokens.
        if self.s.roles.get(target).is_some_and(|(known, by_person)| *known == role && by_person.is_some()) {
            return Ok(Done::Noop);
        }
        self.change_role(target, role, Some(self.s.now));
        Ok(Done::Own(0))
    }

    /// Changes a role; whoever may not sit on the host seat any more leaves it.
    pub(super) fn change_role(&mut self, user: &str, role: Option<String>, by_person: Option<u64>) {
        let from = self.s.role_of(user);
        self.emit(json!({"event": "role_changed", "user_id": user, "role_id": role, "from": from}));
        let by_person = by_person.or_else(|| self.s.roles.get(user).and_then(|(_, at)| *at));
        self.s.roles.insert(user.to_owned(), (role, by_person));
        self.check_host_seat(user);
    }

    fn check_host_seat(&mut self, user: &str) {
        if self.s.seat_of(user).is_some_and(|seat| seat.host) && self.s.level_of(user) < 600 {
            self.unsit(user, "role", "role", 0);
        }
    }

    pub(super) fn owner_transfer(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        if target == self.s.owner {
            return Ok(Done::Noop);
        }
        if !self.s.is_member(target) {
            return no_with("not_member", json!({"user_id": target}));
        }
        let from = self.s.role_of(target);
        let old = std::mem::replace(&mut self.s.owner, target.to_owned());
        self.s.roles.remove(target);
        self.emit(json!({"event": "role_changed", "user_id": target, "role_id": "owner", "from": from}));
        self.s.roles.insert(old.clone(), (Some("admin".to_owned()), Some(self.s.now)));
        self.emit(json!({"event": "role_changed", "user_id": old, "role_id": "admin", "from": "owner"}));
        self.check_host_seat(&old);
        // Nobody refuses an owner; what stands against an old one counts from now on.
        if self.s.check_banned(&old).is_err() {
            self.clear_place(&old, "blacklisted");
            self.cancel_asks(&old, actor);
        }
        Ok(Done::Own(0))
    }

    pub(super) fn user_kick(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        if !self.s.is_member(target) {
            return no_with("not_member", json!({"user_id": target}));
        }
        self.emit(json!({"event": "member_kicked", "user_id": target, "reason": f["reason"]}));
        self.clear_place(target, "kicked");
        self.cancel_asks(target, actor);
        Ok(Done::Own(0))
    }

    pub(super) fn user_ban(&mut self, actor: &str, f: &Value) -> Outcome {
        let (target, until) = (text(f, "target_user_id"), f["until_ms"].as_u64());
        self.s.check_rank(actor, target)?;
        if target == self.s.owner {
            return no("last_owner");
        }
        if until.is_some_and(|until| until <= self.s.now) {
            return no_with("bad_argument", json!({"path": "/until_ms"}));
        }
        if self.s.ban_of(target) == Some(until) {
            return Ok(Done::Noop);
        }
        self.s.bans.insert(target.to_owned(), until);
        self.emit(json!({"event": "member_banned", "user_id": target, "until_ms": until, "reason": f["reason"]}));
        self.clear_place(target, "banned");
        self.cancel_asks(target, actor);
        Ok(Done::Own(0))
    }

    pub(super) fn user_unban(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        if self.s.ban_of(target).is_none() {
            return Ok(Done::Noop);
        }
        self.s.bans.remove(target);
        self.own(json!({"event": "member_unbanned", "user_id": target}))
    }

    pub(super) fn queue_ban(&mut self, actor: &str, f: &Value) -> Outcome {
        let (target, until) = (text(f, "target_user_id"), f["until_ms"].as_u64().unwrap_or(0));
        self.s.check_rank(actor, target)?;
        let (known, ahead) = (self.s.queue_ban_of(target), until > self.s.now);
        if known == Some(until) || (known.is_none() && !ahead) {
            return Ok(Done::Noop);
        }
        self.emit(json!({"event": "queue_banned", "user_id": target, "until_ms": until}));
        if ahead {
            self.s.queue_bans.insert(target.to_owned(), until);
            self.leave_queue(target, "queue_banned");
            let open: Vec<String> =
                self.s.applies.iter().filter(|a| a.user == target && a.ended.is_none()).map(|a| a.id.clone()).collect();
            for id in open {
                self.end_apply(&id, "cancelled", actor);
            }
        } else {
            self.s.queue_bans.remove(target);
        }
        Ok(Done::Own(0))
    }

    pub(super) fn room_close(&mut self, actor: &str, f: &Value) -> Outcome {
        let reason = f["reason"].as_str();
        self.emit(json!({"event": "room_closed", "reason": reason}));
        self.s.closed = true;
        for user in self.placed() {
            self.clear_place(&user, "room_closed");
            self.cancel_asks(&user, actor);
        }
        let asks = self.s.applies.iter().chain(&self.s.invites);
        let asked: Vec<String> = asks.filter(|ask| ask.ended.is_none()).map(|ask| ask.user.clone()).collect();
        for user in asked {
            self.cancel_asks(&user, actor);
        }
        Ok(Done::Own(0))
    }
}
