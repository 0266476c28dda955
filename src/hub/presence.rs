//! Who is here: a user over his sessions. A lost line is not offline; only what others see differently is a transition.
use super::{
    id::{RoomId, SessionId, UserId, UserType},
    small_map::SmallMap,
    time::{Millis, UnixMs},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How many lost sessions a user keeps beside a live one.
const MAX_LOST: usize = 16;
/// Of how many people who went offline the hub still knows when it last saw them.
const MAX_DEPARTED: usize = 65_536;

/// A status as shown to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the wire names")]
pub enum Status {
    Online,
    Busy,
    Away,
    Offline,
}

/// What others see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct View {
    pub user: UserId,
    pub user_type: UserType,
    pub status: Status,
    /// The last sign of life that was reported; `None` = never seen.
    pub last_seen: Option<UnixMs>,
}

/// What other nodes have of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Whether he has a session there, lost or not.
    pub here: bool,
    /// Whether he is on a seat there.
    pub seated: bool,
    /// Whether he has any session at all, here included: then his choice counts.
    pub known: bool,
    /// Kind of user, if he is known.
    pub user_type: Option<UserType>,
    /// His explicit status.
    pub choice: Option<Status>,
    /// The last sign of life that was told.
    pub last_seen: Option<UnixMs>,
}

/// A session as its own node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// Which.
    pub session: SessionId,
    /// When it ends; `None`: it is live.
    pub ends: Option<UnixMs>,
    /// It goes on without a connection.
    pub polls: bool,
}

/// How a session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Opened {
    pub session: SessionId,
    pub resumed: bool,
    /// Lost sessions that are over now, because their user came back without their tokens.
    pub replaced: Vec<SessionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
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
    const fn gone_at(self) -> Option<UnixMs> {
        match self {
            Self::Live => None,
            Self::Polling { gone_at } | Self::Lost { gone_at } => Some(gone_at),
        }
    }

    const fn is_lost(self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

#[derive(Debug)]
struct Person {
    user_type: UserType,
    choice: Option<Status>,
    /// There is one, mostly.
    lines: SmallMap<SessionId, Line>,
    last_seen: UnixMs,
}

/// Everybody whom this node knows.
#[derive(Debug)]
pub struct People {
    timeout: Millis,
    busy_on_seat: bool,
    people: HashMap<UserId, Person>,
    owner_of: HashMap<SessionId, UserId>,
    deadlines: BTreeSet<(UnixMs, SessionId)>,
    seated: HashMap<UserId, BTreeSet<RoomId>>,
    on_air: BTreeSet<UserId>,
    departed: HashMap<UserId, (UserType, UnixMs)>,
    departed_order: VecDeque<UserId>,
    /// What other nodes have of people, of whom that matters here.
    elsewhere: HashMap<UserId, Elsewhere>,
    /// Who may have changed since the last look, with what was shown then.
    touched: BTreeMap<UserId, Status>,
}

impl People {
    /// Starts with nobody. `timeout`: how long a lost session is shown as before, from its last sign of life.
    #[must_use]
    pub fn new(timeout: Millis, busy_on_seat: bool) -> Self {
        Self {
            timeout,
            busy_on_seat,
            people: HashMap::new(),
            owner_of: HashMap::new(),
            deadlines: BTreeSet::new(),
            seated: HashMap::new(),
            on_air: BTreeSet::new(),
            departed: HashMap::new(),
            departed_order: VecDeque::new(),
            elsewhere: HashMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// Opens a session: goes on with `resume` if that is a session of this user, else begins `fresh`.
    pub fn open(
        &mut self,
        user: &UserId,
        user_type: &UserType,
        resume: Option<&SessionId>,
        fresh: SessionId,
        now: UnixMs,
    ) -> Opened {
        self.touch(user);
        if let Some(session) = resume.filter(|session| self.owner_of.get(*session) == Some(user)) {
            self.set_line(session, Line::Live);
            if let Some(person) = self.people.get_mut(user) {
                person.user_type = user_type.clone();
                person.last_seen = person.last_seen.max(now);
            }
            return Opened { session: session.clone(), resumed: true, replaced: Vec::new() };
        }
        let replaced = self.surplus(user);
        // The fresh one first: whoever has a session at every moment keeps his choice.
        self.insert(user, user_type, fresh.clone(), now);
        for session in &replaced {
            self.remove(session);
        }
        Opened { session: fresh, resumed: false, replaced }
    }

    /// Takes a session in that is new here, whatever else the user has: other nodes have agreed.
    pub fn take_in(&mut self, user: &UserId, user_type: &UserType, session: SessionId, now: UnixMs) {
        self.touch(user);
        self.insert(user, user_type, session, now);
    }

    /// Takes over a lost session of a dead node: shown until `ends`.
    pub fn adopt(
        &mut self,
        user: &UserId,
        user_type: &UserType,
        session: SessionId,
        choice: Option<Status>,
        ends: UnixMs,
        last_seen: UnixMs,
    ) {
        if self.owner_of.contains_key(&session) {
            return;
        }
        self.touch(user);
        self.insert(user, user_type, session.clone(), last_seen);
        if let Some(person) = self.people.get_mut(user) {
            person.choice = choice.or(person.choice);
        }
        self.set_line(&session, Line::Lost { gone_at: ends });
    }

    /// A session goes on on another node, or was ended there. Returns whether it was here.
    pub fn give_away(&mut self, session: &SessionId) -> bool {
        let Some(user) = self.owner_of.get(session).cloned() else { return false };
        self.touch(&user);
        self.remove(session);
        true
    }

    /// Notes what other nodes have of a person; `None`: that does not matter here any more.
    pub fn set_elsewhere(&mut self, user: &UserId, elsewhere: Option<Elsewhere>) {
        self.touch(user);
        let Some(elsewhere) = elsewhere else {
            self.elsewhere.remove(user);
            return;
        };
        if let Some(person) = self.people.get_mut(user).filter(|_| elsewhere.known) {
            person.choice = elsewhere.choice;
        }
        self.elsewhere.insert(user.clone(), elsewhere);
    }

    /// As [`Self::set_elsewhere`], for one look: no transition follows from it.
    pub fn glance(&mut self, user: &UserId, elsewhere: Option<Elsewhere>) {
        match elsewhere {
            Some(elsewhere) => self.elsewhere.insert(user.clone(), elsewhere),
            None => self.elsewhere.remove(user),
        };
    }

    /// Tells whether the user has a session on another node, as far as known.
    #[must_use]
    pub fn is_elsewhere(&self, user: &UserId) -> bool {
        self.elsewhere.get(user).is_some_and(|elsewhere| elsewhere.here)
    }

    /// Returns everybody who has a session here, in order.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "sorted before anybody sees it")]
    pub fn everybody(&self) -> Vec<UserId> {
        let mut all: Vec<UserId> = self.people.keys().cloned().collect();
        all.sort();
        all
    }

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

    /// Tells whether the user is on a seat of a room that is in memory here.
    #[must_use]
    pub fn is_seated(&self, user: &UserId) -> bool {
        self.seated.contains_key(user)
    }

    /// Takes over a stored session at start: lost, and shown until the timeout from now.
    pub fn restore(&mut self, user: &UserId, user_type: &UserType, session: SessionId, choice: Option<Status>, now: UnixMs) {
        self.touch(user);
        self.insert(user, user_type, session.clone(), now);
        if let Some(person) = self.people.get_mut(user) {
            person.choice = choice.or(person.choice);
        }
        self.set_line(&session, Line::Lost { gone_at: now.plus(self.timeout) });
    }

    /// A line is gone without a goodbye. The session is shown as before until the timeout after its last sign of life.
    pub fn lost(&mut self, session: &SessionId, last_seen: UnixMs) {
        let Some(user) = self.owner_of.get(session).cloned() else { return };
        if let Some(person) = self.people.get_mut(&user) {
            person.last_seen = person.last_seen.max(last_seen);
        }
        self.set_line(session, Line::Lost { gone_at: last_seen.plus(self.timeout) });
    }

    /// A session goes on without a connection: it is live until the timeout after this sign of life.
    pub fn polls(&mut self, session: &SessionId, now: UnixMs) {
        self.set_line(session, Line::Polling { gone_at: now.plus(self.timeout) });
    }

    /// Returns the user's sessions that go on without a connection.
    #[must_use]
    pub fn polling(&self, user: &UserId) -> Vec<SessionId> {
        self.lines(user, |line| matches!(line, Line::Polling { .. }))
    }

    /// A session says goodbye. Returns whether there was one.
    pub fn end(&mut self, session: &SessionId, now: UnixMs) -> bool {
        let Some(user) = self.owner_of.get(session).cloned() else { return false };
        self.touch(&user);
        if let Some(person) = self.people.get_mut(&user) {
            person.last_seen = person.last_seen.max(now);
        }
        self.remove(session);
        true
    }

    /// Ends every lost or silent session whose time is over. Returns them with their users.
    pub fn expire(&mut self, now: UnixMs) -> Vec<(UserId, SessionId)> {
        let mut gone = Vec::new();
        while let Some((at, session)) = self.deadlines.first().cloned() {
            if at > now {
                break;
            }
            self.deadlines.remove(&(at, session.clone()));
            if let Some(user) = self.owner_of.get(&session).cloned() {
                self.touch(&user);
                self.remove(&session);
                gone.push((user, session));
            }
        }
        gone
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

    /// Sets the user's explicit choice; `Online` clears it. Returns whether he is here to choose.
    pub fn choose(&mut self, user: &UserId, status: Status) -> bool {
        self.touch(user);
        let Some(person) = self.people.get_mut(user) else { return false };
        person.choice = Some(status).filter(|status| *status != Status::Online);
        true
    }

    /// Notes that the user came to a seat of `room`, or left it.
    pub fn seat(&mut self, user: &UserId, room: &RoomId, on: bool) {
        self.touch(user);
        if on {
            self.seated.entry(user.clone()).or_default().insert(room.clone());
        } else if let Some(rooms) = self.seated.get_mut(user) {
            rooms.remove(room);
            if rooms.is_empty() {
                self.seated.remove(user);
            }
        }
    }

    /// Notes that a media server says that the user is on air, in whatever room, or not any more.
    pub fn air(&mut self, user: &UserId, on: bool) {
        self.touch(user);
        if on {
            self.on_air.insert(user.clone());
        } else {
            self.on_air.remove(user);
        }
    }

    /// Returns the explicit choice of a user.
    #[must_use]
    pub fn choice(&self, user: &UserId) -> Option<Status> {
        self.people.get(user)?.choice
    }

    /// Returns the kind of a user who is here, lost or not.
    #[must_use]
    pub fn type_of(&self, user: &UserId) -> Option<&UserType> {
        Some(&self.people.get(user)?.user_type)
    }

    /// Returns the sessions of a user that are not lost.
    #[must_use]
    pub fn live(&self, user: &UserId) -> Vec<SessionId> {
        self.lines(user, |line| !line.is_lost())
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

    /// Tells whether the user has any session, lost or not.
    #[must_use]
    pub fn is_here(&self, user: &UserId) -> bool {
        self.people.contains_key(user)
    }

    /// Returns what others see of a user.
    #[must_use]
    pub fn view(&self, user: &UserId) -> View {
        let elsewhere = self.elsewhere.get(user);
        let told = elsewhere.and_then(|elsewhere| elsewhere.last_seen);
        let (user_type, last_seen) = match (self.people.get(user), self.departed.get(user)) {
            (Some(person), _) => (person.user_type.clone(), Some(person.last_seen).max(told)),
            (None, Some((user_type, at))) => (user_type.clone(), Some(*at).max(told)),
            (None, None) => (elsewhere.and_then(|elsewhere| elsewhere.user_type.clone()).unwrap_or_else(UserType::plain), told),
        };
        View { user: user.clone(), user_type, status: self.status(user), last_seen }
    }

    /// Returns everybody who is shown differently than at the last call. Somebody who changed and changed back is not named.
    pub fn take_changes(&mut self) -> Vec<View> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().filter(|(user, shown)| self.status(user) != *shown).map(|(user, _)| self.view(&user)).collect()
    }

    /// Tells whether somebody may have changed since the last [`Self::take_changes`].
    #[must_use]
    pub fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Tells whether this user may have changed since then.
    #[must_use]
    pub fn is_touched(&self, user: &UserId) -> bool {
        self.touched.contains_key(user)
    }

    fn status(&self, user: &UserId) -> Status {
        let elsewhere = self.elsewhere.get(user).filter(|elsewhere| elsewhere.here);
        let choice = match (self.people.get(user), elsewhere) {
            (Some(person), _) => person.choice,
            (None, Some(elsewhere)) => elsewhere.choice,
            (None, None) => return Status::Offline,
        };
        let seated =
            self.seated.contains_key(user) || self.on_air.contains(user) || elsewhere.is_some_and(|elsewhere| elsewhere.seated);
        match choice {
            Some(Status::Offline) => Status::Offline,
            _ if self.busy_on_seat && seated => Status::Busy,
            Some(choice) => choice,
            None => Status::Online,
        }
    }

    fn touch(&mut self, user: &UserId) {
        if !self.touched.contains_key(user) {
            self.touched.insert(user.clone(), self.status(user));
        }
    }

    /// The lost sessions that a fresh one ends: all of somebody who was away, else the oldest beyond the limit.
    fn surplus(&self, user: &UserId) -> Vec<SessionId> {
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

    fn insert(&mut self, user: &UserId, user_type: &UserType, session: SessionId, now: UnixMs) {
        self.departed.remove(user);
        let fresh = || Person { user_type: user_type.clone(), choice: None, lines: SmallMap::default(), last_seen: now };
        let person = self.people.entry(user.clone()).or_insert_with(fresh);
        person.user_type = user_type.clone();
        person.last_seen = person.last_seen.max(now);
        person.lines.insert(session.clone(), Line::Live);
        self.owner_of.insert(session, user.clone());
    }

    fn set_line(&mut self, session: &SessionId, line: Line) {
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

    fn remove(&mut self, session: &SessionId) {
        self.set_line(session, Line::Live);
        let Some(user) = self.owner_of.remove(session) else { return };
        let Some(person) = self.people.get_mut(&user) else { return };
        person.lines.remove(session);
        if person.lines.is_empty() {
            let (user_type, last_seen) = (person.user_type.clone(), person.last_seen);
            self.people.remove(&user);
            self.depart(user, user_type, last_seen);
        }
    }

    fn depart(&mut self, user: UserId, user_type: UserType, last_seen: UnixMs) {
        if self.departed.insert(user.clone(), (user_type, last_seen)).is_none() {
            self.departed_order.push_back(user);
        }
        while self.departed_order.len() > MAX_DEPARTED {
            if let Some(oldest) = self.departed_order.pop_front() {
                self.departed.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 60_000;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn session(name: &str) -> SessionId {
        SessionId::parse(name).unwrap()
    }

    #[derive(Clone, Copy)]
    enum Do {
        /// A fresh session of user `u`.
        Open(&'static str),
        /// A resume of the first with its token; the second is the fresh id.
        Resume(&'static str, &'static str),
        Lost(&'static str),
        End(&'static str),
        Choose(Status),
        Seat(bool),
        Sleep(u64),
        /// Goes on without a connection.
        Poll(&'static str),
        /// Only time passes.
        Wait,
    }

    /// Runs steps at their times for the one user `u` and tells what others saw, in order.
    fn seen(steps: &[(u64, Do)]) -> Vec<(u64, Status)> {
        let (u, kind, room) = (user("u"), UserType::plain(), RoomId::parse("r").unwrap());
        let mut people = People::new(Millis(T), true);
        let mut out = Vec::new();
        for (at, step) in steps {
            let now = UnixMs(*at);
            people.expire(now);
            match step {
                Do::Open(s) => assert!(!people.open(&u, &kind, None, session(s), now).resumed),
                Do::Resume(s, fresh) => {
                    let opened = people.open(&u, &kind, Some(&session(s)), session(fresh), now);
                    assert_eq!(opened.resumed, opened.session == session(s));
                }
                Do::Lost(s) => people.lost(&session(s), now),
                Do::End(s) => assert!(people.end(&session(s), now)),
                Do::Choose(status) => assert!(people.choose(&u, *status)),
                Do::Seat(on) => people.seat(&u, &room, *on),
                Do::Sleep(gap) => people.slept(Millis(*gap)),
                Do::Poll(s) => people.polls(&session(s), now),
                Do::Wait => {}
            }
            out.extend(people.take_changes().into_iter().map(|view| (*at, view.status)));
        }
        out
    }

    #[test]
    fn others_see_transitions_only() {
        use Do::{Choose, End, Lost, Open, Poll, Resume, Seat, Sleep, Wait};
        use Status::{Away, Busy, Offline, Online};
        type Case = (&'static str, &'static [(u64, Do)], &'static [(u64, Status)]);
        let cases: &[Case] = &[
            ("comes and goes", &[(0, Open("a")), (5, End("a"))], &[(0, Online), (5, Offline)]),
            ("a lost line is not offline", &[(0, Open("a")), (5, Lost("a")), (5 + T - 1, Wait)], &[(0, Online)]),
            ("gone at the timeout", &[(0, Open("a")), (5, Lost("a")), (5 + T, Wait)], &[(0, Online), (5 + T, Offline)]),
            ("a resume shows nothing", &[(0, Open("a")), (5, Lost("a")), (9, Resume("a", "b")), (2 * T, Wait)], &[(0, Online)]),
            (
                "a return without token shows nothing",
                &[(0, Open("a")), (5, Lost("a")), (9, Open("b")), (2 * T, Wait)],
                &[(0, Online)],
            ),
            (
                "a replaced session ends with the new one",
                &[(0, Open("a")), (1, Lost("a")), (2, Open("b")), (3, End("b"))],
                &[(0, Online), (3, Offline)],
            ),
            ("too late a resume is a new session", &[(0, Open("a")), (1, Lost("a")), (1 + T, Resume("a", "b"))], &[(0, Online)]),
            (
                "two devices, one leaves",
                &[(0, Open("a")), (1, Open("b")), (2, End("a")), (3, End("b"))],
                &[(0, Online), (3, Offline)],
            ),
            ("two devices, one is lost", &[(0, Open("a")), (1, Open("b")), (2, Lost("a")), (3 + T, Wait)], &[(0, Online)]),
            (
                "the last one lost counts",
                &[(0, Open("a")), (1, Open("b")), (2, Lost("a")), (9, Lost("b")), (9 + T, Wait)],
                &[(0, Online), (9 + T, Offline)],
            ),
            (
                "a choice and its end",
                &[(0, Open("a")), (1, Choose(Busy)), (2, Choose(Busy)), (3, Choose(Away)), (4, Choose(Online))],
                &[(0, Online), (1, Busy), (3, Away), (4, Online)],
            ),
            (
                "hidden while connected",
                &[(0, Open("a")), (1, Choose(Offline)), (2, End("a")), (3, Open("b"))],
                &[(0, Online), (1, Offline), (3, Online)],
            ),
            (
                "the choice outlives a drop",
                &[(0, Open("a")), (1, Choose(Busy)), (2, Lost("a")), (3, Resume("a", "b")), (4, Wait)],
                &[(0, Online), (1, Busy)],
            ),
            (
                "and a replacement",
                &[(0, Open("a")), (1, Choose(Busy)), (2, Lost("a")), (3, Open("b")), (4, Wait)],
                &[(0, Online), (1, Busy)],
            ),
            (
                "but not offline",
                &[(0, Open("a")), (1, Choose(Busy)), (2, End("a")), (3, Open("b"))],
                &[(0, Online), (1, Busy), (2, Offline), (3, Online)],
            ),
            (
                "busy on a seat, and back",
                &[(0, Open("a")), (1, Seat(true)), (2, Choose(Away)), (3, Seat(false))],
                &[(0, Online), (1, Busy), (3, Away)],
            ),
            (
                "the seat outlives the person",
                &[(0, Open("a")), (1, Seat(true)), (2, End("a")), (3, Open("b"))],
                &[(0, Online), (1, Busy), (2, Offline), (3, Busy)],
            ),
            (
                "polling counts as being here, until it stops",
                &[(0, Open("a")), (0, Poll("a")), (T - 1, Poll("a")), (2 * T - 2, Wait), (2 * T - 1, Wait)],
                &[(0, Online), (2 * T - 1, Offline)],
            ),
            (
                "from a connection to polling and back shows nothing",
                &[(0, Open("a")), (1, Lost("a")), (2, Resume("a", "b")), (2, Poll("a")), (9, Resume("a", "b")), (9 * T, Wait)],
                &[(0, Online)],
            ),
            (
                "a second device does not replace one that polls",
                &[(0, Open("a")), (0, Poll("a")), (1, Open("b")), (2, End("b")), (T - 1, Wait), (T, Wait)],
                &[(0, Online), (T, Offline)],
            ),
            (
                "a pause of the process is nobody's fault",
                &[(0, Open("a")), (1, Lost("a")), (2, Sleep(T)), (2 + T, Wait), (1 + 2 * T, Wait)],
                &[(0, Online), (1 + 2 * T, Offline)],
            ),
        ];
        for (name, steps, expected) in cases {
            assert_eq!(seen(steps), *expected, "{name}");
        }
    }

    #[test]
    fn somebody_elses_session_is_not_resumed() {
        let mut people = People::new(Millis(T), true);
        people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(0));
        people.lost(&session("s1"), UnixMs(1));
        let opened = people.open(&user("b"), &UserType::plain(), Some(&session("s1")), session("s2"), UnixMs(2));
        assert_eq!((opened.session, opened.resumed), (session("s2"), false));
        assert!(!people.is_live(&session("s1")), "the foreign session stays as it was");
        assert!(people.is_here(&user("a")));
    }

    #[test]
    fn a_change_and_its_undoing_between_two_looks_is_not_told() {
        let mut people = People::new(Millis(T), true);
        people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(0));
        people.take_changes();
        people.choose(&user("a"), Status::Busy);
        people.choose(&user("a"), Status::Online);
        assert!(people.take_changes().is_empty());
    }

    #[test]
    fn the_last_sign_of_life_is_known_afterwards() {
        let mut people = People::new(Millis(T), true);
        assert_eq!(people.view(&user("a")).last_seen, None);
        people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(1));
        people.lost(&session("s1"), UnixMs(5));
        assert_eq!(people.expire(UnixMs(5 + T)), [(user("a"), session("s1"))]);
        assert_eq!(people.next_deadline(), None);
        let view = people.view(&user("a"));
        assert_eq!((view.status, view.last_seen), (Status::Offline, Some(UnixMs(5))));
    }

    #[test]
    fn a_stored_session_waits_for_its_person() {
        let mut people = People::new(Millis(T), true);
        people.restore(&user("a"), &UserType::plain(), session("s1"), Some(Status::Away), UnixMs(0));
        assert_eq!(people.view(&user("a")).status, Status::Away);
        assert!(people.open(&user("a"), &UserType::plain(), Some(&session("s1")), session("s2"), UnixMs(9)).resumed);
        assert!(people.expire(UnixMs(9 * T)).is_empty());
        assert_eq!(people.choice(&user("a")), Some(Status::Away));
    }
}
