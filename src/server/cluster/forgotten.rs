//! A Redis that has lost what it held without a line that broke: noticed by whoever misses himself in it, and said to the others, so that
//! everybody tells it of his people at once. It judges nobody.
use super::{Cluster, Node};
use crate::server::clock::Mono;
use redis::Value;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::Notify;

/// What is said to the others: see whether Redis knows you.
pub(super) const BEAT: &[u8] = b"beat";

/// What is known of that.
#[derive(Default)]
pub(super) struct Forgotten {
    /// Monotonic milliseconds + 1 since which it is known; 0 = it never happened.
    since: AtomicU64,
    /// The next beat is due at once.
    pub hurry: Arc<Notify>,
    /// Who else was there at the newest beat.
    others: Mutex<Vec<Node>>,
}

impl Forgotten {
    /// Returns since when it is known that Redis had lost this node.
    pub fn since(&self) -> Option<Mono> {
        self.since.load(Relaxed).checked_sub(1).map(Mono)
    }

    /// Notes who else is there, for the day on which Redis does not know any more.
    pub fn note_others(&self, others: Vec<Node>) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }
}

impl Cluster {
    /// Looks whether Redis still knows this node. If not, this node and the others tell it everything anew.
    pub(super) async fn check_forgotten(&self) {
        let known = self.run(redis::cmd("EXISTS").arg(self.store.keys().node(&self.me(), ""))).await;
        if matches!(known, Ok(Value::Int(0))) {
            self.forgotten.hurry.notify_one();
            self.note_forgotten().await;
        }
    }

    /// Redis has lost this node: it may have lost the others, too, who are asked to look.
    pub(super) async fn note_forgotten(&self) {
        self.forgotten.since.store(self.clock.mono().0 + 1, Relaxed);
        let others = self.forgotten.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        futures_util::future::join_all(others.iter().map(|node| self.tell_node(node, BEAT))).await;
    }
}
