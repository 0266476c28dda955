//! `POST /api/poll/heartbeat`: the session of a client without a connection is opened, goes on, or ends.
use super::{Api, Failure};
use crate::server::{
    auth::{Claims, SessionClaim},
    entry::{Entry, fresh_session},
    http::{Caller, reply, text},
    msg::RoomMsg,
    presence::{Entered, Opening, Seen, TooMany},
    room_log::payload,
};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, UserId, UserType},
    },
    wire::{
        client::{self, Poll, Since},
        fields::BadFrame,
        server::{PollAnswer, json},
    },
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

pub(in crate::server) async fn heartbeat(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let caller = api.caller(&headers)?;
    let poll = client::parse_poll(text(&body)?)?;
    let (user, claims) = identify(caller, &poll)?;
    let all = &api.sessions;
    if all.auth.allow(&user, claims.as_ref()).is_err() {
        return Err(Failure::new(Code::Forbidden));
    }
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
        issued_ms: claims.as_ref().map_or_else(|| all.clock.wall_ms(), |claims| claims.issued_ms),
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
    rooms: Vec<(RoomId, Since)>,
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
    let letters = if moves.offline { Vec::new() } else { all.letters.take(user).await };
    let messages: Vec<Bytes> = letters.into_iter().map(Bytes::from).chain(kept.iter().map(payload)).collect();
    let messages = messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
    json(&PollAnswer { welcome, messages })
}
