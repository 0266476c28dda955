//! SIGHUP: the configuration is read again, and what can change while the hub runs changes. A bad one changes nothing and says so.
use super::settings::{caps, http_caps, room_settings, tls_files};
use crate::server::{
    auth::Auth,
    cluster::{Cluster, Settings},
    config::{Config, ConfigError, WebhookConfig},
    live::Live,
    net::{admit::Admission, tls::Tls},
    rooms::Rooms,
    session::SessionSettings,
    telemetry::metrics,
    webhooks::Webhooks,
};
use std::{collections::BTreeMap, sync::Arc};

/// Changes the level of what is logged. Errors: it is none, in words.
pub type SetLevel = Box<dyn Fn(&str) -> Result<(), String>>;

/// How the configuration is read again, and who is told what only the program's start knows.
pub struct Reload {
    /// Reads it as at the start: the same file, environment and flags.
    pub read: Box<dyn Fn() -> Result<Config, ConfigError>>,
    /// Changes `log.level`.
    pub level: SetLevel,
}

/// Everything that a reload changes.
pub(in crate::server) struct Reloader {
    pub config: Config,
    pub from: Reload,
    pub auth: Auth,
    pub rooms: Rooms,
    pub sessions: Live<SessionSettings>,
    pub admission: Admission,
    pub doors: Admission,
    pub origins: Live<Vec<String>>,
    pub tls: Option<Tls>,
    pub webhooks: Option<Webhooks>,
    pub cluster: Option<Arc<Cluster>>,
}

impl Reloader {
    /// Reloads.
    pub fn reload(&mut self) {
        let outcome = self.try_reload();
        metrics::reload(outcome.is_ok());
        if let Err(why) = outcome {
            tracing::error!("the configuration is not reloaded, the old one stays in force: {why}");
        }
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let new = (self.from.read)().map_err(|error| error.to_string())?;
        let merged = merge(&self.config, &new);
        let endpoints = merged.webhooks().map_err(|error| error.to_string())?;
        // What can fail comes first; each of the three leaves the old value where it does.
        let certificate = self.tls.as_ref().zip(tls_files(&merged)).map(|(tls, files)| tls.read(&files)).transpose();
        let certificate = certificate.map_err(|error| format!("server.tls_cert_file, server.tls_key_file: {error}"))?;
        (self.from.level)(&merged.log.level).map_err(|error| format!("log.level: {error}"))?;
        if let Err(error) = self.auth.reload(&merged.auth) {
            let _ = (self.from.level)(&self.config.log.level);
            return Err(error.to_string());
        }
        if let Some((tls, certificate)) = self.tls.as_ref().zip(certificate) {
            tls.set(certificate);
        }
        self.rooms.set(room_settings(&merged));
        let rates = self.sessions.load().user_rates.clone();
        rates.set(merged.limits.frames_per_second_per_user.into());
        self.sessions.set(SessionSettings { user_rates: rates, ..SessionSettings::from(&merged) });
        self.admission.set_caps(caps(&merged));
        self.doors.set_caps(http_caps(&merged));
        self.origins.set(merged.auth.allowed_origins.clone());
        if let Some(webhooks) = &self.webhooks {
            webhooks.set(endpoints);
        }
        let (before, now, asked) = (keys(&self.config), keys(&merged), keys(&new));
        tracing::info!(changed = %changed(&before, &now), "the configuration is reloaded");
        if merged != new {
            tracing::warn!(keys = %changed(&now, &asked), "some keys have changed that need a restart");
        }
        if let Some(cluster) = self.cluster.clone() {
            let shared = shared(&merged);
            tokio::spawn(async move { cluster.share_settings(&shared).await });
        }
        self.config = merged;
        Ok(())
    }
}

/// Returns the old configuration with the new values of everything that can change while the hub runs.
fn merge(old: &Config, new: &Config) -> Config {
    let mut merged = old.clone();
    if old.server.tls_cert_file.is_some() && new.server.tls_cert_file.is_some() {
        merged.server.tls_cert_file.clone_from(&new.server.tls_cert_file);
        merged.server.tls_key_file.clone_from(&new.server.tls_key_file);
    }
    merged.room = new.room.clone();
    merged.log.level.clone_from(&new.log.level);
    merged.presence.user_types.clone_from(&new.presence.user_types);
    let (auth, limits) = (&mut merged.auth, &mut merged.limits);
    auth.timeout_ms = new.auth.timeout_ms;
    auth.query_token = new.auth.query_token;
    auth.allowed_origins.clone_from(&new.auth.allowed_origins);
    auth.api_keys.clone_from(&new.auth.api_keys);
    auth.jwt = new.auth.jwt.clone();
    limits.connections_max = new.limits.connections_max;
    limits.http_connections_max = new.limits.http_connections_max;
    limits.connections_per_address = new.limits.connections_per_address;
    limits.new_connections_per_second_per_address = new.limits.new_connections_per_second_per_address;
    limits.frames_per_second = new.limits.frames_per_second;
    limits.frames_burst = new.limits.frames_burst;
    limits.frames_per_second_per_user = new.limits.frames_per_second_per_user;
    limits.commands_per_second_per_room = new.limits.commands_per_second_per_room;
    limits.messages_per_second_per_room = new.limits.messages_per_second_per_room;
    limits.rooms_per_session = new.limits.rooms_per_session;
    limits.watches_per_session = new.limits.watches_per_session;
    limits.memory_bytes = new.limits.memory_bytes;
    for (name, webhook) in &mut merged.webhook {
        if let Some(new) = new.webhook.get(name).filter(|new| new.enabled == webhook.enabled) {
            let concurrency = webhook.concurrency;
            *webhook = WebhookConfig { concurrency, ..new.clone() };
        }
    }
    merged
}

/// Lists every key with its value, secrets redacted.
fn keys(config: &Config) -> BTreeMap<String, toml::Value> {
    let mut found = BTreeMap::new();
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(config) {
        flatten("", table, &mut found);
    }
    found
}

fn flatten(prefix: &str, table: toml::Table, found: &mut BTreeMap<String, toml::Value>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(table) => flatten(&key, table, found),
            value => drop(found.insert(key, value)),
        }
    }
}

/// What may differ from node to node, as machines do.
const OF_A_MACHINE: [&str; 3] = ["limits.connections_max", "limits.http_connections_max", "limits.memory_bytes"];

/// Lists what all nodes on one Redis must have in common.
pub(super) fn shared(config: &Config) -> Settings {
    let of = |key: &str| ["presence.", "room.", "limits."].iter().any(|section| key.starts_with(section));
    keys(config)
        .into_iter()
        .filter(|(key, _)| of(key) && !OF_A_MACHINE.contains(&key.as_str()))
        .map(|(key, value)| (key, value.to_string()))
        .collect()
}

/// Names the keys whose values differ; a secret that differs is not seen here, and never shown.
fn changed(one: &BTreeMap<String, toml::Value>, other: &BTreeMap<String, toml::Value>) -> String {
    let gone = one.keys().filter(|key| !other.contains_key(*key));
    let differ = other.iter().filter(|(key, value)| one.get(*key) != Some(value)).map(|(key, _)| key);
    let names: Vec<&str> = gone.chain(differ).map(String::as_str).collect();
    if names.is_empty() { "nothing, secrets aside".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads which keys the file marks.
    fn marked(key: &str) -> bool {
        let mut section = "";
        include_str!("../../../config.toml").lines().any(|line| {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                section = name;
            }
            let named = line.trim_start_matches("# ").split(" = ").next()
                == key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
            named && line.contains("# [R]")
        })
    }

    #[test]
    fn the_file_marks_what_can_change() {
        let old = Config::default();
        for (key, value) in keys(&old) {
            let other = match value {
                toml::Value::Integer(number) => toml::Value::Integer(if number > 0 { number - 1 } else { 1 }),
                toml::Value::Boolean(on) => toml::Value::Boolean(!on),
                _ => continue,
            };
            let dict = figment::util::nest(&key, figment::value::Value::serialize(&other).unwrap());
            let provider = figment::providers::Serialized::globals(dict.into_dict().unwrap());
            let new: Config = figment::Figment::from(provider).extract().unwrap();
            let changes = merge(&old, &new) != old;
            assert_eq!(changes, marked(&key), "{key}");
        }
    }

    #[test]
    fn only_what_can_change_changes() {
        let old = Config::default();
        let mut new = old.clone();
        new.limits.frames_per_second = 77;
        new.server.shards = 9;
        new.room.idle_ms = 123;
        let merged = merge(&old, &new);
        assert_eq!(changed(&keys(&old), &keys(&merged)), "limits.frames_per_second room.idle_ms");
        assert_eq!(changed(&keys(&merged), &keys(&new)), "server.shards");
        assert_eq!(changed(&keys(&old), &keys(&old)), "nothing, secrets aside");
    }
}
