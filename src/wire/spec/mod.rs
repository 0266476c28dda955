//! The protocol as documents for machines: JSON Schema, AsyncAPI and OpenAPI, all made from one table of frames and one of routes.
//! `tests/spec.rs` holds the table against the parser and the golden vectors, in both directions.
mod asyncapi;
mod bodies;
mod frames;
mod openapi;
mod route;
mod routes;
mod shape;

pub use asyncapi::asyncapi;
pub use openapi::{Facts, openapi};
pub use route::{Method, Operation, Route, Who};
pub use routes::ROUTES;

use serde_json::{Map, Value, json};

/// The dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What the rules document is made of: a key that is not known is refused, since it would change nothing, and so is `null` unless it says
/// something.
const RULES: [&str; 4] = ["rules", "role_rule", "special_user", "time_window"];

/// Names every frame that a client can send, with its fields as JSON Schema.
#[must_use]
pub fn client_frames() -> Vec<(&'static str, Value)> {
    let frames = frames::CLIENT.iter().map(|frame| (frame.name, shape::said(shape::tagged(frame, "type", frames::ENVELOPE))));
    frames.chain(commands()).collect()
}

/// Names every command that a room takes, with its fields as JSON Schema.
pub fn commands() -> impl Iterator<Item = (&'static str, Value)> {
    frames::COMMANDS.iter().map(|frame| (frame.name, shape::said(shape::tagged(frame, "type", frames::COMMAND_ENVELOPE))))
}

/// Names every frame that the hub can send, with its fields as JSON Schema.
#[must_use]
pub fn hub_frames() -> Vec<(&'static str, Value)> {
    frames::HUB.iter().map(|frame| (frame.name, shape::tagged(frame, "type", ""))).collect()
}

/// Returns every named part: ids, people, seats, events, and the frames of both sides.
#[must_use]
pub fn definitions() -> Map<String, Value> {
    let mut all = shape::primitives();
    for part in frames::PARTS {
        let object = shape::object(part, "");
        // This one is what a client says, the others are what the hub says.
        let object = if part.name == "room_at" { shape::said(object) } else { object };
        let object = if RULES.contains(&part.name) { shape::closed(object) } else { object };
        all.insert(part.name.to_owned(), object);
    }
    let nested = frames::COMMANDS.iter().filter(|frame| !matches!(frame.name, "batch" | "explain")).map(|frame| {
        let name = format!("op_{}", frame.name);
        let mut operation = shape::said(shape::tagged(frame, "type", ""));
        // Inside of a frame a wrong document makes the operation fail, not the frame.
        if let Some(rules) = operation.pointer_mut("/properties/rules") {
            *rules = json!({"not": {"type": "null"}, "description": "A rules document; another value is refused as bad_rules when its turn comes."});
        }
        all.insert(name.clone(), operation);
        json!({"$ref": format!("#/$defs/{name}")})
    });
    let nested: Vec<Value> = nested.collect();
    all.insert("operation".to_owned(), json!({"description": "A room command without its envelope.", "oneOf": nested}));
    let events = frames::EVENTS.iter().map(|event| {
        let name = format!("event_{}", event.name);
        all.insert(name.clone(), shape::tagged(event, "event", frames::EVENT_ENVELOPE));
        json!({"$ref": format!("#/$defs/{name}")})
    });
    let events: Vec<Value> = events.collect();
    all.insert("event".to_owned(), json!({"oneOf": events}));
    for (name, frame) in client_frames() {
        all.insert(format!("client_{name}"), frame);
    }
    for (name, frame) in hub_frames() {
        all.insert(format!("hub_{name}"), frame);
    }
    all
}

/// Returns the JSON Schema of everything: an instance is one frame, of a client or of the hub.
#[must_use]
pub fn schema() -> Value {
    let of = |side: &str, frames: Vec<(&str, Value)>| {
        frames.iter().map(|(name, _)| json!({"$ref": format!("#/$defs/{side}_{name}")})).collect::<Vec<_>>()
    };
    json!({
        "$schema": DIALECT,
        "title": "michub wire protocol, version 1",
        "description": "Unknown fields are ignored by both sides.",
        "anyOf": [{"oneOf": of("client", client_frames())}, {"oneOf": of("hub", hub_frames())}],
        "$defs": definitions(),
    })
}

/// Moves the references of a schema to where another document keeps its parts.
fn referring(value: Value, to: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("#/$defs/", to)),
        Value::Array(list) => list.into_iter().map(|value| referring(value, to)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, referring(value, to))).collect(),
        other => other,
    }
}
