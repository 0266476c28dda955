//! The binary as its users meet it: real sockets, real files, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod access;
mod backend;
mod cli;
mod client;
mod crash;
mod crowd;
mod deploy;
mod drain;
mod history;
mod http;
mod hub;
mod letters;
mod listen;
mod media;
mod poll;
mod postgres;
mod presence;
mod reload;
mod resume;
mod rooms;
mod routes;
mod srs;
mod talk;
mod traces;
