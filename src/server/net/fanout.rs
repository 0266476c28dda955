//! The shard's dispatcher: takes what rooms and presence say, and joins the frames of a room into one write per member.
use super::{conn, shard::Shard, ws};
use crate::hub::id::RoomId;
use crate::server::{
    msg::{Class, ConnId, Frame, ShardMsg, room_key},
    telemetry::metrics,
};
use std::{collections::HashMap, rc::Rc};
use tokio::sync::mpsc;

/// How many messages are taken at once.
const BATCH: usize = 512;
/// After how many members the shard looks at its other work.
const BREATH: usize = 128;

/// The frames of one room that wait for the end of the batch.
struct Pending {
    room: RoomId,
    frames: Vec<(Frame, Class)>,
    /// Who already has the first so many of them.
    early: HashMap<ConnId, usize>,
}

impl Shard {
    /// Takes what waits, in order, until all senders are gone.
    pub(in crate::server) async fn dispatch(self: Rc<Self>, mut inbox: mpsc::Receiver<ShardMsg>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut pending: Vec<Pending> = Vec::new();
        while inbox.recv_many(&mut batch, BATCH).await > 0 {
            for message in batch.drain(..) {
                self.take(message, &mut pending);
            }
            for room in pending.drain(..) {
                self.fan_out(room).await;
            }
            tokio::task::yield_now().await;
        }
    }

    fn take(&self, message: ShardMsg, pending: &mut Vec<Pending>) {
        match message {
            ShardMsg::RoomFrame { room, frame, class } => match pending.iter_mut().find(|p| p.room == room) {
                Some(waiting) => waiting.frames.push((frame, class)),
                None => pending.push(Pending { room, frames: vec![(frame, class)], early: HashMap::new() }),
            },
            ShardMsg::Deliver { to, frame, class } => {
                self.catch_up(to, pending);
                if let Some(conn) = self.conn(to) {
                    conn.deliver(frame, class);
                }
            }
            ShardMsg::RoomJoined { room, conn: id, first } => {
                self.catch_up(id, pending);
                let Some(conn) = self.conn(id) else { return };
                if !first.is_empty() {
                    conn.deliver(Frame(ws::join(first.iter())), Class::Snapshot(room_key(&room)));
                }
                self.rooms.borrow_mut().join(&room, id);
                self.note_room(id, &room, true);
                if let Some(waiting) = pending.iter_mut().find(|p| p.room == room) {
                    waiting.early.insert(id, waiting.frames.len());
                }
            }
            ShardMsg::RoomLeft { room, conn: id, last } => {
                self.catch_up(id, pending);
                if let Some(conn) = self.conn(id) {
                    for frame in last {
                        conn.deliver(frame, Class::Must);
                    }
                }
                self.rooms.borrow_mut().leave(&room, id);
                self.note_room(id, &room, false);
            }
            ShardMsg::Close { to, close, retry_after_ms } => {
                self.catch_up(to, pending);
                if let Some(conn) = self.conn(to) {
                    conn.close(close, retry_after_ms);
                }
            }
            ShardMsg::DrainAll => self.drain_all(),
            ShardMsg::Presence(shown) => self.sessions.presence(&shown),
            ShardMsg::Run(work) => (work.0)(),
        }
    }

    /// Gives one connection the room frames that wait, because something of its own comes after them.
    fn catch_up(&self, id: ConnId, pending: &mut [Pending]) {
        if pending.is_empty() {
            return;
        }
        let Some(conn) = self.conn(id) else { return };
        for waiting in pending.iter_mut().filter(|p| self.rooms.borrow().has(&p.room, id)) {
            let had = waiting.early.insert(id, waiting.frames.len()).unwrap_or(0);
            for (frame, class) in waiting.frames.iter().skip(had) {
                conn.deliver(frame.clone(), *class);
            }
        }
    }

    async fn fan_out(&self, waiting: Pending) {
        let members = self.rooms.borrow().members(&waiting.room);
        metrics::FANNED_OUT.increment(members.len().saturating_mul(waiting.frames.len()) as u64);
        let joined = ws::join(waiting.frames.iter().map(|(frame, _)| frame));
        for (count, some) in members.chunks(BREATH).enumerate() {
            if count > 0 {
                tokio::task::yield_now().await;
            }
            self.with(some, |mut conns| {
                // Who has some of them already is alone in it: mostly whoever has caused them, behind his ack.
                if !waiting.early.is_empty() {
                    conns.retain(|conn| {
                        let Some(had) = waiting.early.get(&conn.id()) else { return true };
                        for (frame, class) in waiting.frames.iter().skip(*had) {
                            conn.deliver(frame.clone(), *class);
                        }
                        false
                    });
                }
                conn::deliver_to_all(&conns, &joined, &waiting.frames);
            });
        }
    }
}
