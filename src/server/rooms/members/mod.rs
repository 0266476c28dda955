//! Who is in a room: people over their sessions there, and what of it the room has still to tell.
use crate::hub::{
    decide::Members,
    id::{RoomId, SessionId, UserId, UserType},
    time::{Millis, UnixMs},
};
use crate::server::{
    cluster::{Node, parts::Part},
    msg::{ConnId, Mailbox, Member, RoomSet, Shown, ShownStatus},
};
mod elsewhere;

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A person in the room.
#[derive(Clone, Debug)]
pub(in crate::server) struct Person {
    pub user_type: UserType,
    /// `None` until presence has said it.
    pub status: Option<ShownStatus>,
    told: Option<ShownStatus>,
    lines: Vec<Line>,
    /// What other nodes have of him.
    elsewhere: BTreeMap<Node, Part>,
}

#[derive(Clone, Debug)]
struct Line {
    session: SessionId,
    conn: Option<ConnId>,
    live: bool,
    rooms: RoomSet,
    /// The hub itself has ended the line.
    handover: Option<Handover>,
}

/// What somebody is granted whose line the hub has ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Handover {
    /// How long his place is kept at least.
    pub hold: Millis,
    /// Until then he counts as live.
    pub shown_from: UnixMs,
}

/// Everybody in the room, lost ones included.
#[derive(Debug, Default)]
pub(in crate::server) struct MemberList {
    people: BTreeMap<UserId, Person>,
    /// The time of the current batch.
    now: UnixMs,
    /// When somebody who still counts as live does so no more.
    looks: BTreeSet<UnixMs>,
    by_session: HashMap<SessionId, UserId>,
    conns_by_shard: BTreeMap<u16, usize>,
    /// Sessions without a socket.
    silent: BTreeMap<SessionId, RoomSet>,
    /// What the people touched by the current batch were before it.
    undo: Vec<(UserId, Option<Person>)>,
    /// The room sets of sessions that went out on purpose or were put out.
    outs: Vec<RoomSet>,
    /// Who came in or went out, for presence.
    moves: Vec<(UserId, bool)>,
    /// Whose change is to be told; `Some` = he is out, with his last status.
    untold: BTreeMap<UserId, Option<ShownStatus>>,
    /// Whose part other nodes may have to hear of.
    touched: BTreeSet<UserId>,
    /// What they have heard.
    parts_told: BTreeMap<UserId, Part>,
    /// How many people have a line here, a lost one included.
    local: usize,
    /// People with a place of whom no node has said anything yet, and until when that counts as being here.
    unheard: BTreeMap<UserId, UnixMs>,
}

/// A change to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Change {
    pub user: UserId,
    pub status: ShownStatus,
    pub joined: bool,
}

impl Person {
    const fn new(user_type: UserType) -> Self {
        Self { user_type, status: None, told: None, lines: Vec::new(), elsewhere: BTreeMap::new() }
    }

    /// Whoever is back needs no longer what he was granted when another node went away.
    fn give_back(&mut self) {
        if self.lines.iter().any(|line| line.live) || self.elsewhere.values().any(|part| *part == Part::Live) {
            for part in self.elsewhere.values_mut().filter(|part| matches!(part, Part::Handed { .. })) {
                *part = Part::Lost;
            }
        }
    }

    /// Returns what other nodes hear of him.
    fn part(&self) -> Option<Part> {
        if self.lines.is_empty() {
            return None;
        }
        if self.lines.iter().any(|line| line.live) {
            return Some(Part::Live);
        }
        let handovers = self.lines.iter().filter_map(|line| line.handover);
        let last = handovers.max_by_key(|handover| handover.shown_from);
        Some(last.map_or(Part::Lost, |Handover { hold, shown_from }| Part::Handed { hold, shown_from }))
    }
}

impl Members for MemberList {
    fn is_live(&self, user: &UserId) -> bool {
        let counts = |line: &Line| line.live || line.handover.is_some_and(|handover| handover.shown_from > self.now);
        let there = |part: &Part| match part {
            Part::Live => true,
            Part::Lost => false,
            Part::Handed { shown_from, .. } => *shown_from > self.now,
        };
        let here = |person: &Person| person.lines.iter().any(counts) || person.elsewhere.values().any(there);
        match self.people.get(user) {
            Some(person) => here(person),
            None => self.unheard.get(user).is_some_and(|until| *until > self.now),
        }
    }

    fn hold_at_least(&self, user: &UserId) -> Millis {
        let Some(person) = self.people.get(user) else { return Millis(0) };
        let there = person.elsewhere.values().filter_map(|part| match part {
            Part::Handed { hold, .. } => Some(*hold),
            Part::Live | Part::Lost => None,
        });
        person.lines.iter().filter_map(|line| Some(line.handover?.hold)).chain(there).max().unwrap_or(Millis(0))
    }
}

impl MemberList {
    /// Says what time it is.
    pub fn at(&mut self, now: UnixMs) {
        self.now = now;
        self.looks = self.looks.split_off(&now.plus(Millis(1)));
    }

    /// Returns when somebody counts as lost although nothing happens.
    pub fn next_look(&self) -> Option<UnixMs> {
        self.looks.first().copied()
    }

    /// A session comes in, or comes back. Lost sessions of the same user end with it.
    pub fn join(&mut self, member: &Member) {
        let line =
            Line { session: member.session.clone(), conn: member.conn, live: true, rooms: member.rooms.clone(), handover: None };
        self.change(&member.user, |slot| {
            let user_type = member.user_type.clone();
            let person = slot.get_or_insert_with(|| Person::new(user_type));
            person.user_type = member.user_type.clone();
            person.lines.retain(|known| known.live && known.session != line.session);
            person.lines.push(line);
        });
    }

    /// A session goes out. Returns its user, its connection and whether it was the user's last one; `None` = it is not here.
    pub fn leave(&mut self, session: &SessionId) -> Option<(UserId, Option<ConnId>, bool)> {
        let user = self.by_session.get(session)?.clone();
        let (out, last) = self.change(&user, |slot| {
            let Some(person) = slot else { return (None, true) };
            let at = person.lines.iter().position(|line| line.session == *session);
            let out = at.map(|at| person.lines.remove(at));
            (out, !person.lines.iter().any(|line| line.live) && !person.elsewhere.values().any(|part| *part == Part::Live))
        });
        let conn = out.as_ref().and_then(|line| line.conn);
        self.outs.extend(out.map(|line| line.rooms));
        Some((user, conn, last))
    }

    /// A session's line is gone; ignored if another connection carries it by now.
    pub fn lost(&mut self, session: &SessionId, conn: Option<ConnId>, handover: Option<Handover>) {
        let Some(user) = self.by_session.get(session).cloned() else { return };
        self.change(&user, |slot| {
            let lines = slot.iter_mut().flat_map(|person| &mut person.lines);
            for line in lines.filter(|line| line.session == *session && line.conn == conn) {
                line.live = false;
                line.conn = None;
                line.handover = handover;
            }
        });
        self.looks.extend(handover.map(|handover| handover.shown_from).filter(|at| *at > self.now));
    }

    /// A session is over; ignored if it has come back by now. With a connection: it is over where that carries it, whatever has become of it elsewhere.
    pub fn gone(&mut self, user: &UserId, session: &SessionId, conn: Option<ConnId>) {
        self.change(user, |slot| {
            if let Some(person) = slot {
                let stays = |line: &Line| conn.map_or(line.live, |conn| line.conn != Some(conn));
                person.lines.retain(|line| line.session != *session || stays(line));
            }
        });
    }

    /// Everything of a user goes out. Returns his connections.
    pub fn put_out(&mut self, user: &UserId) -> Vec<ConnId> {
        let person = self.change(user, Option::take);
        let lines = person.map(|person| person.lines).unwrap_or_default();
        self.outs.extend(lines.iter().map(|line| line.rooms.clone()));
        lines.iter().filter_map(|line| line.conn).collect()
    }

    /// Notes what presence says. Returns whether there is something to tell.
    pub fn note(&mut self, shown: &[Shown]) -> bool {
        for Shown { user, user_type, status, .. } in shown {
            if let Some(person) = self.people.get_mut(user) {
                person.user_type = user_type.clone();
                person.status = Some(*status);
                self.untold.insert(user.clone(), None);
            } else if let Some(Some(last)) = self.untold.get_mut(user) {
                *last = *status;
            }
        }
        !self.untold.is_empty()
    }

    /// Begins a batch: from here on changes can be taken back.
    pub fn begin(&mut self) {
        self.undo.clear();
        self.outs.clear();
    }

    /// Tells the sessions that went out that they are not in `room` any more.
    pub fn settle(&mut self, room: &RoomId) {
        for rooms in self.outs.drain(..) {
            rooms.remove(room);
            // Whoever was put out hears why: it is in the room's log.
            if let Some(mail) = rooms.listener() {
                mail.ring(room);
            }
        }
    }

    /// Takes back everything since [`Self::begin`].
    pub fn rewind(&mut self) {
        while let Some((user, before)) = self.undo.pop() {
            self.change(&user, |slot| *slot = before);
            self.undo.pop();
        }
        self.outs.clear();
    }

    /// Returns who came in (`true`) or went out since the last call, in order.
    pub fn take_moves(&mut self) -> Vec<(UserId, bool)> {
        std::mem::take(&mut self.moves)
    }

    /// Tells whether somebody's change is to be told.
    pub fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Returns what is to be told. Whoever came in and whose status is not known yet waits for it.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (user, out) in std::mem::take(&mut self.untold) {
            match (self.people.get_mut(&user), out) {
                (Some(person), _) => {
                    let Some(status) = person.status.filter(|status| person.told != Some(*status)) else { continue };
                    person.told = Some(status);
                    changes.push(Change { user, status, joined: true });
                }
                (None, Some(status)) => changes.push(Change { user, status, joined: false }),
                (None, None) => {}
            }
        }
        changes
    }

    /// Returns a page of people, by id.
    pub fn page(&self, offset: usize, limit: usize) -> impl Iterator<Item = (&UserId, &Person)> {
        self.people.iter().skip(offset).take(limit)
    }

    /// Finds a session's user and connection.
    pub fn find(&self, session: &SessionId) -> Option<(&UserId, Option<ConnId>)> {
        let (user, person) = self.people.get_key_value(self.by_session.get(session)?)?;
        let line = person.lines.iter().find(|line| line.session == *session)?;
        Some((user, line.conn))
    }

    /// Returns every connection here, and whose it is.
    pub fn conns(&self) -> impl Iterator<Item = (&UserId, ConnId)> {
        self.people.iter().flat_map(|(user, person)| person.lines.iter().filter_map(move |line| Some((user, line.conn?))))
    }

    /// Returns how many people are in, lost ones included.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    /// Returns the shards that have connections of this room.
    pub fn shards(&self) -> impl Iterator<Item = u16> {
        self.conns_by_shard.keys().copied()
    }

    /// Returns the mail of everybody who takes without a socket what a socket would get.
    pub fn listeners(&self) -> impl Iterator<Item = &Mailbox> {
        self.silent.values().filter_map(RoomSet::listener)
    }

    fn change<R>(&mut self, user: &UserId, change: impl FnOnce(&mut Option<Person>) -> R) -> R {
        let mut slot = self.people.remove(user);
        self.touched.insert(user.clone());
        self.local -= usize::from(slot.as_ref().is_some_and(|person| !person.lines.is_empty()));
        self.undo.push((user.clone(), slot.clone()));
        let before = slot.as_ref().map(|person| person.told.or(person.status));
        for line in slot.iter().flat_map(|person| &person.lines) {
            self.by_session.remove(&line.session);
            self.silent.remove(&line.session);
            if let Some(shard) = line.conn.map(|conn| conn.shard) {
                let count = self.conns_by_shard.entry(shard).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.conns_by_shard.remove(&shard);
                }
            }
        }
        let result = change(&mut slot);
        slot.iter_mut().for_each(Person::give_back);
        let slot = slot.filter(|person| !person.lines.is_empty() || !person.elsewhere.is_empty());
        self.local += usize::from(slot.as_ref().is_some_and(|person| !person.lines.is_empty()));
        for line in slot.iter().flat_map(|person| &person.lines) {
            self.by_session.insert(line.session.clone(), user.clone());
            match line.conn {
                Some(conn) => *self.conns_by_shard.entry(conn.shard).or_default() += 1,
                None if line.live => drop(self.silent.insert(line.session.clone(), line.rooms.clone())),
                None => {}
            }
        }
        match (before, &slot) {
            (None, Some(_)) => {
                self.moves.push((user.clone(), true));
                self.untold.insert(user.clone(), None);
            }
            (Some(status), None) => {
                self.moves.push((user.clone(), false));
                // Nobody was told of somebody who comes and goes within one look.
                self.untold.insert(user.clone(), status);
            }
            _ => {}
        }
        if let Some(person) = slot {
            self.people.insert(user.clone(), person);
        }
        result
    }
}
