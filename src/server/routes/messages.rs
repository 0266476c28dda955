//! `/api/rooms/{room_id}/messages`: what was said in a room and is kept, page by page; and saying something without a socket.
use crate::{
    server::{
        http::{Api, Named, said_about},
        net::failure::{Failure, reply},
        poll::{Reading, Topic, stream, take_token, wait_ms, wants_stream},
    },
    wire::{
        client::{self, msg_cursor},
        fields::BadFrame,
    },
};
use axum::{
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

/// How many messages one page may have.
const PAGE_MAX: usize = 200;
const PAGE_DEFAULT: usize = 50;

#[derive(Deserialize)]
pub(super) struct PageQuery {
    since: Option<String>,
    before: Option<String>,
    limit: Option<String>,
    wait_ms: Option<String>,
    token: Option<String>,
}

/// Answers a page: after `since`, before `before`, or the newest; or goes on with every one to come. Errors: `room_not_found`, `bad_argument`, `unavailable`.
pub(super) async fn page(
    State(api): State<Api>,
    mut headers: HeaderMap,
    Named(room): Named,
    Query(query): Query<PageQuery>,
) -> Result<Response, Failure> {
    take_token(&api, &mut headers, query.token.as_deref());
    let reading = Reading::new(api, &headers, &room)?;
    let wait = wait_ms(query.wait_ms.as_deref().unwrap_or("0"))?;
    let limit = match query.limit.as_deref().map(str::parse) {
        None => PAGE_DEFAULT,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => return Err(BadFrame::argument("/limit".to_owned(), "1 to 200 messages").into()),
    };
    let since = query.since.as_deref().filter(|since| !since.is_empty()).map(msg_cursor);
    let before = query.before.as_deref().map(|before| msg_cursor(before).rev);
    if wants_stream(&headers) {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(msg_cursor);
        return stream::begin(reading, Topic::Messages, last.or(since)).await;
    }
    let page = reading.messages(since, before, limit, wait).await?;
    Ok(reply(StatusCode::OK, page.body))
}

/// Says something: a person with his token, a backend as itself or for a member with `act_as`. Answers the ack object.
pub(super) async fn say(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
    body: Bytes,
) -> Result<Response, Failure> {
    said_about(&api, &headers, &room, &body, client::parse_message_for_room).await
}
