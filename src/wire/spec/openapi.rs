//! HTTP as OpenAPI 3.1: one row per route, with what it takes, what it answers, and which errors it knows.
use super::{client_frames, commands, definitions, referring, shape};
use crate::hub::code::Code;
use serde_json::{Map, Value, json};

/// A route of the clients' listener.
pub struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    about: &'static str,
    /// Query parameters: name, schema kind, what it is.
    query: &'static [(&'static str, &'static str, &'static str)],
    body: Option<Body>,
    answer: &'static str,
    example: &'static str,
    /// Statuses beside 200, of the error object.
    errors: &'static [u16],
}

#[derive(Clone, Copy)]
enum Body {
    Token,
    Poll,
    Command,
}

/// Every route, the hooks of media servers aside: their bodies are the vendors'.
pub const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/api/online-status/rts-token",
        about: "Mints a client token; for backends.",
        query: &[],
        body: Some(Body::Token),
        answer: "minted",
        example: r#"{"token":"eyJ…","signature":"eyJ…","user_id":"kol_123","expires_at_ms":1798700000000}"#,
        errors: &[400, 401, 403, 413, 429],
    },
    Route {
        method: "get",
        path: "/api/online-status",
        about: "The shown statuses of up to 500 people.",
        query: &[("user_ids", "ids", "User ids with commas between them.")],
        body: None,
        answer: "hub_userOnlineStatus",
        example: r#"{"type":"userOnlineStatus","user_status":[{"user_id":"kol_123","user_type":"kol","online":true,"status":"busy","last_seen":1640995200}]}"#,
        errors: &[400, 401, 429],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}",
        about: "The state of a room. With If-None-Match: 304 while nothing has changed.",
        query: &[],
        body: None,
        answer: "hub_room_snapshot",
        example: "",
        errors: &[304, 400, 401, 403, 404, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}/updates",
        about: "What has happened since a position, at once or as soon as something does; with `Accept: text/event-stream` for ever.",
        query: &[
            ("cursor", "text", "The position that the client has."),
            ("wait_ms", "count", "How long to wait if nothing is new, at most 25,000."),
        ],
        body: None,
        answer: "updates",
        example: r#"{"updates":[],"cursor":"43.000000000000a91b"}"#,
        errors: &[304, 400, 401, 403, 404, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}/members",
        about: "A page of members.",
        query: &[("offset", "count", "How many to skip."), ("limit", "count", "At most 200.")],
        body: None,
        answer: "hub_ack",
        example: r#"{"type":"ack","room_id":"r1","members":[{"user_id":"u1","user_type":"user","role":"owner","status":"online"}],"total":1}"#,
        errors: &[400, 401, 403, 404, 429, 503],
    },
    Route {
        method: "post",
        path: "/api/rooms/{room_id}/commands",
        about: "A room command, as over the socket. Backends may name whom they act for.",
        query: &[],
        body: Some(Body::Command),
        answer: "hub_ack",
        example: r#"{"type":"ack","room_id":"r1","rev":42,"event":"queue_left","user_id":"u9","reason":"removed"}"#,
        errors: &[400, 401, 403, 404, 409, 410, 413, 429, 503],
    },
    Route {
        method: "post",
        path: "/api/poll/frame",
        about: "One frame as over the socket, of a client without one.",
        query: &[],
        body: Some(Body::Command),
        answer: "object",
        example: "",
        errors: &[400, 401, 403, 404, 409, 410, 413, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}/history",
        about: "What happened in a room, oldest first; for backends, and for admins of the room.",
        query: &[
            ("user_id", "user", "Only events about this person."),
            ("from_ms", "count", "From this time on."),
            ("to_ms", "count", "Up to this time."),
            ("cursor", "text", "The `cursor` of the page before."),
            ("limit", "limit", "How many events at least make a page: 1 to 1,000."),
        ],
        body: None,
        answer: "history",
        example: r#"{"events":[{"room_id":"r1","rev":42,"event":"queue_left","user_id":"u9","reason":"self","by":"u9","at_ms":1700000000000}],"cursor":null}"#,
        errors: &[400, 401, 403, 404, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}/messages",
        about: "Messages that are kept, oldest first: after a position, before one, or the newest.",
        query: &[
            ("since", "text", "The position that the client has."),
            ("before", "text", "The position of the message before which the page ends."),
            ("limit", "count", "1 to 200 messages, default 50."),
            ("wait_ms", "count", "How long to wait if nothing is new, at most 25,000."),
        ],
        body: None,
        answer: "object",
        example: r#"{"messages":[],"cursor":"9.000000000000a8f9","more":false}"#,
        errors: &[400, 401, 403, 404, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/rooms/{room_id}/publish-ticket",
        about: "A ticket with which somebody on a seat may publish to a media server.",
        query: &[
            ("source", "text", "Which media server, if there are several."),
            ("user_id", "user", "For whom: the user of a client token, or whom a backend names."),
        ],
        body: None,
        answer: "object",
        example: "",
        errors: &[400, 401, 403, 404, 409, 410, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/media/{source}/live",
        about: "What is on air at a media server; for backends.",
        query: &[],
        body: None,
        answer: "object",
        example: "",
        errors: &[400, 401, 403, 404, 429],
    },
    Route {
        method: "post",
        path: "/api/poll/heartbeat",
        about: "Opens or keeps the session of a client without a socket.",
        query: &[],
        body: Some(Body::Poll),
        answer: "hub_welcome",
        example: "",
        errors: &[400, 401, 403, 413, 429, 503],
    },
    Route {
        method: "get",
        path: "/api/openapi.json",
        about: "This document.",
        query: &[],
        body: None,
        answer: "object",
        example: "",
        errors: &[],
    },
    Route {
        method: "get",
        path: "/api/asyncapi.json",
        about: "The socket's document.",
        query: &[],
        body: None,
        answer: "object",
        example: "",
        errors: &[],
    },
];

fn kind(name: &str) -> Value {
    match name {
        "count" => json!({"type": "integer", "minimum": 0}),
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        "user" => json!({"$ref": "#/components/schemas/id"}),
        "ids" => json!({"type": "string", "pattern": "^[A-Za-z0-9_.:@-]{1,64}(,[A-Za-z0-9_.:@-]{1,64}){0,499}$"}),
        _ => json!({"type": "string"}),
    }
}

fn body(body: Body) -> Value {
    let (schema, example) = match body {
        Body::Token => (
            json!({"type": "object", "required": ["user_id"], "properties": {
                "user_id": {"$ref": "#/components/schemas/id"},
                "user_type": {"$ref": "#/components/schemas/id"},
                "room_id": {"$ref": "#/components/schemas/id"},
                "role": {"$ref": "#/components/schemas/id", "description": "Needs `room_id`."},
                "expire_time": {"type": "integer", "minimum": 1, "maximum": 86400, "description": "Seconds."},
            }, "if": {"required": ["role"], "properties": {"role": {"type": "string"}}},
            "then": {"required": ["room_id"], "properties": {"room_id": {"type": "string"}}}}),
            json!({"user_id": "kol_123", "user_type": "kol", "room_id": "r1", "role": "admin", "expire_time": 3600}),
        ),
        Body::Poll => (
            json!({"type": "object", "properties": {
                "user_id": {"$ref": "#/components/schemas/id"},
                "act_as": {"$ref": "#/components/schemas/id"},
                "user_type": {"$ref": "#/components/schemas/id"},
                "session_token": {"type": "string"},
                "rooms": {"type": "array", "maxItems": 64, "items": {"$ref": "#/components/schemas/room_at"}},
                "leave": {"type": "array", "maxItems": 64, "items": {"$ref": "#/components/schemas/id"}},
                "offline": {"type": "boolean"},
                "wait_ms": {"type": "integer", "minimum": 0, "description": "Takes everything that a socket would get, and waits so long for it; at most 25,000."},
                "heard": {"type": "string", "description": "Up to where the client has its mail."},
                "watch": {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/id"}, "description": "Whom the session watches from here on, all of them."},
                "own_session": {"type": "boolean", "description": "Without a `session_token`: begins a session also if the person has one that polls."},
            }}),
            json!({"user_id": "u1", "rooms": [{"room_id": "r1"}]}),
        ),
        Body::Command => (
            json!({
                "oneOf": commands().map(|(name, _)| json!({"$ref": format!("#/components/schemas/command_{name}")})).collect::<Vec<_>>(),
                "discriminator": {"propertyName": "type"},
            }),
            json!({"type": "queue_remove", "target_user_ids": ["u9"], "op_id": "kick-1", "act_as": "admin1"}),
        ),
    };
    json!({"required": true, "content": {"application/json": {"schema": shape::said(schema), "example": example}}})
}

/// A command as HTTP takes it: the path names the room, and a backend may name whom it acts for.
fn over_http(mut schema: Value) -> Value {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "room_id");
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("room_id");
        properties.insert("act_as".to_owned(), json!({"anyOf": [{"$ref": "#/$defs/id"}, {"type": "null"}]}));
    }
    schema
}

fn schemas() -> Map<String, Value> {
    let mut all = definitions();
    for (name, _) in client_frames() {
        all.remove(&format!("client_{name}"));
    }
    for (name, schema) in commands() {
        all.insert(format!("command_{name}"), over_http(schema));
    }
    all.insert("object".to_owned(), json!({"type": "object"}));
    all.insert(
        "minted".to_owned(),
        json!({"type": "object", "required": ["token", "signature", "user_id", "expires_at_ms"], "properties": {
            "token": {"type": "string"}, "signature": {"type": "string"}, "user_id": {"$ref": "#/$defs/id"}, "expires_at_ms": {"type": "integer"},
        }}),
    );
    all.insert(
        "updates".to_owned(),
        json!({"oneOf": [
            {"type": "object", "required": ["updates", "cursor"], "properties": {
                "updates": {"type": "array", "items": {"$ref": "#/$defs/hub_room_update"}}, "cursor": {"$ref": "#/$defs/cursor"},
            }},
            {"type": "object", "required": ["reset", "snapshot", "cursor"], "properties": {
                "reset": {"const": true}, "snapshot": {"$ref": "#/$defs/hub_room_snapshot"}, "cursor": {"$ref": "#/$defs/cursor"},
            }},
        ]}),
    );
    all.insert(
        "history".to_owned(),
        json!({"type": "object", "required": ["events", "cursor"], "properties": {
            "events": {"type": "array", "items": {"$ref": "#/$defs/event"}}, "cursor": {"type": ["string", "null"]},
        }}),
    );
    all
}

/// Returns the document.
#[must_use]
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let names = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let in_path = names.map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/id"}, "example": "r1"})
        });
        let in_query = route.query.iter().map(|(name, of, about)| {
            json!({"name": name, "in": "query", "required": *name == "user_ids" || route.path.ends_with("publish-ticket") && *name == "user_id", "schema": kind(of), "description": about})
        });
        let parameters: Vec<Value> = in_path.chain(in_query).collect();
        let mut content = json!({"schema": {"$ref": format!("#/components/schemas/{}", route.answer)}});
        if let (Ok(example), Some(content)) = (serde_json::from_str::<Value>(route.example), content.as_object_mut()) {
            content.insert("example".to_owned(), example);
        }
        let mut responses = Map::new();
        responses.insert("200".to_owned(), json!({"description": "As asked.", "content": {"application/json": content}}));
        for status in route.errors {
            let response = if *status == 304 {
                json!({"description": "Nothing has changed."})
            } else {
                json!({"$ref": format!("#/components/responses/{status}")})
            };
            responses.insert(status.to_string(), response);
        }
        let mut operation = json!({
            "operationId": format!("{}_{}", route.method, route.path.trim_start_matches("/api/").replace(['/', '-', '.'], "_").replace(['{', '}'], "")),
            "summary": route.about,
            "parameters": parameters,
            "responses": responses,
        });
        if let (Some(of), Some(operation)) = (route.body, operation.as_object_mut()) {
            operation.insert("requestBody".to_owned(), body(of));
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_owned(), operation);
        }
    }
    let error = json!({"description": "The request is refused; `name` says why.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/hub_error"}}}});
    let statuses = [400, 401, 403, 404, 409, 410, 413, 429, 503];
    let codes = Code::ALL
        .iter()
        .map(|code| format!("`{}` {} {}", code.number(), code.name(), code.sentence()))
        .collect::<Vec<_>>()
        .join("\n- ");
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "michub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("The hub's HTTP side, for backends, pages and clients without a socket. Errors, by `code` and `name`:\n- {codes}"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A client token or an API key; none is needed in auth.mode = \"dev\"."}},
            "responses": statuses.iter().map(|status| (status.to_string(), error.clone())).collect::<Map<_, _>>(),
            "schemas": referring(Value::Object(schemas()), "#/components/schemas/"),
        },
    })
}
