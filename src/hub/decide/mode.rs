//! The room's mode and switches, and what they do to turns and applications.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    asks::Apply,
    code::Reject,
    event::Event,
    id::UserId,
    mode::{Flag, Mode},
    reasons::{ApplyOutcome, TurnEndedReason},
    seats::SeatKind,
    time::UnixMs,
    turns::Causes,
};

impl Draft {
    pub(super) fn mode_set(&mut self, ctx: &Ctx, mode: Mode) -> Outcome {
        let from = self.room.mode;
        if mode == from {
            return Ok(Done::Noop);
        }
        let ready = self.room.mode_changed_at.map_or(UnixMs(0), |at| at.plus(self.room.rules.mode_min_interval));
        if self.now < ready {
            return Err(Reject::too_soon(ready, self.now));
        }
        let own = self.own(Event::ModeChanged { mode, from });
        if matches!(mode, Mode::Free | Mode::Queue) {
            let applies = self.room.asks.applies.clone();
            for apply in &applies {
                self.end_apply(apply, ApplyOutcome::ModeChanged);
            }
            if mode == Mode::Queue {
                self.queue_applicants(ctx, applies);
            }
        }
        match mode {
            Mode::Free | Mode::Apply => self.end_all_turns(TurnEndedReason::ModeChanged),
            Mode::Queue | Mode::Chair => self.settle_causes(),
        }
        for (user, seat_no) in self.sitting_guests() {
            self.start_turn(&user, seat_no);
        }
        own
    }

    pub(super) fn flag_set(&mut self, flag: Flag, on: bool) -> Outcome {
        let mut flags = self.room.flags;
        match flag {
            Flag::QueueOpen => flags.queue_open = on,
            Flag::FloorControlled => flags.floor_controlled = on,
            Flag::MuteAll => flags.mute_all = on,
        }
        if flags == self.room.flags {
            return Ok(Done::Noop);
        }
        let own = self.own(Event::FlagsChanged { flags });
        self.settle_causes();
        own
    }

    /// Appends whoever applied, is here, waits nowhere and is not refused.
    fn queue_applicants(&mut self, ctx: &Ctx, applies: Vec<Apply>) {
        for Apply { user, want_seat, .. } in applies {
            let here = ctx.members.is_live(&user) && !self.room.is_placed(&user);
            if here && self.check_access(&user).is_ok() {
                let event = self.tail_entry(&user, want_seat);
                self.emit(event);
            }
        }
    }

    /// Gives every turn the causes that flags and mode ask for; the hand's stays.
    fn settle_causes(&mut self) {
        let (floor, chair) = (self.room.flags.floor_controlled, self.room.mode == Mode::Chair);
        for turn in self.room.turns.list.clone() {
            self.set_causes(&turn, Causes { hand: turn.paused_by.hand, floor, chair });
        }
    }

    fn sitting_guests(&self) -> Vec<(UserId, u32)> {
        let guests = self.room.seats.list.iter().filter(|seat| seat.kind == SeatKind::Guest);
        guests.filter_map(|seat| Some((seat.occupant.as_ref()?.user.clone(), seat.no))).collect()
    }
}
