//! What a room tells of its people: to presence who sits and who is in, to members who came, went or changed.
use super::Task;
use crate::{
    hub::{id::UserId, mode::Status, time::Millis},
    server::msg::{Class, Frame, SeatsOf, Standing, room_key},
    wire::{
        codec::text_frame,
        membership::{self, PresenceChange},
    },
};
use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed};

/// Whoever is above it is shown in a large room, too.
const MEMBER: u32 = 100;
/// The least time between two presence frames of a large room.
const DIGEST: Millis = Millis(500);

impl Task {
    /// Tells presence who sits, where that has changed.
    pub(super) fn tell_seats(&mut self) {
        let occupants = self.room.seats.list.iter().filter_map(|seat| seat.occupant.as_ref());
        let seated: BTreeSet<UserId> = occupants.map(|occupant| occupant.user.clone()).collect();
        let presence = &self.home.rooms.deps().presence;
        for user in self.seated.symmetric_difference(&seated) {
            presence.seated(user.clone(), &self.home.id, seated.contains(user));
        }
        self.seated = seated;
        if let Some(seats) = &self.home.rooms.deps().settings.load().seats {
            let occupants = self.room.seats.list.iter().filter_map(|seat| seat.occupant.as_ref());
            let seated: Vec<_> = occupants.map(|o| (o.user.clone(), o.grant, o.media)).collect();
            if seated != self.told_seats {
                self.told_seats.clone_from(&seated);
                let _ = seats.send(SeatsOf { room: self.home.id.clone(), seated });
            }
        }
    }

    /// Returns how somebody sits.
    pub(super) fn standing(&self, user: &UserId) -> Option<Standing> {
        let seat = self.room.seats.of(user)?;
        let grant = seat.occupant.as_ref()?.grant;
        let open = self.room.status == Status::Open;
        open.then_some(Standing { seat_no: seat.no, grant, admin_muted: seat.admin_muted })
    }

    /// After a batch: presence hears who came and went, and a presence frame is due if there is something to tell.
    pub(super) fn settle_members(&mut self) {
        self.members.settle(&self.home.id);
        self.home.online.store(self.members.count(), Relaxed);
        let presence = &self.home.rooms.deps().presence;
        for (user, on) in self.members.take_moves() {
            if on { presence.enter(&self.home.id, user) } else { presence.leave(&self.home.id, user) }
        }
        if self.members.has_untold() && self.tell_at.is_none() {
            let settings = self.home.rooms.deps().settings.load();
            let soon = self.now().plus(settings.coalesce);
            let large = self.members.count() > settings.presence_members_max;
            self.tell_at = Some(if large { soon.max(self.told_at.plus(DIGEST)) } else { soon });
        }
    }

    /// Sends one presence frame with everything gathered.
    pub(super) async fn tell(&mut self) {
        self.tell_at = None;
        let all = self.members.take_changes();
        let count = self.members.count();
        let large = count > self.home.rooms.deps().settings.load().presence_members_max;
        let matters = |user: &UserId| !large || self.room.is_placed(user) || self.room.level_of(user) > MEMBER;
        let changes: Vec<_> = all
            .iter()
            .filter(|change| matters(&change.user))
            .map(|change| PresenceChange { user_id: change.user.as_str(), status: change.status.name(), joined: change.joined })
            .collect();
        if all.is_empty() {
            return;
        }
        self.told_at = self.now();
        let frame = Frame(text_frame(&membership::room_presence(&self.home.id, count, &changes)));
        let class = if changes.is_empty() { Class::Latest(room_key(&self.home.id)) } else { Class::Must };
        if class == Class::Must {
            for mail in self.members.listeners() {
                mail.push(frame.clone(), class);
            }
        }
        self.to_members(frame, class).await;
    }
}
