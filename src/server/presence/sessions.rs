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
use tokio::sync::oneshot;

/// How many direct messages are kept for somebody whose lines are all lost.
const KEPT_MAX: usize = 64;
/// How long a connection that takes over a session has for entering its rooms.
const REENTER: Millis = Millis(2_000);

impl Actor {
    pub(super) async fn open(&mut self, opening: Opening, reply: oneshot::Sender<Result<Entered, TooMany>>) {
        let Opening { user, user_type, resume, fresh, conn, seen } = opening;
        let now = self.clock.now();
        let resumable = resume.as_ref().is_some_and(|session| self.people.sessions(&user).contains(session));
        let max = self.settings.sessions_per_user;
        if !resumable && max > 0 && self.people.live(&user).len() >= max {
            let _ = reply.send(Err(TooMany));
            return;
        }
        let opened = self.people.open(&user, &user_type, resume.as_ref(), fresh, now);
        let session = opened.session;
        let before = self.lines.insert(session.clone(), Line { conn, seen, rooms: Vec::new() });
        if conn.is_none() {
            // A polling client's line is lost from the start: it ends unless it is opened again in time.
            self.people.lost(&session, now);
        }
        let mut rooms = Vec::new();
        if let Some(line) = before {
            rooms = line.rooms;
            if let Some(to) = line.conn.filter(|old| Some(*old) != conn) {
                self.to_shard(to.shard, ShardMsg::Close { to, close: Close::Replaced, retry_after_ms: 0 }).await;
            }
        }
        for old in opened.replaced {
            let line = self.lines.remove(&old);
            self.store.put(old.clone(), None, || {});
            if let Some(line) = line.filter(|line| !line.rooms.is_empty()) {
                let at = line.seen.at().plus(self.settings.timeout).max(now);
                for room in line.rooms {
                    self.later(at, room, RoomMsg::Gone { user: user.clone(), session: old.clone() });
                }
            }
        }
        let kept = if conn.is_some() { self.kept.remove(&user).unwrap_or_default().into() } else { Vec::new() };
        let entered = Entered { session: session.clone(), resumed: opened.resumed, kept, rooms };
        let answer = move || {
            let _ = reply.send(Ok(entered));
        };
        if opened.resumed {
            answer();
        } else {
            self.store.put(session.clone(), Some(self.record(&user, session)), answer);
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
        let gone = |room: &RoomId| (room.clone(), RoomMsg::Lost { session: session.clone(), conn: Some(conn), by_hub });
        let Some(line) = self.lines.get_mut(&session).filter(|line| line.conn == Some(conn)) else {
            // The session goes on over another connection, which enters the rooms that it wants to be in: the others lose it.
            let at = self.clock.now().plus(REENTER);
            for (room, lost) in rooms.iter().map(gone) {
                self.later(at, room.clone(), lost);
                self.later(at, room, RoomMsg::Gone { user: user.clone(), session: session.clone() });
            }
            return;
        };
        line.conn = None;
        for (room, lost) in rooms.iter().map(gone) {
            self.rooms.post(&room, lost);
        }
        line.rooms = rooms;
        self.people.lost(&session, line.seen.at());
    }

    fn later(&mut self, at: UnixMs, room: RoomId, message: RoomMsg) {
        self.later_count += 1;
        self.later.insert((at, self.later_count), (room, message));
    }

    fn record(&self, user: &UserId, session: SessionId) -> SessionRecord {
        let user_type = self.people.type_of(user).cloned().unwrap_or_else(UserType::plain);
        SessionRecord { session, user: user.clone(), user_type, choice: self.people.choice(user) }
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
            if let Some(to) = self.lines.get(session).and_then(|line| line.conn) {
                self.to_shard(to.shard, ShardMsg::Deliver { to, frame: frame.clone(), class: Class::Must }).await;
            }
        }
        if live.is_empty() && !self.people.is_here(to) {
            return None;
        }
        if live.is_empty() {
            let kept = self.kept.entry(to.clone()).or_default();
            kept.push_back(frame);
            if kept.len() > KEPT_MAX {
                kept.pop_front();
            }
        }
        Some(live.len())
    }
}
