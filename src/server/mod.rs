//! What is done: sockets, tasks, stores, HTTP. All effects live here.
pub mod accept;
pub mod admit;
pub mod auth;
pub mod clock;
pub mod config;
pub mod conn;
mod fanout;
mod meter;
pub mod msg;
pub mod outbox;
pub mod reader;
pub mod shard;
pub mod store;
pub mod ws;
