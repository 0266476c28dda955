//! HTTP as its routes share it: who calls, how a command is run, what a browser's page may do; the demo page, and the operators' listener.
pub mod admin;
pub(super) mod demo;
pub(super) mod origin;
pub mod page;

use super::{
    auth::{Auth, AuthError, Claims, bans::Bans},
    clock::Mono,
    history::History,
    live::Live,
    media::Media,
    msg::{Refusal, Reply, RoomMsg},
    net::{
        failure::{Failure, reply},
        rate::UserRates,
    },
    presence::Presence,
    rooms::Rooms,
    session::SessionDeps,
};
use crate::{
    hub::{
        actor::Actor,
        code::{Code, Reject},
        command::Request,
        id::{RoomId, UserId},
    },
    wire::{
        client::{ClientFrame, Parsed},
        fields::{BadFrame, Fields},
        message::Saying,
        server::json,
    },
};
use axum::{
    body::Bytes,
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use std::{convert::Infallible, ops::Deref, sync::Arc};
use tokio::sync::{oneshot, watch};

/// What the routes need. Cheap to clone: each request does so several times.
#[derive(Clone)]
pub struct Api(Arc<ApiParts>);

impl From<ApiParts> for Api {
    fn from(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

/// Everything that some route needs.
#[allow(missing_docs, reason = "the names say it")]
pub struct ApiParts {
    pub auth: Auth,
    pub presence: Presence,
    pub rooms: Rooms,
    pub history: History,
    pub sessions: SessionDeps,
    pub media: Media,
    pub bans: Bans,
    /// How long a publish ticket is good.
    pub ticket_seconds: u64,
    /// Turns true when the hub goes down.
    pub draining: watch::Receiver<bool>,
    /// Origins of pages that may ask, besides the own host.
    pub allowed_origins: Live<Vec<String>>,
    pub body_bytes: usize,
    pub demo: bool,
}

/// Who calls.
pub(super) enum Caller {
    /// A backend with an API key.
    Service,
    /// Anybody, in dev mode: counts as a backend.
    Anybody,
    /// A person with his token.
    Person(Box<Claims>),
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

impl Api {
    /// Finds out who asks for something to be done.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        self.who(headers, UserRates::take)
    }

    /// Finds out who reads.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        self.who(headers, UserRates::take_read)
    }

    fn who(&self, headers: &HeaderMap, count: fn(&UserRates, &UserId, Mono) -> bool) -> Result<Caller, Failure> {
        match bearer(headers) {
            Some(token) if self.auth.is_api_key(token) => Ok(Caller::Service),
            Some(token) => {
                let refused = |error| Failure::new(if error == AuthError::Banned { Code::Forbidden } else { Code::Unauthorized });
                let claims = self.auth.verify(token).map_err(refused)?;
                // What a person sends over HTTP counts as what he sends over his sockets.
                if !count(&self.sessions.settings.load().user_rates, &claims.user, self.sessions.clock.mono()) {
                    return Err(Failure::new(Code::RateLimited));
                }
                Ok(Caller::Person(Box::new(claims)))
            }
            None if self.auth.needs_token() => Err(Failure::new(Code::Unauthorized)),
            None => Ok(Caller::Anybody),
        }
    }
}

/// The id that a path names. Bytes that are no text make it empty, which is no id: the route says so as of any other one.
pub(super) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let named = RawPathParams::from_request_parts(parts, state).await;
        Ok(Self(named.ok().and_then(|all| Some(all.iter().next()?.1.to_owned())).unwrap_or_default()))
    }
}

/// Lets backends through. Errors: `forbidden` for a person.
pub(super) fn backend(api: &Api, headers: &HeaderMap) -> Result<(), Failure> {
    match api.caller(headers)? {
        Caller::Service | Caller::Anybody => Ok(()),
        Caller::Person(_) => Err(Failure::new(Code::Forbidden)),
    }
}

/// Reads a body as text.
pub(super) fn text(bytes: &Bytes) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::new(Code::BadRequest))
}

/// Reads the room that a path names.
pub(super) fn room_id(text: &str) -> Result<RoomId, Failure> {
    RoomId::parse(text).map_err(|_| BadFrame::argument("/room_id".to_owned(), "an id").into())
}

/// Does what a body asks a room for, as `read` understands it.
pub(super) async fn said_about(
    api: &Api,
    headers: &HeaderMap,
    room: &str,
    body: &Bytes,
    read: fn(&str, &RoomId) -> Result<Parsed, BadFrame>,
) -> Result<Response, Failure> {
    let caller = api.caller(headers)?;
    let room = room_id(room)?;
    let text = text(body)?;
    let parsed = match read(text, &room) {
        Ok(parsed) => parsed,
        Err(bad) => return Err(not_read(api, caller, text, bad).await),
    };
    let id = parsed.id;
    run_command(api, caller, room, text, parsed).await.map_err(|failure| failure.to(id))
}

/// Refuses a frame that could not be read: first for a wrong sender, and one about a room only if there is such a room.
pub(super) async fn not_read(api: &Api, caller: Caller, text: &str, bad: BadFrame) -> Failure {
    let (id, room) = (bad.id, bad.room.clone());
    let act_as = Fields::parse(text).and_then(|fields| fields.user("act_as")).ok().flatten();
    if let Ok((actor, _)) = actor_of(caller, act_as)
        && let Err(failure) = check_senders(&actor, &bad.senders)
    {
        return failure.to(id);
    }
    let failure = Failure::from(bad);
    let Some(room) = room else { return failure };
    let refusal = Refusal::with(failure.code, json(&failure.details).into());
    let (sender, receiver) = oneshot::channel();
    let asked = api.rooms.send(&room, RoomMsg::Refused { refusal, reply: Reply::Http { id, sender } });
    let told = match asked {
        Err(refusal) => refusal,
        Ok(()) => match receiver.await {
            Ok(Err(refusal)) => refusal,
            _ => return failure,
        },
    };
    Failure::from(told).to(id)
}

/// Runs what a body asks of a room: a command, or something to be said.
pub(super) async fn run_command(
    api: &Api,
    caller: Caller,
    room: RoomId,
    text: &str,
    parsed: Parsed,
) -> Result<Response, Failure> {
    let act_as = Fields::parse(text)?.user("act_as")?;
    let (actor, rated) = actor_of(caller, act_as)?;
    check_senders(&actor, &parsed.senders)?;
    let command = match parsed.frame {
        ClientFrame::Room { command, .. } => command,
        ClientFrame::RoomMessage { saying, .. } => {
            return pass_on(api, &room, saying, actor, rated, parsed.id).await;
        }
        _ => {
            let reject = Reject::Argument { path: "/type".to_owned(), expected: "a room command" };
            return Err(Failure::reject(&reject));
        }
    };
    let request = Request { actor, op_id: parsed.op_id, if_rev: parsed.if_rev, command };
    let (sender, receiver) = oneshot::channel();
    api.rooms.send(&room, RoomMsg::Command { request, rated, reply: Reply::Http { id: parsed.id, sender } })?;
    let ack = receiver.await.map_err(|_| Failure::new(Code::RoomNotFound))??;
    Ok(reply(StatusCode::OK, ack))
}

/// Returns who acts, and whether the room's rates count for him: those of an API key do not. Errors: `forbidden` for a person's `act_as`.
pub(super) fn actor_of(caller: Caller, act_as: Option<UserId>) -> Result<(Actor, bool), Failure> {
    let rated = !matches!(caller, Caller::Service);
    let actor = match (caller, act_as) {
        (Caller::Service | Caller::Anybody, Some(user)) => Actor::User(user),
        (Caller::Service | Caller::Anybody, None) => Actor::Service,
        (Caller::Person(_), Some(_)) => return Err(Failure::new(Code::Forbidden)),
        (Caller::Person(claims), None) => Actor::User(claims.user),
    };
    Ok((actor, rated))
}

/// Whoever a body names as its sender must be the one who acts.
pub(super) fn check_senders(actor: &Actor, senders: &[UserId]) -> Result<(), Failure> {
    match actor {
        Actor::User(user) if senders.iter().any(|sender| sender != user) => Err(Failure::new(Code::IdentityMismatch)),
        _ => Ok(()),
    }
}

/// Hands something to be said to its room, and answers its ack.
pub(super) async fn pass_on(
    api: &Api,
    room: &RoomId,
    saying: Saying,
    from: Actor,
    rated: bool,
    id: Option<i64>,
) -> Result<Response, Failure> {
    let (sender, receiver) = oneshot::channel();
    api.rooms.send(room, RoomMsg::Say { from, saying, rated, reply: Reply::Http { id, sender } })?;
    let ack = receiver.await.map_err(|_| Failure::new(Code::Unavailable))??;
    Ok(reply(StatusCode::OK, ack))
}
