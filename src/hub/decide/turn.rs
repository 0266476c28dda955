//! The turn family: next, extend, pause, resume, yield, and the cascades that start and end turns.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    code::{Code, Reject},
    event::Event,
    id::UserId,
    mode::Mode,
    reasons::{SeatLeftReason, TurnEndedReason},
    seats::SeatKind,
    time::Millis,
    turns::{Causes, Clock, Turn},
};

impl Draft {
    pub(super) fn turn_next(&mut self, ctx: &Ctx, expect: Option<&str>, seat_no: Option<u32>) -> Outcome {
        if let Some(turn) = self.turn_meant(expect, seat_no)? {
            self.check_rank(ctx, &turn.user)?;
            self.finish_turn(&turn, TurnEndedReason::Next);
        }
        if matches!(self.room.mode, Mode::Queue | Mode::Free) {
            self.promote_all(ctx.members);
        }
        Ok(self.first())
    }

    pub(super) fn turn_extend(&mut self, ctx: &Ctx, expect: &str, seconds: i64) -> Outcome {
        let turn = self.expected_turn(expect)?;
        self.check_rank(ctx, &turn.user)?;
        let Some(left) = turn.clock.left(self.now).filter(|_| seconds != 0) else { return Ok(Done::Noop) };
        let change = seconds.saturating_mul(1000);
        let extended = turn.extended.saturating_add(change);
        let limit = self.room.rules.turn_max_total;
        let total = Turn { extended, ..turn.clone() }.total();
        if seconds > 0 && limit > Millis(0) && total > limit {
            return Err(Reject::Plain(Code::TurnLimit));
        }
        let left = Millis(left.0.saturating_add_signed(change));
        if left == Millis(0) {
            self.finish_turn(&turn, TurnEndedReason::Timeout);
            return Ok(Done::Own(0));
        }
        let clock = Clock::Stopped { remaining: left }.under(turn.paused_by, self.now);
        self.own(Event::TurnUpdated { turn_id: turn.turn_id, clock, paused_by: turn.paused_by, extended })
    }

    /// Stops a clock by hand (`on`), or takes the hand's pause away; other causes stay.
    pub(super) fn turn_pause(&mut self, ctx: &Ctx, expect: &str, on: bool) -> Outcome {
        let turn = self.expected_turn(expect)?;
        self.check_rank(ctx, &turn.user)?;
        self.set_causes(&turn, Causes { hand: on, ..turn.paused_by });
        Ok(self.first())
    }

    pub(super) fn turn_yield(&mut self, ctx: &Ctx, expect: Option<&str>) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?;
        let turn = self.room.turns.of(me).cloned().ok_or(Reject::TurnChanged { turn_id: None })?;
        if expect.is_some_and(|expect| expect != turn.turn_id) {
            return Err(Reject::TurnChanged { turn_id: Some(turn.turn_id) });
        }
        self.finish_turn(&turn, TurnEndedReason::Yield);
        Ok(Done::Own(0))
    }

    /// The time of a turn is over, unless somebody gave it more meanwhile.
    pub(super) fn turn_over(&mut self, turn_id: &str) -> Outcome {
        let turn = self.room.turns.by_id(turn_id).filter(|turn| turn.ends_at().is_some_and(|at| at <= self.now)).cloned();
        if let Some(turn) = turn {
            self.finish_turn(&turn, TurnEndedReason::Timeout);
        }
        Ok(self.first())
    }

    /// Begins a turn where the mode gives one: on a guest seat in mode `queue`, to somebody who has none.
    pub(super) fn start_turn(&mut self, user: &UserId, seat_no: u32) {
        let guest = self.room.seats.seat(seat_no).is_ok_and(|seat| seat.kind == SeatKind::Guest);
        if self.room.mode != Mode::Queue || !guest || self.room.turns.of(user).is_some() {
            return;
        }
        let paused_by = Causes { floor: self.room.flags.floor_controlled, ..Causes::default() };
        let length = self.room.rules.turn_length(self.room.role_of(user), self.now);
        let clock = Clock::start(length.unwrap_or_default(), paused_by, self.now);
        let turn_id = self.new_id();
        self.emit(Event::TurnStarted { turn_id, user: user.clone(), seat_no, clock, paused_by });
    }

    /// Ends the turn of `user`, if he has one; he stays where he is.
    pub(super) fn end_turn_of(&mut self, user: &UserId, reason: TurnEndedReason) {
        if let Some(turn) = self.room.turns.of(user).cloned() {
            self.end_turn(&turn, reason);
        }
    }

    pub(super) fn end_all_turns(&mut self, reason: TurnEndedReason) {
        for turn in self.room.turns.list.clone() {
            self.end_turn(&turn, reason);
        }
    }

    /// Gives a turn other causes to stand, or none; nothing of its time is lost.
    pub(super) fn set_causes(&mut self, turn: &Turn, paused_by: Causes) {
        if paused_by != turn.paused_by {
            let clock = turn.clock.under(paused_by, self.now);
            let (turn_id, extended) = (turn.turn_id.clone(), turn.extended);
            self.emit(Event::TurnUpdated { turn_id, clock, paused_by, extended });
        }
    }

    fn end_turn(&mut self, turn: &Turn, reason: TurnEndedReason) {
        let Turn { turn_id, user, seat_no, .. } = turn.clone();
        self.emit(Event::TurnEnded { turn_id, user, seat_no, reason });
    }

    /// Ends a turn and frees its seat.
    fn finish_turn(&mut self, turn: &Turn, reason: TurnEndedReason) {
        self.end_turn(turn, reason);
        self.unseat(turn.seat_no, &turn.user, SeatLeftReason::TurnEnded, None);
    }

    fn expected_turn(&self, expect: &str) -> Result<Turn, Reject> {
        self.room.turns.by_id(expect).cloned().ok_or_else(|| self.turn_changed())
    }

    /// Names the turn that began last: after a `turn_next` by somebody else, that is the one that took over.
    fn turn_changed(&self) -> Reject {
        Reject::TurnChanged { turn_id: self.room.turns.list.last().map(|turn| turn.turn_id.clone()) }
    }

    /// Finds the turn that `turn_next` is about. `None` = none runs.
    fn turn_meant(&self, expect: Option<&str>, seat_no: Option<u32>) -> Result<Option<Turn>, Reject> {
        let turns = &self.room.turns;
        if let Some(seat_no) = seat_no {
            self.room.seats.seat(seat_no)?;
            let turn = turns.on_seat(seat_no);
            let turn_id = turn.map(|turn| turn.turn_id.clone());
            return match expect {
                Some(expect) if turn_id.as_deref() != Some(expect) => Err(Reject::TurnChanged { turn_id }),
                _ => Ok(turn.cloned()),
            };
        }
        match (expect, turns.list.as_slice()) {
            (Some(expect), _) => self.expected_turn(expect).map(Some),
            (None, []) => Ok(None),
            (None, [turn]) => Ok(Some(turn.clone())),
            (None, _) => {
                let expected = "the id of the turn to end: several run";
                Err(Reject::Argument { path: "/expect_turn_id".to_owned(), expected })
            }
        }
    }
}
