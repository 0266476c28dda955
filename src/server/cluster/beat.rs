//! The beat of a node: it says that it lives, sees when the others have last said so, and takes a new life when its own was over. It also
//! watches itself: its clock, and whether the process runs.
use super::{Cluster, LIVES_MAX, Node, STOOD_STILL_MS, ToPresence, Unreachable, fresh};
use crate::hub::time::{Millis, UnixMs};
use crate::server::{clock::Mono, store::redis::link::text};
use redis::Value;
use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

/// How often the process looks whether it runs.
const TICK_MS: u64 = 200;
/// A clock that differs by less is left alone.
const CLOCK_SLACK_MS: i64 = 20;

/// What Redis says to a beat.
pub(super) struct Beat {
    pub now: UnixMs,
    /// Whether it knew this life of the node.
    pub known: bool,
    /// Who has said when that it lives.
    pub nodes: Vec<(Node, UnixMs)>,
    /// Who is dead: the last sign of life, and when a survivor last took care.
    pub dead: Vec<(Node, UnixMs, UnixMs)>,
}

impl Cluster {
    pub(super) async fn beat(&self) -> Result<Beat, Unreachable> {
        let me = self.me();
        let keys = [self.store.keys().nodes("nodes"), self.store.keys().nodes("dead")];
        let sent = self.clock.mono();
        let value = self.script(&self.scripts.beat, &keys, &[me.as_bytes()]).await?;
        let beat = read_beat(&value).ok_or_else(|| Unreachable("the answer to a beat cannot be read".into()))?;
        let half = self.clock.mono().since(sent) / 2;
        self.clock.follow(beat.now.plus(Millis(half)), CLOCK_SLACK_MS);
        let mut lease = redis::cmd("SET");
        lease.arg(self.store.keys().node(&me, "")).arg(&self.name).arg("PX").arg(self.lease().0);
        self.run(&lease).await?;
        Ok(beat)
    }

    /// Shows by how much this node's clock is off. Returns whether it is near enough to that of Redis; `before`: whether it was.
    pub(super) fn note_time(&self, before: bool) -> bool {
        let (off_ms, in_time) = (self.clock.off(), self.clock.is_in_time());
        #[expect(clippy::cast_precision_loss, reason = "as exact as anybody needs")]
        metrics::gauge!("michub_clock_off_seconds").set(off_ms as f64 / 1_000.0);
        if before && !in_time {
            tracing::error!(
                off_ms,
                "the clock of Redis has jumped: not ready, and no timers, until this node's clock is close to it"
            );
        }
        in_time
    }

    /// Sees whether Redis still is the one that it was.
    pub(super) async fn check_epoch(&self) -> Result<(), Unreachable> {
        let name = self.store.keys().hub("epoch");
        let seen = self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if seen.is_none() {
            self.store.begin_epoch().await?;
        }
        let epoch = text(&self.run(redis::cmd("GET").arg(&name)).await?);
        let wiped = epoch.is_none();
        if wiped && !self.wiped.load(Relaxed) {
            tracing::error!(
                "Redis has lost what it held; rooms come back from memory, new ones wait for `michub repair --accept-empty`"
            );
            metrics::counter!("michub_redis_wiped_total").increment(1);
        }
        self.wiped.store(wiped, Relaxed);
        if epoch.is_some() {
            *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
        }
        Ok(())
    }

    /// Takes a new life: the old one's lease has lapsed, and others may have cleared up after it.
    pub(super) fn renew(&self) -> (Node, Node) {
        let new = fresh();
        let old = std::mem::replace(&mut *self.me.lock().unwrap_or_else(PoisonError::into_inner), new.clone());
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        former.push_back(old.clone());
        while former.len() > LIVES_MAX {
            former.pop_front();
        }
        (old, new)
    }

    /// Says goodbye, in `limit` at most: others clear up after this node at once. Nothing else is said by it afterwards.
    pub async fn leave(&self, limit: Duration) {
        self.leaving.send_replace(true);
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper
            && tokio::time::timeout(limit, &mut keeper).await.is_err()
        {
            keeper.abort();
            tracing::warn!("the other nodes were not told in time that this one leaves; they notice when its lease expires");
        }
    }

    /// Tells whether this node is saying goodbye.
    pub(super) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }
}

fn read_beat(value: &Value) -> Option<Beat> {
    let Value::Array(parts) = value else { return None };
    let [now, known, nodes, dead] = parts.as_slice() else { return None };
    let number = |value: &Value| text(value)?.parse::<f64>().ok();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of this century")]
    let time = |value: &Value| Some(UnixMs(number(value)? as u64));
    let node = |value: &Value| text(value).map(Node::from);
    let mut beat = Beat { now: time(now)?, known: text(known)? == "1", nodes: Vec::new(), dead: Vec::new() };
    match nodes {
        Value::Array(flat) => {
            for pair in flat.chunks(2) {
                match pair {
                    [Value::Array(pair)] | [Value::Array(pair), ..] => {
                        let [name, score] = pair.as_slice() else { return None };
                        beat.nodes.push((node(name)?, time(score)?));
                    }
                    [name, score] => beat.nodes.push((node(name)?, time(score)?)),
                    _ => return None,
                }
            }
        }
        _ => return None,
    }
    let said: Vec<String> = match dead {
        Value::Array(flat) => flat.iter().filter_map(text).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [text(key), text(value)]).flatten().collect(),
        _ => return None,
    };
    for pair in said.chunks_exact(2) {
        if let [name, said] = pair
            && let Some((sign, care)) = said.split_once(' ')
        {
            beat.dead.push((name.as_str().into(), UnixMs(sign.parse().ok()?), UnixMs(care.parse().ok()?)));
        }
    }
    Some(beat)
}

/// Moves the hub's clock towards that of the other nodes, a tenth of the time at most.
pub(super) async fn creep(cluster: Arc<Cluster>) {
    while !cluster.is_leaving() {
        let more = cluster.clock.creep();
        tokio::time::sleep(Duration::from_millis(if more { 10 } else { 1_000 })).await;
    }
}

/// Notices that the process has stood still. Then it is in doubt until every session of this node is confirmed or given up.
pub(super) async fn watch_itself(cluster: Arc<Cluster>, presence: Arc<dyn ToPresence>) {
    loop {
        tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
        let now = cluster.clock.mono();
        let late = now.since(Mono(cluster.ran_at.load(Relaxed)));
        if late > STOOD_STILL_MS {
            tracing::warn!(late_ms = late, "the process was paused; commands wait until its sessions are confirmed");
            cluster.doubts.store(true, Relaxed);
            cluster.pauses.fetch_add(1, Relaxed);
            let (done, confirmed) = tokio::sync::oneshot::channel();
            presence.announce(Some(done));
            let cluster = cluster.clone();
            tokio::spawn(async move {
                // Without an answer the hub ends.
                let _ = confirmed.await;
                // What was read from lines that have moved on comes no later than this.
                tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
                cluster.doubts.store(false, Relaxed);
            });
        }
        cluster.ran_at.store(now.0, Relaxed);
    }
}
