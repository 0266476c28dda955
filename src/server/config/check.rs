//! Ranges of the configuration and what its values have to do with each other: looked at before anything starts.
use super::{AuthMode, Config, ConfigError, MediaConfig, MediaKind, StoreKind};
use crate::{hub::id::UserType, server::outgoing::Target};

/// The words that `log.level` may be, or be made of.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// What must hold, the key that it is about, and what is expected there.
pub(super) type Condition = (bool, &'static str, &'static str);

impl Config {
    /// Checks ranges and relations.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some((name, expected)) = self.media.iter().find_map(|(name, media)| Some((name, media.wrong()?))) {
            return Err(ConfigError::Media { name: name.clone(), expected });
        }
        let conditions = [
            self.presence_conditions(),
            self.redis_conditions(),
            self.message_conditions(),
            self.history_conditions(),
            self.server_conditions(),
            self.auth_conditions(),
            self.limit_conditions(),
            self.telemetry_conditions(),
        ];
        match conditions.into_iter().flatten().find(|(holds, ..)| !holds) {
            Some((_, key, expected)) => Err(ConfigError::Check { key, expected }),
            None => self.webhooks().map(drop),
        }
    }

    fn presence_conditions(&self) -> Vec<Condition> {
        let presence = &self.presence;
        vec![
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
            ((1..=1000).contains(&presence.coalesce_ms), "presence.coalesce_ms", "1 to 1000 ms"),
            (
                !presence.user_types.is_empty() && presence.user_types.iter().all(|kind| UserType::parse(kind).is_ok()),
                "presence.user_types",
                "at least one id of A-Z a-z 0-9 _ . : @ -",
            ),
        ]
    }

    fn redis_conditions(&self) -> Vec<Condition> {
        let redis = &self.store.redis;
        vec![
            ((100..=60_000).contains(&redis.connect_timeout_ms), "store.redis.connect_timeout_ms", "100 to 60000 ms"),
            ((50..=60_000).contains(&redis.command_timeout_ms), "store.redis.command_timeout_ms", "50 to 60000 ms"),
            (
                (redis.command_timeout_ms..=60_000).contains(&redis.wait_ms),
                "store.redis.wait_ms",
                "store.redis.command_timeout_ms to 60000 ms",
            ),
            ((3_000..=600_000).contains(&redis.lease_ms), "store.redis.lease_ms", "3000 to 600000 ms"),
            ((50..=5_000).contains(&redis.seen_ms), "store.redis.seen_ms", "50 to 5000 ms"),
            (redis.projection_seconds <= 86_400, "store.redis.projection_seconds", "0 to 86400 s"),
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
        ]
    }

    fn message_conditions(&self) -> Vec<Condition> {
        let messages = &self.messages;
        vec![
            ((1..=1_000_000).contains(&messages.keep_max), "messages.keep_max", "1 to 1000000"),
            ((1..=2_592_000).contains(&messages.keep_seconds), "messages.keep_seconds", "1 to 2592000 s"),
            (messages.direct_keep_max <= 64, "messages.direct_keep_max", "0 to 64"),
            (messages.blocked_max <= 10_000, "messages.blocked_max", "0 to 10000"),
            ((1..=200).contains(&messages.page_max), "messages.page_max", "1 to 200"),
        ]
    }

    fn history_conditions(&self) -> Vec<Condition> {
        let history = &self.history;
        vec![
            (self.store.embedded.reopen_ms >= 100, "store.embedded.reopen_ms", "at least 100 ms"),
            (history_url_is_good(&history.url.0), "history.url", "postgres://user@host:port/database, or nothing"),
            ((1..=10_000).contains(&history.batch_max), "history.batch_max", "1 to 10000 commits"),
            ((500..=60_000).contains(&history.timeout_ms), "history.timeout_ms", "500 to 60000 ms"),
            (history.outbox_max >= 1000, "history.outbox_max", "at least 1000 commits"),
            (history.retention_days <= 3660, "history.retention_days", "0 to 3660 days"),
        ]
    }

    fn server_conditions(&self) -> Vec<Condition> {
        let server = &self.server;
        let dev = self.auth.mode == AuthMode::Dev;
        let open_to_all = dev && !server.listen.ip().is_loopback() && !self.auth.dev_allow_remote;
        vec![
            (server.drain_timeout_ms >= 100, "server.drain_timeout_ms", "at least 100 ms"),
            (server.shards <= 256, "server.shards", "0 to 256"),
            (
                server.tls_cert_file.is_some() == server.tls_key_file.is_some(),
                "server.tls_cert_file",
                "together with server.tls_key_file",
            ),
            (
                !open_to_all,
                "server.listen",
                "a loopback address in auth.mode = \"dev\"; or set auth.dev_allow_remote = true, and everybody is let in",
            ),
        ]
    }

    fn auth_conditions(&self) -> Vec<Condition> {
        let (auth, jwt) = (&self.auth, &self.auth.jwt);
        let no_key = auth.mode == AuthMode::Jwt && jwt.secret.0.is_empty() && jwt.jwks_file.is_none();
        vec![
            (
                auth.allowed_origins.iter().all(|origin| origin_is_good(origin)),
                "auth.allowed_origins",
                "origins as browsers send them, like https://app.example.com or http://localhost:3000",
            ),
            (
                auth.api_keys.iter().all(|key| !key.0.is_empty() && key.0.bytes().all(|byte| byte.is_ascii_graphic())),
                "auth.api_keys",
                "keys of visible ASCII characters without spaces",
            ),
            (auth.timeout_ms >= 100, "auth.timeout_ms", "at least 100 ms"),
            ((5..=3600).contains(&auth.ticket_seconds), "auth.ticket_seconds", "5 to 3600 s"),
            ((100..=10_000_000).contains(&auth.kicked_max), "auth.kicked_max", "100 to 10000000 people"),
            ((86_400..=315_360_000).contains(&auth.kicked_keep_seconds), "auth.kicked_keep_seconds", "86400 to 315360000 s"),
            (!no_key, "auth.jwt", "a secret or a jwks_file in auth.mode = \"jwt\""),
            (
                auth.mode == AuthMode::Dev || jwt.jwks_file.is_some() || jwt.secret.0.len() >= 32,
                "auth.jwt.secret",
                "at least 32 bytes",
            ),
            (jwt.old_secret.0.is_empty() || jwt.old_secret.0.len() >= 32, "auth.jwt.old_secret", "at least 32 bytes, or nothing"),
            (
                matches!(jwt.algorithm.as_str(), "HS256" | "RS256" | "ES256" | "EdDSA"),
                "auth.jwt.algorithm",
                "HS256, RS256, ES256 or EdDSA",
            ),
        ]
    }

    fn limit_conditions(&self) -> Vec<Condition> {
        let (limits, room) = (&self.limits, &self.room);
        vec![
            (limits.handshake_timeout_ms >= 100, "limits.handshake_timeout_ms", "at least 100 ms"),
            (limits.message_timeout_ms >= 100, "limits.message_timeout_ms", "at least 100 ms"),
            ((1024..=1_048_576).contains(&limits.frame_bytes), "limits.frame_bytes", "1024 to 1048576 bytes"),
            (limits.outbox_bytes >= 16_384, "limits.outbox_bytes", "at least 16384 bytes"),
            (limits.outbox_frames >= 16, "limits.outbox_frames", "at least 16"),
            (room.mailbox_max >= 1, "room.mailbox_max", "at least 1"),
            (room.idle_ms >= 100, "room.idle_ms", "at least 100 ms"),
            (room.handover_ms <= 3_600_000, "room.handover_ms", "0 to 3600000 ms"),
        ]
    }

    fn telemetry_conditions(&self) -> Vec<Condition> {
        let telemetry = &self.telemetry;
        vec![
            (
                telemetry.otlp_endpoint.0.is_empty() || Target::parse(&telemetry.otlp_endpoint.0).is_ok(),
                "telemetry.otlp_endpoint",
                "http://host:port or https://host, or nothing",
            ),
            (telemetry.sample_percent <= 100, "telemetry.sample_percent", "0 to 100"),
            ((1..=1_000_000).contains(&telemetry.queue_max), "telemetry.queue_max", "1 to 1000000 traces"),
            ((1..=10_000).contains(&telemetry.batch_max), "telemetry.batch_max", "1 to 10000 traces"),
            ((10..=60_000).contains(&telemetry.interval_ms), "telemetry.interval_ms", "10 to 60000 ms"),
            ((100..=60_000).contains(&telemetry.timeout_ms), "telemetry.timeout_ms", "100 to 60000 ms"),
            (
                level_is_good(&self.log.level),
                "log.level",
                "error, warn, info, debug, trace or off, or directives like info,michub=debug",
            ),
        ]
    }
}

impl MediaConfig {
    /// Says what is wrong with it.
    fn wrong(&self) -> Option<&'static str> {
        let tickets = matches!(self.kind, MediaKind::ZlMediaKit | MediaKind::Srs);
        let checks = [
            (self.kind == MediaKind::Livego || self.secret_path.0.len() >= 16, "secret_path: at least 16 bytes, or env:NAME"),
            (self.kind != MediaKind::Livego || !self.api.0.is_empty(), "api: livego has no callbacks, so it must be polled"),
            (
                !matches!(self.kind, MediaKind::Zego | MediaKind::LiveKit | MediaKind::Agora) || !self.secret.0.is_empty(),
                "secret: what this vendor signs its callbacks with, or env:NAME",
            ),
            (self.kind != MediaKind::LiveKit || !self.api_key.is_empty(), "api_key: the key that LiveKit names in its tokens"),
            (
                !matches!(self.kind, MediaKind::Zego | MediaKind::Agora) || self.api.0.is_empty() || !self.api_key.is_empty(),
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

/// What a browser may send: it writes schemes and hosts in small letters, and never a path. Anything else would match no page.
fn origin_is_good(origin: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/*@?#,".contains(&byte);
    let small = !origin.bytes().any(|byte| byte.is_ascii_uppercase());
    let named = small && authority.is_some_and(|authority| !authority.is_empty() && authority.bytes().all(plain));
    named || matches!(origin, "null" | "file://")
}

/// A level, or directives like `info,michub=debug`: a word that is no level would mean a module of that name.
fn level_is_good(level: &str) -> bool {
    level.split(',').all(|part| match part.trim().split_once('=') {
        Some((target, level)) => !target.is_empty() && LEVELS.contains(&level),
        None => LEVELS.contains(&part.trim()),
    })
}
