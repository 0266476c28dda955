//! The seat family.
use super::{Done, Media, Model, Occ, Outcome, Refusal, Seat, State, no, no_with, text};
use serde_json::{Value, json};

impl State {
    pub fn check_unseated(&self, user: &str) -> Result<(), Refusal> {
        if self.seat_of(user).is_some() { no("already_seated") } else { Ok(()) }
    }

    pub fn number_of_seat(&self, user: &str) -> Result<u64, Refusal> {
        self.seat_of(user).map_or_else(|| no("not_seated"), |seat| Ok(seat.no))
    }

    /// The seat that `user` may come to; no number = the lowest free guest seat.
    pub fn goal(&self, number: Option<u64>, user: &str, policy: &str) -> Result<u64, Refusal> {
        let Some(number) = number else {
            return self.free_guest(None).map_or_else(|| no("no_seat"), Ok);
        };
        let Some(seat) = self.seat(number) else { return no("seat_not_found") };
        if seat.locked || seat.closing {
            return no("seat_locked");
        }
        if seat.occ.is_some() && !matches!(policy, "replace" | "swap") {
            return no("seat_taken");
        }
        if self.reserved(number).is_some() {
            return no("seat_reserved");
        }
        self.check_host_seat(number, user).map(|()| number)
    }

    pub fn check_host_seat(&self, number: u64, user: &str) -> Result<(), Refusal> {
        let host = self.seat(number).is_some_and(|seat| seat.host);
        if host && self.level_of(user) < 600 { no("seat_reserved") } else { Ok(()) }
    }

    fn occupant(&self, number: u64) -> Option<String> {
        Some(self.seat(number)?.occ.as_ref()?.user.clone())
    }

    /// Whoever would have to give way is a target too.
    fn check_occupant_rank(&self, actor: &str, number: Option<u64>, policy: &str) -> Result<(), Refusal> {
        match number.and_then(|number| self.occupant(number)) {
            Some(user) if matches!(policy, "replace" | "swap") => self.check_rank(actor, &user),
            _ => Ok(()),
        }
    }

    fn named(&self, seats: &Value) -> Vec<u64> {
        if seats == "all" {
            return self.seats.iter().filter(|seat| !seat.host).map(|seat| seat.no).collect();
        }
        let mut numbers: Vec<u64> = seats.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn all_there(&self, numbers: &[u64]) -> Result<(), Refusal> {
        if numbers.iter().all(|number| self.seat(*number).is_some()) { Ok(()) } else { no("seat_not_found") }
    }
}

impl Model {
    /// Sits somebody down; in mode queue a guest gets a turn.
    pub(super) fn sit(&mut self, user: &str, number: u64, via: &'static str) -> usize {
        let occ = Occ { user: user.to_owned(), since: self.s.now, via, self_muted: false, held: None, media: Media::None };
        self.s.seat_mut(number).occ = Some(occ);
        self.emit(json!({"event": "seat_taken", "user_id": user, "seat_no": number, "via": via}));
        let own = self.out.len() - 1;
        self.start_turn(user);
        own
    }

    /// Takes somebody off his seat. A turn ends with it, for `turn_reason`.
    pub(super) fn unsit(&mut self, user: &str, reason: &str, turn_reason: &str, cooldown: u64) -> usize {
        let number = self.s.seat_of(user).expect("seated").no;
        if reason == "turn_ended" {
            self.end_turn(user, turn_reason);
        }
        let until = if matches!(reason, "replaced" | "turn_ended") { None } else { self.s.cool_down(user, cooldown) };
        let seat = self.s.seat_mut(number);
        (seat.occ, seat.admin_muted) = (None, false);
        if seat.closing {
            self.s.seats.retain(|seat| seat.no != number);
        }
        let mut event = json!({"event": "seat_left", "user_id": user, "seat_no": number, "reason": reason});
        if cooldown > 0 {
            event["cooldown_until_ms"] = json!(until);
        }
        self.emit(event);
        let own = self.out.len() - 1;
        self.end_turn(user, turn_reason);
        own
    }

    /// Takes somebody out of queue or seat, if he is there.
    pub(super) fn clear_place(&mut self, user: &str, reason: &str) {
        self.leave_queue(user, reason);
        if self.s.seat_of(user).is_some() {
            self.unsit(user, reason, reason, 0);
        }
    }

    pub(super) fn seat_take(&mut self, me: &str, f: &Value) -> Outcome {
        if self.s.mode == "free" {
            self.s.check_access(me)?;
        } else if self.s.level_of(me) < 600 {
            return no("wrong_mode");
        } else {
            self.s.check_banned(me)?;
        }
        let number = self.s.goal(f["seat_no"].as_u64(), me, "fail")?;
        self.s.check_unseated(me)?;
        self.leave_queue(me, "seated");
        Ok(Done::Own(self.sit(me, number, "take")))
    }

    pub(super) fn seat_leave(&mut self, me: &str) -> Outcome {
        self.s.number_of_seat(me)?;
        Ok(Done::Own(self.unsit(me, "self", "self", 0)))
    }

    pub(super) fn seat_assign(&mut self, actor: &str, f: &Value) -> Outcome {
        let (target, policy) = (text(f, "target_user_id"), text(f, "policy"));
        self.s.check_rank(actor, target)?;
        self.s.check_occupant_rank(actor, f["seat_no"].as_u64(), policy)?;
        self.s.check_unseated(target)?;
        self.s.check_here(target)?;
        self.s.check_banned(target)?;
        let number = self.s.goal(f["seat_no"].as_u64(), target, policy)?;
        let other = self.s.occupant(number);
        if let Some(other) = &other {
            self.unsit(other, "replaced", "replaced", 0);
        }
        self.leave_queue(target, "seated");
        let own = self.sit(target, number, "assign");
        if let Some(other) = other.filter(|_| f["requeue"] == true) {
            self.requeue(&other);
        }
        Ok(Done::Own(own))
    }

    pub(super) fn seat_move(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = f["target_user_id"].as_str().unwrap_or(actor);
        if actor == target && self.s.level_of(actor) < 600 && self.s.mode != "free" {
            return no("wrong_mode");
        }
        let (to, policy) = (f["seat_no"].as_u64().unwrap_or(0), text(f, "policy"));
        self.s.check_rank(actor, target)?;
        self.s.check_occupant_rank(actor, Some(to), policy)?;
        let from = self.s.number_of_seat(target)?;
        if from == to {
            return Ok(Done::Noop);
        }
        self.s.goal(Some(to), target, policy)?;
        let other = self.s.occupant(to);
        let swap = policy == "swap" && other.is_some();
        if let (Some(other), true) = (&other, swap) {
            let back = self.s.seat(from).expect("his seat");
            if back.locked || back.closing {
                return no("seat_locked");
            }
            self.s.check_host_seat(from, other)?;
        } else if let Some(other) = &other {
            self.unsit(other, "replaced", "replaced", 0);
        }
        self.emit(json!({"event": "seat_moved", "user_id": target, "from": from, "to": to}));
        let own = self.out.len() - 1;
        if let (Some(other), true) = (&other, swap) {
            self.emit(json!({"event": "seat_moved", "user_id": other, "from": to, "to": from}));
        }
        let take = |seat: &mut Seat| (seat.occ.take(), std::mem::take(&mut seat.admin_muted));
        let here = take(self.s.seat_mut(from));
        let there = take(self.s.seat_mut(to));
        for (number, (occ, muted)) in [(to, here), (from, there)] {
            let seat = self.s.seat_mut(number);
            seat.occ = occ.map(|occ| Occ { via: "move", ..occ });
            seat.admin_muted = muted;
        }
        for user in std::iter::once(target).chain(other.as_deref().filter(|_| swap)) {
            if self.s.seat_of(user).expect("moved").host {
                self.end_turn(user, "moved");
            } else {
                self.start_turn(user);
            }
        }
        let empty_and_closing = |seat: &Seat| seat.no == from && seat.closing && seat.occ.is_none();
        self.s.seats.retain(|seat| !empty_and_closing(seat));
        Ok(Done::Own(own))
    }

    pub(super) fn seat_kick(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        self.s.number_of_seat(target)?;
        let own = self.unsit(target, "kicked", "kicked", f["cooldown_seconds"].as_u64().unwrap_or(0) * 1000);
        if f["requeue"] == true {
            // The next one comes to the seat first: the requeued person stands in front of those who still wait.
            self.promote_wanted();
            self.had_free = true;
            self.requeue(target);
        }
        Ok(Done::Own(own))
    }

    pub(super) fn seat_lock(&mut self, actor: &str, f: &Value) -> Outcome {
        let (on, evict) = (f["on"] == true, f["evict"] == true);
        let numbers = self.s.named(&f["seat_nos"]);
        for number in &numbers {
            if let Some(user) = self.s.occupant(*number).filter(|_| on && evict) {
                self.s.check_rank(actor, &user)?;
            }
        }
        self.s.all_there(&numbers)?;
        for number in numbers {
            let seat = self.s.seat_mut(number);
            if seat.locked != on {
                seat.locked = on;
                self.emit(json!({"event": "seat_updated", "seat_no": number, "locked": on}));
                if on {
                    self.cancel_reservation(number);
                }
            }
            if let Some(user) = self.s.occupant(number).filter(|_| on && evict) {
                self.unsit(&user, "evicted", "evicted", 0);
            }
        }
        self.first_is_own()
    }

    pub(super) fn seat_mute(&mut self, actor: &str, f: &Value) -> Outcome {
        let on = f["on"] == true;
        let numbers = self.s.named(&f["seat_nos"]);
        for number in &numbers {
            if let Some(user) = self.s.occupant(*number) {
                self.s.check_rank(actor, &user)?;
            }
        }
        self.s.all_there(&numbers)?;
        for number in numbers {
            let seat = self.s.seat_mut(number);
            let Some(occ) = &mut seat.occ else { continue };
            if occ.user == actor && occ.self_muted != on {
                occ.self_muted = on;
                self.emit(json!({"event": "seat_updated", "seat_no": number, "self_muted": on}));
            } else if occ.user != actor && seat.admin_muted != on {
                seat.admin_muted = on;
                self.emit(json!({"event": "seat_updated", "seat_no": number, "admin_muted": on}));
            }
        }
        self.first_is_own()
    }

    pub(super) fn seat_extra(&mut self, f: &Value) -> Outcome {
        let number = f["seat_no"].as_u64().unwrap_or(0);
        let Some(seat) = self.s.seats.iter_mut().find(|seat| seat.no == number) else { return no("seat_not_found") };
        if f["if_extra_rev"].as_u64().is_some_and(|rev| rev != seat.extra_rev) {
            return no_with("stale_rev", json!({"rev": seat.extra_rev}));
        }
        if seat.extra == text(f, "extra") {
            return Ok(Done::Noop);
        }
        text(f, "extra").clone_into(&mut seat.extra);
        seat.extra_rev += 1;
        let event = json!({"event": "seat_updated", "seat_no": number, "extra": seat.extra, "extra_rev": seat.extra_rev});
        self.own(event)
    }
}
