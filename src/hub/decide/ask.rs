//! Applications and invitations: submit, send, answer, cancel, and how they end by themselves.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    actor::Actor,
    asks::{APPLIES_MAX, Apply, Invite},
    code::{Code, Reject},
    command::SeatPolicy,
    event::Event,
    id::UserId,
    mode::Mode,
    reasons::{ApplyOutcome, InviteOutcome},
    seats::Via,
    time::Millis,
};

impl Draft {
    pub(super) fn apply_submit(&mut self, ctx: &Ctx, want_seat: Option<u32>) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?.clone();
        if self.room.mode != Mode::Apply {
            return Err(Reject::Plain(Code::WrongMode));
        }
        self.check_unseated(&me)?;
        if self.room.asks.apply_of(&me).is_some() {
            return Err(Reject::Plain(Code::ApplyExists));
        }
        self.check_access(&me)?;
        if self.room.asks.applies.len() >= APPLIES_MAX {
            return Err(Reject::Plain(Code::TooMany));
        }
        let apply_id = self.new_id();
        let (seq, expires_at) = (self.room.queue.last_seq + 1, self.now.plus(self.room.rules.apply_ttl));
        self.own(Event::ApplySubmitted { apply_id, user: me, want_seat, seq, expires_at })
    }

    pub(super) fn apply_cancel(&mut self, ctx: &Ctx, apply_id: &str) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?;
        match self.room.asks.apply(apply_id).filter(|apply| apply.user == *me).cloned() {
            Some(apply) => self.end_apply(&apply, ApplyOutcome::Cancelled),
            None => return Err(self.apply_gone(apply_id, Some(me))),
        }
        Ok(Done::Own(0))
    }

    pub(super) fn apply_resolve(&mut self, ctx: &Ctx, apply_id: &str, approve: bool, seat_no: Option<u32>) -> Outcome {
        let wanted = if approve { ApplyOutcome::Approved } else { ApplyOutcome::Rejected };
        let Some(apply) = self.room.asks.apply(apply_id).cloned() else {
            if let Some((ended, outcome)) = self.room.asks.ended_apply(apply_id, self.now) {
                self.check_rank(ctx, &ended.user)?;
                if outcome == wanted {
                    return Ok(Done::By(ended.by.clone()));
                }
            }
            return Err(self.apply_gone(apply_id, None));
        };
        self.check_rank(ctx, &apply.user)?;
        if !approve {
            self.end_apply(&apply, wanted);
            return Ok(Done::Own(0));
        }
        self.check_unseated(&apply.user)?;
        self.check_here(ctx, &apply.user)?;
        self.check_queue_ban(&apply.user)?;
        let seat_no = match seat_no {
            Some(_) => self.goal(seat_no, &apply.user, SeatPolicy::Fail)?,
            None => self.room.seats.free_guest(apply.want_seat).ok_or(Reject::Plain(Code::NoSeat))?,
        };
        self.end_apply(&apply, wanted);
        self.sit(&apply.user, seat_no, Via::Apply)?;
        Ok(Done::Own(0))
    }

    pub(super) fn invite_send(&mut self, ctx: &Ctx, target: &UserId, seat_no: Option<u32>, ttl: Option<Millis>) -> Outcome {
        self.check_rank(ctx, target)?;
        self.check_unseated(target)?;
        self.check_here(ctx, target)?;
        if self.room.asks.invite_of(target).is_some() {
            return Err(Reject::Plain(Code::InviteExists));
        }
        let seat_no = self.goal(seat_no, target, SeatPolicy::Fail)?;
        let expires_at = self.now.plus(ttl.unwrap_or(self.room.rules.invite_ttl));
        let invite_id = self.new_id();
        self.own(Event::InviteSent { invite_id, user: target.clone(), seat_no, expires_at })
    }

    pub(super) fn invite_reply(&mut self, ctx: &Ctx, invite_id: &str, accept: bool) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?;
        let Some(invite) = self.room.asks.invite(invite_id).filter(|invite| invite.user == *me).cloned() else {
            return Err(self.invite_gone(invite_id, Some(me)));
        };
        if !accept {
            self.end_invite(&invite, InviteOutcome::Declined);
            return Ok(Done::Own(0));
        }
        self.check_unseated(me)?;
        self.check_here(ctx, me)?;
        self.check_queue_ban(me)?;
        self.check_host_seat(invite.seat_no, me)?;
        self.end_invite(&invite, InviteOutcome::Accepted);
        self.sit(me, invite.seat_no, Via::Invite)?;
        Ok(Done::Own(0))
    }

    pub(super) fn invite_cancel(&mut self, ctx: &Ctx, invite_id: &str) -> Outcome {
        let Some(invite) = self.room.asks.invite(invite_id).cloned() else {
            if let Some((ended, _)) = self.room.asks.ended_invite(invite_id, self.now) {
                self.check_rank(ctx, &ended.user)?;
            }
            return Err(self.invite_gone(invite_id, None));
        };
        self.check_rank(ctx, &invite.user)?;
        self.end_invite(&invite, InviteOutcome::Cancelled);
        Ok(Done::Own(0))
    }

    /// Nobody decided in time.
    pub(super) fn apply_over(&mut self, apply_id: &str) -> Outcome {
        if let Some(apply) = self.room.asks.apply(apply_id).filter(|apply| apply.expires_at <= self.now).cloned() {
            self.end_apply(&apply, ApplyOutcome::Expired);
        }
        Ok(self.first())
    }

    /// Nobody answered in time: the seat is free again.
    pub(super) fn invite_over(&mut self, invite_id: &str) -> Outcome {
        if let Some(invite) = self.room.asks.invite(invite_id).filter(|invite| invite.expires_at <= self.now).cloned() {
            self.end_invite(&invite, InviteOutcome::Expired);
        }
        Ok(self.first())
    }

    /// Ends the invitation for which a seat is kept, if there is one: nobody may come to that seat any more.
    pub(super) fn cancel_invite_to(&mut self, seat_no: u32) {
        if let Some(invite) = self.room.asks.invites.iter().find(|invite| invite.seat_no == seat_no).cloned() {
            self.end_invite(&invite, InviteOutcome::Cancelled);
        }
    }

    pub(super) fn end_apply_of(&mut self, user: &UserId, outcome: ApplyOutcome) {
        if let Some(apply) = self.room.asks.apply_of(user).cloned() {
            self.end_apply(&apply, outcome);
        }
    }

    /// Cancels what `user` asked for and was asked.
    pub(super) fn end_asks_of(&mut self, user: &UserId) {
        self.end_apply_of(user, ApplyOutcome::Cancelled);
        if let Some(invite) = self.room.asks.invite_of(user).cloned() {
            self.end_invite(&invite, InviteOutcome::Cancelled);
        }
    }

    pub(super) fn end_all_asks(&mut self) {
        for apply in self.room.asks.applies.clone() {
            self.end_apply(&apply, ApplyOutcome::Cancelled);
        }
        for invite in self.room.asks.invites.clone() {
            self.end_invite(&invite, InviteOutcome::Cancelled);
        }
    }

    pub(super) fn end_apply(&mut self, apply: &Apply, outcome: ApplyOutcome) {
        self.emit(Event::ApplyEnded { apply_id: apply.apply_id.clone(), user: apply.user.clone(), outcome });
    }

    fn end_invite(&mut self, invite: &Invite, outcome: InviteOutcome) {
        let Invite { invite_id, user, seat_no, .. } = invite.clone();
        self.emit(Event::InviteEnded { invite_id, user, seat_no, outcome });
    }

    /// Says why an application cannot be acted on. Whoever asks about somebody else's (`of`) learns nothing.
    fn apply_gone(&self, apply_id: &str, of: Option<&UserId>) -> Reject {
        match self.room.asks.ended_apply(apply_id, self.now) {
            Some((ended, outcome)) if of.is_none_or(|of| *of == ended.user) => {
                Reject::ApplyResolved { outcome: outcome.name(), by: actor_name(&ended.by) }
            }
            _ => Reject::Plain(Code::ApplyNotFound),
        }
    }

    fn invite_gone(&self, invite_id: &str, of: Option<&UserId>) -> Reject {
        let ended = self.room.asks.ended_invite(invite_id, self.now);
        let known = ended.is_some_and(|(ended, _)| of.is_none_or(|of| *of == ended.user));
        Reject::Plain(if known { Code::InviteExpired } else { Code::InviteNotFound })
    }
}

fn actor_name(actor: &Actor) -> String {
    match actor {
        Actor::User(user) => user.to_string(),
        Actor::Service => "service".to_owned(),
        Actor::Hub => "hub".to_owned(),
    }
}
