//! Webhooks: what happens in rooms, told to configured backends. Signed, in order per endpoint and room, at least once.
//!
//! There is no second outbox: the room's own log is delivered, from a durable place per endpoint and room. So a message exists exactly if its
//! commit does, and nothing is lost by a kill. Delivery runs on a thread of its own and never delays a room.
pub mod admin;
pub mod dead;
pub mod endpoint;
mod notices;
pub mod place;
pub mod retry;
pub mod settings;
pub mod sign;
pub mod source;
mod state;
mod stream;

use super::store::tap::Moved;
use super::{clock::Clock, msg::Shown, store::notes::Notes};
use crate::{
    hub::{id::RoomId, time::UnixMs},
    wire::webhook::Denial,
};
use endpoint::{Endpoint, OpenError};
use notices::{Lane, Notice};
use place::Place;
use settings::{EndpointSettings, family};
use source::Source;
use state::EndpointState;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use stream::Stream;
use tokio::sync::{Notify, mpsc};

/// How often gauges are set.
const GAUGES: Duration = Duration::from_secs(5);
/// How often all rooms are looked at, where other nodes may have died with something to deliver.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// How many messages that come from no log may wait for the thread.
const NOTICES_MAX: usize = 65_536;

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
    notices: mpsc::Sender<Notice>,
    look: Notify,
    deps: WebhookDeps,
}

impl Webhooks {
    /// Starts the thread. `moved` hears of every commit (see [`Tap`](super::store::tap::Tap)). Errors: the thread cannot be started.
    pub fn start(endpoints: Vec<EndpointSettings>, deps: WebhookDeps, moved: Arc<Moved>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (notices, notices_told) = mpsc::channel(NOTICES_MAX);
        let webhooks = Self(Arc::new(Inner { endpoints: OnceLock::new(), moved, notices, look: Notify::new(), deps }));
        let own = webhooks.clone();
        // Before the first command, so that no event is older.
        let started = own.0.deps.clock.now();
        let body = move || runtime.block_on(own.live(endpoints, started, notices_told));
        std::thread::Builder::new().name("michub-webhooks".to_owned()).spawn(body)?;
        Ok(webhooks)
    }

    /// Tells that somebody looks different to others. Never waits: beyond the limit it is dropped, and counted.
    pub fn status(&self, shown: &Shown) {
        self.notice(Notice::Status(shown.clone()));
    }

    /// Tells that somebody was not let on air, likewise.
    pub fn denied(&self, denial: Denial) {
        self.notice(Notice::Denied(denial));
    }

    fn notice(&self, notice: Notice) {
        if self.0.notices.try_send(notice).is_err() {
            metrics::counter!("michub_webhook_status_dropped_total", "endpoint" => "all").increment(1);
        }
    }

    /// Returns how the endpoints are doing; none while they are being opened.
    #[must_use]
    pub fn states(&self) -> Vec<EndpointState> {
        self.endpoints().iter().map(|endpoint| endpoint.state()).collect()
    }

    /// Gives endpoints other settings, in force when this returns; those that are not there yet, or not any more, stay as they are until a
    /// restart.
    pub fn set(&self, settings: Vec<EndpointSettings>) {
        let mut moved = Vec::new();
        for settings in settings {
            let Some(endpoint) = self.endpoint(&settings.name).cloned() else { continue };
            match endpoint.set(settings) {
                Ok(true) => moved.push(endpoint),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(endpoint = endpoint.name, %error, "the endpoint's new settings cannot be used; the old ones stay in force")
                }
            }
        }
        self.look_again();
        tokio::spawn(async move {
            for endpoint in moved {
                if let Err(error) = endpoint.keep_known().await {
                    tracing::error!(endpoint = endpoint.name, %error, "an endpoint's new address cannot be stored");
                }
            }
        });
    }

    /// Looks at all rooms again.
    fn look_again(&self) {
        self.0.look.notify_one();
    }

    fn endpoints(&self) -> &[Arc<Endpoint>] {
        self.0.endpoints.get().map(Vec::as_slice).unwrap_or_default()
    }

    fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints().iter().find(|endpoint| endpoint.name == name)
    }

    async fn live(self, settings: Vec<EndpointSettings>, started: UnixMs, mut notices: mpsc::Receiver<Notice>) {
        let mut opened = Vec::with_capacity(settings.len());
        for settings in settings {
            opened.push(self.open(settings, started).await);
        }
        let lanes: Vec<_> = opened.iter().map(Lane::start).collect();
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
                notice = notices.recv() => {
                    for notice in notice.iter() {
                        lanes.iter().for_each(|lanes| Lane::push(lanes, notice));
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
                    tracing::warn!(%fault, "the rooms cannot be listed yet");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        for room in rooms {
            match source.store.head(&room).await {
                Ok(Some(head)) if self.is_behind(&room, head).await => self.deliver(&room, head),
                Ok(_) => {}
                Err(fault) => tracing::warn!(%room, %fault, "a room cannot be read"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn is_behind(&self, room: &RoomId, head: u64) -> bool {
        for endpoint in self.endpoints() {
            let family = format!("{}.at", family(&endpoint.name));
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
