//! HTTP for backends and pages: tokens, presence, rooms, commands, the demo page. Errors are the same objects as on the socket.
mod failure;
mod history;
mod messages;
mod origin;
mod rooms;

use super::{
    auth::{Auth, AuthError, Claims, MAX_LIFE_SECONDS},
    clock::{Clock, Mono},
    history::History,
    live::Live,
    media, metrics,
    msg::{Refusal, Reply, RoomMsg, Shown, ShownStatus},
    poll,
    presence::Presence,
    rate::UserRates,
    rooms::Rooms,
    session::SessionDeps,
};
use crate::{
    hub::{
        actor::Actor,
        code::{Code, Reject},
        command::Request,
        id::{RoleId, RoomId, UserId, UserType},
    },
    wire::{
        client::{self, ClientFrame, Parsed},
        fields::{BadFrame, Fields},
        server::{UserOnlineStatus, UserStatus, json},
        spec::{self, Method, Operation, Route},
    },
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, MatchedPath, Path, Query, Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use serde::{Deserialize, Serialize};
use std::{ops::Deref, sync::Arc};
use tokio::sync::{oneshot, watch};

use failure::as_error_object;
pub(super) use failure::{Failure, object_of, reply};

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
    pub media: super::media::Media,
    pub bans: super::bans::Bans,
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

/// Makes the router out of the table of routes.
pub fn router(api: Api) -> Router {
    let limit = DefaultBodyLimit::max(api.body_bytes);
    let routes = spec::ROUTES.iter().fold(Router::new(), |routes, route| routes.route(route.path, served(route)));
    let routes = if api.demo { routes.fallback(super::page::serve) } else { routes };
    routes.layer(limit).layer(from_fn_with_state(api.clone(), around)).with_state(api)
}

/// Does what every route needs done: foreign pages are refused, requests are counted, and errors are objects. One layer, not three: each
/// costs a request that waits a piece of memory.
async fn around(State(api): State<Api>, request: HttpRequest, next: Next) -> Response {
    let routes = async |request| as_error_object(measured(api.sessions.clock, request, next).await);
    origin::guard(&api.allowed_origins, request, routes).await
}

/// Says who does what a route is for.
fn served(route: &Route) -> MethodRouter<Api> {
    let method = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Delete => MethodFilter::DELETE,
    };
    match route.operation {
        Operation::MintToken => on(method, mint),
        Operation::Statuses => on(method, online_status),
        Operation::ManyStatuses => on(method, rooms::online_status),
        Operation::KickUser => on(method, rooms::kick),
        Operation::BanUser => on(method, rooms::ban),
        Operation::UnbanUser => on(method, rooms::unban),
        Operation::ListRooms => on(method, rooms::list),
        Operation::CreateRoom => on(method, rooms::create),
        Operation::Snapshot => on(method, poll::snapshot),
        Operation::CloseRoom => on(method, rooms::close),
        Operation::Updates => on(method, poll::updates),
        Operation::Members => on(method, poll::members),
        Operation::Command => on(method, command),
        Operation::History => on(method, history::history),
        Operation::Messages => on(method, messages::page),
        Operation::Say => on(method, messages::say),
        Operation::PublishTicket => on(method, media::ticket),
        Operation::PollHeartbeat => on(method, poll::heartbeat),
        Operation::PollFrame => on(method, poll::frame),
        Operation::Live => on(method, media::live),
        Operation::MediaUid => on(method, media::uid),
        Operation::Hook => on(method, media::plain_hook),
        Operation::NamedHook => on(method, media::named_hook),
        Operation::OpenApi => on(method, openapi),
        Operation::AsyncApi => on(method, asyncapi),
    }
}

async fn openapi(State(api): State<Api>) -> Response {
    let user_types = api.sessions.settings.load().user_types.clone();
    let facts = spec::Facts { needs_token: api.auth.needs_token(), user_types };
    reply(StatusCode::OK, json(&spec::openapi(&facts)).into())
}

async fn asyncapi() -> Response {
    reply(StatusCode::OK, json(&spec::asyncapi()).into())
}

/// Counts a request under its route.
async fn measured(clock: Clock, request: HttpRequest, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begin = clock.micros();
    let response = next.run(request).await;
    metrics::http(
        route.as_ref().map_or("other", MatchedPath::as_str),
        response.status().as_u16(),
        clock.micros().saturating_sub(begin),
    );
    response
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

pub(super) fn text(bytes: &Bytes) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::new(Code::BadRequest))
}

pub(super) fn room_id(text: &str) -> Result<RoomId, Failure> {
    RoomId::parse(text).map_err(|_| BadFrame::argument("/room_id".to_owned(), "an id").into())
}

#[derive(Serialize)]
struct Minted<'a> {
    token: &'a str,
    signature: &'a str,
    user_id: &'a str,
    expires_at_ms: u64,
}

async fn mint(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    if let Caller::Person(_) = api.caller(&headers)? {
        return Err(Failure::new(Code::Forbidden));
    }
    let fields = Fields::parse(text(&body)?)?;
    let user = fields.needed_user("user_id")?;
    let known = |kind: &UserType| api.sessions.settings.load().user_types.iter().any(|known| known == kind.as_str());
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
struct StatusQuery {
    #[serde(default)]
    user_ids: String,
}

async fn online_status(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Query<StatusQuery>,
) -> Result<Response, Failure> {
    api.reader(&headers)?;
    let wrong = |_| BadFrame::argument("/user_ids".to_owned(), "1 to 500 user ids, with commas between them");
    let parse = |text: &str| UserId::parse(text).map_err(wrong);
    let users: Vec<UserId> = query.user_ids.split(',').map(parse).collect::<Result<_, _>>()?;
    if users.len() > 500 {
        return Err(wrong(crate::hub::id::IdError::Length).into());
    }
    let shown = api.presence.states(users).await;
    let user_status: Vec<UserStatus> = shown.iter().map(user_status).collect();
    Ok(reply(StatusCode::OK, json(&UserOnlineStatus { id: None, user_status: &user_status }).into()))
}

/// Writes one person's shown state.
#[must_use]
pub fn user_status(shown: &Shown) -> UserStatus {
    let status = match shown.status {
        ShownStatus::Online => "online",
        ShownStatus::Busy => "busy",
        ShownStatus::Away => "away",
        ShownStatus::Offline => "offline",
    };
    UserStatus {
        user_id: shown.user.to_string(),
        user_type: shown.user_type.to_string(),
        online: shown.status != ShownStatus::Offline,
        status,
        last_seen: shown.last_seen,
    }
}

async fn command(State(api): State<Api>, headers: HeaderMap, Path(room): Path<String>, body: Bytes) -> Result<Response, Failure> {
    let caller = api.caller(&headers)?;
    let room = room_id(&room)?;
    let text = text(&body)?;
    let parsed = match client::parse_for_room(text, &room) {
        Ok(parsed) => parsed,
        Err(bad) => return Err(not_read(&api.rooms, bad).await),
    };
    let id = parsed.id;
    let run = run_command(&api, caller, room, text, parsed);
    run.await.map_err(|failure| failure.to(id))
}

/// Refuses a frame that could not be read; one about a room only if there is such a room.
pub(super) async fn not_read(rooms: &Rooms, bad: BadFrame) -> Failure {
    let (id, room) = (bad.id, bad.room.clone());
    let failure = Failure::from(bad);
    let Some(room) = room else { return failure };
    let refusal = Refusal { code: failure.code, details: Some(json(&failure.details).into()) };
    let (sender, receiver) = oneshot::channel();
    let asked = rooms.send(&room, RoomMsg::Refused { refusal, reply: Reply::Http { id, sender } });
    let told = match asked {
        Err(refusal) => refusal,
        Ok(()) => match receiver.await {
            Ok(Err(refusal)) => refusal,
            _ => return failure,
        },
    };
    Failure::from(told).to(id)
}

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
            return messages::pass_on(api, &room, saying, actor, rated, parsed.id).await;
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
