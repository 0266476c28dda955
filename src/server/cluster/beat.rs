//! The beat of a node: it says that it lives, sees who does not any more, and clears up after the dead in two steps: at once their lines
//! are lost ones of a survivor's; when the time of the lost is over, nothing of them is left in any room.
use super::{Cluster, LIVES_MAX, Node, STOOD_STILL_MS, Unreachable, fresh, parts::Part, people::Adopted};
use crate::hub::{
    id::RoomId,
    time::{Millis, UnixMs},
};
use crate::server::{
    clock::Mono,
    msg::RoomMsg,
    presence::Presence,
    rooms::Rooms,
    store::redis::{keys::BUCKETS, link::text},
};
use redis::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

/// How many rooms of a dead node are cleared at once.
const AT_ONCE: usize = 64;
/// How often the process looks whether it runs.
const TICK_MS: u64 = 200;
/// A clock that differs by less is left alone.
const CLOCK_SLACK_MS: i64 = 20;

/// What Redis says to a beat.
pub(super) struct Beat {
    now: UnixMs,
    /// Whether it knew this life of the node.
    known: bool,
    /// Who has said when that it lives.
    nodes: Vec<(Node, UnixMs)>,
    /// Who is dead: the last sign of life, and when a survivor last took care.
    dead: Vec<(Node, UnixMs, UnixMs)>,
}

/// A dead node that this one clears up after.
struct Claim {
    sign: UnixMs,
    adopted: bool,
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

    /// Sees whether Redis still is the one that it was.
    async fn check_epoch(&self) -> Result<(), Unreachable> {
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
    fn renew(&self) -> (Node, Node) {
        let new = fresh();
        let old = std::mem::replace(&mut *self.me.lock().unwrap_or_else(PoisonError::into_inner), new.clone());
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        former.push_back(old.clone());
        while former.len() > LIVES_MAX {
            former.pop_front();
        }
        (old, new)
    }

    /// Says goodbye: others clear up after this node at once. Nothing else is said by it afterwards.
    pub async fn leave(&self) {
        self.leaving.store(true, Relaxed);
        let (me, keys) = (self.me(), [self.store.keys().nodes("nodes"), self.store.keys().nodes("dead")]);
        if let Err(error) = self.script(&self.scripts.care, &keys, &[me.as_bytes(), b"bye"]).await {
            tracing::warn!(%error, "no goodbye; the others notice when the lease is over");
        }
    }

    async fn claim(&self, node: &str) -> Result<Option<UnixMs>, Unreachable> {
        let keys = [self.store.keys().nodes("nodes"), self.store.keys().nodes("dead")];
        let lease = self.lease().0.to_string();
        let value = self.script(&self.scripts.claim, &keys, &[node.as_bytes(), lease.as_bytes()]).await?;
        let sign: Vec<String> = redis::from_redis_value(value)?;
        Ok(sign.first().and_then(|sign| sign.parse().ok()).map(UnixMs))
    }

    async fn care(&self, node: &str, what: &str, sign: UnixMs) -> Result<(), Unreachable> {
        let keys = [self.store.keys().nodes("nodes"), self.store.keys().nodes("dead")];
        let sign = sign.0.to_string();
        self.script(&self.scripts.care, &keys, &[node.as_bytes(), what.as_bytes(), sign.as_bytes()]).await.map(|_| ())
    }

    async fn rooms_of(&self, node: &str) -> Result<Vec<RoomId>, Unreachable> {
        let names = self.run(redis::cmd("SMEMBERS").arg(self.store.keys().node(node, ":r"))).await?;
        let names: Vec<String> = redis::from_redis_value(names)?;
        Ok(names.iter().filter_map(|name| RoomId::parse(name).ok()).collect())
    }

    /// The first step: the dead node's sessions are this node's lost ones, its lines in rooms are lost.
    async fn adopt(&self, node: &str, ends: UnixMs, rooms: &Rooms) -> Result<Vec<Adopted>, Unreachable> {
        let mut adopted = Vec::new();
        for bucket in 0..BUCKETS {
            adopted.extend(self.adopt_bucket(bucket, node, ends).await?);
        }
        // As after a restart: whoever was there can come back before his place is gone, whatever the room's rules say.
        let dead = Part::Handed { hold: rooms.handover(), shown_from: UnixMs(0) };
        let all = self.rooms_of(node).await?;
        for some in all.chunks(AT_ONCE) {
            let parted = some.iter().map(|room| self.part(room, node, Some(dead)));
            for (room, others) in some.iter().zip(futures_util::future::join_all(parted).await) {
                if others?.is_empty() {
                    // Nobody else has the room in memory: its people's places must be held, and end in time.
                    let _ = rooms.send(room, RoomMsg::Look);
                }
            }
        }
        Ok(adopted)
    }

    /// The second step: nothing of the dead node is left.
    async fn bury(&self, node: &str, sign: UnixMs, rooms: &Rooms) -> Result<(), Unreachable> {
        for some in self.rooms_of(node).await?.chunks(AT_ONCE) {
            let parted = some.iter().map(|room| self.part(room, node, None));
            for (room, others) in some.iter().zip(futures_util::future::join_all(parted).await) {
                if others?.is_empty() {
                    let _ = rooms.send(room, RoomMsg::Look);
                }
            }
        }
        self.run(redis::cmd("DEL").arg(self.store.keys().node(node, ":r"))).await?;
        self.care(node, "done", sign).await
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

/// One node's care for the others.
struct Keeper {
    cluster: Arc<Cluster>,
    presence: Presence,
    rooms: Rooms,
    claims: BTreeMap<Node, Claim>,
    /// Since when every beat was answered; for how long that must be so until others are judged.
    steady: Option<Mono>,
    patience: Millis,
    timeout: Millis,
}

/// Moves the hub's clock towards that of the other nodes, a tenth of the time at most.
async fn creep(cluster: Arc<Cluster>) {
    while !cluster.leaving.load(Relaxed) {
        let more = cluster.clock.creep();
        tokio::time::sleep(Duration::from_millis(if more { 10 } else { 1_000 })).await;
    }
}

/// Notices that the process has stood still. Then it is in doubt until every session of this node is confirmed or given up.
async fn watch_itself(cluster: Arc<Cluster>, presence: Presence) {
    loop {
        tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
        let now = cluster.clock.mono();
        let late = now.since(Mono(cluster.ran_at.load(Relaxed)));
        if late > STOOD_STILL_MS {
            tracing::warn!(late_ms = late, "the process stood still; commands wait until its sessions are confirmed");
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

/// Beats until the process ends.
pub(super) async fn live(cluster: Arc<Cluster>, presence: Presence, rooms: Rooms) {
    let every = Millis(cluster.lease().0 / 3);
    let timeout = rooms.presence_timeout();
    let mut up = cluster.store.link().watch();
    cluster.listen(&cluster.me(), presence.clone()).await;
    tokio::spawn(creep(cluster.clone()));
    tokio::spawn(watch_itself(cluster.clone(), presence.clone()));
    let patience = cluster.lease();
    let mut keeper = Keeper { cluster, presence, rooms, claims: BTreeMap::new(), steady: None, patience, timeout };
    loop {
        let cluster = keeper.cluster.clone();
        if cluster.leaving.load(Relaxed) {
            return;
        }
        match keeper.beat().await {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, "a beat is not answered");
                // Redis was away: nobody is judged before everybody has had the time to come back.
                keeper.steady = None;
                keeper.patience = cluster.lease().plus(timeout);
            }
        }
        let jitter = rand::random_range(0..=every.0 / 10);
        let wait = Duration::from_millis(if keeper.steady.is_some() { every.0 - jitter } else { 200 + jitter / 5 });
        // A connection that comes back is used at once.
        let _ = tokio::time::timeout(wait, up.changed()).await;
    }
}

impl Keeper {
    async fn beat(&mut self) -> Result<(), Unreachable> {
        let cluster = self.cluster.clone();
        let beat = cluster.beat().await?;
        if cluster.leaving.load(Relaxed) {
            return Ok(());
        }
        cluster.check_epoch().await?;
        if !beat.known {
            self.renew().await;
        }
        let now = cluster.clock.mono();
        let since = *self.steady.get_or_insert(now);
        let alive = beat.nodes.iter().filter(|(_, at)| beat.now.since(*at) <= cluster.lease()).count();
        metrics::gauge!("michub_nodes").set(u32::try_from(alive).unwrap_or(u32::MAX));
        if now.since(since) >= self.patience.0 {
            self.judge(&beat).await?;
        }
        self.clear(beat.now).await
    }

    async fn renew(&self) {
        let (old, new) = self.cluster.renew();
        tracing::warn!(%old, %new, "the lease had lapsed: this node begins a new life");
        metrics::counter!("michub_lives_total").increment(1);
        self.cluster.store.live().unlisten(self.cluster.store.keys().node(&old, ":c"));
        self.cluster.listen(&new, self.presence.clone()).await;
        // What the old life may have left behind somewhere is cleared up as that of any dead node.
        let bye = self.cluster.care(&old, "bye", UnixMs(0)).await;
        if let Err(error) = bye.and(self.cluster.beat().await.map(|_| ())) {
            tracing::warn!(%error, "the new life is not known yet");
        }
        self.presence.announce(None);
        self.rooms.post_all(|| RoomMsg::Look);
    }

    async fn judge(&mut self, beat: &Beat) -> Result<(), Unreachable> {
        let (lease, me) = (self.cluster.lease(), self.cluster.me());
        let silent = beat.nodes.iter().filter(|(node, at)| *node != me && beat.now.since(*at) > lease).map(|(node, _)| node);
        let left = beat.dead.iter().filter(|(node, _, care)| !self.claims.contains_key(node) && beat.now.since(*care) > lease);
        let suspects: Vec<Node> = silent.chain(left.map(|(node, ..)| node)).cloned().collect();
        for node in suspects {
            if let Some(sign) = self.cluster.claim(&node).await? {
                tracing::warn!(%node, "a node is dead; this one clears up after it");
                metrics::counter!("michub_nodes_dead_total").increment(1);
                self.claims.insert(node, Claim { sign, adopted: false });
            }
        }
        Ok(())
    }

    async fn clear(&mut self, now: UnixMs) -> Result<(), Unreachable> {
        let slack = Millis(self.cluster.lease().0 / 3);
        for (node, claim) in &mut self.claims {
            if !claim.adopted {
                // Its people may have been heard until just before its next beat.
                let ends = claim.sign.plus(slack).plus(self.timeout);
                let adopted = self.cluster.adopt(node, ends, &self.rooms).await?;
                self.presence.adopt(adopted);
                claim.adopted = true;
            }
            self.cluster.care(node, "care", claim.sign).await?;
        }
        let over = |claim: &Claim| claim.sign.plus(slack).plus(self.timeout) <= now;
        let done: Vec<(Node, UnixMs)> =
            self.claims.iter().filter(|(_, claim)| over(claim)).map(|(node, claim)| (node.clone(), claim.sign)).collect();
        for (node, sign) in done {
            self.cluster.bury(&node, sign, &self.rooms).await?;
            self.claims.remove(&node);
        }
        Ok(())
    }
}
