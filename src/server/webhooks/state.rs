//! How an endpoint is doing, as operators see it.
use super::{endpoint::Endpoint, settings::shown_url, sign::Key};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;

/// How an endpoint is doing.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are those that WEBHOOKS.md lists")]
pub struct EndpointState {
    pub name: String,
    pub url: String,
    pub state: &'static str,
    /// Rooms with something that is not delivered yet.
    pub pending_rooms: usize,
    /// Rooms whose next message has failed.
    pub failing_rooms: usize,
    /// The age of the oldest message that has failed.
    pub oldest_ms: u64,
    pub dead: usize,
    /// Why the newest attempt has failed, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What receivers verify with, where a private key signs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<String>,
    /// Since the start of the process.
    pub sent: u64,
    pub failed: u64,
}

impl Endpoint {
    /// Returns how the endpoint is doing.
    pub(super) fn state(&self) -> EndpointState {
        let now = self.clock.now();
        let (pending_rooms, failing) = {
            let rooms = self.rooms();
            (rooms.len(), rooms.values().filter_map(|waiting| waiting.failing).collect::<Vec<_>>())
        };
        let state = match (self.is_gone(), self.down.load(Relaxed)) {
            (true, _) => "gone",
            (false, true) => "down",
            (false, false) => "ok",
        };
        EndpointState {
            name: self.name.clone(),
            url: shown_url(&self.settings().target),
            state,
            pending_rooms,
            failing_rooms: failing.len(),
            oldest_ms: failing.iter().min().map_or(0, |at| now.since(*at).0),
            dead: self.dead.count(),
            failure: self.failure(),
            public_keys: self.settings().keys.iter().filter_map(Key::public).collect(),
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}
