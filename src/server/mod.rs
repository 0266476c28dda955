//! What is done: sockets, tasks, stores, HTTP. All effects live here.
pub mod clock;
pub mod msg;
pub mod store;
