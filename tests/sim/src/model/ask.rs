//! Applications and invitations.
use super::{Ask, Done, Model, Outcome, no, no_with, text};
use serde_json::{Value, json};

impl Model {
    pub(super) fn apply_submit(&mut self, me: &str, f: &Value) -> Outcome {
        if self.s.mode != "apply" {
            return no("wrong_mode");
        }
        self.s.check_unseated(me)?;
        if self.s.applies.iter().any(|apply| apply.user == me && apply.ended.is_none()) {
            return no("apply_exists");
        }
        self.s.check_access(me)?;
        let (id, until, seat) = (self.new_id("apply_id"), self.s.now + self.s.rules.apply_ttl, f["want_seat"].as_u64());
        let event = json!({"event": "apply_submitted", "apply_id": id, "user_id": me, "want_seat": seat, "expires_at_ms": until});
        self.s.last_seq += 1;
        self.s.applies.push(Ask { id, user: me.to_owned(), by: me.to_owned(), seat, until, ended: None });
        self.own(event)
    }

    /// Ends an open application.
    pub(super) fn end_apply(&mut self, id: &str, outcome: &'static str, by: &str) {
        let now = self.s.now;
        for apply in self.s.applies.iter_mut().filter(|apply| apply.id == id && apply.ended.is_none()) {
            apply.ended = Some((outcome, by.to_owned(), now));
            self.out.push(json!({"event": "apply_ended", "apply_id": id, "outcome": outcome}));
        }
    }

    /// Ends an open invitation; its seat is free again.
    pub(super) fn end_invite(&mut self, id: &str, outcome: &'static str) {
        let now = self.s.now;
        for invite in self.s.invites.iter_mut().filter(|invite| invite.id == id && invite.ended.is_none()) {
            invite.ended = Some((outcome, String::new(), now));
            self.out.push(json!({"event": "invite_ended", "invite_id": id, "outcome": outcome}));
        }
    }

    /// Cancels all that somebody asked for or was asked.
    pub(super) fn cancel_asks(&mut self, user: &str, by: &str) {
        let open = |list: &[Ask]| -> Vec<String> {
            list.iter().filter(|ask| ask.user == user && ask.ended.is_none()).map(|ask| ask.id.clone()).collect()
        };
        for id in open(&self.s.applies) {
            self.end_apply(&id, "cancelled", by);
        }
        for id in open(&self.s.invites) {
            self.end_invite(&id, "cancelled");
        }
    }

    pub(super) fn cancel_reservation(&mut self, number: u64) {
        if let Some(id) = self.s.reserved(number).map(|invite| invite.id.clone()) {
            self.end_invite(&id, "cancelled");
        }
    }

    /// What is remembered of an id, open or ended not too long ago.
    fn known<'a>(&self, list: &'a [Ask], id: &str) -> Option<&'a Ask> {
        let fresh = |ask: &&Ask| ask.ended.as_ref().is_none_or(|(_, _, at)| self.s.now - at <= 600_000);
        list.iter().find(|ask| ask.id == id).filter(fresh)
    }

    pub(super) fn apply_cancel(&mut self, me: &str, f: &Value) -> Outcome {
        let id = text(f, "apply_id");
        match self.known(&self.s.applies, id) {
            Some(apply) if apply.user == me => {
                if let Some((outcome, by, _)) = &apply.ended {
                    return no_with("apply_resolved", json!({"outcome": outcome, "by": by}));
                }
                self.end_apply(id, "cancelled", me);
                Ok(Done::Own(0))
            }
            _ => no("apply_not_found"),
        }
    }

    pub(super) fn apply_resolve(&mut self, actor: &str, f: &Value) -> Outcome {
        let (id, approve) = (text(f, "apply_id"), f["approve"] == true);
        let Some(apply) = self.known(&self.s.applies, id).cloned() else { return no("apply_not_found") };
        self.s.check_rank(actor, &apply.user)?;
        let wanted = if approve { "approved" } else { "rejected" };
        if let Some((outcome, by, _)) = apply.ended {
            return if outcome == wanted {
                Ok(Done::Noop)
            } else {
                no_with("apply_resolved", json!({"outcome": outcome, "by": by}))
            };
        }
        if !approve {
            self.end_apply(id, wanted, actor);
            return Ok(Done::Own(0));
        }
        self.s.check_unseated(&apply.user)?;
        self.s.check_here(&apply.user)?;
        self.s.check_banned(&apply.user)?;
        let number = match f["seat_no"].as_u64() {
            Some(number) => self.s.goal(Some(number), &apply.user, "fail")?,
            None => match self.s.free_guest(apply.seat) {
                Some(number) => number,
                None => return no("no_seat"),
            },
        };
        self.end_apply(id, wanted, actor);
        self.leave_queue(&apply.user, "seated");
        self.sit(&apply.user, number, "apply");
        Ok(Done::Own(0))
    }

    pub(super) fn invite_send(&mut self, actor: &str, f: &Value) -> Outcome {
        let target = text(f, "target_user_id");
        self.s.check_rank(actor, target)?;
        self.s.check_unseated(target)?;
        self.s.check_here(target)?;
        if self.s.invites.iter().any(|invite| invite.user == target && invite.ended.is_none()) {
            return no("invite_exists");
        }
        let number = self.s.goal(f["seat_no"].as_u64(), target, "fail")?;
        let ttl = f["ttl_seconds"].as_u64().map_or(self.s.rules.invite_ttl, |seconds| seconds * 1000);
        let (id, until) = (self.new_id("invite_id"), self.s.now + ttl);
        let event =
            json!({"event": "invite_sent", "invite_id": id, "user_id": target, "seat_no": number, "expires_at_ms": until});
        self.s.invites.push(Ask { id, user: target.to_owned(), by: actor.to_owned(), seat: Some(number), until, ended: None });
        self.own(event)
    }

    pub(super) fn invite_reply(&mut self, me: &str, f: &Value) -> Outcome {
        let id = text(f, "invite_id");
        let invite = match self.known(&self.s.invites, id) {
            Some(invite) if invite.user == me => invite.clone(),
            _ => return no("invite_not_found"),
        };
        if invite.ended.is_some() {
            return no("invite_expired");
        }
        if f["accept"] != true {
            self.end_invite(id, "declined");
            return Ok(Done::Own(0));
        }
        self.s.check_unseated(me)?;
        self.s.check_here(me)?;
        self.s.check_banned(me)?;
        self.s.check_host_seat(invite.seat.unwrap_or(0), me)?;
        self.end_invite(id, "accepted");
        self.leave_queue(me, "seated");
        self.sit(me, invite.seat.unwrap_or(0), "invite");
        Ok(Done::Own(0))
    }

    pub(super) fn invite_cancel(&mut self, actor: &str, f: &Value) -> Outcome {
        let id = text(f, "invite_id");
        let Some(invite) = self.known(&self.s.invites, id).cloned() else { return no("invite_not_found") };
        self.s.check_rank(actor, &invite.user)?;
        if invite.ended.is_some() {
            return no("invite_expired");
        }
        self.end_invite(id, "cancelled");
        Ok(Done::Own(0))
    }
}
