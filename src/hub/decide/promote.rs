//! Promotion from the queue to free seats, and who is newly on deck: the cascades behind any command.
use super::{Ctx, Done, Draft, Members};
use crate::hub::{
    event::{Event, QueueLeftReason},
    id::UserId,
    room::{Mode, Via},
};

impl Draft {
    /// Promotes as far as the mode wants it: in mode `queue` always, in mode `free` when every guest seat was full before.
    pub(super) fn promote_after(&mut self, had_free_seat: bool, members: &dyn Members) {
        let wanted = match self.room.mode {
            Mode::Queue => self.now >= self.room.promotion_from(),
            Mode::Free => !had_free_seat,
            Mode::Apply | Mode::Chair => false,
        };
        if wanted && !self.in_load_grace() {
            self.promote_all(members);
        }
    }

    /// The deadline of a grace has passed.
    pub(super) fn promote_now(&mut self, ctx: &Ctx) -> Done {
        let before = self.events.len();
        self.promote_after(true, ctx.members);
        if self.events.len() == before { Done::Noop } else { Done::Own(before) }
    }

    /// After a load people are still coming back: nobody overtakes a held person until the grace is over.
    fn in_load_grace(&self) -> bool {
        self.now < self.no_promotion_before && self.room.queue.entries.iter().any(|entry| entry.held_until.is_some())
    }

    fn promote_all(&mut self, members: &dyn Members) {
        while let Some((user, want_seat)) = self.next_in_line(members) {
            let Some(seat_no) = self.room.seats.free_guest(want_seat) else { return };
            self.emit(Event::QueueLeft { user: user.clone(), reason: QueueLeftReason::Promoted, note: None });
            self.emit(Event::SeatTaken { seat_no, user, via: Via::Promote });
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
