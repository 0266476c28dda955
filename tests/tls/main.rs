//! The hub ends TLS itself: real sockets, certificates made on the spot, slow readers, close codes, and a reload that drops nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/hub.rs"]
mod hub;
mod listener;
mod peer;
