//! One shard: the connections that live on its thread, and the one channel through which rooms reach them. [`super::shards`] starts them.
mod settings;

pub use settings::NetSettings;

use super::{
    admit::Admission,
    conn::{Conn, Deadlines, Hello},
    members::RoomMembers,
    reader::Reader,
};
use crate::server::{
    clock::Mono,
    live::Live,
    msg::{ConnId, ShardMsg, Shown},
};
use crate::{hub::id::RoomId, wire::close::Close};
use futures_util::future::LocalBoxFuture;
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How many messages may wait for a shard.
const INBOX: usize = 8_192;
/// What a connection may take when memory is short: the time for a message that has begun, and the bytes that wait for a reader.
const SHORT_MESSAGE_MS: u64 = 250;
const SHORT_WAITING_BYTES: usize = 16 * 1024;
/// When a client that is sent away shall come back at the earliest.
pub(in crate::server) const COME_BACK_MS: u64 = 200;
/// Over how long clients that are sent away at once come back, at least and at most: about a client per millisecond.
const SPREAD_MS: (u64, u64) = (1_000, 10_000);
/// A sweep that comes later than this says that the process was paused.
const PAUSED_MS: u64 = 1_000;

/// What is done with connections: implemented by whoever knows sessions, once per shard.
pub trait Sessions {
    /// Lives with one connection, from its opening until [`super::reader::Inbound::Ended`]; when it returns, the connection is closed.
    fn serve(self: Rc<Self>, conn: Conn, reader: Reader, hello: Hello) -> LocalBoxFuture<'static, ()>;
    /// The shown state of watched people has changed.
    fn presence(&self, shown: &[Shown]);
    /// All connections are gone: returns when everybody else has heard what that means.
    fn settle(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Reaches a shard from anywhere.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    index: u16,
    inbox: mpsc::Sender<ShardMsg>,
}

impl ShardHandle {
    /// Makes a shard's inbox.
    pub(in crate::server) fn new(index: u16) -> (Self, mpsc::Receiver<ShardMsg>) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        (Self { index, inbox }, receiver)
    }

    /// Returns the shard's number.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Sends a message, waiting for room in the inbox; `false` if the shard is gone. Order is kept per sender.
    pub async fn send(&self, message: ShardMsg) -> bool {
        self.inbox.send(message).await.is_ok()
    }

    /// Sends a message if there is room. Errors: the message comes back.
    pub fn try_send(&self, message: ShardMsg) -> Result<(), ShardMsg> {
        self.inbox.try_send(message).map_err(mpsc::error::TrySendError::into_inner)
    }
}

/// What lives on one shard's thread.
pub(in crate::server) struct Shard {
    pub index: u16,
    pub settings: Arc<NetSettings>,
    pub admission: Admission,
    pub origins: Live<Vec<String>>,
    pub doors: Admission,
    pub sessions: Rc<dyn Sessions>,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    pub rooms: RefCell<RoomMembers>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    conn: Option<Conn>,
    rooms: Vec<RoomId>,
}

impl Shard {
    /// Makes a shard without connections.
    pub fn new(
        index: u16,
        settings: Arc<NetSettings>,
        admission: Admission,
        doors: Admission,
        origins: Live<Vec<String>>,
        sessions: Rc<dyn Sessions>,
    ) -> Self {
        let (slots, free, rooms) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { index, settings, admission, doors, origins, sessions, slots, free, rooms }
    }

    /// Takes a slot for a new connection.
    pub fn occupy(&self, conn: impl FnOnce(ConnId) -> Conn) -> Conn {
        let mut slots = self.slots.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            u32::try_from(slots.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = slots.get(slot as usize).map_or(0, |s| s.generation);
        let conn = conn(ConnId { shard: self.index, slot, generation });
        if let Some(entry) = slots.get_mut(slot as usize) {
            entry.conn = Some(conn.clone());
        }
        conn
    }

    /// Gives a slot back: the connection is in no room any more and late messages find nobody.
    pub fn vacate(&self, id: ConnId) {
        let rooms = {
            let mut slots = self.slots.borrow_mut();
            let Some(slot) = slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation) else { return };
            slot.generation = slot.generation.wrapping_add(1);
            slot.conn = None;
            std::mem::take(&mut slot.rooms)
        };
        let mut members = self.rooms.borrow_mut();
        for room in &rooms {
            members.leave(room, id);
        }
        self.free.borrow_mut().push(id.slot);
    }

    /// Finds a connection.
    pub fn conn(&self, id: ConnId) -> Option<Conn> {
        let slots = self.slots.borrow();
        slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation)?.conn.clone()
    }

    /// Hands over those of these connections that are still there, all at once.
    pub fn with(&self, ids: &[ConnId], work: impl FnOnce(Vec<&Conn>)) {
        let slots = self.slots.borrow();
        let slot = |id: &ConnId| slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
        work(ids.iter().filter_map(|id| slot(id)?.conn.as_ref()).collect());
    }

    /// Notes a room that a connection enters or leaves.
    pub fn note_room(&self, id: ConnId, room: &RoomId, inside: bool) {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation) {
            slot.rooms.retain(|r| r != room);
            if inside {
                slot.rooms.push(room.clone());
            }
        }
    }

    /// Returns every connection of this shard.
    pub fn conns(&self) -> Vec<Conn> {
        self.slots.borrow().iter().filter_map(|slot| slot.conn.clone()).collect()
    }

    /// Looks at all deadlines again and again.
    pub async fn sweep(self: Rc<Self>) {
        let settings = &self.settings;
        let deadlines = Deadlines {
            ping_ms: settings.ping_interval_ms,
            idle_ms: settings.heartbeat_timeout_ms,
            message_ms: settings.message_timeout_ms,
            waiting_bytes: usize::MAX,
        };
        let short =
            Deadlines { message_ms: SHORT_MESSAGE_MS.min(deadlines.message_ms), waiting_bytes: SHORT_WAITING_BYTES, ..deadlines };
        let mut last: Mono = settings.clock.mono();
        let every = deadlines.look_every_ms();
        loop {
            tokio::time::sleep(Duration::from_millis(every)).await;
            let now = settings.clock.mono();
            let late = now.since(last).saturating_sub(every);
            last = now;
            let gap = if late > PAUSED_MS { late } else { 0 };
            if self.index == 0 {
                self.admission.look_at_memory();
                self.doors.look_at_memory();
            }
            let deadlines = if self.admission.is_memory_short() { short } else { deadlines };
            let slots = self.slots.borrow();
            for conn in slots.iter().filter_map(|slot| slot.conn.as_ref()) {
                conn.sweep(now, gap, deadlines);
            }
        }
    }

    /// Asks everybody here to come back, at different times.
    pub fn drain_all(&self) {
        let conns = self.conns();
        for (place, conn) in conns.iter().enumerate() {
            conn.close(Close::Draining, come_back_ms(place, conns.len()));
        }
    }
}

/// Returns when one of so many clients that are sent away at once shall come back: not all at the same time.
pub(in crate::server) fn come_back_ms(place: usize, total: usize) -> u64 {
    let spread_ms = (total as u64).clamp(SPREAD_MS.0, SPREAD_MS.1);
    COME_BACK_MS + spread_ms * place as u64 / total.max(1) as u64
}
