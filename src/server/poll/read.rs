//! What is read of a room without a socket: its state, what follows a position, its people.
use super::{Api, stream};
use crate::server::{
    auth::Claims,
    http::{Caller, Named, room_id},
    msg::{PollReply, Polled, Refusal, Reply, RoomMsg, refusal},
    net::failure::{Failure, reply},
};
use crate::{
    hub::{
        code::Code,
        cursor::Cursor,
        id::{RoomId, UserId},
        time::Millis,
    },
    wire::{client, close::Close, fields::BadFrame},
};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::oneshot;

/// The longest wait for updates.
pub(super) const WAIT_MAX: Millis = Millis(25_000);
/// How many messages a stream is told at once.
const MESSAGES: usize = 200;

/// What of a room is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Topic {
    Updates,
    Messages,
}

/// Who reads a room, and until when.
pub(in crate::server) struct Reading {
    api: Api,
    pub(super) room: RoomId,
    claims: Option<Box<Claims>>,
}

impl Reading {
    pub(in crate::server) fn new(api: Api, headers: &HeaderMap, room: &str) -> Result<Self, Failure> {
        let claims = match api.reader(headers)? {
            Caller::Person(claims) => Some(claims),
            Caller::Service | Caller::Anybody => None,
        };
        let room = room_id(room)?;
        Ok(Self { api, room, claims })
    }

    /// Reads as somebody who is known already.
    pub(super) fn of(api: &Api, claims: Option<&Claims>, room: &RoomId) -> Self {
        Self { api: api.clone(), room: room.clone(), claims: claims.cloned().map(Box::new) }
    }

    fn reader(&self) -> Option<UserId> {
        self.claims.as_ref().map(|claims| claims.user.clone())
    }

    async fn send(&self, make: impl FnOnce(PollReply) -> RoomMsg) -> Result<Polled, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.api.rooms.send(&self.room, make(sender))?;
        receiver.await.unwrap_or_else(|_| Err(refusal(Code::Unavailable)))
    }

    pub(super) async fn asked(&self, topic: Topic, cursor: Option<Cursor>, wait: Millis) -> Result<Polled, Refusal> {
        let reader = self.reader();
        match topic {
            Topic::Updates => self.send(|reply| RoomMsg::Updates { reader, cursor, wait, reply }).await,
            Topic::Messages => {
                let (since, before, limit) = (cursor, None, MESSAGES);
                self.send(|reply| RoomMsg::Messages { reader, since, before, limit, wait, reply }).await
            }
        }
    }

    /// Asks for what follows a position, and waits for it, but not in a hub that goes down.
    async fn ask(&self, cursor: Option<Cursor>, wait: Millis) -> Result<Polled, Failure> {
        tokio::select! {
            answer = self.asked(Topic::Updates, cursor, wait) => Ok(answer?),
            () = self.drained() => Ok(self.asked(Topic::Updates, cursor, Millis(0)).await?),
        }
    }

    /// Asks for a page of messages in the same way.
    pub(in crate::server) async fn messages(
        &self,
        since: Option<Cursor>,
        before: Option<u64>,
        limit: usize,
        wait: Millis,
    ) -> Result<Polled, Failure> {
        let page = |wait| self.send(move |reply| RoomMsg::Messages { reader: self.reader(), since, before, limit, wait, reply });
        tokio::select! {
            answer = page(wait) => Ok(answer?),
            () = self.drained() => Ok(page(Millis(0)).await?),
        }
    }

    pub(super) async fn drained(&self) {
        drained(&self.api).await;
    }

    pub(super) async fn ended(&self) -> Close {
        ended(&self.api, self.claims.as_deref()).await
    }
}

/// Waits until the hub goes down.
pub(super) async fn drained(api: &Api) {
    let mut draining = api.draining.clone();
    // The sender lives as long as the hub.
    let _ = draining.wait_for(|begun| *begun).await;
}

/// Waits for the end of somebody's right to read: his token has expired, or he was sent away. Returns how that is said.
pub(super) async fn ended(api: &Api, claims: Option<&Claims>) -> Close {
    let Some(claims) = claims else { return std::future::pending().await };
    let left = || claims.expires_at.saturating_sub(api.sessions.clock.wall_seconds());
    let mut bans = api.auth.ban_changes();
    loop {
        if api.auth.allow(&claims.user, Some(claims)).is_err() {
            return Close::Banned;
        }
        if left() == 0 {
            return Close::TokenExpired;
        }
        // Whoever tells of bans lives as long as the hub.
        let _ = tokio::time::timeout(Duration::from_secs(left()), bans.changed()).await;
    }
}

/// Reads the position that a client has: what `names` says, else its copy's tag.
fn known(headers: &HeaderMap) -> Option<Cursor> {
    let tag = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    Cursor::parse(tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?)
}

/// Answers with a tag, or that nothing has changed since the client's copy.
fn tagged(polled: Polled, unchanged: bool) -> Response {
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { reply(StatusCode::OK, polled.body) };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{}\"", polled.cursor)) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

pub(in crate::server) async fn snapshot(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
) -> Result<Response, Failure> {
    let reading = Reading::new(api, &headers, &room)?;
    let known = known(&headers);
    let polled = reading.send(|reply| RoomMsg::Snapshot { reader: reading.reader(), known, reply }).await?;
    let unchanged = !polled.news;
    Ok(tagged(polled, unchanged))
}

#[derive(Deserialize)]
pub(in crate::server) struct UpdatesQuery {
    cursor: Option<String>,
    wait_ms: Option<String>,
    token: Option<String>,
}

pub(in crate::server) async fn updates(
    State(api): State<Api>,
    mut headers: HeaderMap,
    Named(room): Named,
    Query(query): Query<UpdatesQuery>,
) -> Result<Response, Failure> {
    take_token(&api, &mut headers, query.token.as_deref());
    let reading = Reading::new(api, &headers, &room)?;
    let named = query.cursor.as_deref().and_then(Cursor::parse);
    let wait = wait_ms(query.wait_ms.as_deref().unwrap_or("0"))?;
    if wants_stream(&headers) {
        let last = headers.get("last-event-id").and_then(|id| Cursor::parse(id.to_str().ok()?));
        return Box::pin(stream::begin(reading, Topic::Updates, last.or(named))).await;
    }
    let known = known(&headers).filter(|_| query.cursor.is_none());
    // They share the connection's buffer, which is free for the next request without them.
    drop((headers, query));
    let polled = reading.ask(named.or(known), wait).await?;
    let unchanged = known.is_some() && !polled.news;
    Ok(tagged(polled, unchanged))
}

/// Takes `?token=` for a page's stream, which can send no header, where the operator allows tokens there.
pub(in crate::server) fn take_token(api: &Api, headers: &mut HeaderMap, token: Option<&str>) {
    let allowed =
        api.sessions.settings.load().query_token && wants_stream(headers) && !headers.contains_key(header::AUTHORIZATION);
    if let Some(token) = token.filter(|token| allowed && !api.auth.is_api_key(token))
        && let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// Tells whether a client asks for Server-Sent Events.
pub(in crate::server) fn wants_stream(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|kinds| kinds.as_bytes() == b"text/event-stream")
}

/// Reads how long to wait; more than the longest wait is the longest wait.
pub(in crate::server) fn wait_ms(text: &str) -> Result<Millis, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadFrame::argument("/wait_ms".to_owned(), "a whole number of milliseconds").into());
    }
    Ok(Millis(text.parse().unwrap_or(u64::MAX)).min(WAIT_MAX))
}

#[derive(Deserialize)]
pub(in crate::server) struct MembersQuery {
    offset: Option<String>,
    limit: Option<String>,
}

pub(in crate::server) async fn members(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
    Query(query): Query<MembersQuery>,
) -> Result<Response, Failure> {
    let reading = Reading::new(api, &headers, &room)?;
    let number = |path: &str, text: Option<String>, default: usize| match text.map(|text| text.parse::<usize>()) {
        None => Ok(default),
        Some(Ok(number)) if path == "/offset" || number <= default => Ok(number),
        Some(_) => Err(BadFrame::argument(path.to_owned(), "a whole number; a page has at most 200 people")),
    };
    let offset = number("/offset", query.offset, 0)?;
    let limit = number("/limit", query.limit, client::MEMBERS_MAX)?;
    let (sender, receiver) = oneshot::channel();
    let reply_to = Reply::Http { id: None, sender };
    reading.api.rooms.send(&reading.room, RoomMsg::Members { offset, limit, reply: reply_to })?;
    let page = receiver.await.map_err(|_| Failure::new(Code::Unavailable))??;
    Ok(reply(StatusCode::OK, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_in_all_its_forms() {
        let cursor = Cursor { rev: 7, commit: crate::hub::id::CommitId(9) };
        for (tag, expected) in [
            (format!("\"{cursor}\""), Some(cursor)),
            (format!("W/\"{cursor}\""), Some(cursor)),
            (cursor.to_string(), None),
            ("*".to_owned(), None),
            ("\"\"".to_owned(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
            assert_eq!(known(&headers), expected, "{tag}");
        }
        assert_eq!(known(&HeaderMap::new()), None);
    }

    #[test]
    fn a_wait_is_capped() {
        assert_eq!(wait_ms("0").ok(), Some(Millis(0)));
        assert_eq!(wait_ms("25001").ok(), Some(WAIT_MAX));
        assert_eq!(wait_ms("99999999999999999999999").ok(), Some(WAIT_MAX));
        assert!(["", "-1", "1.5", "+1", "soon"].iter().all(|text| wait_ms(text).is_err()));
    }
}
