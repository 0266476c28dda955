//! What rooms and presence hear of media, and what the actor hears of seats.
use super::{Actor, Key, Person, births_of};
use crate::{
    hub::{
        command::Command,
        id::{RoomId, UserId},
        seats::Media as OnSeat,
    },
    server::msg::{RoomMsg, SeatsOf, ToRooms},
};

impl Actor {
    pub(super) fn begins(&mut self, person: &Person, key: &Key) {
        let by = self.on_air.entry(person.clone()).or_default();
        by.insert(key.clone());
        if by.len() == 1 {
            self.unconfirmed.remove(person);
            self.stopped.remove(person);
            self.media.rooms.deps().presence.on_air(person.1.clone(), true);
            self.level(&person.0);
        }
    }

    pub(super) fn ends(&mut self, person: &Person, key: &Key) {
        let Some(by) = self.on_air.get_mut(person) else { return };
        by.remove(key);
        if by.is_empty() {
            self.on_air.remove(person);
            self.stopped.insert(person.clone(), self.now());
            if !self.on_air.keys().any(|(_, user)| *user == person.1) {
                self.media.rooms.deps().presence.on_air(person.1.clone(), false);
            }
            self.level(&person.0);
        }
    }

    /// Says to a room what it does not show yet.
    pub(super) fn level(&mut self, room: &RoomId) {
        let Some(seated) = self.seats.get(room) else { return };
        let now = self.now();
        for (user, _, shown) in seated {
            let person = (room.clone(), user.clone());
            let word = match (self.on_air.contains_key(&person), shown) {
                (true, OnSeat::Publishing) => continue,
                (true, _) => Command::StreamStarted { user: user.clone() },
                (false, OnSeat::Publishing) => match self.stopped.get(&person) {
                    Some(stopped_at) => Command::StreamStopped { user: user.clone(), stopped_at: *stopped_at },
                    None => {
                        self.unconfirmed.entry(person).or_insert(now);
                        continue;
                    }
                },
                (false, _) => continue,
            };
            self.media.rooms.post(room, RoomMsg::Hub(word));
        }
    }

    pub(super) fn seats_changed(&mut self, seats: SeatsOf) {
        let room = seats.room;
        let before = self.seats.remove(&room).unwrap_or_default();
        let stays = |user: &UserId, grant: u64| seats.seated.iter().any(|(now, by, _)| now == user && *by == grant);
        for (user, ..) in before.iter().filter(|(user, grant, _)| !stays(user, *grant)) {
            let person = (room.clone(), user.clone());
            self.stopped.remove(&person);
            self.unconfirmed.remove(&person);
            for key in self.on_air.get(&person).cloned().unwrap_or_default() {
                self.check_person(&key, &person);
            }
        }
        if !seats.seated.is_empty() {
            self.watch_room(&room);
            self.seats.insert(room.clone(), seats.seated);
            self.level(&room);
        }
    }

    /// Rooms with people on seats are polled, also if no callback of theirs ever came.
    pub(super) fn watch_room(&mut self, room: &RoomId) {
        let media = self.media.clone();
        for (index, source) in media.sources.iter().enumerate().filter(|(_, source)| source.by_room() && source.api.is_some()) {
            self.open(&(index, room.to_string()), births_of(source.kind));
        }
    }
}
