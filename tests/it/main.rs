//! The binary as its users meet it: real sockets, real files, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod client;
mod hub;
mod rooms;
