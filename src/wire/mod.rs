//! What is said: frames, their codec, their conversion to and from hub types, and the records that a store keeps. No runtime.
pub mod answer;
pub mod client;
pub mod close;
pub mod codec;
pub mod command;
pub mod event;
pub mod fields;
pub mod heartbeat;
pub mod history;
pub mod membership;
pub mod record;
pub mod rules;
pub mod server;
pub mod session;
pub mod state;
pub mod turn;
pub mod webhook;
