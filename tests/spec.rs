//! The documents for machines against what really is: the parser, the golden vectors, the routes of the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::permission,
    wire::{client, spec},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs, path::Path};

fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A validator for one named part of a set of parts; `closed` = what a part does not list is not allowed.
fn validator(parts: &Map<String, Value>, name: &str, closed: bool) -> jsonschema::Validator {
    let mut defs = parts.clone();
    if closed {
        for (name, part) in &mut defs {
            // An ack carries the fields of its command's event, too.
            if name != "hub_ack" && part.get("properties").is_some() {
                part["additionalProperties"] = false.into();
            }
        }
    }
    let schema =
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("#/$defs/{name}"), "$defs": defs});
    jsonschema::validator_for(&schema).unwrap()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

/// A value that a schema allows.
fn sample(schema: &Value, parts: &Map<String, Value>) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return sample(&parts[name.trim_start_matches("#/$defs/")], parts);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].get(0).or_else(|| schema["examples"].get(0)) {
        return first.clone();
    }
    if let Some(first) = schema["oneOf"].get(0).or_else(|| schema["anyOf"].get(0)) {
        return sample(first, parts);
    }
    match schema["type"].as_str() {
        Some("integer") => schema.get("minimum").cloned().unwrap_or(1.into()).as_i64().unwrap().max(1).into(),
        Some("number") => 1.into(),
        Some("boolean") => true.into(),
        Some("array") => vec![sample(&schema["items"], parts)].into(),
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut object: Map<String, Value> = required
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), sample(&schema["properties"][name], parts)))
                .collect();
            if object.contains_key("type") {
                object.insert("type".to_owned(), "queue_leave".into());
            }
            object.into()
        }
        _ => "x".into(),
    }
}

#[test]
fn the_parser_takes_what_the_table_says_and_nothing_less() {
    let parts = spec::definitions();
    for (name, schema) in spec::client_frames() {
        let properties = schema["properties"].as_object().unwrap();
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let mut bare = Map::new();
        for field in &required {
            bare.insert((*field).to_owned(), sample(&properties[*field], &parts));
        }
        let parse = |frame: &Map<String, Value>| client::parse(&Value::Object(frame.clone()).to_string());
        parse(&bare).unwrap_or_else(|bad| panic!("{name} without what may be absent: {bad:?}"));
        let mut full = bare.clone();
        for (field, of) in properties {
            full.entry(field.clone()).or_insert_with(|| sample(of, &parts));
        }
        parse(&full).unwrap_or_else(|bad| panic!("{name} with everything: {bad:?}"));
        for field in required.iter().filter(|field| **field != "type") {
            let mut less = bare.clone();
            less.remove(*field);
            assert!(parse(&less).is_err(), "{name} without {field}");
        }
        for (field, of) in properties.iter().filter(|(field, _)| *field != "type") {
            // A rules document of the wrong type is the room's to refuse.
            if of["$ref"] == "#/$defs/rules" {
                continue;
            }
            let mut wrong = bare.clone();
            wrong.insert(field.clone(), if of["type"] == "array" { 7.into() } else { json!([[]]) });
            assert!(parse(&wrong).is_err(), "{name} with a wrong {field}");
        }
    }
}

#[test]
fn every_command_and_frame_is_in_the_table() {
    let table: BTreeSet<&str> = spec::client_frames().into_iter().map(|(name, _)| name).collect();
    let commands: BTreeSet<&str> = spec::commands().map(|(name, _)| name).collect();
    let known: BTreeSet<&str> = permission::NAMES.iter().copied().filter(|name| *name != "history").collect();
    assert_eq!(commands, known);
    for vector in vectors("client.json") {
        let frame: Value = serde_json::from_str(vector["frame"].as_str().unwrap()).unwrap_or_default();
        if let (Some(kind), true) = (frame["type"].as_str(), vector.get("parsed").is_some()) {
            assert!(table.contains(kind), "{kind} is not in the table");
        }
    }
}

#[test]
fn good_frames_are_good_by_the_schema() {
    let parts = spec::definitions();
    let mut seen = 0;
    for vector in vectors("client.json").into_iter().filter(|vector| vector.get("parsed").is_some()) {
        // Not every number of an unknown field is one for this reader.
        let Ok(frame) = serde_json::from_str::<Value>(vector["frame"].as_str().unwrap()) else { continue };
        let kind = frame["type"].as_str().unwrap().to_owned();
        // A null means something there, elsewhere it counts as absent.
        let frame = if kind == "role_set" { frame } else { without_nulls(frame) };
        let validator = validator(&parts, &format!("client_{kind}"), false);
        assert!(
            validator.is_valid(&frame),
            "{}: {:?}",
            vector["name"],
            validator.iter_errors(&frame).next().map(|e| e.to_string())
        );
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn what_the_hub_says_is_in_the_schema_field_by_field() {
    let parts = spec::definitions();
    let mut kinds = BTreeSet::new();
    for vector in vectors("server.json") {
        let Some(kind) = vector["frame"]["type"].as_str() else { continue };
        let validator = validator(&parts, &format!("hub_{kind}"), true);
        let error = validator.iter_errors(&vector["frame"]).next().map(|error| format!("{error} at {}", error.instance_path()));
        assert_eq!(error, None, "{}", vector["name"]);
        kinds.insert(kind.to_owned());
    }
    let table: BTreeSet<String> = spec::hub_frames().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(kinds, table, "every frame of the table has a vector");
}

#[test]
fn every_route_is_in_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let mut served = BTreeSet::new();
    for file in ["http.rs", "poll.rs", "media/routes.rs"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for part in text.split(".route(\"").skip(1) {
            let path = part.split('"').next().unwrap();
            let method = if part.contains("post(") && part.find("post(") < part.find("get(").or(Some(usize::MAX)) {
                "post"
            } else {
                "get"
            };
            if !path.contains("/hooks/") {
                served.insert((method, path.to_owned()));
            }
        }
    }
    let told: BTreeSet<_> = spec::ROUTES.iter().map(|route| (route.method, route.path.to_owned())).collect();
    assert_eq!(served, told);
    let document = spec::openapi();
    for route in spec::ROUTES {
        assert!(document["paths"][route.path][route.method]["responses"]["200"].is_object(), "{}", route.path);
    }
}

#[test]
fn no_reference_leads_nowhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    for document in [spec::schema(), spec::openapi(), spec::asyncapi()] {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 40);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

#[test]
fn examples_fit_their_schemas() {
    let document = spec::openapi();
    let parts: Map<String, Value> =
        serde_json::from_str(&document["components"]["schemas"].to_string().replace("#/components/schemas/", "#/$defs/"))
            .unwrap();
    for route in spec::ROUTES {
        let operation = &document["paths"][route.path][route.method];
        for content in [
            &operation["requestBody"]["content"]["application/json"],
            &operation["responses"]["200"]["content"]["application/json"],
        ] {
            let Some(example) = content.get("example") else { continue };
            let text = content["schema"].to_string().replace("#/components/schemas/", "#/$defs/");
            let mut schema: Value = serde_json::from_str(&text).unwrap();
            schema["$defs"] = parts.clone().into();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let error = validator.iter_errors(example).next().map(|error| error.to_string());
            assert_eq!(error, None, "{} {}", route.method, route.path);
        }
    }
}
