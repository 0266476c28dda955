//! The binary as its users meet it: real sockets, real files, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod access;
mod client;
mod crash;
mod deploy;
mod drain;
mod history;
mod hub;
mod media;
mod poll;
mod postgres;
mod presence;
mod reload;
mod resume;
mod rooms;
mod srs;
