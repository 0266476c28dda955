//! The hub's own commands: lines lost and back, people gone, holds over. Each looks again before it acts; what is no longer true is dropped.
use super::{Ctx, Done, Draft, Members, Outcome};
use crate::hub::{
    command::{Actor, Command, Request},
    event::{Event, QueueLeftReason, SeatLeftReason},
    id::UserId,
    time::{Millis, UnixMs},
};

/// The least hold from a load on: everybody gets the time to come back.
const LOAD_HOLD: Millis = Millis::from_seconds(60);
/// For how long after a load nobody overtakes somebody held.
const LOAD_GRACE: Millis = Millis::from_seconds(10);

impl Draft {
    /// Issues the hub's own commands whose deadline has passed.
    pub fn due(&mut self, members: &dyn Members) {
        for (user, held_until) in self.room.placed() {
            if let Some(held_until) = held_until.filter(|until| *until <= self.now) {
                self.by_hub(Command::HoldExpired { user, held_until }, members);
            }
        }
        if self.room.could_promote() && self.now >= self.room.promotion_from() && self.now >= self.no_promotion_before {
            self.by_hub(Command::Promote, members);
        }
    }

    /// Compares who is placed with who is live: whoever is held and live returns, whoever is placed and not live is lost.
    pub fn level(&mut self, members: &dyn Members) {
        for (user, held) in self.room.placed() {
            match (held.is_some(), members.is_live(&user)) {
                (true, true) => self.by_hub(Command::Returned { user }, members),
                (false, false) => {
                    let hold_at_least = members.hold_at_least(&user);
                    self.by_hub(Command::Lost { user, hold_at_least }, members);
                }
                _ => {}
            }
        }
    }

    /// The first batch after a load: nobody is live yet. Every place is held for long enough that its person can come back; `handover` is
    /// the least hold of somebody who was not held, also where the rules say 0: the hub itself ended his line.
    pub fn after_load(&mut self, members: &dyn Members, handover: Millis) {
        self.no_promotion_before = self.now.plus(LOAD_GRACE);
        for (user, held) in self.room.placed() {
            let hold_at_least = if held.is_some() { LOAD_HOLD } else { handover };
            self.by_hub(Command::Lost { user, hold_at_least }, members);
        }
    }

    fn by_hub(&mut self, command: Command, members: &dyn Members) {
        let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command };
        let refused = self.decide(&request, members).is_err();
        debug_assert!(!refused, "the hub is never refused: {request:?}");
    }

    /// A line is gone: the place is held. Somebody held already gets a longer hold if the floor asks for it (after a load).
    pub(super) fn lost(&mut self, ctx: &Ctx, user: &UserId, hold_at_least: Millis) -> Outcome {
        if ctx.members.is_live(user) {
            return Ok(Done::Noop);
        }
        let seat = self.room.seats.of(user).map(|seat| seat.no);
        let rule = if seat.is_some() { self.room.rules.hold_seat } else { self.room.rules.hold_queue };
        let held = self.room.held_until(user);
        let hold = if held.is_some() { hold_at_least.min(rule) } else { hold_at_least.max(rule) };
        let held_until = self.now.plus(hold);
        if !self.room.is_placed(user) || held.is_some_and(|held| held >= held_until) {
            return Ok(Done::Noop);
        }
        if hold == Millis(0) {
            self.clear_place(user, QueueLeftReason::HoldExpired, SeatLeftReason::HoldExpired);
            return Ok(Done::Own(0));
        }
        let user = user.clone();
        self.own(match seat {
            Some(seat_no) => Event::SeatHeld { seat_no, user, held_until },
            None => Event::QueueHeld { user, held_until },
        })
    }

    pub(super) fn returned(&mut self, ctx: &Ctx, user: &UserId) -> Outcome {
        if self.room.held_until(user).is_none() || !ctx.members.is_live(user) {
            return Ok(Done::Noop);
        }
        let seat = self.room.seats.of(user).map(|seat| seat.no);
        let user = user.clone();
        self.own(match seat {
            Some(seat_no) => Event::SeatReturned { seat_no, user },
            None => Event::QueueReturned { user },
        })
    }

    pub(super) fn left(&mut self, user: &UserId) -> Outcome {
        self.clear_place(user, QueueLeftReason::Left, SeatLeftReason::Left);
        Ok(if self.events.is_empty() { Done::Noop } else { Done::Own(0) })
    }

    /// The end of a hold. Whoever is live by now has returned instead.
    pub(super) fn hold_expired(&mut self, ctx: &Ctx, user: &UserId, held_until: UnixMs) -> Outcome {
        if self.room.held_until(user) != Some(held_until) {
            return Ok(Done::Noop);
        }
        if ctx.members.is_live(user) {
            return self.returned(ctx, user);
        }
        self.clear_place(user, QueueLeftReason::HoldExpired, SeatLeftReason::HoldExpired);
        Ok(Done::Own(0))
    }
}
