//! From the configuration to what each part of the hub is given. Decides nothing else and opens nothing.
use crate::hub::time::Millis;
use crate::server::{
    auth::bans::BanSettings,
    clock::Clock,
    config::{AuthMode, Config},
    history::postgres::{CONSUMER, PostgresSettings},
    letters::LetterSettings,
    net::{
        admit::Caps,
        proxies::Proxies,
        shard::NetSettings,
        tls::{Tls, TlsFiles},
    },
    outgoing::Target,
    presence::PresenceSettings,
    rooms::{RoomSettings, task::MessageSettings},
    store::fjall::FjallSettings,
    telemetry::traces::TraceSettings,
};
use std::time::Duration;

/// Returns the caps on sockets.
pub(in crate::server) fn caps(config: &Config) -> Caps {
    let limits = &config.limits;
    Caps {
        total: limits.connections_max,
        per_address: limits.connections_per_address,
        new_per_second: limits.new_connections_per_second_per_address as usize,
        unauthenticated: if config.auth.mode == AuthMode::Dev { 0 } else { limits.connections_max.div_ceil(10) },
        memory_bytes: limits.memory_bytes,
    }
}

/// Returns the caps on connections that speak HTTP.
pub(in crate::server) fn http_caps(config: &Config) -> Caps {
    let limits = &config.limits;
    // A little more than for sockets: whoever is in and polls comes this way, too.
    let memory_bytes = limits.memory_bytes / 8 * 9;
    Caps { total: limits.http_connections_max, per_address: limits.connections_per_address, memory_bytes, ..Caps::NONE }
}

/// Returns where the hub's own certificate is, if it ends TLS itself.
pub(in crate::server) fn tls_files(config: &Config) -> Option<TlsFiles> {
    let (cert, key) = config.server.tls_cert_file.clone().zip(config.server.tls_key_file.clone())?;
    Some(TlsFiles { cert, key })
}

/// Returns the settings of the listeners and their connections.
pub(in crate::server) fn net_settings(config: &Config, clock: Clock, tls: Option<Tls>) -> NetSettings {
    let limits = &config.limits;
    NetSettings {
        tls,
        shards: config.server.shards,
        allowed_origins: config.auth.allowed_origins.clone(),
        proxies: Proxies::new(&config.server.trusted_proxies),
        caps: caps(config),
        http_caps: http_caps(config),
        handshake_timeout_ms: limits.handshake_timeout_ms,
        frame_bytes: limits.frame_bytes,
        message_timeout_ms: limits.message_timeout_ms,
        outbox_bytes: limits.outbox_bytes,
        outbox_frames: limits.outbox_frames,
        ping_interval_ms: config.presence.ping_interval_ms,
        heartbeat_timeout_ms: config.presence.heartbeat_timeout_ms,
        drain_timeout_ms: config.server.drain_timeout_ms,
        ..NetSettings::new(config.server.listen, clock)
    }
}

/// Returns how traces are told, if anybody wants them.
pub(in crate::server) fn trace_settings(config: &Config) -> Option<TraceSettings> {
    let telemetry = &config.telemetry;
    // It was looked at when the configuration was checked.
    let endpoint = Target::parse(&telemetry.otlp_endpoint.0).ok()?;
    Some(TraceSettings {
        endpoint,
        sample_percent: telemetry.sample_percent,
        queue_max: telemetry.queue_max,
        batch_max: telemetry.batch_max,
        interval: Duration::from_millis(telemetry.interval_ms),
        timeout: Duration::from_millis(telemetry.timeout_ms),
    })
}

/// Tells whether the history is kept by another program.
pub(in crate::server) fn is_history_outside(config: &Config) -> bool {
    config.history.retention_days > 0 && !config.history.url.0.is_empty()
}

/// How the embedded store is kept, by the configuration.
#[must_use]
pub fn store_settings(config: &Config) -> FjallSettings {
    let embedded = &config.store.embedded;
    let outside = is_history_outside(config);
    FjallSettings {
        dir: config.data.dir.clone(),
        fsync_interval: Duration::from_millis(embedded.fsync_interval_ms),
        reopen: Duration::from_millis(embedded.reopen_ms),
        history_days: if outside { 0 } else { config.history.retention_days },
        feeds: if outside { vec![CONSUMER.to_owned()] } else { Vec::new() },
    }
}

/// How the outbox is kept that a node with a shared store has on its own disk.
pub(in crate::server) fn outbox_settings(config: &Config) -> FjallSettings {
    FjallSettings { dir: config.data.dir.join("outbox"), ..store_settings(config) }
}

/// Returns how the history is kept in PostgreSQL.
pub(in crate::server) fn postgres_settings(config: &Config) -> PostgresSettings {
    let history = &config.history;
    PostgresSettings {
        url: history.url.0.clone(),
        password: history.password.0.clone(),
        timeout: Duration::from_millis(history.timeout_ms),
        batch_max: history.batch_max,
        outbox_max: history.outbox_max,
        days: history.retention_days,
    }
}

/// Returns the settings of rooms; who is told about seats is added by whoever starts the rooms.
pub(in crate::server) fn room_settings(config: &Config) -> RoomSettings {
    RoomSettings {
        auto_create: config.room.auto_create,
        rules: config.room.rules.0.clone(),
        messages: MessageSettings {
            keep_max: config.messages.keep_max,
            keep: Millis::from_seconds(config.messages.keep_seconds),
            page: config.messages.page_max,
            replay_max_age: Millis(config.messages.replay_max_age_ms),
            per_second: config.limits.messages_per_second_per_room.into(),
        },
        mailbox_max: config.room.mailbox_max,
        commands_per_second: config.limits.commands_per_second_per_room.into(),
        presence_members_max: config.room.presence_members_max,
        coalesce: Millis(config.presence.coalesce_ms),
        idle: Millis(config.room.idle_ms),
        handover: Millis(config.room.handover_ms),
        presence_timeout: Millis(config.presence.heartbeat_timeout_ms),
        long_polls_max: config.limits.long_polls_per_room,
        seats: None,
        traces: None,
    }
}

/// Returns how long it is remembered who was sent away.
pub(in crate::server) const fn ban_settings(config: &Config) -> BanSettings {
    BanSettings { people_max: config.auth.kicked_max, keep_ms: config.auth.kicked_keep_seconds * 1000 }
}

/// Returns how direct messages wait.
pub(in crate::server) const fn letter_settings(config: &Config) -> LetterSettings {
    LetterSettings {
        keep_max: config.messages.direct_keep_max,
        keep_users_max: config.messages.direct_keep_users_max,
        keep: Millis::from_seconds(config.messages.direct_keep_seconds),
        blocked_max: config.messages.blocked_max,
    }
}

/// Returns the settings of presence.
pub(in crate::server) const fn presence_settings(config: &Config) -> PresenceSettings {
    PresenceSettings {
        timeout: Millis(config.presence.heartbeat_timeout_ms),
        coalesce: Millis(config.presence.coalesce_ms),
        busy_on_seat: config.presence.busy_on_seat,
        sessions_per_user: config.limits.sessions_per_user,
        ping: Millis(config.presence.ping_interval_ms),
        seen: Millis(config.store.redis.seen_ms),
        projection: Millis::from_seconds(config.store.redis.projection_seconds),
    }
}
