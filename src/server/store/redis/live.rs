//! The live path: one connection with all subscriptions of this node, opened again when it breaks. A gap is never silent: whoever
//! listens hears that he must look for himself.
use super::{
    connect::{Conn, Shape, Shared},
    link::text,
};
use bytes::Bytes;
use dashmap::DashMap;
use redis::{PushInfo, PushKind, RedisResult, Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How many subscriptions are renewed at once.
const AT_ONCE: usize = 256;
/// How often the connection is probed.
const PROBE: Duration = Duration::from_millis(5_000);
/// How many probes in a row may fail.
const PROBES_MAX: u32 = 2;
/// How often a subscription that was dropped by the server is asked for again.
const RENEW_MAX: usize = 100;
/// The pause before a broken connection is opened again, without its jitter.
const PAUSE_MS: u64 = 50;

/// What a channel brings.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A message.
    Message(Bytes),
    /// Messages may have been missed: read the state itself.
    Gap,
}

/// Whoever listens to a channel; called on the live path's own task, so it only passes on.
pub type Ear = Arc<dyn Fn(Heard) + Send + Sync>;

enum Ask {
    Add(String, oneshot::Sender<bool>),
    Remove(String),
}

/// Reaches the live path.
#[derive(Clone)]
pub struct Live {
    ears: Arc<DashMap<String, Ear>>,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Live {
    /// Starts the live path, on the runtime of the caller; it ends with its last handle.
    #[must_use]
    pub fn start(settings: Shared) -> Self {
        let (asks, receiver) = mpsc::unbounded_channel();
        let ears = Arc::new(DashMap::new());
        tokio::spawn(keep(settings, ears.clone(), receiver));
        Self { ears, asks }
    }

    /// Listens to a channel from here on. Returns whether Redis has confirmed it; if not, the ear hears [`Heard::Gap`] when it has.
    pub async fn listen(&self, channel: String, ear: Ear) -> bool {
        self.ears.insert(channel.clone(), ear);
        let (done, confirmed) = oneshot::channel();
        // The path ends with the process only.
        let _ = self.asks.send(Ask::Add(channel, done));
        confirmed.await.unwrap_or(false)
    }

    /// Stops listening.
    pub fn unlisten(&self, channel: String) {
        self.ears.remove(&channel);
        let _ = self.asks.send(Ask::Remove(channel));
    }
}

struct Path {
    ears: Arc<DashMap<String, Ear>>,
    conn: Conn,
}

async fn keep(settings: Shared, ears: Arc<DashMap<String, Ear>>, mut asks: mpsc::UnboundedReceiver<Ask>) {
    loop {
        let (push, pushes) = mpsc::unbounded_channel();
        match settings.connect(Some(push)).await {
            Ok(conn) => {
                let path = Path { ears: ears.clone(), conn };
                if path.live(settings.shape, pushes, &mut asks).await {
                    return;
                }
                metrics::counter!("michub_redis_live_lost_total").increment(1);
            }
            Err(error) => tracing::debug!(%error, "the live path cannot be opened"),
        }
        // Whoever waits for a confirmation goes on without; the gap is told when the path is back.
        loop {
            match asks.try_recv() {
                Ok(Ask::Add(_, done)) => drop(done),
                Ok(Ask::Remove(_)) => {}
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MS + rand::random_range(0..PAUSE_MS))).await;
    }
}

impl Path {
    /// Passes messages on until the connection breaks (`false`) or nobody needs it any more (`true`).
    async fn live(
        &self,
        shape: Shape,
        mut pushes: mpsc::UnboundedReceiver<PushInfo>,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
    ) -> bool {
        if !self.renew().await {
            return false;
        }
        let mut failed = 0;
        let mut probe = tokio::time::interval(PROBE);
        probe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                push = pushes.recv() => match push {
                    None => return false,
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) if shape != Shape::Cluster => return false,
                    // The library opens the lost node again; what was subscribed there is asked for once more.
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) => {
                        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                        if !self.renew().await {
                            return false;
                        }
                    }
                    Some(push) => self.pass(push),
                },
                ask = asks.recv() => match ask {
                    None => return true,
                    Some(Ask::Add(channel, done)) => {
                        let conn = self.conn.clone();
                        tokio::spawn(async move {
                            let confirmed = subscribe(conn, &channel).await;
                            if let Err(error) = &confirmed {
                                tracing::warn!(%error, channel, "a subscription failed");
                            }
                            let _ = done.send(confirmed.is_ok());
                        });
                    }
                    Some(Ask::Remove(channel)) => {
                        let conn = self.conn.clone();
                        if !self.ears.contains_key(&channel) {
                            tokio::spawn(async move { unsubscribe(conn, &channel).await });
                        }
                    }
                },
                _ = probe.tick() => {
                    let mut conn = self.conn.clone();
                    let alive: RedisResult<Value> = redis::cmd("PING").query_async(&mut conn).await;
                    failed = if alive.is_ok() { 0 } else { failed + 1 };
                    if failed >= PROBES_MAX {
                        return false;
                    }
                }
            }
        }
    }

    fn pass(&self, push: PushInfo) {
        match (push.kind, push.data.as_slice()) {
            (PushKind::SMessage, [channel, Value::BulkString(message)]) => {
                let Some(channel) = text(channel) else { return };
                let ear = self.ears.get(&channel).map(|ear| ear.clone());
                if let Some(ear) = ear {
                    ear(Heard::Message(Bytes::copy_from_slice(message)));
                }
            }
            // The slot has moved, and the server has dropped the subscription: ask where it is now.
            (PushKind::SUnsubscribe, [channel, ..]) => {
                let Some(channel) = text(channel) else { return };
                let Some(ear) = self.ears.get(&channel).map(|ear| ear.clone()) else { return };
                metrics::counter!("michub_redis_resubscribed_total").increment(1);
                let conn = self.conn.clone();
                tokio::spawn(async move {
                    for _ in 0..RENEW_MAX {
                        match subscribe(conn.clone(), &channel).await {
                            Ok(()) => break,
                            Err(error) => tracing::debug!(%error, channel, "a subscription is not there yet"),
                        }
                        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                    }
                    ear(Heard::Gap);
                });
            }
            _ => {}
        }
    }

    /// Asks for every channel again, then tells everybody of the gap.
    async fn renew(&self) -> bool {
        let channels: Vec<String> = self.ears.iter().map(|ear| ear.key().clone()).collect();
        for part in channels.chunks(AT_ONCE) {
            let asked = part.iter().map(|channel| subscribe(self.conn.clone(), channel));
            for outcome in futures_util::future::join_all(asked).await {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a subscription cannot be renewed");
                    return false;
                }
            }
        }
        let ears: Vec<Ear> = self.ears.iter().map(|ear| ear.value().clone()).collect();
        for ear in ears {
            ear(Heard::Gap);
        }
        true
    }
}

async fn subscribe(mut conn: Conn, channel: &str) -> RedisResult<()> {
    match &mut conn {
        Conn::Single(single) => redis::cmd("SSUBSCRIBE").arg(channel).query_async::<Value>(single).await.map(|_| ()),
        Conn::Cluster(cluster) => cluster.ssubscribe(channel).await,
    }
}

async fn unsubscribe(mut conn: Conn, channel: &str) {
    let outcome = match &mut conn {
        Conn::Single(single) => redis::cmd("SUNSUBSCRIBE").arg(channel).query_async::<Value>(single).await.map(|_| ()),
        Conn::Cluster(cluster) => cluster.sunsubscribe(channel).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, channel, "a subscription cannot be ended");
    }
}
