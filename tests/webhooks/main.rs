//! Webhooks as a backend meets them: the real binary, a real receiver, and bad days of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#[allow(dead_code, reason = "the client of other tests")]
#[path = "../it/client.rs"]
mod client;
mod contract;
#[allow(dead_code, reason = "the hub of other tests")]
#[path = "../it/hub.rs"]
mod hub;
mod receiver;
mod settings;
mod storm;
