//! Several hubs on one Redis, as their users meet them: real processes, real sockets, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod bans;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/client.rs"]
mod client;
mod clock;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/fake.rs"]
mod fake;
mod faults;
mod flow;
mod goodbye;
mod history;
mod hot;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/hub.rs"]
mod hub;
mod letters;
mod lost;
mod luggage;
mod media;
mod nodes;
mod offline;
mod outage;
mod people;
mod projection;
mod refusals;
mod rolling;
mod rooms;
mod secure;
mod shapes;
mod talk;
mod worker;
