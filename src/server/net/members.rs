//! Which of a shard's connections are members of which room. Who is in a room, the room itself decides.
use crate::hub::id::RoomId;
use crate::server::msg::ConnId;
use std::{collections::HashMap, rc::Rc};

/// The members of each room on this shard. A list is copied when it changes while a fan-out holds it.
#[derive(Default)]
pub(in crate::server) struct RoomMembers(HashMap<RoomId, Rc<Vec<ConnId>>>);

impl RoomMembers {
    /// Adds a member.
    pub fn join(&mut self, room: &RoomId, id: ConnId) {
        let members = Rc::make_mut(self.0.entry(room.clone()).or_default());
        if let Err(at) = members.binary_search(&id) {
            members.insert(at, id);
        }
    }

    /// Takes a member out.
    pub fn leave(&mut self, room: &RoomId, id: ConnId) {
        let Some(members) = self.0.get_mut(room) else { return };
        if let Ok(at) = members.binary_search(&id) {
            Rc::make_mut(members).remove(at);
        }
        if members.is_empty() {
            self.0.remove(room);
        }
    }

    /// Tells whether a connection is a member.
    pub fn has(&self, room: &RoomId, id: ConnId) -> bool {
        self.0.get(room).is_some_and(|members| members.binary_search(&id).is_ok())
    }

    /// Returns the members, in the order of their connections.
    pub fn members(&self, room: &RoomId) -> Rc<Vec<ConnId>> {
        self.0.get(room).cloned().unwrap_or_default()
    }
}
