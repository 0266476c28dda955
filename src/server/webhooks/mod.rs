//! Webhooks: what happens in rooms, told to configured backends. Signed, in order per endpoint and room, at least once.
//!
//! There is no second outbox: the room's own log is delivered, from a durable place per endpoint and room. So a message exists exactly if its
//! commit does, and nothing is lost by a kill. Delivery runs on a thread of its own and never delays a room.
pub mod admin;
pub mod dead;
pub mod endpoint;
pub mod place;
pub mod retry;
pub mod sign;
pub mod source;
mod status;
mod stream;
pub mod tap;

use super::{clock::Clock, msg::Shown, store::notes::Notes};
use crate::hub::{id::RoomId, time::UnixMs};
use endpoint::{Endpoint, EndpointSettings, EndpointState, OpenError};
use place::Place;
use source::Source;
use status::Changes;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use stream::Stream;
use tap::Moved;
use tokio::sync::{Notify, mpsc};

/// How often gauges are set.
const GAUGES: Duration = Duration::from_secs(5);
/// How often all rooms are looked at, where other nodes may have died with something to deliver.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// How many changes of status may wait for the thread.
const STATUS_QUEUE: usize = 65_536;

/// What webhooks work on.
#[derive(Clone)]
pub struct WebhookDeps {
    /// Rooms and their history.
    pub source: Source,
    /// Where places and dead letters are kept.
    pub notes: Arc<dyn Notes>,
    /// The hub clock.
    pub clock: Clock,
    /// This process, never named so again.
    pub node: Arc<str>,
}

/// All endpoints. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    endpoints: OnceLock<Vec<Arc<Endpoint>>>,
    moved: Arc<Moved>,
    statuses: mpsc::Sender<Shown>,
    look: Notify,
    deps: WebhookDeps,
}

impl Webhooks {
    /// Starts the thread. `moved` hears of every commit (see [`tap::Tap`]). Errors: the thread cannot be started.
    pub fn start(endpoints: Vec<EndpointSettings>, deps: WebhookDeps, moved: Arc<Moved>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (statuses, status_inbox) = mpsc::channel(STATUS_QUEUE);
        let webhooks = Self(Arc::new(Inner { endpoints: OnceLock::new(), moved, statuses, look: Notify::new(), deps }));
        let own = webhooks.clone();
        // Before the first command, so that no event is older.
        let started = own.0.deps.clock.now();
        let body = move || runtime.block_on(own.live(endpoints, started, status_inbox));
        std::thread::Builder::new().name("michub-webhooks".to_owned()).spawn(body)?;
        Ok(webhooks)
    }

    /// Tells that somebody looks different to others. Never waits: beyond the limit it is dropped, and counted.
    pub fn status(&self, shown: &Shown) {
        if self.0.statuses.try_send(shown.clone()).is_err() {
            metrics::counter!("michub_webhook_status_dropped_total", "endpoint" => "all").increment(1);
        }
    }

    /// Returns how the endpoints are doing; none while they are being opened.
    #[must_use]
    pub fn states(&self) -> Vec<EndpointState> {
        self.endpoints().iter().map(|endpoint| endpoint.state()).collect()
    }

    /// Looks at all rooms again.
    fn look_again(&self) {
        self.0.look.notify_one();
    }

    fn endpoints(&self) -> &[Arc<Endpoint>] {
        self.0.endpoints.get().map(Vec::as_slice).unwrap_or_default()
    }

    fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints().iter().find(|endpoint| endpoint.settings.name == name)
    }

    async fn live(self, settings: Vec<EndpointSettings>, started: UnixMs, mut statuses: mpsc::Receiver<Shown>) {
        let mut opened = Vec::with_capacity(settings.len());
        for settings in settings {
            opened.push(self.open(settings, started).await);
        }
        let changes: Vec<_> = opened
            .iter()
            .filter(|endpoint| endpoint.wants(status::KIND))
            .map(|endpoint| Changes::start(endpoint.clone()))
            .collect();
        // Only this thread sets it, once.
        let _ = self.0.endpoints.set(opened);
        tokio::spawn(self.clone().look_at_all());
        let mut gauges = tokio::time::interval(GAUGES);
        let mut again = tokio::time::interval(LOOK_AGAIN);
        again.reset();
        loop {
            tokio::select! {
                moved = self.0.moved.take() => {
                    for (room, rev) in moved {
                        self.deliver(&room, rev);
                    }
                }
                shown = statuses.recv() => {
                    for lanes in shown.iter().flat_map(|_| &changes) {
                        shown.iter().for_each(|shown| Changes::push(lanes, shown));
                    }
                }
                _ = gauges.tick() => self.gauges(),
                _ = again.tick(), if self.0.deps.source.store.shared() => self.look_again(),
                () = self.0.look.notified() => drop(tokio::spawn(self.clone().look_at_all())),
            }
        }
    }

    /// Opens an endpoint, however long the store takes to answer.
    async fn open(&self, settings: EndpointSettings, started: UnixMs) -> Arc<Endpoint> {
        let WebhookDeps { source, notes, clock, .. } = &self.0.deps;
        loop {
            match Endpoint::open(settings.clone(), source.clone(), notes.clone(), *clock, started).await {
                Ok(endpoint) => return endpoint,
                Err(error @ (OpenError::Store(_) | OpenError::Outgoing(_))) => {
                    tracing::error!(endpoint = settings.name, %error, "an endpoint cannot be opened yet");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// A room's log is settled up to `rev`.
    fn deliver(&self, room: &RoomId, rev: u64) {
        for endpoint in self.endpoints() {
            if endpoint.wants_room(room) && !endpoint.is_gone() && endpoint.settle(room, rev) {
                tokio::spawn(Stream::new(endpoint.clone(), room.clone(), self.0.deps.node.clone()).run());
            }
        }
    }

    /// Looks for rooms with something that was not delivered before. Cost: two small reads per room.
    async fn look_at_all(self) {
        let source = &self.0.deps.source;
        let rooms = loop {
            match source.store.rooms().await {
                Ok(rooms) => break rooms,
                Err(fault) => {
                    tracing::warn!(%fault, "the rooms cannot be named yet");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        for room in rooms {
            match source.store.head(&room).await {
                Ok(Some(head)) if self.is_behind(&room, head).await => self.deliver(&room, head),
                Ok(_) => {}
                Err(fault) => tracing::warn!(%room, %fault, "a room cannot be looked at"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn is_behind(&self, room: &RoomId, head: u64) -> bool {
        for endpoint in self.endpoints() {
            let family = format!("{}.at", endpoint::family(&endpoint.settings.name));
            let note = self.0.deps.notes.note(&family, room.as_str()).await.ok().flatten();
            let place = note.and_then(|note| Place::decode(&note));
            if place.is_none_or(|place| place.cursor.rev < head || place.missed.is_some() || place.is_untouched()) {
                return true;
            }
        }
        false
    }

    fn gauges(&self) {
        for EndpointState { name, pending_rooms, failing_rooms, oldest_ms, dead, .. } in self.states() {
            let set = |gauge: metrics::Gauge, value: u64| gauge.set(value as f64);
            set(metrics::gauge!("michub_webhook_pending_rooms", "endpoint" => name.clone()), pending_rooms as u64);
            set(metrics::gauge!("michub_webhook_failing_rooms", "endpoint" => name.clone()), failing_rooms as u64);
            set(metrics::gauge!("michub_webhook_oldest_ms", "endpoint" => name.clone()), oldest_ms);
            set(metrics::gauge!("michub_webhook_dead_letters", "endpoint" => name), dead as u64);
        }
    }
}
