//! `user.status.changed`: what people look like now. It is soft state, kept in memory only: of several changes of one person that wait,
//! the newest is sent, and after a restart nothing is left of them.
use super::endpoint::{Endpoint, Tried};
use crate::{
    hub::{id::UserId, time::Millis},
    server::msg::Shown,
    wire::webhook::{Message, status_changed},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// The type of these messages.
pub(super) const KIND: &str = "user.status.changed";
/// How many endpoints' worth of changes are delivered at once.
const LANES: usize = 8;

/// The changes that wait for one endpoint.
pub(super) struct Changes {
    endpoint: Arc<Endpoint>,
    waiting: Mutex<BTreeMap<UserId, Message>>,
    news: Notify,
}

impl Changes {
    /// Starts to deliver, in several lanes; a person always has the same lane, so his changes arrive in order.
    pub fn start(endpoint: Arc<Endpoint>) -> Vec<Arc<Self>> {
        let lane = |_| {
            let changes = Arc::new(Self { endpoint: endpoint.clone(), waiting: Mutex::default(), news: Notify::new() });
            tokio::spawn(changes.clone().run());
            changes
        };
        (0..LANES).map(lane).collect()
    }

    /// Gives a change to the person's lane. Beyond the limit it is dropped, and counted.
    pub fn push(lanes: &[Arc<Self>], shown: &Shown) {
        let sum: usize = shown.user.as_str().bytes().map(usize::from).sum();
        if let Some(lane) = lanes.get(sum % LANES) {
            lane.add(shown);
        }
    }

    fn add(&self, shown: &Shown) {
        let Shown { user, user_type, status, last_seen } = shown;
        let now = self.endpoint.clock.now();
        let message = status_changed(user, user_type.as_str(), status.name(), *last_seen, now, rand::random());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.endpoint.settings.status_max / LANES && !waiting.contains_key(user) {
            metrics::counter!("michub_webhook_status_dropped_total", "endpoint" => self.endpoint.settings.name.clone())
                .increment(1);
            return;
        }
        waiting.insert(user.clone(), message);
        drop(waiting);
        self.news.notify_one();
    }

    fn pop(&self) -> Option<(UserId, Message)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    fn is_overtaken(&self, user: &UserId) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains_key(user)
    }

    async fn run(self: Arc<Self>) {
        loop {
            let Some((user, message)) = self.pop() else {
                self.news.notified().await;
                continue;
            };
            if !self.endpoint.is_gone() {
                self.deliver(&user, &message).await;
            }
        }
    }

    async fn deliver(&self, user: &UserId, message: &Message) {
        let mut attempts = 0;
        while let Tried::Failed { asked, .. } = self.endpoint.attempt(message, None).await {
            attempts += 1;
            let now = self.endpoint.clock.now();
            let Some(wait) = self.endpoint.settings.schedule.wait(attempts, message.at, now, asked) else { return };
            // A receiver that is back soon wants to know how things are, not in hours.
            self.endpoint.rest(wait.min(Millis(30_000))).await;
            if self.is_overtaken(user) {
                return;
            }
        }
    }
}
