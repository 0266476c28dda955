//! Media over HTTP: callbacks in, tickets out, and what is on air.
use crate::{
    hub::{code::Code, id::UserId},
    server::{
        http::{Api, Caller, Named, backend, room_id},
        media::OnAir,
        net::failure::{Failure, reply},
    },
    wire::{fields::BadFrame, server::json},
};
use axum::{
    body::Bytes,
    extract::{Path, Query, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};

/// Takes a callback whose path says only whose it is.
pub(super) async fn plain_hook(
    State(api): State<Api>,
    Path((source, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.media.call(&source, &secret, "", &headers, body).await
}

/// Takes a callback whose path says what it is about, too.
pub(super) async fn named_hook(
    State(api): State<Api>,
    Path((source, secret, hook)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.media.call(&source, &secret, &hook, &headers, body).await
}

#[derive(Serialize)]
struct LiveStreams<'a> {
    source: &'a str,
    streams: &'a [OnAir],
}

/// Tells what is on air at a source.
pub(super) async fn live(State(api): State<Api>, headers: HeaderMap, Path(source): Path<String>) -> Result<Response, Failure> {
    backend(&api, &headers)?;
    let streams = api.media.on_air(&source).await?;
    Ok(reply(StatusCode::OK, json(&LiveStreams { source: &source, streams: &streams }).into()))
}

#[derive(Deserialize)]
pub(super) struct WhoQuery {
    user_id: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    ticket: &'a str,
    room_id: &'a str,
    user_id: &'a str,
    seat_no: u32,
    grant: u64,
    expires_at_ms: u64,
}

/// Who is meant: a person only means himself.
fn person(api: &Api, headers: &HeaderMap, named: Option<String>) -> Result<UserId, Failure> {
    let needed = || BadFrame::argument("/user_id".to_owned(), "an id");
    let named = named.map(|text| UserId::parse(&text).map_err(|_| needed())).transpose()?;
    match api.caller(headers)? {
        Caller::Person(claims) if named.as_ref().is_none_or(|named| *named == claims.user) => Ok(claims.user),
        Caller::Person(_) => Err(Failure::new(Code::IdentityMismatch)),
        Caller::Service | Caller::Anybody => Ok(named.ok_or_else(needed)?),
    }
}

#[derive(Serialize)]
struct Uid<'a> {
    source: &'a str,
    user_id: &'a str,
    uid: u32,
}

/// Tells by which number a source knows somebody.
pub(super) async fn uid(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(source): Path<String>,
    Query(query): Query<WhoQuery>,
) -> Result<Response, Failure> {
    let user = person(&api, &headers, query.user_id)?;
    let uid = api.media.uid_of(&source, &user).await?;
    Ok(reply(StatusCode::OK, json(&Uid { source: &source, user_id: user.as_str(), uid }).into()))
}

/// Writes the ticket with which somebody publishes.
pub(super) async fn ticket(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
    Query(query): Query<WhoQuery>,
) -> Result<Response, Failure> {
    let room = room_id(&room)?;
    let user = person(&api, &headers, query.user_id)?;
    let (text, ticket) = api.media.ticket(room, user, api.ticket_seconds).await?;
    let shown = Shown {
        ticket: &text,
        room_id: ticket.room.as_str(),
        user_id: ticket.user.as_str(),
        seat_no: ticket.seat_no,
        grant: ticket.grant,
        expires_at_ms: ticket.expires_at_ms,
    };
    Ok(reply(StatusCode::OK, json(&shown).into()))
}
