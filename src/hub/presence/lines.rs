//! The lines of everybody's sessions: live, polling or lost, and when each is over. What others see of that is not decided here.
use super::{OwnSession, People};
use crate::hub::{
    id::{SessionId, UserId},
    small_map::SmallMap,
    time::{Millis, UnixMs},
};

/// How many lost sessions a user keeps beside a live one.
const MAX_LOST: usize = 16;

/// How a session is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Live,
    /// A client without a connection: live until it has been silent for too long.
    Polling {
        gone_at: UnixMs,
    },
    Lost {
        gone_at: UnixMs,
    },
}

impl Line {
    pub(super) const fn gone_at(self) -> Option<UnixMs> {
        match self {
            Self::Live => None,
            Self::Polling { gone_at } | Self::Lost { gone_at } => Some(gone_at),
        }
    }

    pub(super) const fn is_lost(self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

impl People {
    /// Returns the sessions that a user has here.
    #[must_use]
    pub fn own_sessions(&self, user: &UserId) -> Vec<OwnSession> {
        let lines = self.people.get(user).map(|person| &person.lines);
        let own = |(session, line): (&SessionId, &Line)| OwnSession {
            session: session.clone(),
            ends: line.gone_at().filter(|_| line.is_lost()),
            polls: matches!(line, Line::Polling { .. }),
        };
        lines.into_iter().flat_map(SmallMap::iter).map(own).collect()
    }

    /// Returns the user's sessions that go on without a connection.
    #[must_use]
    pub fn polling(&self, user: &UserId) -> Vec<SessionId> {
        self.lines(user, |line| matches!(line, Line::Polling { .. }))
    }

    /// Returns the sessions of a user that are not lost.
    #[must_use]
    pub fn live(&self, user: &UserId) -> Vec<SessionId> {
        self.lines(user, |line| !line.is_lost())
    }

    /// Returns all sessions of a user, lost ones included.
    #[must_use]
    pub fn sessions(&self, user: &UserId) -> Vec<SessionId> {
        self.people.get(user).map(|person| person.lines.iter().map(|(session, _)| session.clone()).collect()).unwrap_or_default()
    }

    /// Returns whose session it is.
    #[must_use]
    pub fn user_of(&self, session: &SessionId) -> Option<&UserId> {
        self.owner_of.get(session)
    }

    /// Tells whether a session is there and not lost.
    #[must_use]
    pub fn is_live(&self, session: &SessionId) -> bool {
        let user = self.owner_of.get(session).and_then(|user| self.people.get(user));
        user.is_some_and(|person| person.lines.get(session).is_some_and(|line| !line.is_lost()))
    }

    /// Returns when [`Self::expire`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Moves every deadline by a gap during which the process stood still: nobody could be heard then.
    pub fn slept(&mut self, gap: Millis) {
        for (at, session) in std::mem::take(&mut self.deadlines) {
            let gone_at = at.plus(gap);
            let polling = self.owner_of.get(&session).is_some_and(|user| self.polling(user).contains(&session));
            self.set_line(&session, if polling { Line::Polling { gone_at } } else { Line::Lost { gone_at } });
        }
    }

    fn lines(&self, user: &UserId, wanted: impl Fn(Line) -> bool) -> Vec<SessionId> {
        let lines = self.people.get(user).map(|person| &person.lines);
        lines
            .into_iter()
            .flat_map(SmallMap::iter)
            .filter(|(_, line)| wanted(**line))
            .map(|(session, _)| session.clone())
            .collect()
    }

    /// The lost sessions that a fresh one ends: all of somebody who was away, else the oldest beyond the limit.
    pub(super) fn surplus(&self, user: &UserId) -> Vec<SessionId> {
        let Some(person) = self.people.get(user) else { return Vec::new() };
        let lost = person.lines.iter().filter_map(|(session, line)| match line {
            Line::Lost { gone_at } => Some((*gone_at, session.clone())),
            Line::Live | Line::Polling { .. } => None,
        });
        let mut lost: Vec<_> = lost.collect();
        lost.sort();
        let keep = if lost.len() == person.lines.len() { 0 } else { MAX_LOST };
        lost.truncate(lost.len().saturating_sub(keep));
        lost.into_iter().map(|(_, session)| session).collect()
    }

    pub(super) fn set_line(&mut self, session: &SessionId, line: Line) {
        let user = self.owner_of.get(session);
        let Some(slot) = user.and_then(|user| self.people.get_mut(user)).and_then(|person| person.lines.get_mut(session)) else {
            return;
        };
        if let Some(gone_at) = std::mem::replace(slot, line).gone_at() {
            self.deadlines.remove(&(gone_at, session.clone()));
        }
        if let Some(gone_at) = line.gone_at() {
            self.deadlines.insert((gone_at, session.clone()));
        }
    }
}
