//! What goes wrong over HTTP: the error object of the socket with a fitting status, also for what no route has said.
use crate::{
    hub::{
        code::{Code, Reject},
        time::Millis,
    },
    server::msg::Refusal,
    wire::{
        fields::BadFrame,
        server::{ErrorJson, details, json},
        status,
    },
};
use axum::{
    body::Bytes,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

/// An error as an answer.
pub(in crate::server) struct Failure {
    status: StatusCode,
    id: Option<i64>,
    pub(in crate::server) code: Code,
    /// Instead of the code's own sentence.
    message: Option<&'static str>,
    pub(in crate::server) details: Map<String, Value>,
    /// After how long the same may succeed, where that is known.
    retry_after: Option<Millis>,
}

impl Failure {
    /// Makes an error without details.
    pub(in crate::server) fn new(code: Code) -> Self {
        Self::with(code, Map::new())
    }

    fn with(code: Code, details: Map<String, Value>) -> Self {
        let status = StatusCode::from_u16(status::of(code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, id: None, code, message: None, details, retry_after: None }
    }

    /// Makes the answer to a path that names nothing.
    pub(in crate::server) fn nothing_there(message: &'static str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: Some(message), ..Self::new(Code::BadRequest) }
    }

    /// Makes the answer to a refusal of the room.
    pub(in crate::server) fn reject(reject: &Reject) -> Self {
        Self { retry_after: reject.retry_after(), ..Self::with(reject.code(), details(reject)) }
    }

    /// Names the request.
    pub(in crate::server) fn to(mut self, id: Option<i64>) -> Self {
        self.id = id;
        self
    }
}

impl From<BadFrame> for Failure {
    fn from(bad: BadFrame) -> Self {
        Self::with(bad.code, ErrorJson::from_bad_frame(&bad).details).to(bad.id)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let parsed = refusal.details.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { retry_after: refusal.retry_after, ..Self::with(refusal.code, parsed.unwrap_or_default()) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut error = ErrorJson::new(self.id, self.code, self.details).after(self.retry_after);
        if let Some(message) = self.message {
            error.message = message.to_owned();
        }
        let mut response = reply(self.status, json(&error).into());
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if error.temporary {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(error.retry_after_ms.div_ceil(1000)));
        }
        response
    }
}

/// Makes an answer of JSON.
pub(in crate::server) fn reply(status: StatusCode, body: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// Writes the error object of a status that says all there is to say.
pub(in crate::server) fn object_of(status: StatusCode) -> Bytes {
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthorized,
        StatusCode::FORBIDDEN => Code::Forbidden,
        StatusCode::PAYLOAD_TOO_LARGE => Code::MessageTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Code::Busy,
        _ if status.is_server_error() => Code::Internal,
        _ => Code::BadRequest,
    };
    let message = status.canonical_reason().unwrap_or_default().to_owned();
    json(&ErrorJson { message, ..ErrorJson::new(None, code, Map::new()) }).into()
}

/// Gives the error object to answers that come from beneath the routes: no such route or method, a body that is too large, a broken query.
pub(in crate::server) fn as_error_object(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, object_of(status).into())
}
