//! The HTTP side of media: callbacks in, tickets out.
use super::{Ask, Media, OnAir, gate};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, UserId},
    },
    server::{
        auth::ticket::Ticket,
        http::{Api, Caller, Failure, reply, room_id},
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
use tokio::sync::oneshot;

pub(in crate::server) async fn plain_hook(
    State(api): State<Api>,
    Path((source, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.media.call(&source, &secret, "", &headers, body).await
}

pub(in crate::server) async fn named_hook(
    State(api): State<Api>,
    Path((source, secret, hook)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.media.call(&source, &secret, &hook, &headers, body).await
}

impl Media {
    /// Writes the ticket of whoever sits.
    async fn ticket(&self, room: RoomId, user: UserId, seconds: u64) -> Result<(String, Ticket), Failure> {
        let standing = gate::standing(&self.rooms, &room, &user).await?.ok_or_else(|| Failure::new(Code::NotSeated))?;
        let expires_at_ms = self.clock.wall_ms().saturating_add(seconds.saturating_mul(1000));
        let ticket = Ticket { room, user, seat_no: standing.seat_no, grant: standing.grant, expires_at_ms };
        Ok((self.tickets.write(&ticket), ticket))
    }
}

#[derive(Serialize)]
struct LiveStreams<'a> {
    source: &'a str,
    streams: &'a [OnAir],
}

pub(in crate::server) async fn live(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(source): Path<String>,
) -> Result<Response, Failure> {
    if let Caller::Person(_) = api.caller(&headers)? {
        return Err(Failure::new(Code::Forbidden));
    }
    let Some(index) = api.media.sources.iter().position(|known| *known.name == *source) else {
        return Err(Failure::nothing_there("There is no such source of media."));
    };
    let (reply_to, streams) = oneshot::channel();
    let asked = api.media.to_actor.send(Ask::Live { source: index, reply: reply_to }).await;
    let streams = asked.ok().map(|()| streams).ok_or_else(|| Failure::new(Code::Internal))?;
    let streams = streams.await.map_err(|_| Failure::new(Code::Internal))?;
    Ok(reply(StatusCode::OK, json(&LiveStreams { source: &source, streams: &streams }).into()))
}

#[derive(Deserialize)]
pub(in crate::server) struct WhoQuery {
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

pub(in crate::server) async fn uid(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(source): Path<String>,
    Query(query): Query<WhoQuery>,
) -> Result<Response, Failure> {
    let user = person(&api, &headers, query.user_id)?;
    let uids = api.media.sources.iter().find(|known| *known.name == *source).and_then(|known| known.uids.as_ref());
    let uids = uids.ok_or_else(|| Failure::nothing_there("There is no such source of media that names people by numbers."))?;
    let uid = uids.uid_of(&user).await.map_err(|error| {
        tracing::warn!(source, %user, %error, "somebody gets no number");
        Failure::new(Code::Unavailable)
    })?;
    Ok(reply(StatusCode::OK, json(&Uid { source: &source, user_id: user.as_str(), uid }).into()))
}

pub(in crate::server) async fn ticket(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(room): Path<String>,
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
