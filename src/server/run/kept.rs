//! What the hub keeps, as the configuration says: its store, the archive and the notes, and what carries the history out of it.
use super::{
    StartError, io,
    settings::{is_history_outside, outbox_settings, postgres_settings, store_settings},
};
use crate::server::{
    clock::Clock,
    config::{Config, StoreKind},
    history::{
        History,
        postgres::{Feeder, People, Postgres},
    },
    net::tls::install_cryptography,
    store::{
        Store, StoreFault,
        archive::Archive,
        fjall::FjallStore,
        notes::Notes,
        outbox::Outboxed,
        redis::{RedisReport, RedisStore},
        tap::{Moved, Tap},
    },
    webhooks::{WebhookDeps, Webhooks, source::Source},
};
use std::sync::Arc;

/// The stores of a hub.
pub(super) struct Kept {
    pub store: Arc<dyn Store>,
    /// What keeps the history, if anything does.
    pub archive: Option<Arc<dyn Archive>>,
    pub notes: Arc<dyn Notes>,
    /// The store again, if it is Redis.
    pub redis: Option<Arc<RedisStore>>,
    /// What carries the history into PostgreSQL, and whom it knows there.
    feeder: Option<(Feeder, People)>,
}

impl Kept {
    /// Opens what the configuration names. Nothing runs yet.
    pub fn open(config: &Config, clock: Clock) -> Result<Self, StoreFault> {
        let outside = is_history_outside(config).then(|| Postgres::new(postgres_settings(config))).transpose()?;
        let feed = |outbox: &Arc<FjallStore>| {
            let people = People::default();
            let postgres = outside.clone()?;
            Some((Feeder::new(postgres, outbox.clone(), people.clone(), clock), people))
        };
        let archive = outside.clone().map(|postgres| Arc::new(postgres) as Arc<dyn Archive>);
        Ok(match config.store.kind {
            StoreKind::Embedded => {
                let store = FjallStore::open(store_settings(config), clock)?;
                let inside = || (config.history.retention_days > 0).then(|| store.clone() as Arc<dyn Archive>);
                Self { feeder: feed(&store), archive: archive.or_else(inside), redis: None, notes: store.clone(), store }
            }
            StoreKind::Redis => {
                let redis = RedisStore::open(config.store.redis.settings(), clock)?;
                let (mut store, mut feeder): (Arc<dyn Store>, _) = (redis.clone(), None);
                if outside.is_some() {
                    let outbox = FjallStore::open(outbox_settings(config), clock)?;
                    feeder = feed(&outbox);
                    store = Outboxed::new(store, outbox);
                }
                Self { store, archive, notes: redis.clone(), redis: Some(redis), feeder }
            }
        })
    }

    /// Returns the view on what was.
    pub fn history(&self) -> History {
        History::new(self.store.clone(), self.archive.clone())
    }

    /// Begins to carry the history out, if it lives elsewhere. Returns whoever wants to hear of people then.
    pub fn feed(&mut self) -> Option<People> {
        let (feeder, people) = self.feeder.take()?;
        tokio::spawn(feeder.live());
        Some(people)
    }

    /// Starts the webhooks, if there are any: from here on the store tells them what moves.
    pub fn tell_webhooks(&mut self, config: &Config, clock: Clock, node: &str) -> Result<Option<Webhooks>, StartError> {
        let endpoints = config.webhooks()?;
        if endpoints.is_empty() {
            return Ok(None);
        }
        let moved = Arc::new(Moved::default());
        let source = Source { store: self.store.clone(), archive: self.archive.clone(), at_hand: !is_history_outside(config) };
        let deps = WebhookDeps { source, notes: self.notes.clone(), clock, node: node.into() };
        let webhooks = Webhooks::start(endpoints, deps, moved.clone()).map_err(io("webhooks"))?;
        self.store = Tap::new(self.store.clone(), moved);
        Ok(Some(webhooks))
    }
}

/// Repairs what a hub keeps in Redis. Errors: it cannot be reached.
pub fn repair_redis(config: &Config, accept_empty: bool) -> Result<RedisReport, StartError> {
    install_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("runtime"))?;
    runtime.block_on(async {
        let redis = RedisStore::open(config.store.redis.settings(), Clock::new()).map_err(StartError::Redis)?;
        redis.repair(accept_empty).await.map_err(StartError::Redis)
    })
}

/// Opens the history of a hub that does not run. Errors: [`StoreFault::Locked`] if one does.
pub async fn open_history(config: &Config) -> Result<History, StoreFault> {
    if config.store.kind == StoreKind::Embedded && !store_settings(config).is_there() {
        return Err(StoreFault::Absent(config.data.dir.clone()));
    }
    let mut kept = Kept::open(config, Clock::new())?;
    if let Some((mut feeder, _)) = kept.feeder.take() {
        feeder.drain().await?;
    }
    Ok(kept.history())
}
