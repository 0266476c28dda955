//! Clients without a connection: they keep a session alive by asking, read rooms by waiting, and say single frames.
mod beat;
mod frame;
mod listen;
mod read;
pub(super) mod stream;

pub(super) use beat::heartbeat;
pub(super) use frame::frame;
pub(super) use read::{Reading, Topic, members, snapshot, take_token, updates, wait_ms, wants_stream};

use super::http::Api;
