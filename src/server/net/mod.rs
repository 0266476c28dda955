//! The network: shards with their listeners and connections, what comes in, what goes out, and how much of it.
pub mod accept;
pub mod admit;
pub mod conn;
pub(super) mod failure;
pub(super) mod fanout;
pub(super) mod meter;
pub mod outbox;
pub(super) mod pace;
pub mod proxies;
pub mod rate;
pub mod reader;
pub mod shard;
pub(super) mod stream;
pub mod tls;
pub mod watch;
pub mod ws;
