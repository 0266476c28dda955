//! The documents for machines against what really is: the parser, the golden vectors, the routes of the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{code::Code, permission},
    wire::{
        client, rules,
        spec::{self, Facts},
        status,
    },
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
fn everything_in_the_table_is_explained() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROTOCOL.md")).unwrap();
    let events = spec::definitions().into_iter().filter_map(|(name, _)| Some(name.strip_prefix("event_")?.to_owned()));
    let frames = spec::client_frames().into_iter().chain(spec::hub_frames()).map(|(name, _)| name.to_owned());
    let words: BTreeSet<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let untold: Vec<String> = frames.chain(events).filter(|name| !words.contains(name.as_str())).collect();
    assert!(untold.is_empty(), "docs/PROTOCOL.md does not name {untold:?}");
}

#[test]
fn good_frames_are_good_by_the_schema() {
    let parts = spec::definitions();
    let mut seen = 0;
    for vector in vectors("client.json").into_iter().filter(|vector| vector.get("parsed").is_some()) {
        // Not every number of an unknown field is one for this reader.
        let Ok(frame) = serde_json::from_str::<Value>(vector["frame"].as_str().unwrap()) else { continue };
        let kind = frame["type"].as_str().unwrap().to_owned();
        // The frame is read, so that the room can refuse the document as what it is.
        if ["rules_set with a mistake", "rules_set with an unknown key"].iter().any(|name| vector["name"] == *name) {
            continue;
        }
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
fn every_operation_is_one_route_and_in_the_document() {
    let mut routes: Vec<_> = spec::ROUTES.iter().map(|route| route.operation).collect();
    routes.sort_unstable();
    assert_eq!(routes, spec::Operation::ALL);
    let document = spec::openapi(&Facts::default());
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        told.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
    }
    let served = |route: &spec::Route| (route.path.replace('*', ""), route.method.name().to_owned());
    assert_eq!(told, spec::ROUTES.iter().map(served).collect());
}

#[test]
fn every_code_is_an_example_of_its_status() {
    let document = spec::openapi(&Facts::default());
    for code in Code::ALL {
        let examples = format!("/components/responses/{}/content/application~1json/examples", status::of(*code));
        let example = &document.pointer(&examples).unwrap()[code.name()]["value"];
        assert_eq!((&example["code"], &example["name"]), (&code.number().into(), &code.name().into()));
    }
}

/// What `michub spec` prints is committed, so that it can be read and diffed without a build; `MICHUB_BLESS=1` writes it.
#[test]
fn the_committed_documents_are_those_of_this_version() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (name, document) in
        [("openapi.json", spec::openapi(&Facts::default())), ("asyncapi.json", spec::asyncapi()), ("schema.json", spec::schema())]
    {
        let (path, text) = (docs.join(name), format!("{document:#}\n"));
        if std::env::var_os("MICHUB_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "docs/{name} is old; MICHUB_BLESS=1 cargo test --test spec writes it");
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
    for document in [spec::schema(), spec::openapi(&Facts::default()), spec::asyncapi()] {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 40);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

/// Every schema of the document, under the name by which a part refers to it.
struct Parts(Value);

impl Parts {
    fn of(document: &Value) -> Self {
        Self(moved(&document["components"]["schemas"]))
    }

    fn check(&self, schema: &Value, example: &Value, what: &str) {
        let mut schema = moved(schema);
        schema["$defs"] = self.0.clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let error = validator.iter_errors(example).next().map(|error| format!("{error} at {}", error.instance_path()));
        assert_eq!(error, None, "{what}: {example}");
    }
}

fn moved(schema: &Value) -> Value {
    serde_json::from_str(&schema.to_string().replace("#/components/schemas/", "#/$defs/")).unwrap()
}

#[test]
fn everything_has_an_example_that_fits() {
    let document = spec::openapi(&Facts::default());
    let parts = Parts::of(&document);
    for route in spec::ROUTES {
        let operation = &document["paths"][route.path.replace('*', "")][route.method.name()];
        let what = format!("{:?}", route.operation);
        assert!(operation["summary"].as_str().is_some_and(|about| about.len() > 10), "{what}");
        for parameter in operation["parameters"].as_array().unwrap() {
            parts.check(&parameter["schema"], &parameter["example"], &what);
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        if body.is_object() && body["schema"]["$ref"] != "#/components/schemas/callback" {
            parts.check(&body["schema"], &body["example"], &what);
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            if let Some(reference) = response["$ref"].as_str() {
                assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{what} {status}");
            } else if status != "304" {
                let content = &response["content"]["application/json"];
                parts.check(&content["schema"], &content["example"], &format!("{what} {status}"));
            }
        }
    }
    for (status, response) in document["components"]["responses"].as_object().unwrap() {
        let content = &response["content"]["application/json"];
        let examples: Vec<Value> = content["examples"].as_object().unwrap().values().map(|one| one["value"].clone()).collect();
        assert!(!examples.is_empty(), "{status}");
        parts.check(&json!({"type": "array", "items": content["schema"]}), &examples.into(), status);
    }
}

#[test]
fn the_rules_of_the_table_are_those_that_are_read() {
    let parts = spec::definitions();
    let keys: BTreeSet<&str> = parts["rules"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, rules::KEYS.iter().copied().collect());
    let validator = validator(&parts, "rules", true);
    let said = |document: &str| validator.is_valid(&serde_json::from_str(document).unwrap());
    for (key, schema) in parts["rules"]["properties"].as_object().unwrap() {
        let schema = &schema["anyOf"][0];
        let Some(max) = schema["maximum"].as_i64() else { continue };
        for (value, good) in [(schema["minimum"].as_i64().unwrap(), true), (max, true), (max + 1, false)] {
            let document = format!("{{\"{key}\":{value}}}");
            assert_eq!((said(&document), rules::parse(&document).is_ok()), (good, good), "{document}");
        }
    }
    for (document, good) in [
        (r#"{"unknown":1}"#, false),
        (r#"{"roles":[{"role_id":"vip","level":500,"priority_level":-1000,"perms":["queue_move"]}]}"#, true),
        (r#"{"roles":[{"level":500}]}"#, false),
        (r#"{"roles":[{"role_id":"vip","perms":["dance"]}]}"#, false),
        (r#"{"special_user_list":[{"user_id":"u","priority_level":1001}]}"#, false),
        (
            r#"{"time_based_rules":[{"name":"n","days":["mon"],"start":"20:00","end":"02:00","tz":"Asia/Shanghai","boost":{"vip":5}}]}"#,
            true,
        ),
        (r#"{"time_based_rules":[{"name":"n","days":["moon"],"start":"20:00","end":"02:00","tz":"Asia/Shanghai"}]}"#, false),
        (r#"{"time_based_rules":[{"name":"n","start":"25:00","end":"02:00","tz":"Asia/Shanghai"}]}"#, false),
        (r#"{"time_based_rules":[{"name":"n","start":"20:00","end":"02:00","tz":"Asia/Shanghai","boost":{"vip":"5"}}]}"#, false),
    ] {
        assert_eq!((said(document), rules::parse(document).is_ok()), (good, good), "{document}");
    }
}
