//! The seat family: take, leave, assign, move, kick, lock, mute, extra.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    code::{Code, Reject},
    command::{SeatPolicy, SeatSet},
    event::Event,
    id::UserId,
    mode::Mode,
    reasons::{QueueLeftReason, SeatLeftReason, TurnEndedReason},
    roles,
    seats::{Seat, SeatKind, Via},
    time::{Millis, UnixMs},
};

impl Draft {
    pub(super) fn seat_take(&mut self, ctx: &Ctx, seat_no: Option<u32>) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?.clone();
        if self.room.mode == Mode::Free {
            self.check_access(&me)?;
        } else if ctx.level < roles::HOST {
            return Err(Reject::Plain(Code::WrongMode));
        } else {
            self.check_queue_ban(&me)?;
        }
        let seat_no = self.goal(seat_no, &me, SeatPolicy::Fail)?;
        self.check_unseated(&me)?;
        self.sit(&me, seat_no, Via::Take)
    }

    pub(super) fn seat_leave(&mut self, ctx: &Ctx) -> Outcome {
        let me = ctx.me().ok_or(Reject::Plain(Code::Forbidden))?.clone();
        let seat_no = self.seat_of(&me)?;
        self.unseat(seat_no, &me, SeatLeftReason::OnHisOwn, None);
        Ok(Done::Own(0))
    }

    pub(super) fn seat_assign(
        &mut self,
        ctx: &Ctx,
        target: &UserId,
        seat_no: Option<u32>,
        policy: SeatPolicy,
        requeue: bool,
    ) -> Outcome {
        if policy == SeatPolicy::Swap {
            return Err(Reject::Argument { path: "/policy".to_owned(), expected: "fail or replace" });
        }
        self.check_rank(ctx, target)?;
        self.check_occupant_rank(ctx, seat_no, policy)?;
        self.check_unseated(target)?;
        self.check_here(ctx, target)?;
        self.check_queue_ban(target)?;
        let seat_no = self.goal(seat_no, target, policy)?;
        let replaced = self.room.seats.seat(seat_no)?.occupant.as_ref().map(|occupant| occupant.user.clone());
        if let Some(other) = &replaced {
            self.unseat(seat_no, other, SeatLeftReason::Replaced, None);
        }
        let own = self.sit(target, seat_no, Via::Assign);
        if let Some(other) = replaced.filter(|_| requeue) {
            self.requeue(&other);
        }
        own
    }

    pub(super) fn seat_move(&mut self, ctx: &Ctx, target: Option<&UserId>, seat_no: u32, policy: SeatPolicy) -> Outcome {
        let target = target.or(ctx.me()).ok_or(Reject::Plain(Code::Forbidden))?.clone();
        if ctx.me() == Some(&target) && ctx.level < roles::HOST && self.room.mode != Mode::Free {
            return Err(Reject::Plain(Code::WrongMode));
        }
        self.check_rank(ctx, &target)?;
        self.check_occupant_rank(ctx, Some(seat_no), policy)?;
        let from = self.seat_of(&target)?;
        if from == seat_no {
            return Ok(Done::Noop);
        }
        self.goal(Some(seat_no), &target, policy)?;
        let other = self.room.seats.seat(seat_no)?.occupant.as_ref().map(|occupant| occupant.user.clone());
        match (&other, policy) {
            (Some(other), SeatPolicy::Swap) => {
                let back = self.room.seats.seat(from)?;
                if back.locked || back.closing {
                    return Err(Reject::Plain(Code::SeatLocked));
                }
                self.check_host_seat(from, other)?;
            }
            (Some(other), _) => self.unseat(seat_no, other, SeatLeftReason::Replaced, None),
            (None, _) => {}
        }
        let own = self.own(Event::SeatMoved { user: target.clone(), from, to: seat_no });
        let swapped = other.filter(|_| policy == SeatPolicy::Swap);
        if let Some(other) = &swapped {
            self.emit(Event::SeatMoved { user: other.clone(), from: seat_no, to: from });
        }
        self.fit_turn(&target, seat_no);
        if let Some(other) = &swapped {
            self.fit_turn(other, from);
        }
        own
    }

    pub(super) fn seat_kick(&mut self, ctx: &Ctx, target: &UserId, requeue: bool, cooldown_seconds: u64) -> Outcome {
        self.check_rank(ctx, target)?;
        let seat_no = self.seat_of(target)?;
        let explicit = Some(self.now.plus(Millis::from_seconds(cooldown_seconds))).filter(|_| cooldown_seconds > 0);
        let cooldown_until = self.room.cooldown_from(target, self.now, explicit);
        self.unseat(seat_no, target, SeatLeftReason::Kicked, cooldown_until);
        if requeue {
            // The next one comes to the seat first, so that the requeued person stands in front of those who still wait.
            self.promote_after(ctx.members);
            self.had_free_seat = true;
            self.requeue(target);
        }
        Ok(Done::Own(0))
    }

    pub(super) fn seat_lock(&mut self, ctx: &Ctx, seats: &SeatSet, on: bool, evict: bool) -> Outcome {
        if on && evict {
            self.check_occupants_rank(ctx, seats)?;
        }
        let seats: Vec<Seat> = self.named(seats)?;
        let evicted = |seat: &Seat| seat.occupant.as_ref().filter(|_| on && evict).map(|occupant| occupant.user.clone());
        for seat in &seats {
            if seat.locked != on {
                let locked = Some(on);
                self.emit(Event::SeatUpdated {
                    seat_no: seat.no,
                    locked,
                    admin_muted: None,
                    self_muted: None,
                    extra: None,
                    media: None,
                });
            }
            if on {
                self.cancel_invite_to(seat.no);
            }
            if let Some(user) = evicted(seat) {
                self.unseat(seat.no, &user, SeatLeftReason::Evicted, None);
            }
        }
        Ok(self.first())
    }

    pub(super) fn seat_mute(&mut self, ctx: &Ctx, seats: &SeatSet, on: bool) -> Outcome {
        let mine = |user: &UserId| ctx.me() == Some(user);
        let own_seat = ctx.me().and_then(|me| self.room.seats.of(me)).map(|seat| seat.no);
        let only_mine = matches!(seats, SeatSet::Numbers(numbers) if numbers.iter().all(|no| Some(*no) == own_seat));
        if ctx.level < roles::HOST && !only_mine && !self.room.is_granted(ctx.actor, "seat_mute") {
            return Err(Reject::Plain(Code::Forbidden));
        }
        self.check_occupants_rank(ctx, seats)?;
        let seats: Vec<Seat> = self.named(seats)?;
        let occupied = seats.iter().filter_map(|seat| Some((seat, &seat.occupant.as_ref()?.user)));
        for (seat, user) in occupied {
            let self_muted = seat.occupant.as_ref().is_some_and(|occupant| occupant.self_muted);
            let event = |admin_muted, self_muted| Event::SeatUpdated {
                seat_no: seat.no,
                locked: None,
                admin_muted,
                self_muted,
                extra: None,
                media: None,
            };
            if mine(user) && self_muted != on {
                self.emit(event(Some(seat.admin_muted), Some(on)));
            } else if !mine(user) && seat.admin_muted != on {
                self.emit(event(Some(on), Some(self_muted)));
            }
        }
        Ok(self.first())
    }

    pub(super) fn seat_extra(&mut self, seat_no: u32, extra: &str, if_extra_rev: Option<u64>) -> Outcome {
        let seat = self.room.seats.seat(seat_no)?;
        if if_extra_rev.is_some_and(|rev| rev != seat.extra_rev) {
            return Err(Reject::StaleRev { rev: seat.extra_rev });
        }
        if seat.extra == extra {
            return Ok(Done::Noop);
        }
        let extra = Some((extra.to_owned(), seat.extra_rev + 1));
        self.own(Event::SeatUpdated { seat_no, locked: None, admin_muted: None, self_muted: None, extra, media: None })
    }

    /// Sits somebody down who is not on a seat; he leaves the queue first, and his turn begins if the mode gives one.
    pub(super) fn sit(&mut self, user: &UserId, seat_no: u32, via: Via) -> Outcome {
        if self.room.queue.entry(user).is_some() {
            self.emit(Event::QueueLeft { user: user.clone(), reason: QueueLeftReason::Seated, note: None });
        }
        let own = self.own(Event::SeatTaken { seat_no, user: user.clone(), via });
        self.start_turn(user, seat_no);
        own
    }

    /// Makes somebody's seat empty; his turn, if he has one, ends for the same reason.
    pub(super) fn unseat(&mut self, seat_no: u32, user: &UserId, reason: SeatLeftReason, cooldown_until: Option<UnixMs>) {
        self.emit(Event::SeatLeft { seat_no, user: user.clone(), reason, cooldown_until });
        self.end_turn_of(user, reason.into());
    }

    /// After a move: no turns on a host seat, and a guest seat gives one where the mode says so.
    fn fit_turn(&mut self, user: &UserId, seat_no: u32) {
        if self.room.seats.seat(seat_no).is_ok_and(|seat| seat.kind == SeatKind::Host) {
            self.end_turn_of(user, TurnEndedReason::Moved);
        }
        self.start_turn(user, seat_no);
    }

    /// Finds the seat that `user` may come to. No number = the lowest free guest seat.
    pub(super) fn goal(&self, seat_no: Option<u32>, user: &UserId, policy: SeatPolicy) -> Result<u32, Reject> {
        let Some(seat_no) = seat_no else {
            return self.room.seats.free_guest(None).ok_or(Reject::Plain(Code::NoSeat));
        };
        let seat = self.room.seats.seat(seat_no)?;
        let code = if seat.locked || seat.closing {
            Code::SeatLocked
        } else if seat.occupant.is_some() && policy == SeatPolicy::Fail {
            Code::SeatTaken
        } else if seat.reserved_for.is_some() {
            Code::SeatReserved
        } else {
            return self.check_host_seat(seat_no, user).map(|()| seat_no);
        };
        Err(Reject::Plain(code))
    }

    /// One person out of rank refuses the whole list, before seats that do not exist do.
    fn check_occupants_rank(&self, ctx: &Ctx, seats: &SeatSet) -> Result<(), Reject> {
        let named = |seat: &&Seat| match seats {
            SeatSet::All => seat.kind == SeatKind::Guest,
            SeatSet::Numbers(numbers) => numbers.contains(&seat.no),
        };
        let mut occupants = self.room.seats.list.iter().filter(named).filter_map(|seat| seat.occupant.as_ref());
        occupants.try_for_each(|occupant| self.check_rank(ctx, &occupant.user))
    }

    fn named(&self, seats: &SeatSet) -> Result<Vec<Seat>, Reject> {
        match seats {
            SeatSet::All => Ok(self.room.seats.list.iter().filter(|seat| seat.kind == SeatKind::Guest).cloned().collect()),
            SeatSet::Numbers(numbers) => {
                let mut numbers = numbers.clone();
                numbers.sort_unstable();
                numbers.dedup();
                numbers.iter().map(|no| self.room.seats.seat(*no).cloned()).collect()
            }
        }
    }

    fn seat_of(&self, user: &UserId) -> Result<u32, Reject> {
        self.room.seats.of(user).map(|seat| seat.no).ok_or(Reject::Plain(Code::NotSeated))
    }

    /// The host seat is for level host and above.
    pub(super) fn check_host_seat(&self, seat_no: u32, user: &UserId) -> Result<(), Reject> {
        let host = self.room.seats.seat(seat_no)?.kind == SeatKind::Host;
        if host && self.room.level_of(user) < roles::HOST { Err(Reject::Plain(Code::SeatReserved)) } else { Ok(()) }
    }

    pub(super) fn check_unseated(&self, user: &UserId) -> Result<(), Reject> {
        if self.room.seats.of(user).is_some() { Err(Reject::Plain(Code::AlreadySeated)) } else { Ok(()) }
    }

    /// Whoever would have to give way is a target too.
    fn check_occupant_rank(&self, ctx: &Ctx, seat_no: Option<u32>, policy: SeatPolicy) -> Result<(), Reject> {
        let seat = seat_no.filter(|_| policy != SeatPolicy::Fail).and_then(|no| self.room.seats.seat(no).ok());
        seat.and_then(|seat| seat.occupant.as_ref()).map_or(Ok(()), |occupant| self.check_rank(ctx, &occupant.user))
    }
}
