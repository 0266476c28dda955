//! Callbacks of media servers: one file per kind checks the signature and turns a body into facts. No file here waits or changes anything.
mod agora;
mod livekit;
mod loose;
mod srs;
mod zego;
mod zlm;

pub use loose::{Loose, pairs};

pub use crate::server::config::MediaKind as Kind;
use crate::server::config::secret::Secret;
use crate::{
    hub::media::{Births, Fact},
    wire::media::Sign,
};
use axum::http::HeaderMap;

/// The keys by which a source proves that it is the source.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The vendor's callback secret (ZEGO, Agora) or API secret (LiveKit).
    pub secret: Secret,
    /// The API key (LiveKit's `iss`).
    pub api_key: String,
    /// The parameter of the publish URL that carries our ticket (ZLMediaKit, SRS).
    pub ticket_param: String,
}

/// One call, as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What stands behind the secret in the path: ZLMediaKit and SRS name their hooks there.
    pub hook: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte by byte as signed.
    pub body: &'a [u8],
    /// Now, on the wall clock: signatures carry wall time.
    pub wall_ms: u64,
}

/// What a call reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The room on the media server, or the server itself where streams are global.
    pub space: String,
    /// What births count there.
    pub births: Births,
    /// What happened.
    pub facts: Vec<Fact>,
    /// A nonce that may come again only with the same body.
    pub nonce: Option<String>,
    /// Something is known to be missing: ask the server.
    pub poll: bool,
    /// What the server says of itself.
    pub sign: Option<Sign>,
}

/// Somebody wants to publish, and the server waits for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// The stream, as it will be reported.
    pub stream: String,
    /// Our ticket, if the URL carries one.
    pub ticket: Option<String>,
    /// The server's name for this connection.
    pub session: String,
    /// What is true if it is allowed.
    pub report: Report,
}

/// What a good call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Facts.
    Report(Report),
    /// A question that must be answered.
    Publish(PublishRequest),
    /// Nothing of interest: answered, counted, forgotten.
    Nothing,
}

/// Why a call is refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Signed wrongly, or not at all, or too long ago.
    #[error("the signature does not match")]
    Signature,
    /// The body is not what this kind of server sends.
    #[error("the body cannot be read")]
    Body,
    /// The content type is not what this kind of server sends.
    #[error("the content type is wrong")]
    ContentType,
}

/// Reads one call.
///
/// Errors: see [`Refused`]; the sender gets 401 for a signature or a content type and 400 for a body. Cost: one parse and one hash.
pub fn hear(kind: Kind, keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    if !type_fits(kind, call) {
        return Err(Refused::ContentType);
    }
    match kind {
        Kind::Zego => zego::hear(keys, call),
        Kind::ZlMediaKit => zlm::hear(keys, call),
        Kind::Srs => srs::hear(keys, call),
        Kind::LiveKit => livekit::hear(keys, call),
        Kind::Agora => agora::hear(keys, call),
        Kind::Livego => Ok(Heard::Nothing),
    }
}

/// LiveKit has a type of its own, and always names it; others send JSON or a form, and may say nothing.
fn type_fits(kind: Kind, call: &Call) -> bool {
    let Some(named) = call.headers.get("content-type") else { return kind != Kind::LiveKit };
    let named = named.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind {
        Kind::LiveKit => named == "application/webhook+json",
        _ => matches!(named.as_str(), "application/json" | "application/x-www-form-urlencoded"),
    }
}

/// Returns what the server understands as "heard".
#[must_use]
pub const fn thanks(kind: Kind) -> &'static str {
    match kind {
        Kind::Zego | Kind::LiveKit | Kind::Agora | Kind::Livego => "{}",
        Kind::ZlMediaKit => "{\"code\":0,\"msg\":\"success\"}",
        Kind::Srs => "{\"code\":0}",
    }
}

pub(in crate::server) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares two hex texts, whatever their case, in a time that depends on their lengths only.
fn same_hex(ours: &str, theirs: &str) -> bool {
    use subtle::ConstantTimeEq;
    bool::from(ours.as_bytes().ct_eq(theirs.to_ascii_lowercase().as_bytes()))
}

#[cfg(test)]
mod tests;
