//! A Redis and the hubs on it, each in a folder of its own.
use crate::{
    client::Client,
    hub::{Hub, QUICK},
};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio};
use xtask::bed::{Redis, RedisOptions};

/// A short lease, so that a dead node is noticed soon.
pub const LEASE: (&str, &str) = ("STORE__REDIS__LEASE_MS", "3000");

pub struct Nodes {
    pub hubs: Vec<Hub>,
    pub redis: Redis,
    /// How the hubs reach Redis; `None`: as it is.
    url: Option<String>,
    settings: Vec<(&'static str, &'static str)>,
    dir: tempfile::TempDir,
}

impl Nodes {
    /// Starts a Redis and `count` hubs.
    pub fn start(count: usize, settings: &[(&'static str, &'static str)]) -> Self {
        Self::on(count, settings, &[])
    }

    /// As [`Self::start`], with arguments for Redis.
    pub fn on(count: usize, settings: &[(&'static str, &'static str)], redis: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("redis");
        std::fs::create_dir(&data).unwrap();
        let redis =
            Redis::start(&data, RedisOptions { args: redis.iter().map(ToString::to_string).collect(), sentinel: false }).unwrap();
        let mut nodes = Self { hubs: Vec::new(), redis, url: None, settings: settings.to_vec(), dir };
        for _ in 0..count {
            nodes.add();
        }
        nodes
    }

    /// As [`Self::start`], and somebody silent is soon offline.
    pub fn quick(count: usize) -> Self {
        Self::start(count, QUICK)
    }

    /// Starts hubs on another Redis, or on one that is reached another way.
    pub fn reaching(url: String, count: usize, settings: &[(&'static str, &'static str)]) -> Self {
        let mut nodes = Self::start(0, settings);
        nodes.url = Some(url);
        for _ in 0..count {
            nodes.add();
        }
        nodes
    }

    /// Starts one more hub, which reaches Redis another way.
    pub fn add_reaching(&mut self, url: String) {
        let before = self.url.replace(url);
        self.add();
        self.url = before;
    }

    /// Starts one more hub.
    pub fn add(&mut self) {
        self.add_logging(|_| Stdio::inherit());
    }

    /// Starts one more hub, whose log goes where `log` says of its folder.
    pub fn add_logging(&mut self, log: impl FnOnce(&Path) -> Stdio) {
        let data = self.dir.path().join(format!("hub{}", rand::random::<u32>()));
        std::fs::create_dir(&data).unwrap();
        let url = self.url.clone().unwrap_or_else(|| self.redis.url());
        let mut settings = vec![("STORE__KIND", "redis"), ("STORE__REDIS__URL", url.as_str()), LEASE];
        settings.extend(self.settings.iter().copied());
        self.hubs.push(Hub::logging(&data, &settings, log(&data)));
    }

    /// Ends a hub without a goodbye.
    pub fn kill(&mut self, index: usize) {
        self.hubs.remove(index).kill();
    }

    /// Where clients connect.
    pub fn addresses(&self) -> Vec<String> {
        self.hubs.iter().map(|hub| hub.address.clone()).collect()
    }

    pub async fn user(&self, hub: usize, name: &str) -> Client {
        self.hubs[hub].user(name).await
    }

    /// Goes on with a session on a hub, without naming rooms.
    pub async fn back(&self, hub: usize, before: &Value) -> Client {
        let hello = json!({"type": "user_online", "user_id": before["user_id"], "session_token": before["session_token"]});
        self.hubs[hub].enter(hello).await
    }

    /// Goes on with a session on a hub.
    pub async fn resume(&self, hub: usize, before: &Value, rooms: Value) -> Client {
        let hello = json!({"type": "user_online", "user_id": before["user_id"], "session_token": before["session_token"], "rooms": rooms});
        self.hubs[hub].enter(hello).await
    }
}
