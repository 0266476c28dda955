//! What the page `/docs` renders is what this version speaks: its data is made of the table of frames, the golden vectors and the tables of codes.
//! `MICHUB_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{code::Code, permission},
    wire::{
        client::{self, ClientFrame},
        close::Close,
        spec,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

const FILE: &str = "web-demo/docs/protocol.json";
/// What every command may carry is told once for all of them.
const ENVELOPE: &[&str] = &["id", "op_id", "if_rev", "user_id", "room_id"];
/// Kinds that say more when they are written out.
const SPELT_OUT: &[(&str, &str)] = &[
    ("place", r#""front" | "back" | {before: id} | {after: id} | {up: n} | {down: n}"#),
    ("neighbour", r#""front" | "back" | {before: id} | {after: id}"#),
    ("seats", r#""all" | integer[]"#),
    ("if_rev", "integer | cursor"),
];
/// A larger example hides more than it shows, unless there is no other.
const EXAMPLE_BYTES: usize = 700;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return SPELT_OUT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long).to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        return variants.iter().map(kind).collect::<Vec<_>>().join(" | ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("{}[]", kind(&schema["items"])),
        Some("object") => schema
            .get("additionalProperties")
            .filter(|of| of.is_object())
            .map_or("object".to_owned(), |of| format!("{{id: {}}}", kind(of))),
        Some("integer") => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(0 | 1), Some(max)) if max >= i64::from(u32::MAX) => format!("integer ≥ {}", schema["minimum"]),
            (Some(min), Some(max)) if min > i64::MIN && max < i64::MAX => format!("{min}..{max}"),
            (Some(min), None) if min >= 0 => format!("integer ≥ {min}"),
            _ => "integer".to_owned(),
        },
        Some("string") => schema["maxLength"].as_u64().map_or("string".to_owned(), |max| format!("string, ≤ {max} bytes")),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

fn keys(example: &Value) -> usize {
    example.as_object().map_or(0, serde_json::Map::len)
}

/// A client may leave out what it may also say as null.
fn said(schema: &Value) -> Value {
    match schema["anyOf"].as_array() {
        Some(variants) if variants.len() == 2 && variants[1]["type"] == "null" => variants[0].clone(),
        _ => schema.clone(),
    }
}

fn item(side: &str, name: &str, schema: &Value, examples: &[Value]) -> Value {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let field = |(name, of): (&String, &Value)| {
        let is_required = required.contains(&name.as_str());
        let of = if is_required || side == "hub" || side == "event" { of.clone() } else { said(of) };
        json!([name, kind(&of), is_required])
    };
    let is_shown = |name: &str| !(matches!(name, "type" | "event") || side == "command" && ENVELOPE.contains(&name));
    let all = schema["properties"].as_object().unwrap();
    let fields: Vec<Value> = all.iter().filter(|(name, _)| is_shown(name)).map(field).collect();
    // The first one, and the one that says most.
    let size = |example: &Value| example.to_string().len();
    let fullest =
        examples.iter().filter(|example| size(example) <= EXAMPLE_BYTES).max_by_key(|example| (keys(example), size(example)));
    let mut shown: Vec<&Value> = examples.iter().take(1).chain(fullest).collect();
    shown.dedup();
    let mut item = json!({"side": side, "name": name, "about": schema["description"], "fields": fields, "examples": shown});
    let level = examples.iter().find_map(|example| match client::parse(&example.to_string()) {
        Ok(parsed) => match parsed.frame {
            ClientFrame::Room { command, .. } => Some(permission::level_for(&command)),
            _ => None,
        },
        Err(_) => None,
    });
    if let (Some(level), "command") = (level, side) {
        item["level"] = level.into();
    }
    item
}

/// Gathers every event in a frame.
fn events(value: &Value, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(map) => {
            if let (Some(name), true) = (map.get("event").and_then(Value::as_str), map.contains_key("at_ms")) {
                found.entry(name.to_owned()).or_default().push(value.clone());
            }
            map.values().for_each(|value| events(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| events(value, found)),
        _ => {}
    }
}

/// Everything that HTTP offers, as the committed document for machines tells it (a test of its own keeps that true).
fn routes() -> Vec<Value> {
    let api: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let whole = |schema: &Value| match schema["$ref"].as_str() {
        Some(name) => api.pointer(name.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    };
    let json_of = |part: &Value| part["content"]["application/json"].clone();
    let mut found = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let mut fields: Vec<Value> = route["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| json!([one["name"], kind(&said(&one["schema"])), one["required"]]))
                .collect();
            let (body, answer) = (json_of(&route["requestBody"]), json_of(&route["responses"]["200"]));
            let asked = whole(&body["schema"]);
            for (name, schema) in asked["properties"].as_object().into_iter().flatten() {
                let is_required = asked["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
                fields.push(json!([name, kind(&said(schema)), is_required]));
            }
            let examples: Vec<&Value> = [&body["example"], &answer["example"]].into_iter().filter(|one| !one.is_null()).collect();
            let statuses: Vec<&String> = route["responses"].as_object().unwrap().keys().collect();
            found.push(json!({
                "side": "http", "name": route["operationId"], "route": format!("{} {path}", method.to_uppercase()),
                "about": route["summary"], "fields": fields, "examples": examples, "statuses": statuses,
            }));
        }
    }
    found
}

fn document() -> Value {
    let mut said: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for vector in serde_json::from_str::<Vec<Value>>(&read("tests/vectors/client.json")).unwrap() {
        let Ok(frame) = serde_json::from_str::<Value>(vector["frame"].as_str().unwrap()) else { continue };
        if let (Some(kind), true) = (frame["type"].as_str(), vector.get("parsed").is_some()) {
            said.entry(kind.to_owned()).or_default().push(frame);
        }
    }
    let (mut told, mut happened) = (BTreeMap::<String, Vec<Value>>::new(), BTreeMap::new());
    for vector in serde_json::from_str::<Vec<Value>>(&read("tests/vectors/server.json")).unwrap() {
        let frame = &vector["frame"];
        events(frame, &mut happened);
        if let Some(kind) = frame["type"].as_str() {
            told.entry(kind.to_owned()).or_default().push(frame.clone());
        }
    }
    let of =
        |all: &BTreeMap<String, Vec<Value>>, name: &str| all.get(name).cloned().unwrap_or_else(|| panic!("{name} has no vector"));
    let commands: Vec<(&str, Value)> = spec::commands().collect();
    let is_command = |name: &str| commands.iter().any(|(command, _)| *command == name);
    let mut items: Vec<Value> = commands.iter().map(|(name, schema)| item("command", name, schema, &of(&said, name))).collect();
    for (name, schema) in spec::client_frames().iter().filter(|(name, _)| !is_command(name)) {
        items.push(item("client", name, schema, &of(&said, name)));
    }
    for (name, schema) in spec::hub_frames() {
        items.push(item("hub", name, &schema, &of(&told, name)));
    }
    for (name, schema) in spec::definitions() {
        if let Some(name) = name.strip_prefix("event_") {
            items.push(item("event", name, &schema, &of(&happened, name)));
        }
    }
    items.extend(routes());
    let errors = Code::ALL.iter().map(|code| json!([code.number(), code.name(), code.sentence(), code.temporary()]));
    let closes = Close::ALL.iter().map(|close| json!([close.number(), close.name()]));
    json!({"items": items, "errors": errors.collect::<Vec<_>>(), "closes": closes.collect::<Vec<_>>()})
}

#[test]
fn the_page_renders_what_is_spoken() {
    let document = document();
    let lists = ["items", "errors", "closes"].map(|list| {
        let rows: Vec<String> = document[list].as_array().unwrap().iter().map(Value::to_string).collect();
        format!("\"{list}\":[\n{}\n]", rows.join(",\n"))
    });
    let fresh = format!("{{{}}}\n", lists.join(",\n"));
    if std::env::var_os("MICHUB_BLESS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE), &fresh).unwrap();
    }
    assert!(read(FILE) == fresh, "{FILE} is not what this version speaks: MICHUB_BLESS=1 cargo test --test docs");
}

/// The part of a script between a line and the next one that closes it.
fn part<'a>(text: &'a str, begin: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in words.js"));
    rest.split_once("\n}").unwrap().0.split("\n  },").next().unwrap()
}

#[test]
fn everything_has_its_words() {
    let words = read("web-demo/docs/words.js");
    let document = document();
    let names = |list: &str, side: Option<&str>, at: &str| -> Vec<String> {
        let of =
            |item: &Value| item.pointer(at).map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned)).unwrap();
        document[list].as_array().unwrap().iter().filter(|item| side.is_none_or(|side| item["side"] == side)).map(of).collect()
    };
    for (begin, names) in [
        ("  command: {", names("items", Some("command"), "/name")),
        ("  client: {", names("items", Some("client"), "/name")),
        ("  hub: {", names("items", Some("hub"), "/name")),
        ("const EVENTS = {", names("items", Some("event"), "/name")),
        ("  http: {", names("items", Some("http"), "/name")),
        ("  error: {", names("errors", None, "/1")),
        ("const CLOSES = {", names("closes", None, "/0")),
    ] {
        let part = part(&words, begin);
        for name in names {
            let has = [format!(" {name}: "), format!(" \"{name}\": ")].iter().any(|key| part.contains(key));
            assert!(has, "{name} has no words in docs/words.js, {begin}");
        }
    }
}
