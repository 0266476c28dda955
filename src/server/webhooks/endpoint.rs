//! One endpoint: how its requests are made, and the rooms that have something for it.
use super::{
    dead::DeadLetters,
    retry::asked_wait,
    settings::{EndpointSettings, family, shown_url, wanted},
    sign::signature,
    source::Source,
};
use crate::{
    hub::{
        id::RoomId,
        time::{Millis, UnixMs},
    },
    server::{
        clock::Clock,
        live::Live,
        outgoing::{Outgoing, OutgoingError},
        store::{StoreFault, notes::Notes},
    },
    wire::webhook::{Message, Position},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

/// How long the log says nothing more about an endpoint that takes nothing.
const QUIET: Millis = Millis(60_000);

/// What is known of an endpoint over restarts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    /// What happened before is not for it.
    pub since: u64,
    /// It said 410: nothing is sent until an operator says so.
    pub gone: bool,
    /// Where it was then; a new URL is a new chance.
    pub url: String,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Tried {
    /// The receiver has it.
    Taken,
    /// It has not; it may have asked to wait.
    Failed { why: String, asked: Option<Millis> },
    /// It wants nothing any more.
    Gone,
}

/// A room that has something for the endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    /// The rev up to which the log is settled.
    target: u64,
    /// The time of the message that has failed last.
    pub failing: Option<UnixMs>,
}

/// One endpoint.
pub struct Endpoint {
    pub(super) name: String,
    settings: Live<EndpointSettings>,
    outgoing: Live<Outgoing>,
    permits: Semaphore,
    pub(super) notes: Arc<dyn Notes>,
    pub(super) source: Source,
    pub(super) dead: DeadLetters,
    pub(super) clock: Clock,
    known: Mutex<Known>,
    rooms: Mutex<BTreeMap<RoomId, Waiting>>,
    /// The last attempts found nobody there.
    pub(super) down: AtomicBool,
    /// Why the newest attempt has failed, if it has.
    failure: Mutex<Option<String>>,
    /// When the log said last that messages are not taken.
    told: Mutex<Option<UnixMs>>,
    /// It is there again: whoever waits may try.
    up: Notify,
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Endpoint {
    /// Reads what is known of the endpoint; one seen for the first time gets everything from `started` on.
    pub(super) async fn open(
        settings: EndpointSettings,
        source: Source,
        notes: Arc<dyn Notes>,
        clock: Clock,
        started: UnixMs,
    ) -> Result<Arc<Self>, OpenError> {
        let outgoing = Outgoing::new(settings.target.clone(), settings.outgoing.clone())?;
        let url = shown_url(&settings.target);
        let family = family(&settings.name);
        let kept = notes.note(&family, "known").await?.and_then(|note| serde_json::from_slice::<Known>(&note).ok());
        let known = match kept {
            Some(known) if known.url == url => known,
            Some(known) => Known { gone: false, url, ..known },
            None => Known { since: started.0, gone: false, url },
        };
        let dead = DeadLetters::open(&settings.name, settings.dead_max, notes.clone()).await?;
        let permits = Semaphore::new(settings.concurrency);
        let endpoint = Arc::new(Self {
            name: settings.name.clone(),
            settings: Live::new(settings),
            outgoing: Live::new(outgoing),
            permits,
            notes,
            source,
            dead,
            clock,
            known: Mutex::new(known),
            rooms: Mutex::default(),
            down: AtomicBool::new(false),
            failure: Mutex::default(),
            told: Mutex::default(),
            up: Notify::new(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        endpoint.keep_known().await?;
        Ok(endpoint)
    }

    /// Returns the settings in force.
    pub(super) fn settings(&self) -> Arc<EndpointSettings> {
        self.settings.load().clone()
    }

    /// Takes other settings from now on; another address is another chance after a 410. How many requests are on their way at once stays.
    /// Returns whether it has moved: then [`Self::keep_known`] is to follow. Errors: requests cannot be made, everything stays.
    pub(super) fn set(&self, settings: EndpointSettings) -> Result<bool, OutgoingError> {
        self.outgoing.set(Outgoing::new(settings.target.clone(), settings.outgoing.clone())?);
        let url = shown_url(&settings.target);
        self.settings.set(settings);
        let moved = {
            let mut known = self.known();
            let moved = known.url != url;
            if moved {
                *known = Known { gone: false, url, ..known.clone() };
            }
            moved
        };
        // Whoever waits may try.
        self.up.notify_waiters();
        Ok(moved)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rooms(&self) -> MutexGuard<'_, BTreeMap<RoomId, Waiting>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what is known of the endpoint.
    pub(super) async fn keep_known(&self) -> Result<(), StoreFault> {
        let note = serde_json::to_vec(&*self.known()).unwrap_or_default();
        self.notes.put_note(&family(&self.name), "known", Some(note.into()), None).await?;
        Ok(())
    }

    pub(super) fn since(&self) -> UnixMs {
        UnixMs(self.known().since)
    }

    /// Tells whether the endpoint has said that it wants nothing any more.
    pub(super) fn is_gone(&self) -> bool {
        self.known().gone
    }

    /// Takes an endpoint into use again that has said 410.
    pub(super) async fn enable(&self) -> Result<(), StoreFault> {
        self.known().gone = false;
        self.keep_known().await
    }

    async fn close(&self) {
        let news = !std::mem::replace(&mut self.known().gone, true);
        if news {
            tracing::error!(endpoint = self.name, "the endpoint says 410: nothing is sent to it until it is enabled again");
            if let Err(fault) = self.keep_known().await {
                tracing::error!(%fault, "the end of an endpoint is not written down");
            }
        }
    }

    pub(super) fn wants_room(&self, room: &RoomId) -> bool {
        wanted(&self.settings().rooms, room.as_str())
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        kind == "system.gap" || wanted(&self.settings().types, kind)
    }

    /// Notes that a room's log is settled up to `rev`. Returns whether nobody delivers that room yet.
    pub(super) fn settle(&self, room: &RoomId, rev: u64) -> bool {
        let mut rooms = self.rooms();
        let news = !rooms.contains_key(room);
        let waiting = rooms.entry(room.clone()).or_default();
        waiting.target = waiting.target.max(rev);
        news
    }

    /// Returns the rev up to which a room is settled.
    pub(super) fn target(&self, room: &RoomId) -> u64 {
        self.rooms().get(room).map_or(0, |waiting| waiting.target)
    }

    /// Ends the delivery of a room, if nothing has been added to it since `target`.
    pub(super) fn leave(&self, room: &RoomId, target: u64) -> bool {
        let mut rooms = self.rooms();
        let done = rooms.get(room).is_none_or(|waiting| waiting.target <= target);
        if done {
            rooms.remove(room);
        }
        done
    }

    /// Notes that a room's next message, of this time, has failed, or has not any more.
    pub(super) fn note_failing(&self, room: &RoomId, at: Option<UnixMs>) {
        if let Some(waiting) = self.rooms().get_mut(room) {
            waiting.failing = at;
        }
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message, prev: Option<Position>) -> Tried {
        self.post(&message.id, message.body(prev, self.settings().body_bytes)).await
    }

    /// Makes one attempt with a body that is written already.
    pub(super) async fn post(&self, id: &str, body: Vec<u8>) -> Tried {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let seconds = self.clock.wall_seconds();
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature(&self.settings().keys, id, seconds, &body)),
        ];
        let name = self.name.clone();
        let (why, asked, absent) = match self.outgoing.load().clone().post(&headers, body.into()).await {
            Ok(answer) if answer.status.is_success() => {
                self.sent.fetch_add(1, Relaxed);
                self.set_failure(None);
                metrics::counter!("michub_webhook_sent_total", "endpoint" => name).increment(1);
                if self.down.swap(false, Relaxed) {
                    tracing::debug!(endpoint = self.name, "the endpoint takes messages again");
                    self.up.notify_waiters();
                }
                return Tried::Taken;
            }
            Ok(answer) => {
                let asked = answer.retry_after.and_then(|text| asked_wait(&text, seconds));
                let status = answer.status.as_u16();
                if status == 410 {
                    self.close().await;
                    return Tried::Gone;
                }
                (format!("status {status}"), asked, matches!(status, 502..=504))
            }
            Err(error) => {
                let refused = matches!(error, OutgoingError::NotAllowed(_));
                (error.to_string(), None, !refused)
            }
        };
        self.failed.fetch_add(1, Relaxed);
        metrics::counter!("michub_webhook_failed_total", "endpoint" => name).increment(1);
        if absent {
            self.down.store(true, Relaxed);
        }
        self.tell_failing(&why);
        self.set_failure(Some(why.clone()));
        Tried::Failed { why, asked }
    }

    fn set_failure(&self, why: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Returns why the newest attempt has failed, if it has.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says in the log that messages are not taken; not again for a while, because endpoints come and go.
    fn tell_failing(&self, why: &str) {
        let now = self.clock.now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| now.since(at) >= QUIET) {
            *told = Some(now);
            tracing::warn!(endpoint = self.name, why, "the endpoint takes no messages");
        }
    }

    /// Waits until it is time for the next attempt, or until the endpoint is there again.
    pub(super) async fn rest(&self, wait: Millis) {
        let up = self.up.notified();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait.0)) => {}
            () = up => {}
        }
    }
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its notes cannot be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Requests cannot be made.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
}
