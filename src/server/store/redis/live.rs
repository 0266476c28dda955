//! The live path: one connection with all subscriptions of this node. Where a line breaks, or Redis has changed hands, another one is opened
//! beside it and takes its place once it has all of them. A gap is never silent: whoever listens hears that he must look for himself.
use super::{
    connect::{Conn, Shape, Shared},
    fault::{Verdict, judge},
    link::{Up, text},
};
use bytes::Bytes;
use dashmap::DashMap;
use redis::{
    PushInfo, PushKind, RedisError, RedisResult, Value,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};
use std::{collections::BTreeSet, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, Sleep, interval, sleep},
};

/// How many subscriptions are renewed at once.
const AT_ONCE: usize = 256;
/// How often the connection to one server is probed: when that server hangs, the link for commands notices sooner.
const PROBE: Duration = Duration::from_millis(5_000);
/// How often a Cluster is asked whether its slots have changed hands.
const PROBE_CLUSTER: Duration = Duration::from_millis(1_000);
/// How many probes in a row may fail.
const PROBES_MAX: u32 = 2;
/// How often a subscription that was dropped by the server is asked for again.
const RENEW_MAX: usize = 20;
/// How long a path is used after Redis has dropped one of its subscriptions, because a slot has moved; then another one takes its place.
/// The redis crate takes that push for the answer to the request in flight, and the true answer for the next request's
/// (`PushKind::has_reply` in 1.8): a subscription asked for around it may be confirmed although it was refused.
const DOUBT: Duration = Duration::from_millis(2_000);
/// The pause before another connection is opened, without its jitter.
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
    /// Starts the live path, on the runtime of the caller; it ends with its last handle. `up`: the link for commands, because where that
    /// one had to be opened anew, this one is of no use either.
    #[must_use]
    pub fn start(settings: Shared, up: watch::Receiver<Up>) -> Self {
        let (asks, receiver) = mpsc::unbounded_channel();
        let ears = Arc::new(DashMap::new());
        let keeper = Keeper {
            settings,
            ears: ears.clone(),
            path: None,
            stale: Arc::new(Notify::new()),
            opening: None,
            doubt: None,
            late: BTreeSet::new(),
            waiting: Vec::new(),
            failed: 0,
            complaint: String::new(),
        };
        tokio::spawn(keeper.keep(receiver, up));
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

/// A connection that has asked for everything there was to ask for when it was opened.
struct Path {
    conn: Conn,
    pushes: mpsc::UnboundedReceiver<PushInfo>,
    /// How often the slots of a Cluster had changed hands before it was opened.
    epoch: u64,
}

struct Keeper {
    settings: Shared,
    ears: Arc<DashMap<String, Ear>>,
    path: Option<Path>,
    /// Told when the path does not bring everything any more.
    stale: Arc<Notify>,
    /// The path that is to take its place.
    opening: Option<JoinHandle<RedisResult<Path>>>,
    /// Until when a path is used that may have confirmed what is not so.
    doubt: Option<Pin<Box<Sleep>>>,
    /// Channels that were asked for since that one was begun.
    late: BTreeSet<String>,
    /// Who waits for that, as there is none before it.
    waiting: Vec<oneshot::Sender<bool>>,
    failed: u32,
    /// What was last said of a path that cannot be opened.
    complaint: String,
}

/// Waits for the path that is being opened.
async fn opened(opening: &mut Option<JoinHandle<RedisResult<Path>>>) -> Option<RedisResult<Path>> {
    match opening {
        // A task that has ended by itself leaves nothing: as if it could not be opened.
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

/// Waits until the path is not to be trusted any more.
async fn over(doubt: &mut Option<Pin<Box<Sleep>>>) {
    match doubt {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

async fn pushed(path: &mut Option<Path>) -> Option<PushInfo> {
    match path {
        Some(path) => path.pushes.recv().await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    /// Passes messages on until nobody needs it any more.
    async fn keep(mut self, mut asks: mpsc::UnboundedReceiver<Ask>, mut up: watch::Receiver<Up>) {
        let mut probe = interval(if self.settings.shape == Shape::Cluster { PROBE_CLUSTER } else { PROBE });
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut generation = up.borrow().generation;
        self.open();
        loop {
            tokio::select! {
                biased;
                push = pushed(&mut self.path) => match push {
                    None => self.lost(),
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) if self.settings.shape != Shape::Cluster => self.lost(),
                    // The other servers of a Cluster go on.
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) => self.open(),
                    Some(push) => self.pass(push),
                },
                outcome = opened(&mut self.opening) => {
                    self.opening = None;
                    match outcome {
                        Some(Ok(path)) => self.change_to(path),
                        failed => {
                            if let Some(Err(error)) = failed {
                                self.complain(&error);
                            }
                            // Whoever waits for a confirmation goes on without; the gap is told when there is a path.
                            self.waiting.clear();
                            self.open();
                        }
                    }
                }
                ask = asks.recv() => match ask {
                    None => return,
                    Some(Ask::Add(channel, done)) => self.add(channel, done),
                    Some(Ask::Remove(channel)) => self.remove(channel),
                },
                () = self.stale.notified() => self.open(),
                () = over(&mut self.doubt) => {
                    self.doubt = None;
                    self.open();
                }
                changed = up.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = up.borrow_and_update().generation;
                    if now > generation && generation > 0 {
                        self.open();
                    }
                    generation = now;
                }
                _ = probe.tick() => self.probe().await,
            }
        }
    }

    /// Says why there is no path, once: a server that is away is known from the link, a missing right is not.
    fn complain(&mut self, error: &RedisError) {
        let text = error.to_string();
        if text == self.complaint {
            return;
        }
        if judge(error) == Verdict::Refused {
            tracing::error!(%error, "Redis refuses subscriptions: nothing is heard from other nodes");
        } else {
            tracing::debug!(%error, "the live path cannot be opened");
        }
        self.complaint = text;
    }

    /// Begins to open another path, unless that is being done.
    fn open(&mut self) {
        if self.opening.is_some() {
            return;
        }
        self.late.clear();
        let (settings, ears) = (self.settings.clone(), self.ears.clone());
        // The first one is wanted at once; whatever else leads here has just gone wrong.
        let pause = if self.path.is_none() && self.failed == 0 { 0 } else { PAUSE_MS + rand::random_range(0..PAUSE_MS) };
        self.opening = Some(tokio::spawn(async move {
            sleep(Duration::from_millis(pause)).await;
            open(settings, &ears).await
        }));
    }

    fn lost(&mut self) {
        self.path = None;
        self.failed = 1;
        metrics::counter!("michub_redis_live_lost_total").increment(1);
        self.open();
    }

    /// Goes on with another path; everybody looks for himself what came in between.
    fn change_to(&mut self, path: Path) {
        self.failed = 0;
        self.complaint.clear();
        let (late, waiting) = (std::mem::take(&mut self.late), std::mem::take(&mut self.waiting));
        if late.is_empty() {
            tell_of_gap(&self.ears);
        } else {
            let (conn, ears, stale) = (path.conn.clone(), self.ears.clone(), self.stale.clone());
            tokio::spawn(async move {
                match subscribe_all(&conn, late).await {
                    Ok(()) => {
                        tell_of_gap(&ears);
                        for done in waiting {
                            // Whoever asked may not wait any more.
                            let _ = done.send(true);
                        }
                    }
                    Err(_) => stale.notify_one(),
                }
            });
        }
        self.path = Some(path);
    }

    fn add(&mut self, channel: String, done: oneshot::Sender<bool>) {
        if self.opening.is_some() {
            self.late.insert(channel.clone());
        }
        let Some(conn) = self.path.as_ref().map(|path| path.conn.clone()) else {
            self.waiting.push(done);
            return;
        };
        let stale = self.stale.clone();
        tokio::spawn(async move {
            let confirmed = subscribe(conn, &channel).await;
            if let Err(error) = &confirmed {
                tracing::warn!(%error, channel, "a subscription failed");
                stale.notify_one();
            }
            // Whoever asked may not wait any more.
            let _ = done.send(confirmed.is_ok());
        });
    }

    fn remove(&mut self, channel: String) {
        self.late.remove(&channel);
        if let Some(path) = self.path.as_ref().filter(|_| !self.ears.contains_key(&channel)) {
            let conn = path.conn.clone();
            tokio::spawn(async move { unsubscribe(conn, &channel).await });
        }
    }

    /// Looks whether the path still leads to those who have the slots, and whether they answer.
    async fn probe(&mut self) {
        let Some(path) = &mut self.path else { return };
        match epoch(&mut path.conn).await {
            Ok(epoch) if epoch > path.epoch => {
                path.epoch = epoch;
                self.open();
            }
            Ok(_) => self.failed = 0,
            Err(_) => {
                self.failed += 1;
                if self.failed >= PROBES_MAX {
                    self.open();
                }
            }
        }
    }

    fn pass(&mut self, push: PushInfo) {
        let Some(path) = &self.path else { return };
        match (push.kind, push.data.as_slice()) {
            (PushKind::SMessage, [channel, Value::BulkString(message)]) => {
                let Some(channel) = text(channel) else { return };
                match self.ears.get(&channel).map(|ear| ear.clone()) {
                    Some(ear) => ear(Heard::Message(Bytes::copy_from_slice(message))),
                    // Nobody has listened any more when the path was changed.
                    None => drop(tokio::spawn(unsubscribe_unheard(path.conn.clone(), channel, self.ears.clone()))),
                }
            }
            // The slot has moved, and the server has dropped the subscription: ask where it is now.
            (PushKind::SUnsubscribe, [channel, ..]) => {
                let Some(channel) = text(channel) else { return };
                let Some(ear) = self.ears.get(&channel).map(|ear| ear.clone()) else { return };
                metrics::counter!("michub_redis_resubscribed_total").increment(1);
                self.doubt.get_or_insert_with(|| Box::pin(sleep(DOUBT)));
                let (conn, stale) = (path.conn.clone(), self.stale.clone());
                tokio::spawn(async move {
                    for _ in 0..RENEW_MAX {
                        match subscribe(conn.clone(), &channel).await {
                            Ok(()) => return ear(Heard::Gap),
                            Err(error) => tracing::debug!(%error, channel, "a subscription is not there yet"),
                        }
                        sleep(Duration::from_millis(PAUSE_MS)).await;
                    }
                    stale.notify_one();
                });
            }
            _ => {}
        }
    }
}

/// Opens a path with every channel that somebody listens to.
async fn open(settings: Shared, ears: &DashMap<String, Ear>) -> RedisResult<Path> {
    let (push, pushes) = mpsc::unbounded_channel();
    let mut conn = settings.connect(Some(push)).await?;
    let epoch = epoch(&mut conn).await?;
    subscribe_all(&conn, ears.iter().map(|ear| ear.key().clone()).collect()).await?;
    Ok(Path { conn, pushes, epoch })
}

fn tell_of_gap(ears: &DashMap<String, Ear>) {
    let ears: Vec<Ear> = ears.iter().map(|ear| ear.value().clone()).collect();
    for ear in ears {
        ear(Heard::Gap);
    }
}

/// Returns how often the slots of a Cluster have changed hands by an election; 0 for a single server that answers.
async fn epoch(conn: &mut Conn) -> RedisResult<u64> {
    match conn {
        Conn::Single(single) => redis::cmd("PING").query_async::<Value>(single).await.map(|_| 0),
        Conn::Cluster(cluster) => {
            let anyone = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
            let mut ask = redis::cmd("CLUSTER");
            ask.arg("INFO");
            let said: String = redis::from_redis_value(cluster.route_command(ask, anyone).await?)?;
            let epoch = said.lines().find_map(|line| line.strip_prefix("cluster_current_epoch:"));
            Ok(epoch.and_then(|epoch| epoch.trim().parse().ok()).unwrap_or(0))
        }
    }
}

async fn subscribe_all(conn: &Conn, channels: BTreeSet<String>) -> RedisResult<()> {
    let channels: Vec<String> = channels.into_iter().collect();
    for part in channels.chunks(AT_ONCE) {
        let asked = part.iter().map(|channel| subscribe(conn.clone(), channel));
        for outcome in futures_util::future::join_all(asked).await {
            outcome?;
        }
    }
    Ok(())
}

async fn subscribe(mut conn: Conn, channel: &str) -> RedisResult<()> {
    match &mut conn {
        Conn::Single(single) => redis::cmd("SSUBSCRIBE").arg(channel).query_async::<Value>(single).await.map(|_| ()),
        Conn::Cluster(cluster) => cluster.ssubscribe(channel).await,
    }
}

async fn unsubscribe_unheard(conn: Conn, channel: String, ears: Arc<DashMap<String, Ear>>) {
    if !ears.contains_key(&channel) {
        unsubscribe(conn, &channel).await;
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
