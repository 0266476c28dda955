//! Clients without a connection: they keep a session alive by asking, read rooms by waiting, and say single frames.
mod beat;
mod frame;
mod listen;
mod read;
pub(super) mod stream;

pub(super) use read::{Reading, Topic, take_token, wait_ms, wants_stream};

use super::http::{Api, Failure};
use axum::{
    Router,
    routing::{get, post},
};

/// Makes the routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/poll/heartbeat", post(beat::heartbeat))
        .route("/api/poll/frame", post(frame::frame))
        .route("/api/rooms/{room_id}", get(read::snapshot))
        .route("/api/rooms/{room_id}/updates", get(read::updates))
        .route("/api/rooms/{room_id}/members", get(read::members))
}
