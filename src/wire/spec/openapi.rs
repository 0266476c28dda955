//! HTTP as OpenAPI 3.1, made from the table of routes: what each takes and answers, with examples, and every error by status.
use super::{
    bodies, client_frames, definitions, referring,
    route::{Method, Operation, Route, Who},
    routes::ROUTES,
    shape,
};
use crate::{
    hub::{
        code::{Code, Reject},
        id::{CommitId, RoomId, UserId},
        room::Room,
        rules::Rules,
        time::{Millis, UnixMs},
    },
    wire::{
        server::{ErrorJson, room_snapshot},
        status,
    },
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What the document says of one hub.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whether requests need a token or an API key: not in `auth.mode = "dev"`.
    pub needs_token: bool,
    /// The kinds of users that it knows.
    pub user_types: Vec<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { needs_token: true, user_types: vec!["user".to_owned(), "kol".to_owned()] }
    }
}

/// Returns the document.
#[must_use]
pub fn openapi(facts: &Facts) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path.replace('*', "")).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.name().to_owned(), operation(route, facts));
        }
    }
    let codes = Code::ALL.iter().map(|code| format!("`{}` {}: {}", code.number(), code.name(), code.sentence()));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "michub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "The hub's HTTP side, for backends, pages and clients without a socket; the socket itself is described by /api/asyncapi.json. Unknown fields are ignored. Errors, by `code` and `name`:\n- {}",
                codes.collect::<Vec<_>>().join("\n- ")
            ),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "people"}, {"name": "rooms"}, {"name": "polling"}, {"name": "media"}, {"name": "documents"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A client token or an API key; in auth.mode = \"dev\" neither is needed."}},
            "responses": status::ALL.iter().map(|of| (of.to_string(), refusal(*of))).collect::<Map<_, _>>(),
            "schemas": schemas(facts),
        },
    });
    referring(document, "#/components/schemas/")
}

fn schemas(facts: &Facts) -> Map<String, Value> {
    let mut all = definitions();
    for (name, _) in client_frames() {
        all.remove(&format!("client_{name}"));
    }
    all.extend(bodies::schemas(&facts.user_types));
    all
}

fn operation(route: &Route, facts: &Facts) -> Value {
    let security = match route.who {
        Who::Anyone => json!([]),
        _ if facts.needs_token => json!([{"bearer": []}]),
        _ => json!([{"bearer": []}, {}]),
    };
    let who = match route.who {
        Who::Backends => " For backends.",
        Who::People | Who::Anyone => "",
    };
    let id = format!("{:?}", route.operation);
    let id = id.chars().take(1).flat_map(char::to_lowercase).chain(id.chars().skip(1)).collect::<String>();
    let mut operation = json!({
        "operationId": id,
        "tags": [tag(route)],
        "summary": format!("{}{who}", route.about),
        "parameters": parameters(route),
        "responses": responses(route),
        "security": security,
    });
    if let (Some((schema, example)), Some(operation)) = (route.body, operation.as_object_mut()) {
        let content = content(schema, serde_json::from_str(example).ok());
        operation.insert(
            "requestBody".to_owned(),
            json!({"required": route.operation != Operation::BanUser, "content": {"application/json": content}}),
        );
    }
    operation
}

fn tag(route: &Route) -> &'static str {
    let named = |part: &str| route.path.starts_with(part);
    match route.operation {
        Operation::OpenApi | Operation::AsyncApi => "documents",
        Operation::PublishTicket | Operation::MediaUid => "media",
        _ if named("/api/rooms") => "rooms",
        _ if named("/api/poll") => "polling",
        _ if named("/api/media") || named("/api/hooks") => "media",
        _ => "people",
    }
}

fn content(schema: &str, example: Option<Value>) -> Value {
    let mut content = Map::from_iter([("schema".to_owned(), json!({"$ref": format!("#/$defs/{schema}")}))]);
    content.extend(example.map(|example| ("example".to_owned(), example)));
    content.into()
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = names.map(|name| {
        let (schema, example) = match name {
            "room_id" => (shape::kind_of("room"), "r1"),
            "user_id" => (shape::kind_of("user"), "u9"),
            "source" => (shape::kind_of("id"), "srs1"),
            "secret" => (json!({"type": "string", "minLength": 1}), "a-long-random-text"),
            _ => (json!({"type": "string", "minLength": 1}), "on_publish"),
        };
        let name = name.trim_start_matches('*');
        json!({"name": name, "in": "path", "required": true, "schema": schema, "example": example})
    });
    let in_query = route.query.iter().map(|(name, kind, example, about)| {
        let (kind, required) = kind.strip_suffix('!').map_or((*kind, false), |kind| (kind, true));
        let schema = match kind {
            "ids" => json!({"type": "string", "pattern": "^[A-Za-z0-9_.:@-]{1,64}(,[A-Za-z0-9_.:@-]{1,64}){0,499}$"}),
            "wait" => json!({"type": "integer", "minimum": 0}),
            "mark" => json!({"type": "string", "pattern": "^([0-9]{1,19}\\.[0-9]{1,19})?$"}),
            kind => shape::kind_of(kind),
        };
        let example = serde_json::from_str::<u64>(example).map_or_else(|_| Value::from(*example), Value::from);
        json!({"name": name, "in": "query", "required": required, "schema": schema, "description": about, "example": example})
    });
    in_path.chain(in_query).collect()
}

/// Tells whether a client may name the copy that it has.
const fn is_tagged(operation: Operation) -> bool {
    matches!(operation, Operation::Snapshot | Operation::Updates)
}

fn responses(route: &Route) -> Map<String, Value> {
    let (schema, example) = route.answer;
    let example = if schema == "hub_room_snapshot" { snapshot() } else { serde_json::from_str(example).ok() };
    let mut kinds = json!({"application/json": content(schema, example)});
    if let (Operation::Updates | Operation::Messages, Some(kinds)) = (route.operation, kinds.as_object_mut()) {
        let about = "Events: `data:` one frame of the socket, `id:` its position; a comment when nothing happens for a while.";
        kinds.insert("text/event-stream".to_owned(), json!({"schema": {"type": "string", "description": about}}));
    }
    let mut answer = json!({"description": "As asked.", "content": kinds});
    if is_tagged(route.operation) {
        answer["headers"] = json!({"ETag": {"description": "The position, for `If-None-Match`.", "schema": {"type": "string"}}});
    }
    let mut responses = Map::from_iter([("200".to_owned(), answer.clone())]);
    if route.operation == Operation::CreateRoom {
        responses.insert("201".to_owned(), answer);
    }
    if is_tagged(route.operation) {
        responses.insert("304".to_owned(), json!({"description": "Nothing has changed."}));
    }
    for status in refusals(route) {
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    responses
}

/// The statuses with which a route refuses: those of its kind, and its own.
fn refusals(route: &Route) -> Vec<u16> {
    // A page of another origin is refused everywhere.
    let mut all = vec![403];
    all.extend_from_slice(route.errors);
    if !matches!(route.operation, Operation::OpenApi | Operation::AsyncApi) {
        all.extend([400, 500, 503]);
    }
    if route.who != Who::Anyone {
        all.extend([401, 429]);
    }
    if route.method == Method::Post && route.body.is_some() {
        all.push(413);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A refusal: the error object, with an example for each name that has this status.
fn refusal(of: u16) -> Value {
    let mut examples = Map::new();
    for code in Code::ALL.iter().filter(|code| status::of(**code) == of) {
        let error = serde_json::to_value(example(*code)).unwrap_or_default();
        examples.insert(code.name().to_owned(), json!({"summary": code.sentence(), "value": error}));
    }
    let mut response = json!({
        "description": "The request is refused, and nothing has changed; `name` says why.",
        "content": {"application/json": {"schema": {"$ref": "#/$defs/hub_error"}, "examples": examples}},
    });
    let header = match of {
        401 => Some(("WWW-Authenticate", "string", "`Bearer`.")),
        429 | 503 => Some(("Retry-After", "integer", "Seconds, if the same request may succeed later.")),
        _ => None,
    };
    if let Some((name, kind, about)) = header {
        response["headers"] = json!({name: {"description": about, "schema": {"type": kind}}});
    }
    response
}

fn example(code: Code) -> ErrorJson {
    let user = || UserId::parse("u9").ok();
    let at = Some(UnixMs(1_700_000_060_000));
    let reject = match code {
        Code::BadArgument => {
            Reject::Argument { path: "/user_id".to_owned(), expected: "an id of 1 to 64 bytes of A-Z a-z 0-9 _ . : @ -" }
        }
        Code::StaleRev => Reject::StaleRev { rev: 43 },
        Code::AlreadyQueued => Reject::AlreadyQueued { index: 2 },
        Code::NotQueued => Reject::NotQueued { users: user().into_iter().collect() },
        Code::QueueFull => Reject::QueueFull { limit: 100 },
        Code::AnchorGone => Reject::AnchorGone { before: user(), after: None },
        Code::TooSoon => Reject::TooSoon { until: UnixMs(1_700_000_060_000), wait: Millis(1_840) },
        Code::Cooldown | Code::Blacklisted => Reject::Until { code, until: at },
        Code::WindowClosed => Reject::WindowClosed { opens_at: at },
        Code::TurnChanged => Reject::TurnChanged { turn_id: Some("77c-3".to_owned()) },
        Code::ApplyResolved => Reject::ApplyResolved { outcome: "approved", by: "admin1".to_owned() },
        Code::BadRules => Reject::BadRules { path: "/max_mic_count".to_owned(), message: "1 to 64 seats".to_owned() },
        Code::BatchFailed => Reject::BatchFailed { index: 1, error: Box::new(Reject::Plain(Code::NoSeat)) },
        Code::Unavailable => return ErrorJson::new(None, code, Map::from_iter([("outcome".to_owned(), "none".into())])),
        code => Reject::Plain(code),
    };
    ErrorJson::from_reject(None, &reject)
}

/// A new room, as `GET /api/rooms/{room_id}` shows it.
fn snapshot() -> Option<Value> {
    let (room, owner) = (RoomId::parse("r1").ok()?, UserId::parse("admin1").ok()?);
    let now = UnixMs(1_700_000_000_000);
    let room = Room::create(room, owner, Arc::new(Rules::default()), CommitId(0xa91b), now);
    serde_json::from_slice(&room_snapshot(&room, now)).ok()
}
