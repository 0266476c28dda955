//! What tests need to open a store on a server of their own.
use super::{
    RedisStore,
    connect::{Durability, RedisSettings, Shape},
};
use crate::server::clock::Clock;
use std::{sync::Arc, time::Duration};

/// Returns settings for one server.
pub fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        urls: vec![url.to_owned()],
        shape: Shape::Standalone,
        sentinel_master: String::new(),
        username: String::new(),
        password: String::new(),
        ca_file: None,
        key_prefix: String::new(),
        durability: Durability::Async,
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_millis(500),
        wait: Duration::from_secs(2),
        lease: Duration::from_secs(15),
        log_revs_max: 4096,
    }
}

/// Opens a store.
pub fn store(url: &str, change: impl FnOnce(&mut RedisSettings)) -> Arc<RedisStore> {
    let mut settings = settings(url);
    change(&mut settings);
    RedisStore::open(settings, Clock::new()).unwrap()
}
