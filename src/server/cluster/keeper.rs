//! One node's care for the others: it beats, judges those who do not any more, and clears up after the dead, each thing at its time.
use super::{
    Cluster, Node, ToPresence, Unreachable,
    beat::{Beat, creep, watch_itself},
    dead::{Claim, End},
};
use crate::hub::time::{Millis, UnixMs};
use crate::server::{clock::Mono, msg::ToRooms};
use std::{sync::Arc, time::Duration};

/// The wait after a beat that was not answered.
const RETRY: Millis = Millis(200);
/// With every how many beats it is looked at what hardly ever changes.
const LOOK_EVERY: u64 = 6;
/// The shortest wait until something else is looked at.
const WAIT_MIN: Millis = Millis(20);

/// What a node knows of the others.
struct Keeper {
    cluster: Arc<Cluster>,
    presence: Arc<dyn ToPresence>,
    rooms: Arc<dyn ToRooms>,
    claims: Vec<Claim>,
    /// Since when every beat was answered; for how long that must be so until others are judged.
    steady: Option<Mono>,
    patience: Millis,
    timeout: Millis,
    /// When the next node is silent for too long, unless it is heard of.
    silent_at: Option<UnixMs>,
    beats: u64,
    /// Whether its own clock was near enough to that of Redis.
    in_time: bool,
}

/// Beats until this node leaves, and then says goodbye.
pub(super) async fn live(cluster: Arc<Cluster>, presence: Arc<dyn ToPresence>, rooms: Arc<dyn ToRooms>) {
    let every = Millis(cluster.lease().0 / 3);
    let timeout = rooms.presence_timeout();
    let (mut up, mut leaving) = (cluster.store.link().watch(), cluster.leaving.subscribe());
    let hurry = cluster.forgotten.hurry.clone();
    cluster.listen(&cluster.me(), presence.clone()).await;
    tokio::spawn(creep(cluster.clone()));
    tokio::spawn(watch_itself(cluster.clone(), presence.clone()));
    let patience = cluster.lease();
    let mut keeper = Keeper {
        cluster,
        presence,
        rooms,
        claims: Vec::new(),
        steady: None,
        patience,
        timeout,
        silent_at: None,
        beats: 0,
        in_time: true,
    };
    while !keeper.cluster.is_leaving() {
        let mut wait = RETRY;
        match keeper.beat().await {
            Ok(()) => wait = Millis(every.0 - rand::random_range(0..=every.0 / 10)).min(keeper.until_judgement()),
            Err(error) => {
                tracing::debug!(%error, "a beat is not answered");
                // Redis was away: nobody is judged before everybody has had the time to come back.
                keeper.steady = None;
                keeper.patience = keeper.cluster.lease().plus(timeout);
            }
        }
        let until = keeper.cluster.clock.mono().plus(wait.0);
        while let Some(rest) = keeper.rest(until) {
            tokio::select! {
                // A connection that comes back is used at once.
                _ = up.changed() => break,
                () = hurry.notified() => break,
                _ = leaving.changed() => break,
                () = tokio::time::sleep(rest) => {}
            }
            if let Err(error) = keeper.clear().await {
                tracing::debug!(%error, "a dead node is cleared up after later");
                break;
            }
        }
    }
    let me = keeper.cluster.me();
    match keeper.cluster.bye(&me, &keeper.claims).await {
        Ok(()) => tracing::info!("the others know that this node leaves"),
        Err(error) => tracing::warn!(%error, "no goodbye; the others notice when the lease is over"),
    }
}

impl Keeper {
    /// Returns how long to wait for whatever is next; `None`: it is time to beat.
    fn rest(&self, until: Mono) -> Option<Duration> {
        let (mono, now) = (self.cluster.clock.mono(), self.cluster.clock.now());
        let rest = until.0.checked_sub(mono.0).filter(|rest| *rest > 0)?;
        let due = self.claims.iter().filter_map(|claim| claim.next(self.slack(), self.timeout)).min();
        let due = due.map_or(u64::MAX, |at| at.since(now).0.max(WAIT_MIN.0));
        Some(Duration::from_millis(rest.min(due)))
    }

    /// The longest time between two beats of a node.
    fn slack(&self) -> Millis {
        Millis(self.cluster.lease().0 / 3)
    }

    /// Returns in how much time there is somebody to be judged, as far as known.
    fn until_judgement(&self) -> Millis {
        let (mono, now) = (self.cluster.clock.mono(), self.cluster.clock.now());
        let patient = self.steady.map_or(0, |since| since.plus(self.patience.0).0.saturating_sub(mono.0));
        let silent = self.silent_at.map_or(u64::MAX, |at| at.since(now).0);
        Millis(silent.max(patient)).max(WAIT_MIN)
    }

    async fn beat(&mut self) -> Result<(), Unreachable> {
        let cluster = self.cluster.clone();
        let beat = cluster.beat().await?;
        if cluster.is_leaving() {
            return Ok(());
        }
        if !beat.known || cluster.is_wiped() || self.beats.is_multiple_of(LOOK_EVERY) {
            cluster.check_epoch().await?;
            cluster.keep_seen().await?;
        }
        self.beats += 1;
        if !beat.known {
            self.renew().await;
            cluster.note_forgotten().await;
        }
        let now = cluster.clock.mono();
        let since = *self.steady.get_or_insert(now);
        let alive = beat.nodes.iter().filter(|(_, at)| beat.now.since(*at) <= cluster.lease()).count();
        metrics::gauge!("michub_nodes").set(u32::try_from(alive).unwrap_or(u32::MAX));
        let me = cluster.me();
        let others = beat.nodes.iter().filter(|(node, _)| *node != me);
        if beat.known {
            cluster.forgotten.note_others(others.clone().map(|(node, _)| node.clone()).collect());
        }
        // A node that lives has said so long before.
        self.silent_at = others.map(|(_, at)| at.plus(cluster.lease()).plus(Millis(1))).min();
        self.in_time = self.cluster.note_time(self.in_time);
        if self.in_time && now.since(since) >= self.patience.0 {
            self.judge(&beat).await?;
        }
        for claim in &self.claims {
            cluster.care(&claim.node, "care", claim.sign).await?;
        }
        self.clear().await
    }

    async fn renew(&self) {
        let (old, new) = self.cluster.renew();
        tracing::warn!(%old, %new, "the lease had lapsed: this node begins a new life");
        metrics::counter!("michub_lives_total").increment(1);
        self.cluster.store.live().unlisten(self.cluster.store.keys().node(&old, ":c"));
        self.cluster.listen(&new, self.presence.clone()).await;
        // What the old life may have left behind somewhere is cleared up as that of any dead node.
        let bye = self.cluster.bye(&old, &[]).await;
        if let Err(error) = bye.and(self.cluster.beat().await.map(|_| ())) {
            tracing::warn!(%error, "the new life is not known yet");
        }
        self.presence.announce(None);
        self.rooms.look_all();
    }

    /// Takes out who was silent for longer than the lease.
    async fn judge(&mut self, beat: &Beat) -> Result<(), Unreachable> {
        let (lease, me) = (self.cluster.lease(), self.cluster.me());
        let silent = beat.nodes.iter().filter(|(node, at)| *node != me && beat.now.since(*at) > lease).map(|(node, _)| node);
        let mine = |node: &Node| self.claims.iter().any(|claim| claim.node == *node);
        let left = beat.dead.iter().filter(|(node, _, care)| !mine(node) && beat.now.since(*care) > lease);
        let suspects: Vec<Node> = silent.chain(left.map(|(node, ..)| node)).cloned().collect();
        for node in suspects {
            if let Some((sign, end)) = self.cluster.claim(&node).await? {
                match end {
                    End::Left => tracing::info!(%node, "a node has left; this one takes over what is left of it"),
                    End::Silent => {
                        tracing::warn!(%node, "a node is dead; this one clears up after it");
                        metrics::counter!("michub_nodes_dead_total").increment(1);
                    }
                    End::Dropped => tracing::warn!(%node, "this node goes on clearing up after a dead one"),
                }
                self.claims.push(Claim { node, sign, leaving: None });
            }
        }
        Ok(())
    }

    /// Does what is due for the dead.
    async fn clear(&mut self) -> Result<(), Unreachable> {
        if !self.cluster.clock.is_in_time() {
            return Ok(());
        }
        let (now, slack, timeout) = (self.cluster.clock.now(), self.slack(), self.timeout);
        for claim in &mut self.claims {
            match &mut claim.leaving {
                Some(leaving) => self.cluster.take_leave(&claim.node, leaving, now).await?,
                None => {
                    // Somebody of whom nothing is known may have been heard until just before the next beat.
                    let latest = claim.sign.plus(slack).plus(timeout);
                    let estate = self.cluster.adopt(&claim.node, latest, timeout, &*self.rooms).await?;
                    self.presence.adopt(estate.adopted);
                    claim.leaving = Some(estate.leaving);
                }
            }
        }
        let over = |claim: &Claim| claim.leaving.is_some() && claim.sign.plus(slack).plus(timeout) <= now;
        while let Some(at) = self.claims.iter().position(over) {
            let Some(claim) = self.claims.get(at) else { break };
            self.cluster.bury(&claim.node, claim.sign, &*self.rooms).await?;
            self.claims.remove(at);
        }
        Ok(())
    }
}

impl Claim {
    /// Returns when there is something to be done for it.
    fn next(&self, slack: Millis, timeout: Millis) -> Option<UnixMs> {
        let Some(leaving) = &self.leaving else { return Some(UnixMs(0)) };
        let end = self.sign.plus(slack).plus(timeout);
        Some(leaving.first().map_or(end, |(at, ..)| *at))
    }
}
