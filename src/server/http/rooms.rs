//! Rooms and people for backends: rooms are created, listed and closed; somebody is sent away from the hub.
use super::{Api, Caller, Failure, actor_of, reply, room_id, text, user_status};
use crate::{
    hub::{
        code::{Code, Reject},
        command::{Command, Request},
        id::UserId,
    },
    server::msg::{Created, Reply, RoomMsg},
    wire::{
        fields::{BadFrame, Fields},
        room_list::{KickedJson, ListedRoom, kicked, room_list},
        rules,
        server::{UserOnlineStatus, UserStatus, json},
    },
};
use axum::{
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::future::join_all;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How many rooms one page may have.
const PAGE_MAX: usize = 1000;
const PAGE_DEFAULT: usize = 100;
/// How many rooms are counted at once.
const AT_ONCE: usize = 64;
/// How many people one question may name.
const USERS_MAX: usize = 500;
/// The longest reason, in bytes.
const REASON_BYTES: usize = 200;
/// The longest ban that ends, in seconds: ten years.
const BAN_SECONDS_MAX: u64 = 315_360_000;
/// The end of a ban that has none.
const FOR_EVER: u64 = u64::MAX;

fn backend(api: &Api, headers: &HeaderMap) -> Result<(), Failure> {
    match api.caller(headers)? {
        Caller::Service | Caller::Anybody => Ok(()),
        Caller::Person(_) => Err(Failure::new(Code::Forbidden)),
    }
}

/// Makes a room with an owner and rules: 201. If it is there already, it stays as it is: 200. Either way its snapshot.
pub(super) async fn create(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    backend(&api, &headers)?;
    let fields = Fields::parse(text(&body)?)?;
    let room = fields.room("room_id")?;
    let owner = fields.needed_user("owner_user_id")?;
    let document = fields.raw("rules").map(|raw| rules::parse(raw.get()));
    let rules = document.transpose().map_err(|bad| {
        let reject = Reject::BadRules { path: bad.path, message: bad.message };
        Failure::reject(&reject)
    })?;
    let (sender, receiver) = oneshot::channel();
    api.rooms.send(&room, RoomMsg::Create { owner, rules: rules.map(Arc::new), reply: sender })?;
    let Created { new, snapshot } = receiver.await.map_err(|_| Failure::new(Code::Unavailable))??;
    Ok(reply(if new { StatusCode::CREATED } else { StatusCode::OK }, snapshot))
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    limit: Option<String>,
}

/// Names the rooms, by name, and how many people are in each.
pub(super) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    backend(&api, &headers)?;
    let limit = match query.limit.as_deref().map(str::parse) {
        None => PAGE_DEFAULT,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => return Err(BadFrame::argument("/limit".to_owned(), "1 to 1000 rooms").into()),
    };
    let after = query.cursor.filter(|after| !after.is_empty());
    let mut names = api.rooms.names(after.as_deref(), limit + 1).await?;
    let more = names.len() > limit;
    names.truncate(limit);
    let mut rooms = Vec::with_capacity(names.len());
    for some in names.chunks(AT_ONCE) {
        let counts = join_all(some.iter().map(|name| api.rooms.online(name))).await;
        rooms.extend(some.iter().zip(counts).map(|(name, online)| ListedRoom { room_id: name.as_str(), online }));
    }
    let cursor = names.last().filter(|_| more).map(|name| name.as_str());
    Ok(reply(StatusCode::OK, room_list(&rooms, cursor).into()))
}

#[derive(Deserialize)]
pub(super) struct CloseQuery {
    reason: Option<String>,
}

/// Closes a room, as `room_close` does: a backend always, a person if his role allows it. Answers the ack object.
pub(super) async fn close(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(room): Path<String>,
    Query(query): Query<CloseQuery>,
) -> Result<Response, Failure> {
    let (actor, rated) = actor_of(api.caller(&headers)?, None)?;
    let room = room_id(&room)?;
    let fits = |reason: &String| reason.len() <= REASON_BYTES && !reason.chars().any(char::is_control);
    if query.reason.as_ref().is_some_and(|reason| !fits(reason)) {
        return Err(BadFrame::argument("/reason".to_owned(), "a text of at most 200 bytes").into());
    }
    let command = Command::RoomClose { reason: query.reason };
    let request = Request { actor, op_id: None, if_rev: None, command };
    let (sender, receiver) = oneshot::channel();
    api.rooms.send(&room, RoomMsg::Command { request, rated, reply: Reply::Http { id: None, sender } })?;
    let ack = receiver.await.map_err(|_| Failure::new(Code::Unavailable))??;
    Ok(reply(StatusCode::OK, ack))
}

/// Reads whom a path names, for a backend.
fn somebody(api: &Api, headers: &HeaderMap, user: &str) -> Result<UserId, Failure> {
    backend(api, headers)?;
    UserId::parse(user).map_err(|_| BadFrame::argument("/user_id".to_owned(), "an id").into())
}

/// Ends every session of somebody on every node, as if he had said `user_offline`; his sockets are closed with 4003, and tokens from before
/// are refused.
pub(super) async fn kick(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Result<Response, Failure> {
    send_away(&api, &somebody(&api, &headers, &user)?, 0).await
}

/// As [`kick`], and nobody of that name is let in for so many seconds, or at all.
pub(super) async fn ban(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(user): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let user = somebody(&api, &headers, &user)?;
    let fields = Fields::parse(if body.is_empty() { "{}" } else { text(&body)? })?;
    let until = match fields.number("seconds")? {
        None => FOR_EVER,
        Some(seconds) if (1..=BAN_SECONDS_MAX).contains(&seconds) => api.sessions.clock.wall_ms() + seconds * 1000,
        Some(_) => return Err(fields.wrong("seconds", "1 to 315360000 seconds").into()),
    };
    send_away(&api, &user, until).await
}

/// Ends a ban.
pub(super) async fn unban(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Result<Response, Failure> {
    let user = somebody(&api, &headers, &user)?;
    api.bans.let_in(&user).await?;
    Ok(reply(StatusCode::OK, kicked(&KickedJson { user_id: user.as_str(), sessions: 0, until_ms: None }).into()))
}

async fn send_away(api: &Api, user: &UserId, until: u64) -> Result<Response, Failure> {
    let sessions = api.presence.count(user.clone()).await;
    api.bans.send_away(user, until).await?;
    let until_ms = (until > 0 && until < FOR_EVER).then_some(until);
    Ok(reply(StatusCode::OK, kicked(&KickedJson { user_id: user.as_str(), sessions, until_ms }).into()))
}

/// As `GET /api/online-status`, for as many people as a query string may not hold.
pub(super) async fn online_status(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    api.caller(&headers)?;
    let users = Fields::parse(text(&body)?)?.users("user_ids", USERS_MAX)?;
    let shown = api.presence.states(users).await;
    let user_status: Vec<UserStatus> = shown.iter().map(user_status).collect();
    Ok(reply(StatusCode::OK, json(&UserOnlineStatus { id: None, user_status: &user_status }).into()))
}
