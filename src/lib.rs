//! michub: the signalling hub of a voice room. It knows who is here, who is free and who speaks next.
//!
//! Three layers, and every arrow points right: `server → wire → hub`.
//!
//! * [`hub`] is what is true: pure state machines. No async, no clock, no randomness, no serde, no I/O; time and ids are arguments.
//! * [`wire`] is what is said: frame types, the codec, the conversion between frames and hub types, and the records a store keeps.
//! * `server` is what is done: sockets, tasks, stores, HTTP. It needs the feature `server` (default).
//!
//! # Where to begin
//!
//! * The rules of a room: [`hub::room::Room`], which [`hub::decide::Draft`] decides on and [`hub::room::Room::apply`] changes.
//! * What clients say and hear: [`wire::client`] (frames in), [`wire::server`] (frames out), [`hub::code::Code`] and [`wire::close::Close`].
//! * The running hub: `server::run::run` starts it, `server::rooms` holds one task per room, `server::session` one session per socket.
//!
//! `docs/ARCHITECTURE.md` shows the path of one command through the layers, and what enforces the arrows; `docs/CONTRIBUTING.md` says where
//! a command, an event or a setting is added.
pub mod hub;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
