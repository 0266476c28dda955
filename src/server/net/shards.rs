//! All shards: their listeners, one thread with one runtime each, and how they end.
use super::{
    accept,
    admit::Admission,
    shard::{COME_BACK_MS, NetSettings, Sessions, Shard, ShardHandle, come_back_ms},
};
use crate::{
    server::{live::Live, msg::ShardMsg},
    wire::close::Close,
};
use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
};

/// The pause between two parts of a drain.
const DRAIN_STEP_MS: u64 = 50;
/// Over how long a drain spreads the closing of connections, at most.
const DRAIN_WINDOW_MS: u64 = 3_000;

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
            let (handle, inbox) = ShardHandle::new(index);
            bound.handles.push(handle);
            bound.inboxes.push(inbox);
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
            let index = handle.index();
            let (settings, admission) = (self.settings.clone(), admission.clone());
            let (doors, origins) = (doors.clone(), origins.clone());
            let (router, sessions, shutdown) = (router.clone(), sessions.clone(), shutdown.clone());
            let body = move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                match runtime {
                    Ok(runtime) => runtime.block_on(async move {
                        let shard = Rc::new(Shard::new(index, settings, admission, doors, origins, sessions(index)));
                        live(&shard, listener, inbox, router, shutdown).await;
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

/// Lives as a shard: serves until the drain begins, closes every connection, and returns when everybody else has heard of that.
async fn live(
    shard: &Rc<Shard>,
    listener: std::net::TcpListener,
    inbox: mpsc::Receiver<ShardMsg>,
    router: axum::Router,
    mut shutdown: watch::Receiver<bool>,
) {
    tokio::task::spawn_local(shard.clone().dispatch(inbox));
    tokio::task::spawn_local(shard.clone().sweep());
    accept::accept(shard, listener, &router, &mut shutdown).await;
    let timeout = Duration::from_millis(shard.settings.drain_timeout_ms.saturating_mul(9) / 10);
    if tokio::time::timeout(timeout, drain(shard)).await.is_err() {
        tracing::warn!(
            shard = shard.index,
            open = shard.admission.open(),
            "the drain took too long: the connections left are cut"
        );
    }
    shard.sessions.settle().await;
}

/// Closes every connection, spread over a short time, and waits until those of all shards are gone.
async fn drain(shard: &Shard) {
    let conns = shard.conns();
    let step = Duration::from_millis(DRAIN_STEP_MS);
    let window_ms = (shard.settings.drain_timeout_ms / 5).min(DRAIN_WINDOW_MS);
    let steps = usize::try_from(window_ms / DRAIN_STEP_MS).unwrap_or(1).max(1);
    let total = conns.len();
    let chunk_len = total.div_ceil(steps).max(1);
    for (chunk_number, chunk) in conns.chunks(chunk_len).enumerate() {
        if chunk_number > 0 {
            tokio::time::sleep(step).await;
        }
        for (i, conn) in chunk.iter().enumerate() {
            conn.close(Close::Draining, come_back_ms(chunk_number * chunk_len + i, total));
        }
    }
    drop(conns);
    while shard.admission.open() > 0 || accept::unanswered() > 0 {
        for conn in shard.conns() {
            conn.close(Close::Draining, COME_BACK_MS);
        }
        tokio::time::sleep(step).await;
    }
}
