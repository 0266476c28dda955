//! A recorder on the wire: whatever a hub says to a test's client fits the schema of its type, to the field.
use michub::wire::spec;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

/// What frames are made of; what the hub's parts do not list is not allowed.
static PARTS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut parts = spec::definitions();
    for (name, part) in &mut parts {
        // An ack carries the fields of its command's event, too.
        if name != "hub_ack" && !name.starts_with("client_") && part.get("properties").is_some() {
            part["additionalProperties"] = false.into();
        }
    }
    parts
});
/// Made when it is needed: all of them at once would keep a test from its heartbeats.
static SCHEMAS: Mutex<BTreeMap<String, Arc<jsonschema::Validator>>> = Mutex::new(BTreeMap::new());

/// Looks at a frame of one side, `hub` or `client`.
pub fn fits(side: &str, frame: &Value) {
    let kind = frame["type"].as_str().unwrap_or_else(|| panic!("a frame without a type: {frame}"));
    let name = format!("{side}_{kind}");
    assert!(PARTS.contains_key(&name), "no schema for {frame}");
    let known = SCHEMAS.lock().unwrap().get(&name).cloned();
    let schema = known.unwrap_or_else(|| {
        let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("#/$defs/{name}"), "$defs": &*PARTS});
        let schema = Arc::new(jsonschema::validator_for(&schema).unwrap());
        SCHEMAS.lock().unwrap().insert(name, schema.clone());
        schema
    });
    if let Some(error) = schema.iter_errors(frame).next() {
        panic!("{error} at {}: {frame}", error.instance_path());
    }
}

/// Looks at a frame that a hub has said.
pub fn heard(frame: &Value) {
    fits("hub", frame);
}
