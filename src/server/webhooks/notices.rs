//! Messages that come from no room's log: `user.status.changed`, what people look like now, and `media.publish.denied`, who was not let on air.
//! They are kept in memory only, and after a restart nothing is left of them. Of several changes of one person that wait, the newest is sent.
use super::{
    dead::DeadLetter,
    endpoint::{Endpoint, Tried},
};
use crate::{
    hub::time::Millis,
    server::msg::Shown,
    wire::webhook::{Denial, Message, publish_denied, status_changed},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::Notify;

/// The types of these messages.
const KINDS: [&str; 2] = ["user.status.changed", "media.publish.denied"];
/// How many messages are delivered at once per endpoint.
const LANES: usize = 8;
/// For how long one message is tried; a receiver that takes this one never should get the others.
const TRIED_FOR: Millis = Millis::from_seconds(600);
/// A receiver that is back soon wants to know how things are, not in hours.
const WAIT_MAX: Millis = Millis::from_seconds(30);

/// What is told, once, and to whoever is there.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// Somebody looks different to others.
    Status(Shown),
    /// Somebody was not let on air.
    Denied(Denial),
}

/// What tells messages apart that wait: an older one of the same name is overtaken.
type Name = String;

/// One of the lanes in which notices wait for an endpoint.
pub(super) struct Lane {
    endpoint: Arc<Endpoint>,
    waiting: Mutex<BTreeMap<Name, Message>>,
    news: Notify,
    count: AtomicU64,
}

impl Lane {
    /// Starts to deliver, in several lanes; a person always has the same lane, so his messages arrive in order. Nothing, if the endpoint wants none.
    pub fn start(endpoint: &Arc<Endpoint>) -> Vec<Arc<Self>> {
        let lane = |_| {
            let lane = Arc::new(Self {
                endpoint: endpoint.clone(),
                waiting: Mutex::default(),
                news: Notify::new(),
                count: AtomicU64::new(0),
            });
            tokio::spawn(lane.clone().run());
            lane
        };
        (0..LANES).map(lane).collect()
    }

    /// Gives a message to the person's lane. Beyond the limit it is dropped, and counted.
    pub fn push(lanes: &[Arc<Self>], notice: &Notice) {
        let whose = match notice {
            Notice::Status(shown) => shown.user.as_str(),
            Notice::Denied(denial) => denial.user_id.as_deref().unwrap_or(&denial.stream),
        };
        let sum: usize = whose.bytes().map(usize::from).sum();
        if let Some(lane) = lanes.get(sum % LANES) {
            lane.add(notice);
        }
    }

    fn add(&self, notice: &Notice) {
        let kind = match notice {
            Notice::Status(_) => KINDS[0],
            Notice::Denied(_) => KINDS[1],
        };
        if !self.endpoint.wants(kind) {
            return;
        }
        let (now, unique) = (self.endpoint.clock.now(), rand::random());
        let (name, message) = match notice {
            Notice::Status(Shown { user, user_type, status, last_seen }) => {
                (format!("status {user}"), status_changed(user, user_type.as_str(), status.name(), *last_seen, now, unique))
            }
            // Each counts, in the order in which they came.
            Notice::Denied(denial) => {
                (format!("denied {:020}", self.count.fetch_add(1, Relaxed)), publish_denied(denial, now, unique))
            }
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.endpoint.settings().status_max / LANES && !waiting.contains_key(&name) {
            metrics::counter!("michub_webhook_status_dropped_total", "endpoint" => self.endpoint.name.clone()).increment(1);
            return;
        }
        waiting.insert(name, message);
        drop(waiting);
        self.news.notify_one();
    }

    fn pop(&self) -> Option<(Name, Message)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    fn is_overtaken(&self, name: &Name) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    async fn run(self: Arc<Self>) {
        loop {
            let Some((name, message)) = self.pop() else {
                self.news.notified().await;
                continue;
            };
            if !self.endpoint.is_gone() {
                self.deliver(&name, &message).await;
            }
        }
    }

    async fn deliver(&self, name: &Name, message: &Message) {
        let mut attempts = 0;
        while let Tried::Failed { asked, why } = self.endpoint.attempt(message, None).await {
            attempts += 1;
            let (settings, now) = (self.endpoint.settings(), self.endpoint.clock.now());
            let wait = settings.schedule.wait(attempts, message.at, now, asked).map(|wait| wait.min(WAIT_MAX));
            let Some(wait) = wait.filter(|wait| now.plus(*wait).since(message.at) <= TRIED_FOR) else {
                return self.give_up(message, attempts, why).await;
            };
            self.endpoint.rest(wait).await;
            if self.is_overtaken(name) {
                return;
            }
        }
    }

    /// A change of status is forgotten, as a newer one will come; a denial becomes a dead letter.
    async fn give_up(&self, message: &Message, attempts: usize, why: String) {
        if message.kind != KINDS[1] {
            return;
        }
        let body = message.body(None, self.endpoint.settings().body_bytes);
        let letter = DeadLetter::new(message, body, attempts, why, self.endpoint.clock.now());
        if let Err(fault) = self.endpoint.dead.bury(&letter).await {
            tracing::warn!(endpoint = self.endpoint.name, %fault, "a message that was given up is not kept");
        }
    }
}
