//! The whole hub: opens the store, starts its parts, says that it listens, and ends on SIGTERM or SIGINT.
mod kept;
mod parts;
pub mod reload;
pub mod service;
pub(super) mod settings;
mod signals;

pub use self::kept::{open_history, repair_redis};

use self::{
    kept::Kept,
    parts::{Ground, Parts, kind},
    reload::Reload,
    signals::{Asked, Signals},
};
use super::{
    auth::{Auth, AuthSetupError},
    clock::Clock,
    cluster::Cluster,
    config::{AuthMode, Config, ConfigError, StoreKind},
    http::admin::{Admin, Operators},
    media::MediaSetupError,
    net::tls::{Tls, TlsError, install_cryptography},
    outgoing::OutgoingError,
    store::StoreFault,
};
use std::{io::Write, time::Duration};
use tokio::sync::watch;

/// How long each part of the goodbye to other nodes may take at least and at most, in ms.
const GOODBYE_MS: (u64, u64) = (100, 2_000);

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be opened, or a thread not started.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("data.dir: {0}")]
    Store(#[from] StoreFault),
    /// Redis cannot be used.
    #[error("store.redis: {0}")]
    Redis(StoreFault),
    /// The configuration is wrong after all.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys cannot be read.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// A media server's section cannot be used.
    #[error(transparent)]
    Media(#[from] MediaSetupError),
    /// The hub's own certificate cannot be used.
    #[error("server.tls_cert_file, server.tls_key_file: {0}")]
    Tls(#[from] TlsError),
    /// Traces cannot be told.
    #[error("telemetry.otlp_endpoint: {0}")]
    Traces(#[from] OutgoingError),
    /// Metrics cannot be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |error| StartError::Io { what, error }
}

/// Runs the hub until SIGTERM or SIGINT, then drains it.
pub fn run(config: Config, reload: Reload) -> Result<(), StartError> {
    install_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("runtime"))?;
    runtime.block_on(serve(config, reload))
}

/// Checks what the configuration names outside itself, as far as that can be done beside a running hub: the hub's own certificate, and
/// the authority of Redis.
pub fn check(config: &Config) -> Result<(), StartError> {
    settings::tls_files(config).map(|files| Tls::open(&files)).transpose()?;
    if config.store.kind == StoreKind::Redis {
        config.store.redis.settings().check_files().map_err(StartError::Redis)?;
    }
    Ok(())
}

async fn serve(config: Config, reload: Reload) -> Result<(), StartError> {
    // First: a signal during the start must not kill the process half-way.
    let mut signals = Signals::listen()?;
    check(&config)?;
    let (clock, node) = (Clock::new(), format!("{:08x}", rand::random::<u32>()));
    let mut kept = Kept::open(&config, clock)?;
    let cluster = kept.redis.clone().map(|redis| Cluster::new(redis, clock, node.clone()));
    let webhooks = kept.tell_webhooks(&config, clock, &node)?;
    let admin = Admin::new(kept.store.clone(), kept.history(), webhooks.clone(), clock)?;
    let operators = Operators::listen(config.admin.listen, admin.clone())
        .await
        .map_err(io(format!("admin.listen {}", config.admin.listen)))?;
    let auth = match &cluster {
        None => Auth::new(&config.auth, &config.data.dir, clock)?,
        Some(cluster) => {
            // The key that all nodes share is in Redis, which may be away for long.
            let Some(key) = signals.unless_ended(cluster.enter()).await else { return Ok(()) };
            cluster.look_around(&reload::shared(&config)).await;
            Auth::with_key(&config.auth, key, clock)?
        }
    };
    let drain_ms = config.server.drain_timeout_ms;
    let scheme = if config.server.tls_cert_file.is_some() { "https" } else { "http" };
    let mode = if config.auth.mode == AuthMode::Dev { "dev" } else { "jwt" };
    let about = format!("store={}, auth={mode}, node={node}, admin=http://{}", kind(&config), operators.address);

    let parts = Parts::start(Ground { config, clock, node, kept, webhooks, cluster: cluster.clone(), auth }).await?;
    admin.read_from(parts.sources());
    let (presence, mut reloader) = (parts.presence(), parts.reloader(reload));
    let (drain, draining) = watch::channel(false);
    let shards = parts.open_doors(draining)?;
    let line = format!("michub listening on {scheme}://{} ({about})", shards.local_addr);
    // A closed stdout is no reason not to serve.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
    service::ready(&line);
    tokio::spawn(service::watchdog());

    while let Asked::Reload = signals.next().await {
        service::reloading();
        reloader.reload();
        service::ready(&line);
    }
    service::stopping();
    let end = clock.mono().plus(drain_ms);
    tracing::info!("draining: no new connections, clients are asked to come back elsewhere");
    admin.drain();
    let _ = drain.send(true);
    if tokio::task::spawn_blocking(move || shards.join()).await.is_err() {
        tracing::error!("the shards did not end well");
    }
    if let Some(cluster) = &cluster {
        // Whatever the others do not hear from this node they learn when its lease is over.
        let rest = || Duration::from_millis(end.0.saturating_sub(clock.mono().0).clamp(GOODBYE_MS.0, GOODBYE_MS.1));
        if cluster.is_up() {
            presence.announced(rest()).await;
        }
        cluster.leave(rest()).await;
    }
    operators.close();
    tracing::info!("stopped");
    Ok(())
}
