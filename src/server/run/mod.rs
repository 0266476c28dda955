//! The whole hub: opens the store, starts presence, rooms and shards, says that it listens, and ends on SIGTERM or SIGINT.
pub mod reload;
pub mod service;
pub(super) mod settings;

use self::{
    reload::{Reload, Reloader},
    settings::is_history_outside,
};
use super::{
    auth::{
        Auth, AuthSetupError,
        bans::{BanList, Bans},
    },
    clock::Clock,
    cluster::Cluster,
    config::{AuthMode, Config, ConfigError, StoreKind},
    history::{
        History,
        postgres::{Feeder, People, Postgres},
    },
    http::{
        ApiParts,
        admin::{Admin, AdminThread, Sources},
        demo::{self, Demo},
    },
    letters::Letters,
    live::Live,
    media::{Media, MediaSetupError, Surroundings},
    net::{
        shard::Bound,
        tls::{Tls, TlsError, install_cryptography},
    },
    outgoing::OutgoingError,
    presence::{Presence, session_store::SessionStore},
    rooms::{RoomSettings, Rooms, expiry::look_after_messages},
    routes,
    session::{SessionDeps, SessionSettings},
    store::{
        Store, StoreFault,
        archive::Archive,
        fjall::FjallStore,
        notes::Notes,
        outbox::Outboxed,
        redis::{RedisReport, RedisStore},
        tap::{Moved, Tap},
    },
    telemetry::traces::Traces,
    webhooks::{WebhookDeps, Webhooks, source::Source},
};
use std::{io::Write, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

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

/// The store, what keeps the history, and what keeps notes.
struct Opened {
    store: Arc<dyn Store>,
    archive: Option<Arc<dyn Archive>>,
    notes: Arc<dyn Notes>,
    redis: Option<Arc<RedisStore>>,
    feeder: Option<Feeder>,
    people: Option<People>,
}

fn open(config: &Config, clock: Clock) -> Result<Opened, StoreFault> {
    Ok(match config.store.kind {
        StoreKind::Embedded => {
            let outside =
                if is_history_outside(config) { Some(Postgres::new(settings::postgres_settings(config))?) } else { None };
            let store = FjallStore::open(settings::store_settings(config), clock)?;
            let people = People::default();
            let feeder = outside.clone().map(|postgres| Feeder::new(postgres, store.clone(), people.clone(), clock));
            let inside = || (config.history.retention_days > 0).then(|| store.clone() as Arc<dyn Archive>);
            let archive = outside.map(|postgres| Arc::new(postgres) as Arc<dyn Archive>).or_else(inside);
            Opened { notes: store.clone(), store, archive, redis: None, people: feeder.is_some().then_some(people), feeder }
        }
        StoreKind::Redis => {
            let redis = RedisStore::open(config.store.redis.settings(), clock)?;
            let (notes, mut store): (Arc<dyn Notes>, Arc<dyn Store>) = (redis.clone(), redis.clone());
            let (mut archive, mut feeder, people) = (None, None, People::default());
            if is_history_outside(config) {
                let postgres = Postgres::new(settings::postgres_settings(config))?;
                let outbox = FjallStore::open(settings::outbox_settings(config), clock)?;
                store = Outboxed::new(store, outbox.clone());
                feeder = Some(Feeder::new(postgres.clone(), outbox, people.clone(), clock));
                archive = Some(Arc::new(postgres) as Arc<dyn Archive>);
            }
            Opened { store, archive, notes, redis: Some(redis), people: feeder.is_some().then_some(people), feeder }
        }
    })
}

/// Checks what the configuration names outside itself, as far as that can be done beside a running hub: the hub's own certificate.
pub fn check(config: &Config) -> Result<(), StartError> {
    settings::tls_files(config).map(|files| Tls::open(&files)).transpose()?;
    Ok(())
}

/// Repairs what a hub keeps in Redis. Errors: it cannot be reached.
pub fn repair_redis(config: &Config, accept_empty: bool) -> Result<RedisReport, StartError> {
    install_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("runtime"))?;
    runtime.block_on(async {
        let redis = RedisStore::open(config.store.redis.settings(), Clock::new())?;
        redis.repair(accept_empty).await.map_err(StartError::Redis)
    })
}

/// Opens the history of a hub that does not run. Errors: [`StoreFault::Locked`] if one does.
pub async fn open_history(config: &Config) -> Result<History, StoreFault> {
    if config.store.kind == StoreKind::Embedded && !settings::store_settings(config).is_there() {
        return Err(StoreFault::Absent(config.data.dir.clone()));
    }
    let Opened { store, archive, feeder, .. } = open(config, Clock::new())?;
    if let Some(mut feeder) = feeder {
        feeder.drain().await?;
    }
    Ok(History::new(store, archive))
}

/// Starts the webhooks, if there are any: then the store tells them what moves.
fn webhooks(config: &Config, opened: Opened, clock: Clock, node: &str) -> Result<(Arc<dyn Store>, Option<Webhooks>), StartError> {
    let Opened { store, archive, notes, .. } = opened;
    let endpoints = config.webhooks()?;
    if endpoints.is_empty() {
        return Ok((store, None));
    }
    let moved = Arc::new(Moved::default());
    let deps = WebhookDeps {
        source: Source { store: store.clone(), archive, at_hand: !is_history_outside(config) },
        notes,
        clock,
        node: node.into(),
    };
    let webhooks = Webhooks::start(endpoints, deps, moved.clone()).map_err(io("webhooks"))?;
    Ok((Tap::new(store, moved), Some(webhooks)))
}

async fn serve(config: Config, reload: Reload) -> Result<(), StartError> {
    // Handlers first: a signal during the start must not kill the process half-way.
    let mut terminate = signal(SignalKind::terminate()).map_err(io("SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("SIGINT"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(io("SIGHUP"))?;
    let clock = Clock::new();
    let mut opened = open(&config, clock)?;
    if let Some(feeder) = opened.feeder.take() {
        tokio::spawn(feeder.live());
    }
    let people = opened.people.take();
    let history = History::new(opened.store.clone(), opened.archive.clone());
    let node = format!("{:08x}", rand::random::<u32>());
    let cluster = opened.redis.clone().map(|redis| Cluster::new(redis, clock, node.clone()));
    let (notes, redis) = (opened.notes.clone(), opened.redis.clone());
    let (store, webhooks) = webhooks(&config, opened, clock, &node)?;
    let admin = Admin::new(store.clone(), history.clone(), webhooks.clone(), clock)?;
    let admin_listener =
        TcpListener::bind(config.admin.listen).await.map_err(io(format!("admin.listen {}", config.admin.listen)))?;
    let admin_address = admin_listener.local_addr().map_err(io("admin.listen"))?;
    let admin_listener = admin_listener.into_std().map_err(io("admin.listen"))?;
    let admin_thread = AdminThread::start(admin_listener, admin.clone()).map_err(io("admin.listen"))?;
    let auth = match &cluster {
        None => Auth::new(&config.auth, &config.data.dir, clock)?,
        Some(cluster) => {
            let key = tokio::select! {
                key = cluster.enter() => key,
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            };
            Auth::with_key(&config.auth, key, clock)?
        }
    };
    let banned = BanList::default();
    let auth = auth.refusing(banned.clone());

    let tls = settings::tls_files(&config).map(|files| Tls::open(&files)).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let bound = Bound::new(settings::net_settings(&config, clock, tls.clone()))
        .map_err(io(format!("server.listen {}", config.server.listen)))?;
    let (presence, inbox) = Presence::new();
    let (seats, seats_told) = mpsc::unbounded_channel();
    let seats = (!config.media.is_empty()).then_some(seats);
    let traces = settings::trace_settings(&config).map(|settings| Traces::start(settings, clock, &node)).transpose()?;
    let room_settings = RoomSettings { seats, traces, ..settings::room_settings(&config) };
    tokio::spawn(look_after_messages(store.clone(), room_settings.messages, clock));
    let rooms = Rooms::new(bound.handles().to_vec(), store.clone(), presence.clone(), clock, room_settings, cluster.clone());
    let reloaded = webhooks.clone();
    let around = Surroundings { notes: notes.clone(), redis, node: node.as_str().into(), webhooks: webhooks.clone() };
    let media = Media::start(&config.media, auth.ticket_key(), rooms.clone(), clock, seats_told, around)?;
    let sessions = if cluster.is_some() { SessionStore::none() } else { SessionStore::new(store.clone()) };
    tokio::spawn(inbox.told_to(webhooks).noting(people).run(
        settings::presence_settings(&config),
        bound.handles().to_vec(),
        Arc::new(rooms.clone()),
        sessions,
        clock,
        cluster.clone(),
    ));
    if let Some(cluster) = &cluster {
        cluster.start(Arc::new(presence.clone()), Arc::new(rooms.clone()));
    }

    let (body_bytes, demo) = (config.limits.http_body_bytes, config.demo.enabled);
    let store_kind = if config.store.kind == StoreKind::Redis { "redis" } else { "embedded" };
    let about = Demo {
        faults: config.demo.faults,
        shards: bound.handles().to_vec(),
        presence: presence.clone(),
        store: store.clone(),
        store_kind,
        node: node.clone(),
    };
    let bans = Bans::open(banned, notes, presence.clone(), clock, settings::ban_settings(&config), cluster.is_some()).await?;
    let letters = Letters::open(store.clone(), settings::letter_settings(&config), clock).await?;
    tokio::spawn(letters.clone().look_after());
    let deps = SessionDeps {
        letters,
        settings: Live::new(SessionSettings::from(&config)),
        auth: auth.clone(),
        presence: presence.clone(),
        rooms: rooms.clone(),
        clock,
        node: node.clone(),
    };
    let presence_told = deps.presence.clone();
    admin.read_from(Sources { admission: bound.admission().clone(), rooms: rooms.clone() });
    let mut reloader = Reloader {
        config: config.clone(),
        from: reload,
        auth: auth.clone(),
        rooms: rooms.clone(),
        sessions: deps.settings.clone(),
        admission: bound.admission().clone(),
        doors: bound.doors().clone(),
        origins: bound.origins().clone(),
        tls,
        webhooks: reloaded,
    };
    let (drain, draining) = watch::channel(false);
    let sessions = deps.clone();
    let allowed_origins = bound.origins().clone();
    let draining_too = draining.clone();
    let ticket_seconds = config.auth.ticket_seconds;
    let api = ApiParts {
        auth,
        presence,
        rooms,
        history,
        sessions,
        media,
        bans,
        ticket_seconds,
        draining: draining_too,
        allowed_origins,
        body_bytes,
        demo,
    };
    let router = routes::router(api.into());
    let router = if demo { router.merge(demo::routes(about)) } else { router };
    let shards = bound.run(router, move |shard| deps.clone().on_shard(shard), draining).map_err(io("shards"))?;
    let mode = if config.auth.mode == AuthMode::Dev { "dev" } else { "jwt" };
    let line = format!(
        "michub listening on {scheme}://{} (store={store_kind}, auth={mode}, node={node}, admin=http://{admin_address})",
        shards.local_addr
    );
    // A closed stdout is no reason not to serve.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
    service::ready(&line);
    tokio::spawn(service::watchdog());

    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                service::reloading();
                reloader.reload();
                service::ready(&line);
            }
        }
    }
    service::stopping();
    let end = clock.mono().plus(config.server.drain_timeout_ms);
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
            presence_told.announced(rest()).await;
        }
        cluster.leave(rest()).await;
    }
    drop(admin_thread);
    tracing::info!("stopped");
    Ok(())
}
