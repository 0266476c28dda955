//! The words of which a setting takes one.
use serde::{Deserialize, Serialize};

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

/// Which media server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// ZEGO, server API v2.
    Zego,
    /// ZLMediaKit.
    ZlMediaKit,
    /// SRS.
    Srs,
    /// LiveKit.
    LiveKit,
    /// Agora, notification callback service.
    Agora,
    /// livego, which has no callbacks and is only polled.
    Livego,
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
