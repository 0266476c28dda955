//! Fields, written as in a table, to JSON Schema: `user_id:user! note:text200 mode:free|apply cursor:cursor~ seats:int[] ops:operation[1..32]`.
//! `!` = it must be there, `~` = it may be null, `[]` = a list, `{}` = a map by id, words with `|` = one of them, `1..9` = a whole number.
use crate::hub::{permission, windows};
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
    let clock = json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"});
    let zone = json!({"description": "An IANA time zone.", "enum": windows::zones()});
    let cursor =
        json!({"type": "string", "description": "An opaque position in a room's log.", "examples": ["43.000000000000a91b"]});
    let place = json!({"description": "A place is a neighbour, an end or a step, never an index.", "oneOf": [
        {"enum": ["front", "back"]},
        {"type": "object", "required": ["before"], "properties": {"before": {"$ref": "#/$defs/id"}}},
        {"type": "object", "required": ["after"], "properties": {"after": {"$ref": "#/$defs/id"}}},
        {"type": "object", "required": ["up"], "properties": {"up": {"type": "integer", "minimum": 1, "maximum": 4_294_967_295_u64}}},
        {"type": "object", "required": ["down"], "properties": {"down": {"type": "integer", "minimum": 1, "maximum": 4_294_967_295_u64}}},
    ]});
    let neighbour = json!({"oneOf": [
        {"enum": ["front", "back"]},
        {"type": "object", "required": ["before"], "properties": {"before": {"$ref": "#/$defs/id"}}},
        {"type": "object", "required": ["after"], "properties": {"after": {"$ref": "#/$defs/id"}}},
    ]});
    let seats = json!({"oneOf": [{"const": "all"}, {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": u32::MAX}, "minItems": 1, "maxItems": 65}]});
    let if_rev = json!({"oneOf": [{"type": "integer", "minimum": 0, "maximum": u64::MAX}, {"type": "string"}]});
    let permission = json!({"enum": permission::NAMES});
    let all = [
        ("id", id),
        ("cursor", cursor),
        ("place", place),
        ("neighbour", neighbour),
        ("seats", seats),
        ("clock", clock),
        ("zone", zone),
        ("permission", permission),
        ("if_rev", if_rev),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// Characters that no free text may hold: control characters, and those that turn the direction of writing.
const FREE: &str = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$";

/// Characters that no key may hold: control characters.
const OPAQUE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

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

/// An object that may have no other fields.
pub(super) fn closed(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert("additionalProperties".to_owned(), false.into());
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

/// A list of that length, `1..32`; nothing = of any.
fn list(items: Value, length: &str) -> Value {
    let mut list = Map::from_iter([("type".to_owned(), "array".into()), ("items".to_owned(), items)]);
    let (min, max) = length.split_once("..").unwrap_or_default();
    for (key, limit) in [("minItems", min), ("maxItems", max)] {
        if let Ok(limit) = limit.parse::<u32>() {
            list.insert(key.to_owned(), limit.into());
        }
    }
    list.into()
}

/// The schema of a field's kind.
pub(super) fn kind_of(kind: &str) -> Value {
    if let Some(inner) = kind.strip_suffix('~') {
        return json!({"anyOf": [kind_of(inner), {"type": "null"}]});
    }
    if let Some((inner, length)) = kind.strip_suffix(']').and_then(|kind| kind.rsplit_once('[')) {
        return list(kind_of(inner), length);
    }
    if let Some(inner) = kind.strip_suffix("{}") {
        return json!({"type": "object", "additionalProperties": kind_of(inner), "propertyNames": {"$ref": "#/$defs/id"}});
    }
    if kind.contains('|') {
        return json!({"enum": kind.split('|').collect::<Vec<_>>()});
    }
    // `word…` is a text that says something, `key…` one that programs make.
    for (word, least, pattern) in [("text", 0, FREE), ("word", 1, FREE), ("key", 1, OPAQUE)] {
        if let Some(max) = kind.strip_prefix(word).and_then(|max| max.parse::<u32>().ok()) {
            let about = format!("At most {max} bytes of UTF-8 without control characters.");
            return json!({"type": "string", "minLength": least, "maxLength": max, "pattern": pattern, "description": about});
        }
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
        "int" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
        "number" => json!({"type": "number"}),
        "count" => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        "ms" => {
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX, "description": "Milliseconds, Unix time or a duration."})
        }
        "seconds" => json!({"type": "integer", "minimum": 0, "description": "Unix seconds."}),
        "seat" => json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        "any" => json!({}),
        "object" => json!({"type": "object"}),
        named => json!({"$ref": format!("#/$defs/{named}")}),
    }
}
