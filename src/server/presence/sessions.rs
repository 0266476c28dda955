//! Sessions open, are lost and go on; the explicit choice of a person and his kept messages go with them.
use super::{
    Entered, Opening, TooMany,
    actor::{Actor, Line},
};
use crate::server::msg::{Class, ConnId, EndedByHub, Frame, RoomMsg, ShardMsg};
use crate::{
    hub::{
        id::{RoomId, SessionId, UserId, UserType},
        presence::Status,
        time::{Millis, UnixMs},
    },
    wire::{close::Close, session::SessionRecord},
};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// How many direct messages are kept for somebody whose lines are all lost.
const KEPT_MAX: usize = 64;
/// How long a connection that takes over a session has for entering its rooms, at least.
const REENTER: Millis = Millis(2_000);
/// Times at which rooms lose what has gone on elsewhere, so that a room loses many at once where many have.
const TOGETHER: Millis = Millis(500);

impl Actor {
    pub(super) async fn open(&mut self, opening: Opening, reply: oneshot::Sender<Result<Entered, TooMany>>) {
        let Opening { user, user_type, resume, fresh, own, heard, conn, seen, issued_ms, set } = opening;
        let now = self.clock.now();
        let polling = self.people.polling(&user);
        let known = resume.filter(|session| self.people.sessions(&user).contains(session));
        let resume = known.or_else(|| polling.first().filter(|_| conn.is_none() && !own).cloned());
        let max = self.settings.sessions_per_user;
        if resume.is_none() && max > 0 && self.people.live(&user).len() >= max {
            let _ = reply.send(Err(TooMany));
            return;
        }
        let opened = self.people.open(&user, &user_type, resume.as_ref(), fresh, now);
        let session = opened.session;
        let stays = conn.is_none() && polling.contains(&session);
        let mut line = Line { issued_ms, ..Line::new(conn, seen, set, Vec::new()) };
        let (mut rooms, mut kept) = (Vec::new(), Vec::from(self.kept.remove(&user).unwrap_or_default()));
        if let Some(mut before) = self.take_over(&session, conn, stays).await {
            line.watches = std::mem::take(&mut before.watches);
            line.rooms = std::mem::take(&mut before.rooms);
            line.kept = before.kept;
            if stays {
                line.set = before.set;
                line.seen_written = before.seen_written;
            } else {
                rooms = before.set.list();
                kept.extend(rest_of_mail(&before, heard.as_deref()));
            }
        }
        if conn.is_none() {
            self.people.polls(&session, now);
        }
        let (set, watches) = (line.set.clone(), line.watches.clone());
        self.lines.insert(session.clone(), line);
        for old in opened.replaced {
            self.store.put(old.clone(), None, || {});
            self.gone_on_time(&user, &old);
        }
        let entered = Entered { session: session.clone(), resumed: opened.resumed, kept, rooms, set, watches };
        let answer = move || {
            let _ = reply.send(Ok(entered));
        };
        if opened.resumed {
            answer();
        } else {
            self.store.put(session.clone(), Some(self.record(&user, session)), answer);
        }
    }

    /// Takes out the line that a session had so far, and closes its connection if it goes on over another one. A polling session that
    /// `stays` still watches whom it did.
    pub(super) async fn take_over(&mut self, session: &SessionId, conn: Option<ConnId>, stays: bool) -> Option<Line> {
        let before = if stays { self.lines.remove(session) } else { self.take_line(session) }?;
        if let Some(to) = before.conn.filter(|old| Some(*old) != conn) {
            self.to_shard(to.shard, ShardMsg::Close { to, close: Close::Replaced, retry_after_ms: 0 }).await;
        }
        Some(before)
    }

    /// A lost session is over because its user has begun a new one. Its rooms hear so when its time is over, as if nobody had come.
    pub(super) fn gone_on_time(&mut self, user: &UserId, session: &SessionId) {
        let Some(line) = self.take_line(session) else { return };
        let at = line.seen.at().plus(self.settings.timeout).max(self.clock.now());
        for room in line.set.list() {
            self.later(at, room, RoomMsg::Gone { user: user.clone(), session: session.clone(), conn: None });
        }
    }

    pub(super) fn lost(
        &mut self,
        user: UserId,
        session: SessionId,
        conn: ConnId,
        rooms: Vec<RoomId>,
        by_hub: Option<EndedByHub>,
    ) {
        let Some(line) = self.lines.get_mut(&session).filter(|line| line.conn == Some(conn)) else {
            // The session goes on over another connection, which enters the rooms that it wants to be in: the others lose it.
            let at = reentered(self.clock.now());
            for room in rooms {
                self.later(at, room, RoomMsg::Gone { user: user.clone(), session: session.clone(), conn: Some(conn) });
            }
            return;
        };
        line.conn = None;
        if line.sent_away {
            return self.end(session);
        }
        for room in rooms {
            self.rooms.post(&room, RoomMsg::Lost { session: session.clone(), conn: Some(conn), by_hub });
        }
        self.people.lost(&session, line.seen.at());
        self.touched(&user);
    }

    /// Rooms lose a session that goes on elsewhere, unless it has entered them again by then.
    pub(super) fn gone_later(&mut self, user: &UserId, session: &SessionId, rooms: Vec<RoomId>) {
        let at = reentered(self.clock.now());
        for room in rooms {
            self.later(at, room.clone(), RoomMsg::Lost { session: session.clone(), conn: None, by_hub: None });
            self.later(at, room, RoomMsg::Gone { user: user.clone(), session: session.clone(), conn: None });
        }
    }

    pub(super) fn later(&mut self, at: UnixMs, room: RoomId, message: RoomMsg) {
        self.later.push(at, room, message);
    }

    fn record(&self, user: &UserId, session: SessionId) -> SessionRecord {
        let user_type = self.people.type_of(user).cloned().unwrap_or_else(UserType::plain);
        let (watches, rooms) =
            self.lines.get(&session).map(|line| (line.watches.clone(), line.rooms.clone())).unwrap_or_default();
        SessionRecord { session, user: user.clone(), user_type, choice: self.people.choice(user), watches, rooms }
    }

    /// Notes whom a session watches, and returns whom it did so far.
    pub(super) fn keep_watches(&mut self, session: SessionId, users: Vec<UserId>) -> Vec<UserId> {
        let Some(line) = self.lines.get_mut(&session) else { return Vec::new() };
        if line.watches == users {
            return users;
        }
        let before = std::mem::replace(&mut line.watches, users);
        self.keep(session);
        before
    }

    pub(super) fn keep_rooms(&mut self, session: SessionId, mut rooms: Vec<RoomId>) {
        rooms.sort();
        let Some(line) = self.lines.get_mut(&session).filter(|line| line.rooms != rooms) else { return };
        line.rooms = rooms;
        self.keep(session);
    }

    /// Keeps what goes with a session: here, or where every node finds it.
    fn keep(&mut self, session: SessionId) {
        let Some(user) = self.people.user_of(&session).cloned() else { return };
        if self.shared.is_none() {
            return self.store.put(session.clone(), Some(self.record(&user, session)), || {});
        }
        if let Some(line) = self.lines.get_mut(&session) {
            line.kept = false;
        }
        self.touched(&user);
    }

    /// Every stored session of the user carries his choice; the last one written answers.
    pub(super) fn choose(&mut self, user: &UserId, status: Status, reply: oneshot::Sender<bool>) {
        let before = self.people.choice(user);
        if !self.people.choose(user, status) || self.people.choice(user) == before {
            let _ = reply.send(self.people.is_here(user));
            return;
        }
        let mut sessions = self.people.sessions(user);
        let last = sessions.pop();
        for session in sessions {
            self.store.put(session.clone(), Some(self.record(user, session)), || {});
        }
        if let Some(session) = last {
            let answer = move || {
                let _ = reply.send(true);
            };
            self.store.put(session.clone(), Some(self.record(user, session)), answer);
        }
    }

    pub(super) async fn message(&mut self, to: &UserId, frame: Frame) -> Option<usize> {
        let live = self.people.live(to);
        for session in &live {
            let Some(line) = self.lines.get_mut(session) else { continue };
            match line.conn {
                Some(to) => {
                    let frame = frame.clone();
                    self.to_shard(to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
                }
                None => line.set.mail().push(frame.clone(), Class::Must),
            }
        }
        if live.is_empty() && !self.people.is_here(to) {
            return None;
        }
        if live.is_empty() {
            keep(self.kept.entry(to.clone()).or_default(), frame);
        }
        Some(live.len())
    }
}

/// Returns what a session without a connection has not told its client yet, and ends its mail: the session goes on over another line.
pub(super) fn rest_of_mail(before: &Line, heard: Option<&str>) -> Vec<Frame> {
    let Some(mail) = before.set.some_mail() else { return Vec::new() };
    let rest = mail.rest(heard);
    mail.close(Close::Replaced, 0);
    rest
}

/// Returns when a session that goes on elsewhere has entered its rooms again, or will not.
fn reentered(now: UnixMs) -> UnixMs {
    UnixMs(now.plus(REENTER).0.next_multiple_of(TOGETHER.0))
}

fn keep(mail: &mut VecDeque<Frame>, frame: Frame) {
    mail.push_back(frame);
    if mail.len() > KEPT_MAX {
        mail.pop_front();
    }
}
