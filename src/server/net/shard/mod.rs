//! Shards: one thread and one runtime each, the connections that live there, and the one channel through which rooms reach them.
mod settings;

pub use settings::NetSettings;

use super::{
    accept,
    admit::Admission,
    conn::{Conn, Deadlines, Hello},
    fanout::RoomMembers,
    reader::Reader,
};
use crate::server::{
    clock::Mono,
    live::Live,
    msg::{ConnId, ShardMsg, Shown},
};
use crate::{hub::id::RoomId, wire::close::Close};
use futures_util::future::LocalBoxFuture;
use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
};

/// How many messages may wait for a shard.
const INBOX: usize = 8_192;
/// What a connection may take when memory is short: the time for a message that has begun, and the bytes that wait for a reader.
const SHORT_MESSAGE_MS: u64 = 250;
const SHORT_WAITING_BYTES: usize = 16 * 1024;
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
    /// Makes a handle whose messages a test takes out itself.
    #[cfg(test)]
    pub(in crate::server) fn for_test(index: u16) -> (Self, mpsc::Receiver<ShardMsg>) {
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

/// Every listener is bound, nothing is served yet: the handles can be given to whoever will be served.
pub struct Bound {
    settings: Arc<NetSettings>,
    admission: Admission,
    doors: Admission,
    origins: Live<Vec<String>>,
    listeners: Vec<std::net::TcpListener>,
    inboxes: Vec<mpsc::Receiver<ShardMsg>>,
    handles: Vec<ShardHandle>,
    local_addr: SocketAddr,
}

impl Bound {
    /// Binds one listener per shard. Errors: the address is in use or not ours.
    pub fn new(settings: NetSettings) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if settings.shards == 0 { cores() } else { settings.shards };
        let (listeners, local_addr) = accept::bind(settings.listen, count)?;
        let admission = Admission::new(settings.caps, settings.clock);
        let doors = Admission::new(settings.http_caps, settings.clock);
        let origins = Live::new(settings.allowed_origins.clone());
        let (inboxes, handles) = (Vec::new(), Vec::new());
        let mut bound = Self { settings: Arc::new(settings), admission, doors, origins, listeners, inboxes, handles, local_addr };
        for index in (0..=u16::MAX).take(count) {
            let (inbox, receiver) = mpsc::channel(INBOX);
            bound.handles.push(ShardHandle { index, inbox });
            bound.inboxes.push(receiver);
        }
        Ok(bound)
    }

    /// Returns the shards' handles, in the order of their numbers.
    #[must_use]
    pub fn handles(&self) -> &[ShardHandle] {
        &self.handles
    }

    /// Returns who counts the open sockets.
    #[must_use]
    pub const fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Returns who counts the connections that speak HTTP.
    #[must_use]
    pub const fn doors(&self) -> &Admission {
        &self.doors
    }

    /// Returns the origins of pages that may connect, to be changed while the hub runs.
    #[must_use]
    pub const fn origins(&self) -> &Live<Vec<String>> {
        &self.origins
    }

    /// Returns the address that clients reach.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Starts the shards. `sessions` is called once on every shard's thread; `shutdown` turns true when the drain shall begin.
    /// Errors: a thread or runtime cannot be made.
    pub fn run<F>(self, router: axum::Router, sessions: F, shutdown: watch::Receiver<bool>) -> std::io::Result<Shards>
    where
        F: Fn(u16) -> Rc<dyn Sessions> + Send + Clone + 'static,
    {
        let (admission, doors, origins) = (self.admission, self.doors, self.origins);
        let mut threads = Vec::new();
        for ((listener, inbox), handle) in self.listeners.into_iter().zip(self.inboxes).zip(&self.handles) {
            let index = handle.index;
            let (settings, admission) = (self.settings.clone(), admission.clone());
            let (doors, origins) = (doors.clone(), origins.clone());
            let (router, sessions, shutdown) = (router.clone(), sessions.clone(), shutdown.clone());
            let body = move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                match runtime {
                    Ok(runtime) => runtime.block_on(async move {
                        let shard = Rc::new(Shard::new(index, settings, admission, doors, origins, sessions(index)));
                        shard.live(listener, inbox, router, shutdown).await;
                    }),
                    Err(error) => tracing::error!(%error, shard = index, "no runtime for a shard"),
                }
            };
            threads.push(std::thread::Builder::new().name(format!("shard-{index}")).spawn(body)?);
        }
        Ok(Shards { handles: self.handles, local_addr: self.local_addr, threads })
    }
}

/// Binds and starts in one step, for whoever needs no handles beforehand.
pub fn run_shards<F>(
    settings: NetSettings,
    router: axum::Router,
    sessions: F,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<Shards>
where
    F: Fn(u16) -> Rc<dyn Sessions> + Send + Clone + 'static,
{
    Bound::new(settings)?.run(router, sessions, shutdown)
}

/// The running shards.
pub struct Shards {
    /// How to reach them, in the order of their numbers.
    pub handles: Vec<ShardHandle>,
    /// The address that clients reach.
    pub local_addr: SocketAddr,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Shards {
    /// Waits until every shard has drained. Blocks the thread.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a shard's thread panicked");
            }
        }
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
    fn new(
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

    async fn live(
        self: &Rc<Self>,
        listener: std::net::TcpListener,
        inbox: mpsc::Receiver<ShardMsg>,
        router: axum::Router,
        mut shutdown: watch::Receiver<bool>,
    ) {
        tokio::task::spawn_local(self.clone().dispatch(inbox));
        tokio::task::spawn_local(self.clone().sweep());
        accept::accept(self, listener, &router, &mut shutdown).await;
        let timeout = Duration::from_millis(self.settings.drain_timeout_ms.saturating_mul(9) / 10);
        if tokio::time::timeout(timeout, self.drain()).await.is_err() {
            tracing::warn!(shard = self.index, open = self.admission.open(), "drained by force");
        }
        self.sessions.settle().await;
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

    /// Does something with each of these connections that is still there.
    pub fn each(&self, ids: &[ConnId], mut work: impl FnMut(&Conn)) {
        let slots = self.slots.borrow();
        for id in ids {
            let slot = slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
            if let Some(conn) = slot.and_then(|slot| slot.conn.as_ref()) {
                work(conn);
            }
        }
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

    fn conns(&self) -> Vec<Conn> {
        self.slots.borrow().iter().filter_map(|slot| slot.conn.clone()).collect()
    }

    /// Looks at all deadlines again and again.
    async fn sweep(self: Rc<Self>) {
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
        let spread_ms = (conns.len() as u64).clamp(1_000, 10_000);
        for (place, conn) in (0..).zip(&conns) {
            conn.close(Close::Draining, 200 + spread_ms * place / conns.len().max(1) as u64);
        }
    }

    /// Closes every connection, spread over a short time, and waits until those of all shards are gone.
    async fn drain(&self) {
        let conns = self.conns();
        let step = Duration::from_millis(50);
        let window_ms = (self.settings.drain_timeout_ms / 5).min(3_000);
        let steps = usize::try_from(window_ms / 50).unwrap_or(1).max(1);
        let spread_ms = (conns.len() as u64).clamp(1_000, 10_000);
        for (chunk_number, chunk) in conns.chunks(conns.len().div_ceil(steps).max(1)).enumerate() {
            if chunk_number > 0 {
                tokio::time::sleep(step).await;
            }
            for (i, conn) in chunk.iter().enumerate() {
                let place = (chunk_number * chunk.len() + i) as u64;
                conn.close(Close::Draining, 200 + spread_ms * place / conns.len().max(1) as u64);
            }
        }
        drop(conns);
        while self.admission.open() > 0 || accept::unanswered() > 0 {
            for conn in self.conns() {
                conn.close(Close::Draining, 200);
            }
            tokio::time::sleep(step).await;
        }
    }
}
