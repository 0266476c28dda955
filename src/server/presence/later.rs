//! What rooms are to hear at a later time of lines that have been replaced; sooner if their user leaves for good. Decides nothing.
use crate::hub::{
    id::{RoomId, SessionId, UserId},
    time::UnixMs,
};
use crate::server::msg::RoomMsg;
use std::collections::{BTreeMap, HashMap};

type When = (UnixMs, u64);

/// Messages to rooms in the order of their times.
#[derive(Default)]
pub(super) struct Later {
    all: BTreeMap<When, (RoomId, RoomMsg)>,
    count: u64,
    /// Which of them end a line of a user.
    ends: HashMap<UserId, Vec<When>>,
}

impl Later {
    /// Keeps a message until its time.
    pub fn push(&mut self, at: UnixMs, room: RoomId, message: RoomMsg) {
        self.count += 1;
        let when = (at, self.count);
        if let RoomMsg::Gone { user, .. } = &message {
            self.ends.entry(user.clone()).or_default().push(when);
        }
        self.all.insert(when, (room, message));
    }

    /// Returns when the next one is due.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.all.keys().next().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub fn due(&mut self, now: UnixMs) -> Option<(RoomId, RoomMsg)> {
        let entry = self.all.first_entry().filter(|entry| entry.key().0 <= now)?;
        let (when, (room, message)) = entry.remove_entry();
        if let RoomMsg::Gone { user, .. } = &message
            && let Some(ends) = self.ends.get_mut(user)
        {
            ends.retain(|at| *at != when);
            if ends.is_empty() {
                self.ends.remove(user);
            }
        }
        Some((room, message))
    }

    /// Takes the lines of a user that were to end later, with their rooms.
    pub fn take_ends(&mut self, user: &UserId) -> Vec<(RoomId, SessionId)> {
        let ends = self.ends.remove(user).unwrap_or_default();
        let taken = ends.into_iter().filter_map(|when| match self.all.remove(&when)? {
            (room, RoomMsg::Gone { session, .. }) => Some((room, session)),
            _ => None,
        });
        taken.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_come_in_time_or_all_at_once() {
        let id = |name: &str| UserId::parse(name).unwrap();
        let gone =
            |user: &str, session: &str| RoomMsg::Gone { user: id(user), session: SessionId::parse(session).unwrap(), conn: None };
        let mut later = Later::default();
        for (at, room, message) in [(30, "r2", gone("a", "s2")), (10, "r1", gone("a", "s1")), (20, "r1", gone("b", "s3"))] {
            later.push(UnixMs(at), RoomId::parse(room).unwrap(), message);
        }
        assert_eq!(later.next_deadline(), Some(UnixMs(10)));
        assert!(later.due(UnixMs(9)).is_none());
        assert_eq!(later.due(UnixMs(10)).unwrap().0.as_str(), "r1");
        let taken = later.take_ends(&id("a"));
        assert_eq!(taken.iter().map(|(room, session)| (room.as_str(), session.as_str())).collect::<Vec<_>>(), [("r2", "s2")]);
        assert_eq!(later.next_deadline(), Some(UnixMs(20)));
        assert!(later.due(UnixMs(20)).is_some());
        assert!(later.ends.is_empty() && later.all.is_empty());
    }
}
