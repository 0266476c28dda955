//! What the listeners and their connections are bound by.
use crate::server::{
    clock::Clock,
    net::{admit::Caps, proxies::Proxies, tls::Tls},
};
use std::net::SocketAddr;

/// The network's settings; 0 switches a cap off.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// Where clients connect; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How many shards; 0 = one per core.
    pub shards: usize,
    /// Origins of pages that may connect, besides the own host.
    pub allowed_origins: Vec<String>,
    /// Proxies in front of the hub: they say where a client is.
    pub proxies: Proxies,
    /// Caps on open sockets.
    pub caps: Caps,
    /// Caps on connections that speak HTTP, those that become sockets included as long as they have not.
    pub http_caps: Caps,
    /// From accept to the whole first request head.
    pub handshake_timeout_ms: u64,
    /// The largest inbound message.
    pub frame_bytes: usize,
    /// How long a message may stay unfinished.
    pub message_timeout_ms: u64,
    /// How much may wait for a slow reader.
    pub outbox_bytes: usize,
    /// How many frames may wait for a slow reader.
    pub outbox_frames: usize,
    /// How often the hub pings.
    pub ping_interval_ms: u64,
    /// How long a client may be silent.
    pub heartbeat_timeout_ms: u64,
    /// How long a stop may take.
    pub drain_timeout_ms: u64,
    /// What ends TLS on the listener; `None` = it is plain.
    pub tls: Option<Tls>,
    /// Time.
    pub clock: Clock,
}

impl NetSettings {
    /// Returns the defaults of the protocol, without caps and rates.
    #[must_use]
    pub fn new(listen: SocketAddr, clock: Clock) -> Self {
        Self {
            listen,
            shards: 0,
            allowed_origins: Vec::new(),
            proxies: Proxies::default(),
            caps: Caps::NONE,
            http_caps: Caps::NONE,
            handshake_timeout_ms: 5_000,
            frame_bytes: 16_384,
            message_timeout_ms: 10_000,
            outbox_bytes: 262_144,
            outbox_frames: 1_024,
            ping_interval_ms: 25_000,
            heartbeat_timeout_ms: 60_000,
            drain_timeout_ms: 30_000,
            tls: None,
            clock,
        }
    }
}
