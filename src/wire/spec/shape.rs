//! Fields, written as in a table, to JSON Schema: `user_id:user! note:text200 mode:free|apply cursor:cursor~ seats:int[]`.
//! `!` = it must be there, `~` = it may be null, `[]` = a list, `{}` = a map by id, words with `|` = one of them.
use serde_json::{Map, Value, json};

/// A frame, an event, or a part of one.
pub(super) struct Shape {
    pub name: &'static str,
    pub about: &'static str,
    pub fields: &'static str,
}

/// The ids and numbers that fields are made of.
pub(super) fn primitives() -> Map<String, Value> {
    let id = json!({"type": "string", "pattern": "^[A-Za-z0-9_.:@-]{1,64}$"});
    let cursor =
        json!({"type": "string", "description": "An opaque position in a room's log.", "examples": ["43.000000000000a91b"]});
    let place = json!({"description": "A place is a neighbour, an end or a step, never an index.", "oneOf": [
        {"enum": ["front", "back"]},
        {"type": "object", "required": ["before"], "properties": {"before": {"$ref": "#/$defs/id"}}, "additionalProperties": false},
        {"type": "object", "required": ["after"], "properties": {"after": {"$ref": "#/$defs/id"}}, "additionalProperties": false},
        {"type": "object", "required": ["up"], "properties": {"up": {"type": "integer", "minimum": 1, "maximum": 4_294_967_295_u64}}, "additionalProperties": false},
        {"type": "object", "required": ["down"], "properties": {"down": {"type": "integer", "minimum": 1, "maximum": 4_294_967_295_u64}}, "additionalProperties": false},
    ]});
    let neighbour = json!({"oneOf": [
        {"enum": ["front", "back"]},
        {"type": "object", "required": ["before"], "properties": {"before": {"$ref": "#/$defs/id"}}, "additionalProperties": false},
        {"type": "object", "required": ["after"], "properties": {"after": {"$ref": "#/$defs/id"}}, "additionalProperties": false},
    ]});
    let seats = json!({"oneOf": [{"const": "all"}, {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 65}]});
    let rules = json!({"type": "object", "description": "The rules document; config.toml, [room.rules], lists its keys."});
    let if_rev = json!({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]});
    let all = [
        ("id", id),
        ("cursor", cursor),
        ("place", place),
        ("neighbour", neighbour),
        ("seats", seats),
        ("rules", rules),
        ("if_rev", if_rev),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An object that says by a word what it is.
pub(super) fn tagged(shape: &Shape, tag: &str, envelope: &str) -> Value {
    let mut object = object(shape, envelope);
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(tag.to_owned(), json!({"const": shape.name}));
    }
    if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, tag.into());
    }
    object
}

/// What a client says: fields that may be absent may be null as well.
pub(super) fn said(mut object: Value) -> Value {
    let required = object.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|list| list.iter().any(|needed| needed == name));
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, schema) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
            *schema = json!({"anyOf": [schema.take(), {"type": "null"}]});
        }
    }
    object
}

/// An object.
pub(super) fn object(shape: &Shape, envelope: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in envelope.split_whitespace().chain(shape.fields.split_whitespace()) {
        let Some((name, kind)) = field.split_once(':') else { continue };
        let needed = kind.strip_suffix('!');
        if needed.is_some() {
            required.push(Value::from(name));
        }
        properties.insert(name.to_owned(), kind_of(needed.unwrap_or(kind)));
    }
    json!({"type": "object", "description": shape.about, "properties": properties, "required": required})
}

fn kind_of(kind: &str) -> Value {
    if let Some(inner) = kind.strip_suffix('~') {
        return json!({"anyOf": [kind_of(inner), {"type": "null"}]});
    }
    if let Some(inner) = kind.strip_suffix("[]") {
        return json!({"type": "array", "items": kind_of(inner)});
    }
    if let Some(inner) = kind.strip_suffix("{}") {
        return json!({"type": "object", "additionalProperties": kind_of(inner)});
    }
    if kind.contains('|') {
        return json!({"enum": kind.split('|').collect::<Vec<_>>()});
    }
    // `list…`: a list of ids of that length.
    if let Some(max) = kind.strip_prefix("ids").and_then(|max| max.parse::<u32>().ok()) {
        return json!({"type": "array", "items": {"$ref": "#/$defs/id"}, "maxItems": max, "minItems": 1});
    }
    if let Some(max) = kind.strip_prefix("text").and_then(|max| max.parse::<u32>().ok()) {
        return json!({"type": "string", "maxLength": max, "description": format!("At most {max} bytes of UTF-8 without control characters.")});
    }
    if let Some((min, max)) =
        kind.split_once("..").and_then(|(min, max)| Some((min.parse::<i64>().ok()?, max.parse::<i64>().ok()?)))
    {
        return json!({"type": "integer", "minimum": min, "maximum": max});
    }
    match kind {
        "user" | "room" | "role" => json!({"$ref": "#/$defs/id"}),
        "text" => json!({"type": "string"}),
        "bool" => json!({"type": "boolean"}),
        "true" => json!({"const": true}),
        "int" => json!({"type": "integer"}),
        "number" => json!({"type": "number"}),
        "count" => json!({"type": "integer", "minimum": 0}),
        "ms" => json!({"type": "integer", "minimum": 0, "description": "Milliseconds, Unix time or a duration."}),
        "seconds" => json!({"type": "integer", "minimum": 0, "description": "Unix seconds."}),
        "seat" => json!({"type": "integer", "minimum": 1}),
        "any" => json!({}),
        "object" => json!({"type": "object"}),
        named => json!({"$ref": format!("#/$defs/{named}")}),
    }
}
