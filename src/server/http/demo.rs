//! What the demo page may ask beyond the protocol: a line about this hub and, if it was started with `--demo`, a goodbye to everybody.
//! Refuses faults otherwise, and never ends the process.
use super::origin;
use crate::server::{live::Live, msg::ShardMsg, net::shard::ShardHandle, presence::Presence, store::Store};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use std::sync::Arc;

/// What the routes need.
#[derive(Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Demo {
    pub faults: bool,
    pub shards: Vec<ShardHandle>,
    pub presence: Presence,
    pub store: Arc<dyn Store>,
    pub store_kind: &'static str,
    pub node: String,
    pub allowed_origins: Live<Vec<String>>,
}

#[derive(Serialize)]
struct About<'a> {
    version: &'a str,
    node: &'a str,
    store: &'a str,
    store_healthy: bool,
    faults: bool,
}

/// Makes the routes `/demo/hub` and `/demo/drain`.
pub fn routes(demo: Demo) -> Router {
    let routes = Router::new().route("/demo/hub", get(about)).route("/demo/drain", post(drain));
    routes.layer(from_fn_with_state(demo.clone(), guarded)).with_state(demo)
}

/// Refuses foreign pages: else any of them could send everybody away.
async fn guarded(State(demo): State<Demo>, request: Request, next: Next) -> Response {
    origin::guard(&demo.allowed_origins, request, async |request| next.run(request).await).await
}

async fn about(State(demo): State<Demo>) -> Response {
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        node: &demo.node,
        store: demo.store_kind,
        store_healthy: demo.store.healthy(),
        faults: demo.faults,
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(about)).into_response()
}

/// Sends every client away with 4101, as a drain does; the hub goes on and takes them back.
async fn drain(State(demo): State<Demo>) -> StatusCode {
    if !demo.faults {
        return StatusCode::FORBIDDEN;
    }
    demo.presence.drain();
    for shard in &demo.shards {
        shard.send(ShardMsg::DrainAll).await;
    }
    StatusCode::NO_CONTENT
}
