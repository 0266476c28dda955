//! Rooms over HTTP: created, listed and closed for backends; any command for whoever may give it.
use crate::{
    hub::{
        code::{Code, Reject},
        command::{Command, Request},
    },
    server::{
        http::{Api, Named, actor_of, backend, room_id, said_about, text},
        msg::{Created, Reply, RoomMsg},
        net::failure::{Failure, reply},
    },
    wire::{
        client,
        fields::{BadFrame, Fields},
        room_list::{ListedRoom, room_list},
        rules,
    },
};
use axum::{
    body::Bytes,
    extract::{Query, State},
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
/// The longest reason, in bytes.
const REASON_BYTES: usize = 200;
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
    Named(room): Named,
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

/// Runs one command of a room.
pub(super) async fn command(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
    body: Bytes,
) -> Result<Response, Failure> {
    said_about(&api, &headers, &room, &body, client::parse_for_room).await
}
