//! Clients without a connection: they keep a session alive by asking, and wait for a room's updates over HTTP.
use super::{
    auth::{Claims, SessionClaim},
    entry::{Entry, fresh_session},
    http::{Api, Caller, Failure, reply, room_id, text},
    msg::{Refusal, RoomMsg},
    presence::{Entered, Opening, Seen, TooMany},
    room_log::payload,
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
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use tokio::sync::oneshot;

/// The longest wait for updates.
const WAIT_MAX: Millis = Millis(25_000);

/// Makes the routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/poll/heartbeat", post(heartbeat))
        .route("/api/rooms/{room_id}", get(snapshot))
        .route("/api/rooms/{room_id}/updates", get(updates))
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
    let answer = enter(&api, &user, &user_type, claims.as_ref(), entered, poll.rooms, poll.offline).await;
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

async fn enter(
    api: &Api,
    user: &UserId,
    user_type: &UserType,
    claims: Option<&Claims>,
    entered: Entered,
    rooms: Vec<(RoomId, Option<Cursor>)>,
    offline: bool,
) -> Vec<u8> {
    let all = &api.sessions;
    let Entered { session, resumed, kept, rooms: before, set, watches: _ } = entered;
    let max = all.settings.load().rooms_per_session;
    let entry = Entry { rooms: &all.rooms, max, user, user_type, session: &session, conn: None, set: &set, claims };
    let rooms = if offline { Vec::new() } else { entry.back_to(rooms, &before) };
    let joined = entry.enter_all(rooms).await;
    all.presence.rooms(session.clone(), set.list());
    let forgotten: Vec<RoomId> = before.into_iter().filter(|room| !set.contains(room)).collect();
    if !forgotten.is_empty() {
        all.presence.forget(user.clone(), session.clone(), forgotten);
    }
    let claim = SessionClaim { user: user.clone(), session: session.clone() };
    let token = all.auth.session_token(&claim);
    let welcome = all.welcome(user, user_type, &session, &token, resumed, joined);
    if offline {
        all.presence.end(session.clone());
    }
    let messages: Vec<Bytes> = kept.iter().map(payload).collect();
    let messages = messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
    json(&PollAnswer { welcome, messages })
}

/// Asks a room for something that it answers if it exists.
async fn ask(
    api: &Api,
    room: &RoomId,
    make: impl FnOnce(oneshot::Sender<Result<Bytes, Refusal>>) -> RoomMsg,
) -> Result<Response, Failure> {
    let (sender, receiver) = oneshot::channel();
    api.rooms.send(room, make(sender))?;
    let body = receiver.await.map_err(|_| Failure::new(Code::Unavailable))??;
    Ok(reply(StatusCode::OK, body))
}

async fn snapshot(State(api): State<Api>, headers: HeaderMap, Path(room): Path<String>) -> Result<Response, Failure> {
    api.caller(&headers)?;
    ask(&api, &room_id(&room)?, |reply| RoomMsg::Snapshot { reply }).await
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
    api.caller(&headers)?;
    let room = room_id(&room)?;
    let cursor = query.cursor.as_deref().and_then(Cursor::parse);
    let wrong = |_| BadFrame::argument("/wait_ms".to_owned(), "a whole number of milliseconds");
    let wait = query.wait_ms.map_or(Ok(0), |text| text.parse::<u64>()).map_err(wrong)?;
    let waited = ask(&api, &room, |reply| RoomMsg::Updates { cursor, wait: Millis(wait).min(WAIT_MAX), reply });
    let mut draining = api.draining.clone();
    let drained = async move { draining.wait_for(|begun| *begun).await.is_ok() };
    tokio::select! {
        answer = waited => answer,
        // Nobody is kept waiting by a hub that goes down.
        _ = drained => ask(&api, &room, |reply| RoomMsg::Updates { cursor, wait: Millis(0), reply }).await,
    }
}
