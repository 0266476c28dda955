//! What is done: sockets, tasks, stores, HTTP. All effects live here.
//!
//! No part needs itself by way of others. From the ground up: [`clock`], [`msg`] (all that is said between connections, rooms and presence),
//! [`store`], [`cluster`]; [`net`] and [`presence`]; [`rooms`]; `session`, `poll` and `routes`, which speak with clients; and [`run`], which
//! starts and ends everything.
pub mod auth;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod history;
pub mod http;
mod letters;
pub mod live;
pub mod load;
pub mod media;
pub mod msg;
pub mod net;
pub mod outgoing;
mod poll;
pub mod presence;
pub mod rooms;
mod routes;
pub mod run;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod webhooks;
