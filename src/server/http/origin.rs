//! Pages of other origins at the HTTP routes: those that are allowed get what browsers ask for, all others are refused as they are at the
//! socket. Without this a foreign page could act in a hub of dev mode, where nobody needs a token.
use super::Failure;
use crate::{
    hub::code::Code,
    server::{live::Live, net::ws::may_connect},
};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// For how long a browser remembers that it may ask, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, if-none-match, last-event-id");
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, retry-after");

/// Lets a request through to `routes` unless a foreign page makes it.
pub(in crate::server) async fn guard(
    allowed: &Live<Vec<String>>,
    request: Request,
    routes: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return routes(request).await };
    if !may_connect(request.headers(), &allowed.load()) {
        return Failure::new(Code::Forbidden).into_response();
    }
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks { StatusCode::NO_CONTENT.into_response() } else { routes(request).await };
    allow(response.headers_mut(), origin, asks);
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, asks: bool) {
    let mut put = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
    put(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    put(header::VARY, HeaderValue::from_static("origin"));
    put(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if asks {
        put(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        put(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        put(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    }
}
