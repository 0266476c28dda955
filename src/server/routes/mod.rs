//! The table of routes, served: who answers what is asked over HTTP. Errors are the same objects as on the socket.
mod history;
mod media;
mod messages;
mod people;
mod rooms;

use super::{
    clock::Clock,
    http::{Api, origin, page},
    net::failure::{as_error_object, reply},
    poll,
    telemetry::metrics,
};
use crate::wire::{
    server::json,
    spec::{self, Method, Operation, Route},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};

/// Makes the router out of the table of routes.
pub fn router(api: Api) -> Router {
    let limit = DefaultBodyLimit::max(api.body_bytes);
    let routes = spec::ROUTES.iter().fold(Router::new(), |routes, route| routes.route(route.path, served(route)));
    let routes = if api.demo { routes.fallback(self::page::serve) } else { routes };
    routes.layer(limit).layer(from_fn_with_state(api.clone(), around)).with_state(api)
}

/// Does what every route needs done: foreign pages are refused, requests are counted, and errors are objects. One layer, not three: each
/// costs a request that waits a piece of memory.
async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
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
        Operation::MintToken => on(method, people::mint),
        Operation::Statuses => on(method, people::online_status),
        Operation::ManyStatuses => on(method, people::many_statuses),
        Operation::KickUser => on(method, people::kick),
        Operation::BanUser => on(method, people::ban),
        Operation::UnbanUser => on(method, people::unban),
        Operation::ListRooms => on(method, rooms::list),
        Operation::CreateRoom => on(method, rooms::create),
        Operation::Snapshot => on(method, poll::snapshot),
        Operation::CloseRoom => on(method, rooms::close),
        Operation::Updates => on(method, poll::updates),
        Operation::Members => on(method, poll::members),
        Operation::Command => on(method, rooms::command),
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
async fn measured(clock: Clock, request: Request, next: Next) -> Response {
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
