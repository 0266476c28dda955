//! The WebSocket handshake, judged by hand before the router sees it, and the few frames that the connection itself writes.
use super::failure::object_of;
use crate::server::msg::Frame;
use crate::wire::{close::Close, codec, server};
use axum::{
    body::Body,
    extract::Query,
    http::{
        HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
        header::{
            ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
        },
    },
};
use base64::Engine;
use bytes::{BufMut, Bytes, BytesMut};
use sha1::{Digest, Sha1};

/// The subprotocol that is spoken.
pub const PROTOCOL: &str = "hub.v1.json";
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that may be accepted.
pub(in crate::server) struct Offer {
    /// The answer with status 101.
    pub response: Response<Body>,
    /// Whether a subprotocol of ours, or none, was offered.
    pub spoken: bool,
    /// Whether it comes from a page.
    pub has_origin: bool,
    /// The token of `bearer.<token>`.
    pub bearer: Option<String>,
    /// The token of `?token=`.
    pub query_token: Option<String>,
}

/// Judges an upgrade request. Errors: the response that refuses it.
pub(in crate::server) fn judge<B>(request: &Request<B>, allowed_origins: &[String]) -> Result<Offer, Box<Response<Body>>> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET"));
    }
    let has_body = headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|v| v != "0");
    if has_body || request.version() != Version::HTTP_11 {
        return Err(bad_request());
    }
    if !lists(headers, &UPGRADE, "websocket") {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, UPGRADE, "websocket"));
    }
    if !lists(headers, &CONNECTION, "upgrade") {
        return Err(bad_request());
    }
    if single(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = single(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key)).ok_or_else(bad_request)?;
    let has_origin = headers.contains_key(ORIGIN);
    if has_origin && !may_connect(headers, allowed_origins) {
        return Err(plain(StatusCode::FORBIDDEN));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept_value(key)?);
    let offered: Vec<&str> = items(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
    let bearer = offered.iter().find_map(|p| p.strip_prefix("bearer."));
    let ours = offered.iter().find(|p| **p == PROTOCOL);
    let other = offered.iter().find(|p| !p.starts_with("bearer."));
    if let Some(echo) = ours.or(other).or(offered.first()) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(echo).map_err(|_| bad_request())?);
    }
    Ok(Offer {
        response,
        spoken: ours.is_some() || other.is_none(),
        has_origin,
        bearer: bearer.map(str::to_owned),
        query_token: query_token(request.uri()),
    })
}

/// Answers a client that has to wait.
pub(in crate::server) fn come_back(seconds: u32) -> Box<Response<Body>> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn plain(status: StatusCode) -> Box<Response<Body>> {
    let mut response = Box::new(Response::new(Body::from(object_of(status))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn bad_request() -> Box<Response<Body>> {
    plain(StatusCode::BAD_REQUEST)
}

fn refuse(status: StatusCode, name: axum::http::HeaderName, value: &'static str) -> Box<Response<Body>> {
    let mut response = plain(status);
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn items<'a>(headers: &'a HeaderMap, name: &'a axum::http::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn lists(headers: &HeaderMap, name: &axum::http::HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

/// Returns the header's value if it is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

fn is_key(key: &str) -> bool {
    base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn accept_value(key: &str) -> Result<HeaderValue, Box<Response<Body>>> {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    let text = base64::engine::general_purpose::STANDARD.encode(digest);
    HeaderValue::from_str(&text).map_err(|_| bad_request())
}

/// A page may connect if its origin is listed, character by character, or is the one that it connects to: `http` and the `Host`;
/// `https` only if a proxy in front says that it ended the TLS (a page cannot set that header).
pub(in crate::server) fn may_connect(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = single(headers, &ORIGIN) else { return false };
    if allowed.iter().any(|listed| listed == origin) {
        return true;
    }
    let https = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    let authority = origin.strip_prefix(if https { "https://" } else { "http://" });
    authority.is_some_and(|authority| !authority.is_empty() && single(headers, &HOST) == Some(authority))
}

fn query_token(uri: &Uri) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs.into_iter().find(|(name, token)| name == "token" && !token.is_empty()).map(|(_, token)| token)
}

/// Makes the frames that end a connection: `closing` for the application's own codes, then the close frame.
pub(in crate::server) fn last_frames(close: Close, retry_after_ms: u64) -> impl Iterator<Item = Frame> {
    let closing = (close.number() >= 4000).then(|| codec::text_frame(&server::closing(close, retry_after_ms)));
    closing.into_iter().chain([codec::close_frame(close)]).map(Frame)
}

/// Joins frames into one piece for one write.
pub(in crate::server) fn join<'a>(frames: impl Iterator<Item = &'a Frame> + Clone) -> Bytes {
    let mut few = frames.clone();
    if let (Some(only), None) = (few.next(), few.next()) {
        return only.0.clone();
    }
    let mut bytes = BytesMut::with_capacity(frames.clone().map(|frame| frame.0.len()).sum());
    for frame in frames {
        bytes.put_slice(&frame.0);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_a_query() {
        let cases =
            [("token=a.b", Some("a.b")), ("x=1&token=a%2Eb", Some("a.b")), ("token=", None), ("tokens=a", None), ("", None)];
        for (query, token) in cases {
            let uri = format!("/ws?{query}").parse().unwrap();
            assert_eq!(query_token(&uri).as_deref(), token, "{query}");
        }
    }
}
