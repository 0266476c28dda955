//! What the hub does on its own: the model does not choose the moment or the order, but it checks that each act is due, and what follows.
use super::{Model, text};
use serde_json::Value;

/// The least hold from a load on, for somebody who was held already.
const LOAD_HOLD: u64 = 60_000;
/// The hold from a load on for somebody who was not.
const HANDOVER: u64 = 45_000;
/// For how long after a load nobody overtakes somebody held.
const LOAD_GRACE: u64 = 10_000;

impl Model {
    /// The process died and came back: nobody is live.
    pub fn restart(&mut self) {
        self.s.live.clear();
        self.s.floors.clear();
        self.s.no_promotion_before = self.s.now + LOAD_GRACE;
    }

    /// The hold that a loss begins now, `None` = nothing to do.
    fn hold_due(&self, user: &str, loading: bool) -> Option<u64> {
        let rule = if self.s.seat_of(user).is_some() { self.s.rules.hold_seat } else { self.s.rules.hold_queue };
        let placed = self.s.seat_of(user).is_some() || self.s.index_of(user).is_some();
        if !placed || self.s.is_live(user) {
            return None;
        }
        let until = match (self.s.held(user), loading) {
            (Some(_), true) => self.s.now + rule.min(LOAD_HOLD),
            (Some(_), false) => return None,
            (None, true) => self.s.now + rule.max(HANDOVER),
            (None, false) => self.s.now + rule.max(self.s.floors.get(user).copied().unwrap_or(0)),
        };
        (self.s.held(user).is_none_or(|held| held < until)).then_some(until)
    }

    /// Follows a step of the hub: finds its cause in its first event, checks that it was due, and does the same.
    pub fn hub_step(&mut self, events: &[Value], loading: bool) -> Result<(), String> {
        self.out.clear();
        let first = events.iter().find(|e| e["event"] != "turn_ended" || e["reason"] == "timeout").ok_or("no event")?;
        let user = text(first, "user_id").to_owned();
        let before = self.before();
        let held_over = self.s.held(&user).is_some_and(|held| held <= self.s.now);
        match (text(first, "event"), text(first, "reason")) {
            ("queue_held" | "seat_held", _) => {
                let until = self.hold_due(&user, loading).filter(|until| *until > self.s.now);
                self.hold(&user, Some(until.ok_or("nobody was lost")?));
            }
            ("queue_returned" | "seat_returned", _) => {
                if self.s.held(&user).is_none() || !self.s.is_live(&user) {
                    return Err("nobody returned".to_owned());
                }
                self.hold(&user, None);
            }
            ("queue_left" | "seat_left", "hold_expired") => {
                let at_once = self.hold_due(&user, loading) == Some(self.s.now);
                if self.s.is_live(&user) || !(held_over || at_once) {
                    return Err("no hold is over".to_owned());
                }
                self.clear_place(&user, "hold_expired");
                self.cancel_asks(&user, "hub");
            }
            ("seat_left", "stream_stopped") => {
                if !self.stream_over(&user) {
                    return Err("the stream's grace is not over".to_owned());
                }
                self.unsit(&user, "stream_stopped", "stream_stopped", 0);
            }
            ("queue_left", "promoted") => {}
            ("turn_ended", "timeout") => {
                let turn = self.s.turns.iter().find(|turn| turn.id == text(first, "turn_id")).ok_or("no such turn")?.clone();
                if self.s.ends_at(&turn).is_none_or(|at| at > self.s.now) {
                    return Err("the turn is not over".to_owned());
                }
                let _ = self.finish_turn(&turn.user, "timeout");
            }
            ("apply_ended", _) => {
                let id = text(first, "apply_id");
                if !self.s.applies.iter().any(|apply| apply.id == id && apply.ended.is_none() && apply.until <= self.s.now) {
                    return Err("the application is not over".to_owned());
                }
                self.end_apply(id, "expired", "hub");
            }
            ("invite_ended", _) => {
                let id = text(first, "invite_id");
                if !self.s.invites.iter().any(|invite| invite.id == id && invite.ended.is_none() && invite.until <= self.s.now) {
                    return Err("the invitation is not over".to_owned());
                }
                self.end_invite(id, "expired");
            }
            other => return Err(format!("the hub has no business with {other:?}")),
        }
        self.after(&before);
        Ok(())
    }

    /// The person says goodbye. Returns whether that changed anything.
    pub fn left(&mut self, user: &str) -> bool {
        self.out.clear();
        self.s.live.retain(|live| live != user);
        let before = self.before();
        self.clear_place(user, "left");
        self.cancel_asks(user, "hub");
        let changed = !self.out.is_empty();
        if changed {
            self.after(&before);
        }
        changed
    }

    /// The person's token gives him a role. Returns whether that changed anything.
    pub fn token_role(&mut self, user: &str, role: &str, issued_at: u64) -> bool {
        self.out.clear();
        let role = if role == "owner" { "admin" } else { role };
        let later_word = self.s.roles.get(user).and_then(|(_, at)| *at).is_some_and(|at| at >= issued_at);
        let known = self.s.rules.level(role).is_some();
        if user == self.s.owner || later_word || !known || role == "member" || self.s.role_of(user) == role {
            return false;
        }
        let before = self.before();
        self.change_role(user, Some(role.to_owned()), None);
        self.after(&before);
        true
    }

    fn hold(&mut self, user: &str, until: Option<u64>) {
        let seated = self.s.seat_of(user).map(|seat| seat.no);
        let what = if until.is_some() { "held" } else { "returned" };
        let place = if seated.is_some() { "seat" } else { "queue" };
        let mut event = serde_json::json!({"event": format!("{place}_{what}"), "user_id": user});
        if let Some(until) = until {
            event["held_until_ms"] = until.into();
        }
        self.emit(event);
        match seated {
            Some(no) => {
                if let Some(occ) = self.s.seat_mut(no).occ.as_mut() {
                    occ.held = until;
                }
            }
            None => {
                for entry in self.s.queue.iter_mut().filter(|entry| entry.user == user) {
                    entry.held = until;
                }
            }
        }
    }

    /// What the hub should have done by now and has not. Empty = fine.
    pub fn overdue(&self) -> Vec<String> {
        let s = &self.s;
        let mut found = Vec::new();
        for user in self.placed() {
            match (s.held(&user), s.is_live(&user)) {
                (Some(_), true) => found.push(format!("{user} is back and still held")),
                (None, false) => found.push(format!("{user} is away and not held")),
                (Some(until), false) if until <= s.now => found.push(format!("{user}'s hold is over")),
                _ => {}
            }
            if self.stream_over(&user) {
                found.push(format!("{user}'s stream is gone"));
            }
        }
        for turn in &s.turns {
            if s.ends_at(turn).is_some_and(|at| at <= s.now) {
                found.push(format!("the turn {} is over", turn.id));
            }
        }
        for ask in s.applies.iter().chain(&s.invites).filter(|ask| ask.ended.is_none() && ask.until <= s.now) {
            found.push(format!("{} of {} is over", ask.id, ask.user));
        }
        let ready = s.mode == "queue" && !s.closed && s.now >= s.promotion_from;
        if ready && s.next_in_line().is_some() && s.free_guest(None).is_some() {
            found.push("somebody waits beside a free seat".to_owned());
        }
        found
    }
}
