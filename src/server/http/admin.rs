//! The operators' listener: is the process alive, can it serve, its numbers, reports on the history, and webhooks.
mod thread;

pub use thread::Operators;

use crate::{
    hub::code::Code,
    server::{
        clock::Clock,
        history::{History, remote},
        net::{
            admit::Admission,
            failure::{Failure, object_of},
        },
        rooms::Rooms,
        store::Store,
        telemetry::metrics,
        webhooks::{self, Webhooks},
    },
};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use std::{
    convert::Infallible,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::runtime::Handle;
use tower::ServiceExt;

/// The content type of the Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4";

/// Where the numbers are that are read at a scrape.
pub struct Sources {
    /// The open sockets.
    pub admission: Admission,
    /// The rooms in memory.
    pub rooms: Rooms,
}

/// What readiness and metrics are made of.
#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    history: History,
    webhooks: Option<Webhooks>,
    draining: Arc<AtomicBool>,
    metrics: PrometheusHandle,
    clock: Clock,
    sources: Arc<OnceLock<Sources>>,
}

impl Admin {
    /// Installs the metrics recorder of this process. Errors: there is one already.
    pub fn new(store: Arc<dyn Store>, history: History, webhooks: Option<Webhooks>, clock: Clock) -> Result<Self, BuildError> {
        let metrics = metrics::install(clock.now().0)?;
        Ok(Self { store, history, webhooks, draining: Arc::default(), metrics, clock, sources: Arc::default() })
    }

    /// Says where the numbers are that are read at a scrape.
    pub fn read_from(&self, sources: Sources) {
        // A second time does not happen.
        let _ = self.sources.set(sources);
    }

    fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.store.healthy() && self.clock.is_in_time()
    }

    fn scrape(&self) -> String {
        metrics::read_process();
        metrics::gauge("michub_ready", u64::from(self.is_ready()));
        if let Some(Sources { admission, rooms }) = self.sources.get() {
            metrics::gauge("michub_connections", admission.open() as u64);
            metrics::gauge("michub_connections_unauthenticated", admission.unauthenticated() as u64);
            metrics::gauge("michub_memory_limit_bytes", admission.memory_limit());
            metrics::gauge("michub_rooms", rooms.loaded() as u64);
        }
        self.metrics.render()
    }

    /// From here on the hub is not ready: it is going down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Sorts what was measured since the last time, now and then, so that a scrape need not.
    async fn keep_up(self) {
        loop {
            tokio::time::sleep(metrics::UPKEEP).await;
            self.metrics.run_upkeep();
        }
    }

    /// Makes the routes. `work` runs the reports and what is asked of webhooks; alive, ready and the numbers are answered where they are asked.
    fn router(self, work: Handle) -> Router {
        let reports = remote::router(self.history.clone());
        let webhooks = self.webhooks.clone().map(webhooks::admin::router).unwrap_or_default();
        let rest = Router::new()
            .merge(reports)
            .merge(webhooks)
            .fallback(async || Failure::nothing_there("There is no such route."))
            .method_not_allowed_fallback(not_allowed);
        let rest = tower::service_fn(move |request: Request| {
            let answer = work.spawn(rest.clone().oneshot(request));
            async {
                let response = match answer.await {
                    Ok(Ok(response)) => response,
                    Err(_) => Failure::new(Code::Internal).into_response(),
                };
                Ok::<Response, Infallible>(response)
            }
        });
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(async |State(admin): State<Self>| ([(header::CONTENT_TYPE, TEXT_FORMAT)], admin.scrape())))
            .with_state(self)
            .method_not_allowed_fallback(not_allowed)
            .fallback_service(rest)
    }
}

async fn not_allowed() -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, object_of(StatusCode::METHOD_NOT_ALLOWED))
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if !admin.store.healthy() {
        (StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes\n")
    } else if !admin.clock.is_in_time() {
        (StatusCode::SERVICE_UNAVAILABLE, "the clock is off by more than 2 s\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
