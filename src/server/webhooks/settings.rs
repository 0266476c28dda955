//! What an endpoint wants and may cost, and by which names it is known.
use super::{retry::Schedule, sign::Key};
use crate::server::outgoing::{OutgoingSettings, Target};

/// What an endpoint wants, and what it may cost.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Where messages go.
    pub target: Target,
    /// The secrets; at least one.
    pub keys: Vec<Key>,
    /// Which messages it wants: types, or beginnings of types with `*` behind them.
    pub types: Vec<String>,
    /// Which rooms it wants, likewise.
    pub rooms: Vec<String>,
    /// How requests are made.
    pub outgoing: OutgoingSettings,
    /// How many requests are on their way at once.
    pub concurrency: usize,
    /// When a failed message is tried again.
    pub schedule: Schedule,
    /// How many dead letters are kept.
    pub dead_max: usize,
    /// How large a body may be.
    pub body_bytes: usize,
    /// How many people's changes of status may wait.
    pub status_max: usize,
}

/// Tells whether one of the patterns fits.
pub(super) fn wanted(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(begin) => text.starts_with(begin),
        None => pattern == text,
    })
}

/// The notes of an endpoint.
pub(super) fn family(name: &str) -> String {
    format!("webhook.{name}")
}

/// A URL without its query, which may hold a key.
pub(super) fn shown_url(target: &Target) -> String {
    let path = target.path.split('?').next().unwrap_or_default();
    format!("{}://{}{path}", if target.https { "https" } else { "http" }, target.authority)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn patterns_are_types_or_their_beginnings() {
        let patterns = ["mic.seat.*".to_owned(), "room.closed".to_owned()];
        assert!(wanted(&patterns, "mic.seat.taken") && wanted(&patterns, "room.closed"));
        assert!(!wanted(&patterns, "mic.seats") && !wanted(&patterns, "room.closed.x") && !wanted(&[], "x"));
        assert!(wanted(&["*".to_owned()], "anything"));
    }
}
