//! The rooms of a session, as the session and its rooms know them together.
use super::Mailbox;
use crate::hub::id::RoomId;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// The rooms of a session, shared between the session, which asks to enter, and the rooms, which may refuse or put it out;
/// and, of a session without a socket, its mail.
#[derive(Clone, Debug, Default)]
pub struct RoomSet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rooms: Mutex<BTreeSet<RoomId>>,
    mail: OnceLock<Mailbox>,
}

impl RoomSet {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<RoomId>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the session's mail. Cost: an allocation, the first time.
    #[must_use]
    pub fn mail(&self) -> &Mailbox {
        self.0.mail.get_or_init(Mailbox::default)
    }

    /// Returns the mail of a session whose client takes everything that a socket would get.
    #[must_use]
    pub fn listener(&self) -> Option<&Mailbox> {
        self.0.mail.get().filter(|mail| mail.listens())
    }

    /// Returns the session's mail, if there ever was any.
    #[must_use]
    pub fn some_mail(&self) -> Option<&Mailbox> {
        self.0.mail.get()
    }

    /// Makes a set of these rooms.
    #[must_use]
    pub fn of(rooms: Vec<RoomId>) -> Self {
        Self(Arc::new(Shared { rooms: Mutex::new(rooms.into_iter().collect()), mail: OnceLock::new() }))
    }

    /// Adds a room unless there are `max` others already; 0 = no limit. Returns whether it is in.
    pub fn add(&self, room: &RoomId, max: usize) -> bool {
        let mut rooms = self.lock();
        rooms.contains(room) || ((max == 0 || rooms.len() < max) && rooms.insert(room.clone()))
    }

    /// Takes a room out.
    pub fn remove(&self, room: &RoomId) {
        self.lock().remove(room);
    }

    /// Tells whether a room is in.
    #[must_use]
    pub fn contains(&self, room: &RoomId) -> bool {
        self.lock().contains(room)
    }

    /// Returns all rooms, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<RoomId> {
        self.lock().iter().cloned().collect()
    }
}
