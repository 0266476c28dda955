//! The operators' listener: is the process alive, can it serve, its numbers, reports on the history, and webhooks.
use crate::server::{
    clock::Clock,
    history::{History, remote},
    net::admit::Admission,
    net::failure::{Failure, object_of},
    rooms::Rooms,
    store::Store,
    telemetry::metrics,
    webhooks::{self, Webhooks},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The content type of the Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4";

/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

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
        let upkeep = metrics.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(metrics::UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
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

    /// Makes the routes.
    pub fn router(self) -> Router {
        let reports = remote::router(self.history.clone());
        let webhooks = self.webhooks.clone().map(webhooks::admin::router).unwrap_or_default();
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(async |State(admin): State<Self>| ([(header::CONTENT_TYPE, TEXT_FORMAT)], admin.scrape())))
            .with_state(self)
            .merge(reports)
            .merge(webhooks)
            .fallback(async || Failure::nothing_there("There is no such route."))
            .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, object_of(StatusCode::METHOD_NOT_ALLOWED)))
    }
}

/// The operators' listener while it is open: the last thing that closes.
pub struct Operators {
    /// Where it listens.
    pub address: SocketAddr,
    served: JoinHandle<()>,
}

impl Operators {
    /// Listens, and answers from here on.
    pub async fn listen(at: SocketAddr, admin: Admin) -> std::io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, served: tokio::spawn(serve(listener, admin.router())) })
    }

    /// Ends it.
    pub fn close(self) {
        self.served.abort();
    }
}

async fn serve(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(router.clone());
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
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
