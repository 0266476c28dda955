//! The mic room by table: who asks what, what the room says, and what it refuses. One file per family.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod applies;
mod hub;
mod invites;
mod modes;
mod seats;
mod table;
mod together;
mod turns;
