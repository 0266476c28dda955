//! People for backends and pages: tokens, statuses, and sending somebody away from the hub.
use crate::{
    hub::{
        code::Code,
        id::{IdError, RoleId, UserId, UserType},
    },
    server::{
        auth::{Claims, MAX_LIFE_SECONDS},
        http::{Api, Named, backend, text},
        msg::Shown,
        net::{
            failure::{Failure, reply},
            watch::user_status,
        },
    },
    wire::{
        fields::{BadFrame, Fields},
        room_list::{KickedJson, kicked},
        server::{UserOnlineStatus, json},
    },
};
use axum::{
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};

/// How many people one question may name.
const USERS_MAX: usize = 500;
/// The longest ban that ends, in seconds: ten years.
const BAN_SECONDS_MAX: u64 = 315_360_000;
/// The end of a ban that has none.
const FOR_EVER: u64 = u64::MAX;

#[derive(Serialize)]
struct Minted<'a> {
    token: &'a str,
    signature: &'a str,
    user_id: &'a str,
    expires_at_ms: u64,
}

/// Makes a token for somebody.
pub(super) async fn mint(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    backend(&api, &headers)?;
    let fields = Fields::parse(text(&body)?)?;
    let user = fields.needed_user("user_id")?;
    let known = |kind: &UserType| api.sessions.settings.load().knows(kind);
    let user_type = match fields.text("user_type")?.map(|text| UserType::parse(&text).ok().filter(known)) {
        Some(None) => return Err(fields.wrong("user_type", "a known kind of user").into()),
        Some(user_type) => user_type,
        None => None,
    };
    let seconds = fields.number("expire_time")?.unwrap_or(3600);
    if !(1..=MAX_LIFE_SECONDS).contains(&seconds) {
        return Err(fields.wrong("expire_time", "1 to 86400 seconds").into());
    }
    let role = fields.role("role")?;
    let rooms = match (fields.text("room_id")?.is_some(), role) {
        (true, role) => [(fields.room("room_id")?, role.unwrap_or_else(RoleId::member))].into(),
        (false, Some(_)) => return Err(fields.wrong("room_id", "the room of the role").into()),
        (false, None) => Default::default(),
    };
    let claims = Claims { user, user_type, rooms, expires_at: 0, issued_at: 0, issued_ms: 0 };
    let (token, end) = api.auth.mint(&claims, seconds).map_err(|_| Failure::new(Code::Forbidden))?;
    let minted = Minted { token: &token, signature: &token, user_id: claims.user.as_str(), expires_at_ms: end * 1000 };
    Ok(reply(StatusCode::OK, json(&minted).into()))
}

#[derive(Deserialize)]
pub(super) struct StatusQuery {
    #[serde(default)]
    user_ids: String,
}

/// Tells how people are.
pub(super) async fn online_status(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Query<StatusQuery>,
) -> Result<Response, Failure> {
    api.reader(&headers)?;
    let wrong = |_| BadFrame::argument("/user_ids".to_owned(), "1 to 500 user ids, with commas between them");
    let parse = |text: &str| UserId::parse(text).map_err(wrong);
    let users: Vec<UserId> = query.user_ids.split(',').map(parse).collect::<Result<_, _>>()?;
    if users.len() > USERS_MAX {
        return Err(wrong(IdError::Length).into());
    }
    let shown = api.presence.states(users).await;
    Ok(statuses(&shown))
}

fn statuses(shown: &[Shown]) -> Response {
    reply(StatusCode::OK, json(&UserOnlineStatus { id: None, user_status: &user_status(shown) }).into())
}

/// Reads whom a path names, for a backend.
fn somebody(api: &Api, headers: &HeaderMap, user: &str) -> Result<UserId, Failure> {
    backend(api, headers)?;
    UserId::parse(user).map_err(|_| BadFrame::argument("/user_id".to_owned(), "an id").into())
}

/// Ends every session of somebody on every node, as if he had said `user_offline`; his sockets are closed with 4003, and tokens from before
/// are refused.
pub(super) async fn kick(State(api): State<Api>, headers: HeaderMap, Named(user): Named) -> Result<Response, Failure> {
    send_away(&api, &somebody(&api, &headers, &user)?, 0).await
}

/// As [`kick`], and nobody of that name is let in for so many seconds, or at all.
pub(super) async fn ban(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(user): Named,
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
pub(super) async fn unban(State(api): State<Api>, headers: HeaderMap, Named(user): Named) -> Result<Response, Failure> {
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
pub(super) async fn many_statuses(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    api.caller(&headers)?;
    let users = Fields::parse(text(&body)?)?.users("user_ids", USERS_MAX)?;
    let shown = api.presence.states(users).await;
    Ok(statuses(&shown))
}
