//! The configuration: built-in defaults < file < environment < flags. Unknown keys are errors; relations are checked before anything starts.
mod error;

use super::{
    hooks::Kind,
    proxies::Network,
    secret::{Address, Secret},
    store::redis::connect::{Durability, RedisSettings, Shape},
    webhooks::endpoint::EndpointSettings,
};
use crate::wire::rules::RulesJson;
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
use webhook::WebhookConfig;

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
        seen_ms: u64 = 300,
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
        kind: Kind = Kind::Srs,
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
}

/// What a media server is told about somebody without the right to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nobody looks.
    Off,
    /// He is let in, and the log says so.
    Log,
    /// He is refused, or shown out.
    Enforce,
}

/// What a media server is told when the hub itself cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnHubError {
    /// To let him in.
    Allow,
    /// To refuse him.
    Deny,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// In `data.dir`, for one machine.
    Embedded,
    /// In Redis, for many nodes.
    Redis,
}

/// Who needs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Nobody; loopback only.
    Dev,
    /// Everybody.
    Jwt,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object per line.
    Json,
}

/// The keys of `[limits]` that are off in dev mode unless set.
const OFF_IN_DEV: &[&str] = &[
    "connections_per_address",
    "new_connections_per_second_per_address",
    "frames_per_second",
    "frames_per_second_per_user",
    "commands_per_second_per_room",
    "messages_per_second_per_room",
];

impl Config {
    /// Reads the configuration: `file` if given (it must be there then), else `config.toml` if it is there; then the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let toml = match file {
            Some(file) => Toml::file_exact(file),
            None => Toml::file_exact("config.toml"),
        };
        let missing = |path: &Path| !path.is_file();
        if file.is_some_and(missing) {
            return Err(ConfigError::Check { key: "--config", expected: "a file that is there" });
        }
        let mut figment = Figment::new();
        if file.is_some() || !missing(Path::new("config.toml")) {
            figment = figment.merge(toml);
        }
        Self::read(&figment.merge(Env::prefixed(PREFIX).split("__")))
    }

    /// Reads the configuration from prepared sources.
    pub fn read(figment: &Figment) -> Result<Self, ConfigError> {
        let mut config: Self = figment.extract()?;
        if config.auth.mode == AuthMode::Dev {
            for key in OFF_IN_DEV.iter().filter(|key| figment.find_value(&format!("limits.{key}")).is_err()) {
                config.limits.switch_off(key);
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

    /// Checks ranges and relations.
    pub fn check(&self) -> Result<(), ConfigError> {
        let presence = &self.presence;
        let jwt = &self.auth.jwt;
        let redis = &self.store.redis;
        let remote = self.auth.mode == AuthMode::Dev && !self.server.listen.ip().is_loopback() && !self.auth.dev_allow_remote;
        let no_key = self.auth.mode == AuthMode::Jwt && jwt.secret.0.is_empty() && jwt.jwks_file.is_none();
        let checks: &[(bool, &'static str, &'static str)] = &[
            (presence.heartbeat_interval_ms >= 100, "presence.heartbeat_interval_ms", "at least 100 ms"),
            (
                presence.heartbeat_timeout_ms >= presence.heartbeat_interval_ms.saturating_mul(2),
                "presence.heartbeat_timeout_ms",
                "at least twice presence.heartbeat_interval_ms",
            ),
            (
                (100..presence.heartbeat_timeout_ms).contains(&presence.ping_interval_ms),
                "presence.ping_interval_ms",
                "at least 100 ms, and less than presence.heartbeat_timeout_ms",
            ),
            ((100..=60_000).contains(&redis.connect_timeout_ms), "store.redis.connect_timeout_ms", "100 to 60000 ms"),
            ((50..=60_000).contains(&redis.command_timeout_ms), "store.redis.command_timeout_ms", "50 to 60000 ms"),
            (
                (redis.command_timeout_ms..=60_000).contains(&redis.wait_ms),
                "store.redis.wait_ms",
                "store.redis.command_timeout_ms to 60000 ms",
            ),
            ((3_000..=600_000).contains(&redis.lease_ms), "store.redis.lease_ms", "3000 to 600000 ms"),
            ((50..=5_000).contains(&redis.seen_ms), "store.redis.seen_ms", "50 to 5000 ms"),
            ((256..=1_000_000).contains(&redis.log_revs_max), "store.redis.log_revs_max", "256 to 1000000 revs"),
            (
                redis.key_prefix.len() <= 64 && !redis.key_prefix.contains(['{', '}']),
                "store.redis.key_prefix",
                "at most 64 bytes, without { and }",
            ),
            (
                self.store.kind != StoreKind::Redis || redis.settings().check().is_ok(),
                "store.redis.url",
                "redis://host:port or rediss://host:port; several with commas between them",
            ),
            ((1..=1_000_000).contains(&self.messages.keep_max), "messages.keep_max", "1 to 1000000"),
            ((1..=2_592_000).contains(&self.messages.keep_seconds), "messages.keep_seconds", "1 to 2592000 s"),
            (self.messages.direct_keep_max <= 64, "messages.direct_keep_max", "0 to 64"),
            (self.messages.blocked_max <= 10_000, "messages.blocked_max", "0 to 10000"),
            ((1..=200).contains(&self.messages.page_max), "messages.page_max", "1 to 200"),
            ((1..=1000).contains(&presence.coalesce_ms), "presence.coalesce_ms", "1 to 1000 ms"),
            (self.store.embedded.reopen_ms >= 100, "store.embedded.reopen_ms", "at least 100 ms"),
            (history_url_is_good(&self.history.url.0), "history.url", "postgres://user@host:port/database, or nothing"),
            ((1..=10_000).contains(&self.history.batch_max), "history.batch_max", "1 to 10000 commits"),
            ((500..=60_000).contains(&self.history.timeout_ms), "history.timeout_ms", "500 to 60000 ms"),
            (self.history.outbox_max >= 1000, "history.outbox_max", "at least 1000 commits"),
            (self.history.retention_days <= 3660, "history.retention_days", "0 to 3660 days"),
            (self.server.drain_timeout_ms >= 100, "server.drain_timeout_ms", "at least 100 ms"),
            (self.server.shards <= 256, "server.shards", "0 to 256"),
            (
                self.server.tls_cert_file.is_some() == self.server.tls_key_file.is_some(),
                "server.tls_cert_file",
                "together with server.tls_key_file",
            ),
            (self.auth.timeout_ms >= 100, "auth.timeout_ms", "at least 100 ms"),
            ((5..=3600).contains(&self.auth.ticket_seconds), "auth.ticket_seconds", "5 to 3600 s"),
            ((100..=10_000_000).contains(&self.auth.kicked_max), "auth.kicked_max", "100 to 10000000 people"),
            ((86_400..=315_360_000).contains(&self.auth.kicked_keep_seconds), "auth.kicked_keep_seconds", "86400 to 315360000 s"),
            (self.limits.handshake_timeout_ms >= 100, "limits.handshake_timeout_ms", "at least 100 ms"),
            (self.limits.message_timeout_ms >= 100, "limits.message_timeout_ms", "at least 100 ms"),
            ((1024..=1_048_576).contains(&self.limits.frame_bytes), "limits.frame_bytes", "1024 to 1048576 bytes"),
            (self.limits.outbox_bytes >= 16_384, "limits.outbox_bytes", "at least 16384 bytes"),
            (self.limits.outbox_frames >= 16, "limits.outbox_frames", "at least 16"),
            (self.room.mailbox_max >= 1, "room.mailbox_max", "at least 1"),
            (self.room.idle_ms >= 100, "room.idle_ms", "at least 100 ms"),
            (self.room.handover_ms <= 3_600_000, "room.handover_ms", "0 to 3600000 ms"),
            (
                !remote,
                "server.listen",
                "a loopback address in auth.mode = \"dev\"; or set auth.dev_allow_remote = true, and everybody is let in",
            ),
            (!no_key, "auth.jwt", "a secret or a jwks_file in auth.mode = \"jwt\""),
            (
                self.auth.mode == AuthMode::Dev || jwt.jwks_file.is_some() || jwt.secret.0.len() >= 32,
                "auth.jwt.secret",
                "at least 32 bytes",
            ),
            (jwt.old_secret.0.is_empty() || jwt.old_secret.0.len() >= 32, "auth.jwt.old_secret", "at least 32 bytes, or nothing"),
            (
                matches!(jwt.algorithm.as_str(), "HS256" | "RS256" | "ES256" | "EdDSA"),
                "auth.jwt.algorithm",
                "HS256, RS256, ES256 or EdDSA",
            ),
        ];
        if let Some((name, expected)) = self.media.iter().find_map(|(name, media)| Some((name, media.wrong()?))) {
            return Err(ConfigError::Media { name: name.clone(), expected });
        }
        match checks.iter().find(|(ok, ..)| !ok) {
            Some((_, key, expected)) => Err(ConfigError::Check { key, expected }),
            None => self.webhooks().map(drop),
        }
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

impl MediaConfig {
    /// Says what is wrong with it.
    fn wrong(&self) -> Option<&'static str> {
        let tickets = matches!(self.kind, Kind::ZlMediaKit | Kind::Srs);
        let checks = [
            (self.kind == Kind::Livego || self.secret_path.0.len() >= 16, "secret_path: at least 16 bytes, or env:NAME"),
            (self.kind != Kind::Livego || !self.api.0.is_empty(), "api: livego has no callbacks, so it must be polled"),
            (
                !matches!(self.kind, Kind::Zego | Kind::LiveKit | Kind::Agora) || !self.secret.0.is_empty(),
                "secret: what this vendor signs its callbacks with, or env:NAME",
            ),
            (self.kind != Kind::LiveKit || !self.api_key.is_empty(), "api_key: the key that LiveKit names in its tokens"),
            (
                !matches!(self.kind, Kind::Zego | Kind::Agora) || self.api.0.is_empty() || !self.api_key.is_empty(),
                "api_key: the app id (Agora: app-id:customer-id)",
            ),
            (
                self.api.0.is_empty() || self.api.0.starts_with("http://") || self.api.0.starts_with("https://"),
                "api: http://host:port or https://host",
            ),
            ((5..=3600).contains(&self.poll_s), "poll_s: 5 to 3600 s"),
            (self.continue_push_ms <= 60_000, "continue_push_ms: 0 to 60000 ms"),
            (!tickets || !self.ticket_param.is_empty(), "ticket_param: the name of a parameter"),
        ];
        checks.into_iter().find(|(ok, _)| !ok).map(|(_, expected)| expected)
    }
}

fn history_url_is_good(url: &str) -> bool {
    url.is_empty() || url.starts_with("postgres://") || url.starts_with("postgresql://")
}

impl LimitsConfig {
    fn switch_off(&mut self, key: &str) {
        match key {
            "connections_per_address" => self.connections_per_address = 0,
            "new_connections_per_second_per_address" => self.new_connections_per_second_per_address = 0,
            "frames_per_second" => self.frames_per_second = 0,
            "frames_per_second_per_user" => self.frames_per_second_per_user = 0,
            "commands_per_second_per_room" => self.commands_per_second_per_room = 0,
            "messages_per_second_per_room" => self.messages_per_second_per_room = 0,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Config, ConfigError> {
        Config::read(&Figment::from(Toml::string(toml)))
    }

    #[test]
    fn the_file_says_what_is_built_in() {
        let file = include_str!("../../config.toml");
        assert_eq!(read(file).unwrap(), read("").unwrap());
        let sections: [&[&str]; 14] = [
            ServerConfig::KEYS,
            StoreConfig::KEYS,
            EmbeddedConfig::KEYS,
            HistoryConfig::KEYS,
            RedisConfig::KEYS,
            PresenceConfig::KEYS,
            RoomConfig::KEYS,
            MessagesConfig::KEYS,
            AuthConfig::KEYS,
            JwtConfig::KEYS,
            LimitsConfig::KEYS,
            MediaConfig::KEYS,
            LogConfig::KEYS,
            WebhookConfig::KEYS,
        ];
        for key in sections.concat().iter().chain(crate::wire::rules::KEYS) {
            assert!(file.contains(key), "{key} is not documented in config.toml");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, part) in [
            ("[presence]\nheartbeat_timeout_ms = 59000", "presence.heartbeat_timeout_ms"),
            (
                "[presence]\nheartbeat_intervall_ms = 1",
                "presence.heartbeat_intervall_ms: there is no such key; did you mean presence.heartbeat_interval_ms?",
            ),
            ("[server]\nlisten = \"0.0.0.0:80\"", "dev_allow_remote"),
            ("[auth]\nmode = \"jwt\"", "auth.jwt"),
            ("[store]\nkind = \"redis\"\n[store.redis]\nurl = \"somewhere\"", "store.redis.url"),
            ("[store.redis]\nkey_prefix = \"{a}\"", "store.redis.key_prefix"),
            ("[webhook.a]\nurl = \"http://example.com\"", "webhook.a.url: https://"),
            ("[webhook.a]\nurl = \"https://example.com\"", "webhook.a.secrets: 1 to 8"),
            ("[webhook.a]\nurl = \"https://example.com\"\nsecrets = [\"x\"]", "webhook.a.secrets: whsec_"),
            ("[webhook.A]", "webhook.A: a name"),
            ("[webhook.a]\nurls = \"x\"", "did you mean webhook.a.url?"),
            ("[room.rules]\nmax_mic_count = 65", "/max_mic_count: 1 to 64 seats"),
            ("[[room.rules.roles]]\nrole_id = \"dj\"\nlevl = 3", "/roles/0/levl"),
        ] {
            let message = read(toml).unwrap_err().to_string();
            assert!(message.contains(part), "{toml}: {message}");
        }
    }

    #[test]
    fn mistakes_in_variables_are_named_by_their_variable() {
        for (key, value, part) in [
            ("server.listn", "x", "MICHUB_SERVER__LISTN: there is no such key; did you mean MICHUB_SERVER__LISTEN?"),
            ("servr.listen", "x", "MICHUB_SERVR: there is no such key; did you mean MICHUB_SERVER?"),
            ("auth_mode", "jwt", "MICHUB_AUTH_MODE: there is no such key; did you mean MICHUB_AUTH__MODE?"),
            ("server.shards", "x", "MICHUB_SERVER__SHARDS: string \"x\" is not usize"),
        ] {
            let provider = Variable(key, value);
            let message = Config::read(&Figment::from(provider)).unwrap_err().to_string();
            assert_eq!(message, part);
        }
    }

    /// One variable as the environment's provider gives it.
    struct Variable(&'static str, &'static str);

    impl figment::Provider for Variable {
        fn metadata(&self) -> figment::Metadata {
            figment::Metadata::named("`MICHUB_` environment variable(s)")
        }

        fn data(&self) -> figment::error::Result<figment::value::Map<figment::Profile, figment::value::Dict>> {
            let dict = figment::util::nest(self.0, self.1.into()).into_dict().unwrap_or_default();
            Ok(figment::Profile::Default.collect(dict))
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let shown = Address("rediss://me:secret@a:1,redis://b:2".to_owned()).to_string();
        assert_eq!(shown, "rediss://(redacted)@a:1,redis://b:2");
    }

    #[test]
    fn rates_are_off_in_dev_unless_set() {
        assert_eq!(read("").unwrap().limits.frames_per_second, 0);
        assert_eq!(read("[limits]\nframes_per_second = 7").unwrap().limits.frames_per_second, 7);
        let jwt = "[auth]\nmode = \"jwt\"\n[auth.jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"";
        assert_eq!(read(jwt).unwrap().limits.frames_per_second, 10);
    }
}
