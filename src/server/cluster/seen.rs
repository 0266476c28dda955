//! When the sessions of a node were last heard, as it writes that down itself: whoever clears up after it knows by that when each of its
//! people is offline. Never the truth about a node that lives.
use super::{Cluster, Unreachable};
use crate::hub::{id::SessionId, time::UnixMs};
use std::collections::BTreeMap;

/// How many sessions one command names.
const AT_ONCE: usize = 2_000;
/// For how long it is kept after the last beat, in seconds: nobody needs it who begins later than that.
const KEEP_SECONDS: u64 = 3_600;

impl Cluster {
    fn seen_key(&self, node: &str) -> String {
        self.store.keys().node(node, ":t")
    }

    /// Writes when sessions were heard, and forgets those that are not here any more.
    pub async fn write_seen(&self, heard: &[(SessionId, UnixMs)], gone: &[SessionId]) -> Result<(), Unreachable> {
        let key = self.seen_key(&self.me());
        for some in gone.chunks(AT_ONCE) {
            let mut forget = redis::cmd("HDEL");
            forget.arg(&key);
            for session in some {
                forget.arg(session.as_str());
            }
            self.run(&forget).await?;
        }
        for some in heard.chunks(AT_ONCE) {
            let mut write = redis::cmd("HSET");
            write.arg(&key);
            for (session, at) in some {
                write.arg(session.as_str()).arg(at.0);
            }
            self.run(&write).await?;
        }
        Ok(())
    }

    /// Keeps what is written for as long as somebody may need it.
    pub(super) async fn keep_seen(&self) -> Result<(), Unreachable> {
        self.run(redis::cmd("EXPIRE").arg(self.seen_key(&self.me())).arg(KEEP_SECONDS)).await.map(|_| ())
    }

    /// Reads what a node has written.
    pub(super) async fn read_seen(&self, node: &str) -> Result<BTreeMap<SessionId, UnixMs>, Unreachable> {
        let value = self.run(redis::cmd("HGETALL").arg(self.seen_key(node))).await?;
        let pairs: Vec<(String, u64)> = redis::from_redis_value(value)?;
        Ok(pairs.into_iter().filter_map(|(session, at)| Some((SessionId::parse(&session).ok()?, UnixMs(at)))).collect())
    }

    /// Forgets what a node has written.
    pub(super) async fn forget_seen(&self, node: &str) -> Result<(), Unreachable> {
        self.run(redis::cmd("DEL").arg(self.seen_key(node))).await.map(|_| ())
    }
}
