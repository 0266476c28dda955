//! Who is here: a user over his sessions. A lost line is not offline; only what others see differently is a transition.
mod lines;
mod view;

use super::{
    id::{RoomId, SessionId, UserId, UserType},
    small_map::SmallMap,
    time::{Millis, UnixMs},
};
use lines::Line;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
pub use view::{Elsewhere, Opened, OwnSession, Status, View};

/// Of how many people who went offline the hub still knows when it last saw them.
const MAX_DEPARTED: usize = 65_536;

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
        // It may have been a lost one of this node: that time is over.
        self.set_line(&session, Line::Live);
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
        self.glance(user, elsewhere);
    }

    /// As [`Self::set_elsewhere`], of somebody whom nobody here watches: no transition follows from it.
    pub fn glance(&mut self, user: &UserId, elsewhere: Option<Elsewhere>) {
        let Some(elsewhere) = elsewhere else {
            self.elsewhere.remove(user);
            return;
        };
        if let Some(person) = self.people.get_mut(user).filter(|_| elsewhere.known) {
            person.choice = elsewhere.choice;
        }
        self.elsewhere.insert(user.clone(), elsewhere);
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

    fn insert(&mut self, user: &UserId, user_type: &UserType, session: SessionId, now: UnixMs) {
        self.departed.remove(user);
        let fresh = || Person { user_type: user_type.clone(), choice: None, lines: SmallMap::default(), last_seen: now };
        let person = self.people.entry(user.clone()).or_insert_with(fresh);
        person.user_type = user_type.clone();
        person.last_seen = person.last_seen.max(now);
        person.lines.insert(session.clone(), Line::Live);
        self.owner_of.insert(session, user.clone());
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
