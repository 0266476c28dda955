//! The parts of a hub, started in the order in which they need each other.
use super::{
    StartError, io,
    kept::Kept,
    reload::{Reload, Reloader},
    settings::{ban_settings, letter_settings, net_settings, presence_settings, room_settings, tls_files, trace_settings},
};
use crate::server::{
    auth::{
        Auth,
        bans::{BanList, Bans},
    },
    clock::Clock,
    cluster::Cluster,
    config::{Config, StoreKind},
    http::{
        ApiParts,
        admin::Sources,
        demo::{self, Demo},
    },
    letters::Letters,
    live::Live,
    media::{Media, Surroundings},
    net::{
        shards::{Bound, Shards},
        tls::Tls,
    },
    presence::{Presence, session_store::SessionStore},
    rooms::{RoomSettings, Rooms, expiry::look_after_messages},
    routes,
    session::{SessionDeps, SessionSettings},
    telemetry::traces::Traces,
    webhooks::Webhooks,
};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What all parts stand on.
pub(super) struct Ground {
    pub config: Config,
    pub clock: Clock,
    pub node: String,
    pub kept: Kept,
    pub webhooks: Option<Webhooks>,
    /// The other nodes, if there can be any.
    pub cluster: Option<Arc<Cluster>>,
    pub auth: Auth,
}

/// Everything that lives as long as the hub.
pub(super) struct Parts {
    ground: Ground,
    bound: Bound,
    tls: Option<Tls>,
    sessions: SessionDeps,
    media: Media,
    bans: Bans,
}

impl Parts {
    /// Starts everything but the shards: nobody is let in yet, though the port is taken.
    pub async fn start(mut ground: Ground) -> Result<Self, StartError> {
        let banned = BanList::default();
        ground.auth = ground.auth.refusing(banned.clone());
        let people = ground.kept.feed();
        let Ground { config, clock, node, kept, webhooks, cluster, auth } = &ground;
        let clock = *clock;
        let tls = tls_files(config).map(|files| Tls::open(&files)).transpose()?;
        let bound = Bound::new(net_settings(config, clock, tls.clone()))
            .map_err(io(format!("server.listen {}", config.server.listen)))?;
        let shards = bound.handles().to_vec();

        let (presence, inbox) = Presence::new();
        let (seats, seats_told) = mpsc::unbounded_channel();
        let seats = (!config.media.is_empty()).then_some(seats);
        let traces = trace_settings(config).map(|settings| Traces::start(settings, clock, node)).transpose()?;
        let settings = RoomSettings { seats, traces, ..room_settings(config) };
        tokio::spawn(look_after_messages(kept.store.clone(), settings.messages, clock));
        let rooms = Rooms::new(shards.clone(), kept.store.clone(), presence.clone(), clock, settings, cluster.clone());
        let around = Surroundings {
            notes: kept.notes.clone(),
            redis: kept.redis.clone(),
            node: node.as_str().into(),
            webhooks: webhooks.clone(),
        };
        let media = Media::start(&config.media, auth.ticket_key(), rooms.clone(), clock, seats_told, around)?;
        let stored = if cluster.is_some() { SessionStore::none() } else { SessionStore::new(kept.store.clone()) };
        let inbox = inbox.told_to(webhooks.clone()).noting(people);
        tokio::spawn(inbox.run(presence_settings(config), shards, Arc::new(rooms.clone()), stored, clock, cluster.clone()));
        if let Some(cluster) = cluster {
            cluster.start(Arc::new(presence.clone()), Arc::new(rooms.clone()));
        }

        let notes = kept.notes.clone();
        let bans = Bans::open(banned, notes, presence.clone(), clock, ban_settings(config), cluster.is_some()).await?;
        let letters = Letters::open(kept.store.clone(), letter_settings(config), clock).await?;
        tokio::spawn(letters.clone().look_after());
        let settings = Live::new(SessionSettings::from(config));
        let (auth, node) = (auth.clone(), node.clone());
        let sessions = SessionDeps { settings, auth, presence, rooms, letters, clock, node };
        Ok(Self { ground, bound, tls, sessions, media, bans })
    }

    /// Returns where the numbers are that are read at a scrape.
    pub fn sources(&self) -> Sources {
        Sources { admission: self.bound.admission().clone(), rooms: self.sessions.rooms.clone() }
    }

    /// Returns presence, to be asked at the end whether everything is told.
    pub fn presence(&self) -> Presence {
        self.sessions.presence.clone()
    }

    /// Returns what a reload of the configuration changes.
    pub fn reloader(&self, from: Reload) -> Reloader {
        Reloader {
            config: self.ground.config.clone(),
            from,
            auth: self.ground.auth.clone(),
            rooms: self.sessions.rooms.clone(),
            sessions: self.sessions.settings.clone(),
            admission: self.bound.admission().clone(),
            doors: self.bound.doors().clone(),
            origins: self.bound.origins().clone(),
            tls: self.tls.clone(),
            webhooks: self.ground.webhooks.clone(),
            cluster: self.ground.cluster.clone(),
        }
    }

    /// Lets everybody in, until `draining` turns true.
    pub fn open_doors(self, draining: watch::Receiver<bool>) -> Result<Shards, StartError> {
        let Self { ground: Ground { config, kept, auth, node, .. }, bound, sessions, media, bans, .. } = self;
        let api = ApiParts {
            auth,
            presence: sessions.presence.clone(),
            rooms: sessions.rooms.clone(),
            history: kept.history(),
            sessions: sessions.clone(),
            media,
            bans,
            ticket_seconds: config.auth.ticket_seconds,
            draining: draining.clone(),
            allowed_origins: bound.origins().clone(),
            body_bytes: config.limits.http_body_bytes,
            demo: config.demo.enabled,
        };
        let mut router = routes::router(api.into());
        if config.demo.enabled {
            router = router.merge(demo::routes(Demo {
                faults: config.demo.faults,
                shards: bound.handles().to_vec(),
                presence: sessions.presence.clone(),
                store: kept.store,
                store_kind: kind(&config),
                node,
                allowed_origins: bound.origins().clone(),
            }));
        }
        bound.run(router, move |shard| sessions.clone().on_shard(shard), draining).map_err(io("shards"))
    }
}

/// Names the kind of store, for people.
pub(super) fn kind(config: &Config) -> &'static str {
    match config.store.kind {
        StoreKind::Embedded => "embedded",
        StoreKind::Redis => "redis",
    }
}
