//! Refusals as they travel: ready to be shown to the client.
use crate::hub::{code::Code, time::Millis};
use bytes::Bytes;

/// Why something was refused: ready to be shown to the client.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The row of the code table.
    pub code: Code,
    /// The `details` object, as JSON.
    pub details: Option<Bytes>,
    /// After how long the same may succeed, where that is known.
    pub retry_after: Option<Millis>,
}

impl Refusal {
    /// Makes a refusal without details.
    #[must_use]
    pub const fn plain(code: Code) -> Self {
        Self { code, details: None, retry_after: None }
    }

    /// Makes a refusal with details.
    #[must_use]
    pub const fn with(code: Code, details: Bytes) -> Self {
        Self { code, details: Some(details), retry_after: None }
    }
}

/// Makes a refusal without details.
#[must_use]
pub const fn refusal(code: Code) -> Refusal {
    if matches!(code, Code::Unavailable) { unavailable("none") } else { Refusal::plain(code) }
}

/// Makes a refusal of `unavailable`: whether nothing has happened (`none`), or nobody knows (`unknown`).
#[must_use]
pub const fn unavailable(outcome: &'static str) -> Refusal {
    let details: &[u8] = match outcome.as_bytes() {
        b"none" => br#"{"outcome":"none"}"#,
        _ => br#"{"outcome":"unknown"}"#,
    };
    Refusal::with(Code::Unavailable, Bytes::from_static(details))
}
