//! Refusals as they travel: ready to be shown to the client.
use crate::hub::code::Code;
use bytes::Bytes;

/// Why something was refused: ready to be shown to the client.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The row of the code table.
    pub code: Code,
    /// The `details` object, as JSON.
    pub details: Option<Bytes>,
}

/// Makes a refusal without details.
#[must_use]
pub const fn refusal(code: Code) -> Refusal {
    if matches!(code, Code::Unavailable) { unavailable("none") } else { Refusal { code, details: None } }
}

/// Makes a refusal of `unavailable`: whether nothing has happened (`none`), or nobody knows (`unknown`).
#[must_use]
pub const fn unavailable(outcome: &'static str) -> Refusal {
    let details: &[u8] = match outcome.as_bytes() {
        b"none" => br#"{"outcome":"none"}"#,
        _ => br#"{"outcome":"unknown"}"#,
    };
    Refusal { code: Code::Unavailable, details: Some(Bytes::from_static(details)) }
}
