//! The people of a room: roles, kicks, bans, closing.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    code::{Code, Reject},
    event::Event,
    id::{RoleId, UserId},
    reasons::{ApplyOutcome, QueueLeftReason, SeatLeftReason},
    roles,
    rules::BANS_MAX,
    seats::SeatKind,
    time::UnixMs,
};

impl Draft {
    pub(super) fn role_set(&mut self, ctx: &Ctx, target: &UserId, role: Option<&RoleId>) -> Outcome {
        let level = role.map(|role| self.room.rules.level_of_role(role.as_str()));
        if level.flatten().is_some_and(|level| level >= ctx.level.min(roles::OWNER)) {
            return Err(Reject::Plain(Code::Forbidden));
        }
        self.check_rank(ctx, target)?;
        if level == Some(None) {
            return Err(Reject::Argument { path: "/role_id".to_owned(), expected: "a role of this room" });
        }
        if *target == self.room.owner {
            return Err(Reject::Plain(Code::LastOwner));
        }
        let role = role.filter(|role| role.as_str() != "member").cloned();
        let known = self.room.roles.get(target);
        if known.is_some_and(|grant| grant.role == role && grant.by_person_at.is_some()) {
            return Ok(Done::Noop);
        }
        self.change_role(target, role, false)
    }

    pub(super) fn owner_transfer(&mut self, ctx: &Ctx, target: &UserId) -> Outcome {
        if *target == self.room.owner {
            return Ok(Done::Noop);
        }
        if !self.is_member(target, ctx.members) {
            return Err(Reject::NotMember { user: target.clone(), held: false });
        }
        let old = self.room.owner.clone();
        let own = self.change_role(target, Some(role_id("owner")), false);
        let from = role_id("owner");
        self.emit(Event::RoleChanged { user: old.clone(), role: Some(role_id("admin")), from, by_token: false });
        self.fit_host_seat(&old);
        // Nobody refuses an owner; what stands against an old one counts from now on.
        if self.room.check_refused(&old, self.now).is_err() {
            self.clear_place(&old, QueueLeftReason::Blacklisted, SeatLeftReason::Blacklisted);
        }
        own
    }

    pub(super) fn token_role(&mut self, user: &UserId, role: &RoleId, issued_at: UnixMs) -> Outcome {
        let role = if role.as_str() == "owner" { role_id("admin") } else { role.clone() };
        let known = self.room.roles.get(user);
        let later_word = known.and_then(|grant| grant.by_person_at).is_some_and(|at| at >= issued_at);
        let same = self.room.role_of(user) == role.as_str();
        if *user == self.room.owner
            || later_word
            || same
            || self.room.rules.level_of_role(role.as_str()).is_none()
            || role.as_str() == "member"
        {
            return Ok(Done::Noop);
        }
        self.change_role(user, Some(role), true)
    }

    pub(super) fn user_kick(&mut self, ctx: &Ctx, target: &UserId, reason: Option<&str>) -> Outcome {
        self.check_rank(ctx, target)?;
        if !self.is_member(target, ctx.members) {
            return Err(Reject::NotMember { user: target.clone(), held: false });
        }
        let own = self.own(Event::MemberKicked { user: target.clone(), reason: reason.map(str::to_owned) });
        self.clear_place(target, QueueLeftReason::Kicked, SeatLeftReason::Kicked);
        own
    }

    pub(super) fn user_ban(&mut self, ctx: &Ctx, target: &UserId, reason: Option<&str>, until: Option<UnixMs>) -> Outcome {
        self.check_rank(ctx, target)?;
        if *target == self.room.owner {
            return Err(Reject::Plain(Code::LastOwner));
        }
        if until.is_some_and(|until| until <= self.now) {
            return Err(Reject::Argument { path: "/until_ms".to_owned(), expected: "a time ahead" });
        }
        if self.room.ban_of(target, self.now) == Some(until) {
            return Ok(Done::Noop);
        }
        let banned = self.room.bans.values().filter(|until| until.is_none_or(|until| until > self.now)).count();
        if self.room.ban_of(target, self.now).is_none() && banned >= BANS_MAX {
            return Err(Reject::Plain(Code::TooMany));
        }
        let own = self.own(Event::MemberBanned { user: target.clone(), until, reason: reason.map(str::to_owned) });
        self.clear_place(target, QueueLeftReason::Banned, SeatLeftReason::Banned);
        own
    }

    pub(super) fn user_unban(&mut self, ctx: &Ctx, target: &UserId) -> Outcome {
        self.check_rank(ctx, target)?;
        match self.room.ban_of(target, self.now) {
            None => Ok(Done::Noop),
            Some(_) => self.own(Event::MemberUnbanned { user: target.clone() }),
        }
    }

    pub(super) fn queue_ban(&mut self, ctx: &Ctx, target: &UserId, until: UnixMs) -> Outcome {
        self.check_rank(ctx, target)?;
        let known = self.room.queue_ban_of(target, self.now);
        if known == Some(until) || (known.is_none() && until <= self.now) {
            return Ok(Done::Noop);
        }
        let banned = self.room.queue_bans.values().filter(|until| **until > self.now).count();
        if known.is_none() && banned >= BANS_MAX {
            return Err(Reject::Plain(Code::TooMany));
        }
        let own = self.own(Event::QueueBanned { user: target.clone(), until });
        if until > self.now {
            if self.room.queue.entry(target).is_some() {
                self.emit(Event::QueueLeft { user: target.clone(), reason: QueueLeftReason::QueueBanned, note: None });
            }
            self.end_apply_of(target, ApplyOutcome::Cancelled);
        }
        own
    }

    pub(super) fn room_close(&mut self, reason: Option<&str>) -> Outcome {
        let own = self.own(Event::RoomClosed { reason: reason.map(str::to_owned) });
        for (user, _) in self.room.placed() {
            self.clear_place(&user, QueueLeftReason::RoomClosed, SeatLeftReason::RoomClosed);
        }
        self.end_all_asks();
        own
    }

    /// Takes somebody out of queue or seat, and ends what he asked for and was asked.
    pub(super) fn clear_place(&mut self, user: &UserId, queue: QueueLeftReason, seat: SeatLeftReason) {
        if self.room.queue.entry(user).is_some() {
            self.emit(Event::QueueLeft { user: user.clone(), reason: queue, note: None });
        }
        if let Some(no) = self.room.seats.of(user).map(|seat| seat.no) {
            self.unseat(no, user, seat, None);
        }
        self.end_asks_of(user);
    }

    /// Changes a role; whoever may not sit on the host seat any more leaves it.
    fn change_role(&mut self, user: &UserId, role: Option<RoleId>, by_token: bool) -> Outcome {
        let from = role_id(self.room.role_of(user));
        let own = self.own(Event::RoleChanged { user: user.clone(), role, from, by_token });
        self.fit_host_seat(user);
        own
    }

    fn fit_host_seat(&mut self, user: &UserId) {
        let host_seat = self.room.seats.of(user).filter(|seat| seat.kind == SeatKind::Host).map(|seat| seat.no);
        if let Some(no) = host_seat.filter(|_| self.room.level_of(user) < roles::HOST) {
            self.unseat(no, user, SeatLeftReason::Role, None);
        }
    }
}

/// Makes a role id from a name that is known to be one.
fn role_id(name: &str) -> RoleId {
    RoleId::parse(name).unwrap_or_else(|_| RoleId::member())
}
