//! The operators' listener: is the process alive, can it serve, its numbers, reports on the history, and webhooks.
use super::{
    history::{History, remote},
    store::Store,
    webhooks::{self, Webhooks},
};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What readiness and metrics are made of.
#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    history: History,
    webhooks: Option<Webhooks>,
    draining: Arc<AtomicBool>,
    metrics: PrometheusHandle,
}

impl Admin {
    /// Installs the metrics recorder of this process. Errors: there is one already.
    pub fn new(store: Arc<dyn Store>, history: History, webhooks: Option<Webhooks>) -> Result<Self, BuildError> {
        let metrics = PrometheusBuilder::new().install_recorder()?;
        metrics::gauge!("michub_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(Self { store, history, webhooks, draining: Arc::new(AtomicBool::new(false)), metrics })
    }

    /// From here on the hub is not ready: it is going down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Makes the routes.
    pub fn router(self) -> Router {
        let reports = remote::router(self.history.clone());
        let webhooks = self.webhooks.clone().map(webhooks::admin::router).unwrap_or_default();
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(async |State(admin): State<Self>| admin.metrics.render()))
            .with_state(self)
            .merge(reports)
            .merge(webhooks)
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if admin.store.healthy() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes\n")
    }
}
