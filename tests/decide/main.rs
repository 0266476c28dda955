//! The room's decisions by table, as clients see them: frames in, acks, errors and updates out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod access;
mod batch;
mod edges;
mod people;
mod permissions;
mod queue;
mod rules_set;
mod stream;
mod table;
mod talk;
mod together;
