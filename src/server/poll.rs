//! Clients without a connection: they keep a session alive by asking, and wait for a room's updates over HTTP.
mod stream;

use super::{
    auth::{Claims, SessionClaim},
    entry::{Entry, fresh_session},
    http::{Api, Caller, Failure, reply, room_id, text},
    msg::{PollReply, Polled, Refusal, Reply, RoomMsg},
    presence::{Entered, Opening, Seen, TooMany},
    room_log::payload,
    rooms::refusal,
};
use crate::{
    hub::{
        code::Code,
        cursor::Cursor,
        id::{RoomId, UserId, UserType},
        time::Millis,
    },
    wire::{
        client::{self, Poll},
        fields::BadFrame,
        server::{PollAnswer, json},
    },
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::oneshot;

/// The longest wait for updates.
const WAIT_MAX: Millis = Millis(25_000);

/// Makes the routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/poll/heartbeat", post(heartbeat))
        .route("/api/rooms/{room_id}", get(snapshot))
        .route("/api/rooms/{room_id}/updates", get(updates))
        .route("/api/rooms/{room_id}/members", get(members))
}

async fn heartbeat(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let caller = api.caller(&headers)?;
    let poll = client::parse_poll(text(&body)?)?;
    let (user, claims) = identify(caller, &poll)?;
    let all = &api.sessions;
    let user_type = claims.as_ref().and_then(|claims| claims.user_type.clone()).unwrap_or(poll.user_type);
    if !all.settings.load().user_types.iter().any(|known| known == user_type.as_str()) {
        return Err(BadFrame::argument("/user_type".to_owned(), "a known kind of user").into());
    }
    let resume = poll.session_token.and_then(|token| all.auth.verify_session(&token)).filter(|claim| claim.user == user);
    let opening = Opening {
        user: user.clone(),
        user_type: user_type.clone(),
        resume: resume.map(|claim| claim.session),
        fresh: fresh_session().ok_or_else(|| Failure::new(Code::Internal))?,
        conn: None,
        seen: Seen::new(all.clock.now()),
        set: Default::default(),
    };
    let entered = match all.presence.open(opening).await {
        Some(Ok(entered)) => entered,
        Some(Err(TooMany)) => return Err(Failure::new(Code::TooMany)),
        None => return Err(Failure::new(Code::Unavailable)),
    };
    let answer = enter(
        &api,
        &user,
        &user_type,
        claims.as_ref(),
        entered,
        Moves { rooms: poll.rooms, leave: poll.leave, offline: poll.offline },
    )
    .await;
    Ok(reply(StatusCode::OK, answer.into()))
}

/// Finds out who polls: the token says it, or a backend names him.
fn identify(caller: Caller, poll: &Poll) -> Result<(UserId, Option<Claims>), Failure> {
    match caller {
        Caller::Person(claims) if poll.act_as.is_some() => {
            drop(claims);
            Err(Failure::new(Code::Forbidden))
        }
        Caller::Person(claims) if poll.user.as_ref().is_some_and(|user| *user != claims.user) => {
            Err(Failure::new(Code::IdentityMismatch))
        }
        Caller::Person(claims) => Ok((claims.user.clone(), Some(*claims))),
        Caller::Service | Caller::Anybody => match (&poll.act_as, &poll.user) {
            (Some(user), Some(named)) if user != named => Err(Failure::new(Code::IdentityMismatch)),
            (Some(user), _) | (None, Some(user)) => Ok((user.clone(), None)),
            (None, None) => Err(BadFrame::argument("/user_id".to_owned(), "this field").into()),
        },
    }
}

/// Where a session wants to be.
struct Moves {
    rooms: Vec<(RoomId, Option<Cursor>)>,
    leave: Vec<RoomId>,
    offline: bool,
}

async fn enter(
    api: &Api,
    user: &UserId,
    user_type: &UserType,
    claims: Option<&Claims>,
    entered: Entered,
    moves: Moves,
) -> Vec<u8> {
    let all = &api.sessions;
    let Entered { session, resumed, kept, rooms: before, set, watches: _ } = entered;
    let max = all.settings.load().rooms_per_session;
    let entry = Entry { rooms: &all.rooms, max, user, user_type, session: &session, conn: None, set: &set, claims };
    let rooms = if moves.offline { Vec::new() } else { entry.back_to(moves.rooms, &before) };
    let joined = entry.enter_all(rooms).await;
    for room in &moves.leave {
        all.rooms.post(room, RoomMsg::Leave { session: session.clone(), reply: None });
        set.remove(room);
    }
    all.presence.rooms(session.clone(), set.list());
    let forgotten: Vec<RoomId> = before.into_iter().filter(|room| !set.contains(room)).collect();
    if !forgotten.is_empty() {
        all.presence.forget(user.clone(), session.clone(), forgotten);
    }
    let claim = SessionClaim { user: user.clone(), session: session.clone() };
    let token = all.auth.session_token(&claim);
    let welcome = all.welcome(user, user_type, &session, &token, resumed, joined);
    if moves.offline {
        all.presence.end(session.clone());
    }
    let messages: Vec<Bytes> = kept.iter().map(payload).collect();
    let messages = messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
    json(&PollAnswer { welcome, messages })
}

/// Who reads a room, and until when.
pub(super) struct Reading {
    api: Api,
    room: RoomId,
    claims: Option<Box<Claims>>,
}

impl Reading {
    fn new(api: Api, headers: &HeaderMap, room: &str) -> Result<Self, Failure> {
        let claims = match api.caller(headers)? {
            Caller::Person(claims) => Some(claims),
            Caller::Service | Caller::Anybody => None,
        };
        let room = room_id(room)?;
        Ok(Self { api, room, claims })
    }

    fn reader(&self) -> Option<UserId> {
        self.claims.as_ref().map(|claims| claims.user.clone())
    }

    async fn send(&self, make: impl FnOnce(PollReply) -> RoomMsg) -> Result<Polled, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.api.rooms.send(&self.room, make(sender))?;
        receiver.await.unwrap_or_else(|_| Err(refusal(Code::Unavailable)))
    }

    async fn asked(&self, cursor: Option<Cursor>, wait: Millis) -> Result<Polled, Refusal> {
        self.send(|reply| RoomMsg::Updates { reader: self.reader(), cursor, wait, reply }).await
    }

    /// Asks for what follows a position, and waits for it, but not in a hub that goes down.
    async fn ask(&self, cursor: Option<Cursor>, wait: Millis) -> Result<Polled, Failure> {
        tokio::select! {
            answer = self.asked(cursor, wait) => Ok(answer?),
            () = self.drained() => Ok(self.asked(cursor, Millis(0)).await?),
        }
    }

    async fn drained(&self) {
        let mut draining = self.api.draining.clone();
        // The sender lives as long as the hub.
        let _ = draining.wait_for(|begun| *begun).await;
    }

    /// Waits for the end of the reader's token.
    async fn expired(&self) {
        let Some(claims) = &self.claims else { return std::future::pending().await };
        let left = || claims.expires_at.saturating_sub(self.api.sessions.clock.wall_seconds());
        while left() > 0 {
            tokio::time::sleep(Duration::from_secs(left())).await;
        }
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

async fn snapshot(State(api): State<Api>, headers: HeaderMap, Path(room): Path<String>) -> Result<Response, Failure> {
    let reading = Reading::new(api, &headers, &room)?;
    let known = known(&headers);
    let polled = reading.send(|reply| RoomMsg::Snapshot { reader: reading.reader(), known, reply }).await?;
    let unchanged = !polled.news;
    Ok(tagged(polled, unchanged))
}

#[derive(Deserialize)]
struct UpdatesQuery {
    cursor: Option<String>,
    wait_ms: Option<String>,
}

async fn updates(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(room): Path<String>,
    Query(query): Query<UpdatesQuery>,
) -> Result<Response, Failure> {
    let reading = Reading::new(api, &headers, &room)?;
    let named = query.cursor.as_deref().and_then(Cursor::parse);
    let wait = wait_ms(query.wait_ms.as_deref().unwrap_or("0"))?;
    if headers.get(header::ACCEPT).is_some_and(|kinds| kinds.as_bytes() == b"text/event-stream") {
        let last = headers.get("last-event-id").and_then(|id| Cursor::parse(id.to_str().ok()?));
        return stream::begin(reading, last.or(named)).await;
    }
    let known = known(&headers).filter(|_| query.cursor.is_none());
    let polled = reading.ask(named.or(known), wait).await?;
    let unchanged = known.is_some() && !polled.news;
    Ok(tagged(polled, unchanged))
}

/// Reads how long to wait; more than the longest wait is the longest wait.
fn wait_ms(text: &str) -> Result<Millis, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadFrame::argument("/wait_ms".to_owned(), "a whole number of milliseconds").into());
    }
    Ok(Millis(text.parse().unwrap_or(u64::MAX)).min(WAIT_MAX))
}

#[derive(Deserialize)]
struct MembersQuery {
    offset: Option<String>,
    limit: Option<String>,
}

async fn members(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(room): Path<String>,
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
