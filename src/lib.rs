//! michub: the signalling hub of a voice room. It knows who is here, who is free and who speaks next.
//!
//! Three layers, and every arrow points right: `server → wire → hub`.
//!
//! * [`hub`] is what is true: pure state machines. No async, no clock, no randomness, no serde, no I/O; time and ids are arguments.
//! * [`wire`] is what is said: frame types, the codec, the conversion between frames and hub types, and the records a store keeps.
//! * `server` is what is done: sockets, tasks, stores, HTTP. It needs the feature `server` (default).
//!
//! `docs/ARCHITECTURE.md` explains the house and the machines that keep it in order.
pub mod hub;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
