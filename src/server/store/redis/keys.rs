//! The names of keys and channels. All keys of a room, and all of a presence bucket, share a hash tag, so that one script may touch them.
use crate::hub::id::{RoomId, UserId};

/// How many buckets people are spread over.
pub const BUCKETS: u16 = 256;

/// Makes names under the operator's prefix.
#[derive(Clone, Debug)]
pub struct Keys(std::sync::Arc<str>);

impl Keys {
    /// `prefix` comes before every key and channel.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    /// `{r:ID}:m` (head), `:l` (log and channel), `:s` (snapshot), `:q` (queue for other tools), `:p` (members), `:w` (who has still to read the
    /// log), `:c` and `:h` (messages and their head), `:t` (slow mode).
    #[must_use]
    pub fn room(&self, room: &RoomId, part: char) -> String {
        format!("{}{{r:{room}}}:{part}", self.0)
    }

    /// A key of the hub itself.
    #[must_use]
    pub fn hub(&self, name: &str) -> String {
        format!("{}hub:{name}", self.0)
    }

    /// What nodes know of each other: one hash tag, so that one script may touch it.
    #[must_use]
    pub fn nodes(&self, name: &str) -> String {
        format!("{}{{hub}}:{name}", self.0)
    }

    /// What goes with the sessions of a bucket's people: whom they watch, and their rooms.
    #[must_use]
    pub fn luggage(&self, user: &UserId) -> String {
        format!("{}{{p{}}}:w", self.0, bucket_of(user))
    }

    /// `node:{N}`, the lease, and what else belongs to a node.
    #[must_use]
    pub fn node(&self, node: &str, part: &str) -> String {
        format!("{}node:{{{node}}}{part}", self.0)
    }

    /// `{p<B>}:s`, the sessions of a bucket; the same name is its channel.
    #[must_use]
    pub fn bucket(&self, bucket: u16) -> String {
        format!("{}{{p{bucket}}}:s", self.0)
    }

    /// `{p<B>}:d`, when those of a bucket's people who have left were seen last.
    #[must_use]
    pub fn left(&self, bucket: u16) -> String {
        format!("{}{{p{bucket}}}:d", self.0)
    }

    /// The messages kept for somebody whose lines are all lost.
    #[must_use]
    pub fn kept(&self, user: &UserId) -> String {
        format!("{}{{p{}}}:k:{user}", self.0, bucket_of(user))
    }

    /// `kol_status:{id}` or `user_status:{id}`, the inherited projection.
    #[must_use]
    pub fn projection(&self, user: &UserId, user_type: &str) -> String {
        let kind = if user_type == "kol" { "kol_status" } else { "user_status" };
        format!("{}{kind}:{user}", self.0)
    }
}

/// Returns the bucket of a person: the same on every node and in every version.
#[must_use]
pub fn bucket_of(user: &UserId) -> u16 {
    // FNV-1a: the standard hasher may change between versions.
    let hash = user
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u16::try_from(hash % u64::from(BUCKETS)).unwrap_or(0)
}
