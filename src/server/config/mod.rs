//! The configuration: built-in defaults < file < environment < flags. Unknown keys are errors; relations are checked before anything starts.
mod check;
mod choice;
mod error;
pub mod secret;
#[cfg(test)]
mod tests;

use self::secret::{Address, Secret};
use super::{
    net::proxies::Network,
    store::redis::connect::{Durability, RedisSettings, Shape},
    webhooks::settings::EndpointSettings,
};
use crate::wire::rules::RulesJson;
pub use choice::{AuthMode, Gate, LogFormat, MediaKind, OnHubError, StoreKind};
use error::unknown_variable;
pub use error::{ConfigError, PREFIX};
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
pub use webhook::WebhookConfig;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[allow(missing_docs, reason = "config.toml documents every key")]
        pub struct $name { $(pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// The keys of this section.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field),)*];
        }
    )*};
}

// Behind the macro that it uses.
pub mod webhook;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

sections! {
    /// Everything an operator can set.
    Config {
        server: ServerConfig = ServerConfig::default(),
        admin: AdminConfig = AdminConfig::default(),
        data: DataConfig = DataConfig::default(),
        store: StoreConfig = StoreConfig::default(),
        history: HistoryConfig = HistoryConfig::default(),
        presence: PresenceConfig = PresenceConfig::default(),
        room: RoomConfig = RoomConfig::default(),
        messages: MessagesConfig = MessagesConfig::default(),
        auth: AuthConfig = AuthConfig::default(),
        limits: LimitsConfig = LimitsConfig::default(),
        media: BTreeMap<String, MediaConfig> = BTreeMap::new(),
        demo: DemoConfig = DemoConfig::default(),
        log: LogConfig = LogConfig::default(),
        telemetry: TelemetryConfig = TelemetryConfig::default(),
        webhook: BTreeMap<String, WebhookConfig> = BTreeMap::new(),
    }
    /// `[server]`
    ServerConfig {
        listen: SocketAddr = loopback(8080),
        shards: usize = 0,
        drain_timeout_ms: u64 = 30_000,
        trusted_proxies: Vec<Network> = Vec::new(),
        tls_cert_file: Option<PathBuf> = None,
        tls_key_file: Option<PathBuf> = None,
    }
    /// `[admin]`
    AdminConfig { listen: SocketAddr = loopback(9080), }
    /// `[data]`
    DataConfig { dir: PathBuf = PathBuf::from("data"), }
    /// `[store]`
    StoreConfig {
        kind: StoreKind = StoreKind::Embedded,
        embedded: EmbeddedConfig = EmbeddedConfig::default(),
        redis: RedisConfig = RedisConfig::default(),
    }
    /// `[store.embedded]`
    EmbeddedConfig {
        fsync_interval_ms: u64 = 1000,
        reopen_ms: u64 = 5000,
    }
    /// `[history]`
    HistoryConfig {
        retention_days: u64 = 30,
        url: Address = Address::default(),
        password: Secret = Secret::default(),
        password_file: Option<PathBuf> = None,
        batch_max: usize = 500,
        timeout_ms: u64 = 10_000,
        outbox_max: u64 = 10_000_000,
    }
    /// `[store.redis]`
    RedisConfig {
        url: Address = Address("redis://127.0.0.1:6379".to_owned()),
        shape: Shape = Shape::Standalone,
        sentinel_master: String = "mymaster".to_owned(),
        username: String = String::new(),
        password: Secret = Secret::default(),
        password_file: Option<PathBuf> = None,
        ca_file: Option<PathBuf> = None,
        key_prefix: String = String::new(),
        durability: Durability = Durability::Async,
        connect_timeout_ms: u64 = 2000,
        command_timeout_ms: u64 = 500,
        wait_ms: u64 = 2000,
        lease_ms: u64 = 15_000,
        seen_ms: u64 = 400,
        projection_seconds: u64 = 120,
        log_revs_max: u64 = 4096,
    }
    /// `[presence]`
    PresenceConfig {
        heartbeat_interval_ms: u64 = 30_000,
        heartbeat_timeout_ms: u64 = 60_000,
        ping_interval_ms: u64 = 25_000,
        coalesce_ms: u64 = 20,
        busy_on_seat: bool = true,
        user_types: Vec<String> = vec!["user".to_owned(), "kol".to_owned(), "guest".to_owned()],
    }
    /// `[room]`
    RoomConfig {
        auto_create: bool = true,
        presence_members_max: usize = 200,
        mailbox_max: usize = 4096,
        idle_ms: u64 = 60_000,
        handover_ms: u64 = 45_000,
        rules: RulesJson = RulesJson::default(),
    }
    /// `[messages]`
    MessagesConfig {
        keep_max: u64 = 1000,
        keep_seconds: u64 = 86_400,
        page_max: usize = 50,
        replay_max_age_ms: u64 = 5000,
        direct_keep_max: usize = 0,
        direct_keep_users_max: usize = 10_000,
        direct_keep_seconds: u64 = 604_800,
        blocked_max: usize = 1000,
    }
    /// `[auth]`
    AuthConfig {
        mode: AuthMode = AuthMode::Dev,
        dev_allow_remote: bool = false,
        timeout_ms: u64 = 5000,
        query_token: bool = false,
        ticket_seconds: u64 = 60,
        kicked_max: usize = 100_000,
        kicked_keep_seconds: u64 = 2_592_000,
        allowed_origins: Vec<String> = Vec::new(),
        api_keys: Vec<Secret> = Vec::new(),
        jwt: JwtConfig = JwtConfig::default(),
    }
    /// `[auth.jwt]`
    JwtConfig {
        algorithm: String = "HS256".to_owned(),
        secret: Secret = Secret::default(),
        secret_file: Option<PathBuf> = None,
        old_secret: Secret = Secret::default(),
        old_secret_file: Option<PathBuf> = None,
        jwks_file: Option<PathBuf> = None,
    }
    /// `[limits]`; the rates and the caps per address default to 0 in `auth.mode = "dev"`.
    LimitsConfig {
        connections_max: usize = 15_000,
        http_connections_max: usize = 15_000,
        connections_per_address: usize = 200,
        new_connections_per_second_per_address: u32 = 20,
        sessions_per_user: usize = 10,
        handshake_timeout_ms: u64 = 5000,
        frame_bytes: usize = 16_384,
        message_timeout_ms: u64 = 10_000,
        http_body_bytes: usize = 262_144,
        frames_per_second: u32 = 10,
        frames_burst: u32 = 20,
        frames_per_second_per_user: u32 = 20,
        commands_per_second_per_room: u32 = 50,
        messages_per_second_per_room: u32 = 200,
        rooms_per_session: usize = 64,
        watches_per_session: usize = 1000,
        long_polls_per_room: usize = 10_000,
        outbox_bytes: usize = 262_144,
        outbox_frames: usize = 1024,
        memory_bytes: u64 = 0,
    }
    /// `[media.NAME]`
    MediaConfig {
        kind: MediaKind = MediaKind::Srs,
        secret_path: Secret = Secret::default(),
        secret: Secret = Secret::default(),
        api: Address = Address::default(),
        api_key: String = String::new(),
        api_secret: Secret = Secret::default(),
        poll_s: u64 = 30,
        stream_pattern: String = String::new(),
        ticket_param: String = "t".to_owned(),
        gate: Gate = Gate::Off,
        on_hub_error: OnHubError = OnHubError::Deny,
        continue_push_ms: u64 = 3000,
        keepalive_s: u64 = 10,
    }
    /// `[demo]`
    DemoConfig { enabled: bool = true, faults: bool = false, }
    /// `[log]`
    LogConfig {
        format: LogFormat = LogFormat::Pretty,
        level: String = "info".to_owned(),
    }
    /// `[telemetry]`
    TelemetryConfig {
        otlp_endpoint: Address = Address::default(),
        sample_percent: u32 = 100,
        queue_max: usize = 4096,
        batch_max: usize = 512,
        interval_ms: u64 = 1000,
        timeout_ms: u64 = 3000,
    }
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// Variables of one word that name no section: a warning each. Others may have set them, as Kubernetes does for a service of our name.
    pub ignored: Vec<ConfigError>,
}

/// Reads all there is. Compiled once: the code for every section is large.
#[inline(never)]
#[expect(clippy::result_large_err, reason = "that of the library")]
fn extract(figment: &Figment) -> Result<Config, figment::Error> {
    figment.extract()
}

/// Adds the environment, but for the variables of one word that name no section. One with a section and an unknown key is a mistake.
fn with_environment(file: &Figment) -> (Figment, Vec<ConfigError>) {
    let (mut names, mut ignored) = (Vec::<String>::new(), Vec::new());
    loop {
        let (file, without) = (file.clone(), names.clone());
        let names_one = move |key: &figment::value::UncasedStr| !without.iter().any(|name| key == name.as_str());
        let figment = file.merge(Env::prefixed(PREFIX).filter(names_one).split("__"));
        let unknown = extract(&figment).err().and_then(|error| Some((unknown_variable(&error)?, error)));
        match unknown {
            Some((name, error)) if !name.contains("__") && !names.contains(&name) => {
                names.push(name);
                ignored.push(error.into());
            }
            _ => return (figment, ignored),
        }
    }
}

/// A key of `[limits]`, and how it is switched off.
type SwitchOff = (&'static str, fn(&mut LimitsConfig));

/// What is off in dev mode unless set.
const OFF_IN_DEV: &[SwitchOff] = &[
    ("connections_per_address", |limits| limits.connections_per_address = 0),
    ("new_connections_per_second_per_address", |limits| limits.new_connections_per_second_per_address = 0),
    ("frames_per_second", |limits| limits.frames_per_second = 0),
    ("frames_per_second_per_user", |limits| limits.frames_per_second_per_user = 0),
    ("commands_per_second_per_room", |limits| limits.commands_per_second_per_room = 0),
    ("messages_per_second_per_room", |limits| limits.messages_per_second_per_room = 0),
];

impl Config {
    /// Reads the configuration: `file` if given (it must be there then), else `config.toml` if it is there; then the environment, then the flags.
    pub fn load(file: Option<&Path>, flags: impl FnOnce(&mut Self)) -> Result<Loaded, ConfigError> {
        let path = file.unwrap_or(Path::new("config.toml"));
        let there = path.is_file();
        if file.is_some() && !there {
            return Err(ConfigError::NoFile(path.to_owned()));
        }
        let figment = if there { Figment::from(Toml::file_exact(path)) } else { Figment::new() };
        let (figment, ignored) = with_environment(&figment);
        match Self::read(&figment, flags) {
            Ok(config) => Ok(Loaded { config, ignored }),
            Err(error) => Err(if there { error.in_file(path) } else { error }),
        }
    }

    /// Reads the configuration from prepared sources. What the flags change is checked with everything else.
    pub fn read(figment: &Figment, flags: impl FnOnce(&mut Self)) -> Result<Self, ConfigError> {
        let mut config = extract(figment)?;
        flags(&mut config);
        if config.auth.mode == AuthMode::Dev {
            for (key, switch_off) in OFF_IN_DEV {
                if figment.find_value(&format!("limits.{key}")).is_err() {
                    switch_off(&mut config.limits);
                }
            }
        }
        let (jwt, redis, history) = (&mut config.auth.jwt, &mut config.store.redis, &mut config.history);
        let secrets = [
            ("auth.jwt.secret_file", &jwt.secret_file, &mut jwt.secret),
            ("auth.jwt.old_secret_file", &jwt.old_secret_file, &mut jwt.old_secret),
            ("history.password_file", &history.password_file, &mut history.password),
            ("store.redis.password_file", &redis.password_file, &mut redis.password),
        ];
        for (key, path, secret) in secrets {
            let Some(path) = path else { continue };
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|error| ConfigError::Secret { key, path: path.clone(), error })?;
            *secret = Secret(text.trim_end().to_owned());
        }
        for (name, webhook) in &mut config.webhook {
            webhook.read_secrets(name)?;
        }
        for (name, media) in &mut config.media {
            for secret in [&mut media.secret_path, &mut media.secret, &mut media.api_secret] {
                secret.resolve().map_err(|variable| ConfigError::Variable { key: format!("media.{name}"), variable })?;
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Returns the webhook endpoints that are in use.
    pub fn webhooks(&self) -> Result<Vec<EndpointSettings>, ConfigError> {
        let enabled = self.webhook.iter().filter(|(_, webhook)| webhook.enabled);
        enabled.map(|(name, webhook)| webhook.settings(name)).collect()
    }
}

impl RedisConfig {
    /// Returns what the store is opened with.
    #[must_use]
    pub fn settings(&self) -> RedisSettings {
        RedisSettings {
            urls: self.url.0.split(',').map(|url| url.trim().to_owned()).collect(),
            shape: self.shape,
            sentinel_master: self.sentinel_master.clone(),
            username: self.username.clone(),
            password: self.password.0.clone(),
            ca_file: self.ca_file.clone(),
            key_prefix: self.key_prefix.clone(),
            durability: self.durability,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            command_timeout: Duration::from_millis(self.command_timeout_ms),
            wait: Duration::from_millis(self.wait_ms),
            lease: Duration::from_millis(self.lease_ms),
            log_revs_max: self.log_revs_max,
        }
    }
}
