//! Promotion from the queue to free seats, and who is newly on deck: the cascades behind any command.
use super::{Ctx, Done, Draft, Members};
use crate::hub::{event::Event, id::UserId, mode::Mode, reasons::QueueLeftReason, seats::Via};

impl Draft {
    /// Promotes as far as the mode wants it: in mode `queue` always, in mode `free` when every guest seat was full before.
    pub(super) fn promote_after(&mut self, members: &dyn Members) {
        let wanted = match self.room.mode {
            Mode::Queue => self.now >= self.room.promotion_from,
            Mode::Free => !self.had_free_seat,
            Mode::Apply | Mode::Chair => false,
        };
        if wanted {
            self.promote_while(members, |draft, user| !draft.must_wait(user));
        }
    }

    /// The deadline of a grace has passed.
    pub(super) fn promote_now(&mut self, ctx: &Ctx) -> Done {
        let before = self.events.len();
        self.had_free_seat = true;
        self.promote_after(ctx.members);
        if self.events.len() == before { Done::Noop } else { Done::Own(before) }
    }

    /// After a load people are still coming back: until the grace is over, nobody is promoted past somebody held in front of him.
    fn must_wait(&self, user: &UserId) -> bool {
        let mut ahead = self.room.queue.entries.iter().take_while(|entry| entry.user != *user);
        self.now < self.no_promotion_before && ahead.any(|entry| entry.held_until.is_some())
    }

    /// Fills every free guest seat, grace or not.
    pub(super) fn promote_all(&mut self, members: &dyn Members) {
        self.promote_while(members, |_, _| true);
    }

    fn promote_while(&mut self, members: &dyn Members, may: impl Fn(&Self, &UserId) -> bool) {
        while let Some((user, want_seat)) = self.next_in_line(members).filter(|(user, _)| may(self, user)) {
            let Some(seat_no) = self.room.seats.free_guest(want_seat) else { return };
            self.emit(Event::QueueLeft { user: user.clone(), reason: QueueLeftReason::Promoted, note: None });
            self.emit(Event::SeatTaken { seat_no, user: user.clone(), via: Via::Promote });
            self.start_turn(&user, seat_no);
        }
    }

    /// The first who waits and is here: held people are passed over and keep their place.
    fn next_in_line(&self, members: &dyn Members) -> Option<(UserId, Option<u32>)> {
        let fits = |user: &UserId| members.is_live(user) && self.room.check_refused(user, self.now).is_ok();
        let first = self.room.queue.entries.iter().find(|entry| entry.held_until.is_none() && fits(&entry.user))?;
        Some((first.user.clone(), first.want_seat))
    }

    /// Names everybody who is on deck now and was not before.
    pub(super) fn announce_on_deck(&mut self, before: &[UserId]) {
        for user in self.on_deck() {
            if !before.contains(&user) {
                self.emit(Event::QueueOnDeck { user });
            }
        }
    }
}
