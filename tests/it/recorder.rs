//! A recorder on the wire: whatever a hub says to a test's client fits the schema of its type, to the field.
use michub::wire::spec;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::LazyLock};

/// One for each frame, of clients and of the hub; what the hub's schemas do not list is not allowed.
pub static SCHEMAS: LazyLock<BTreeMap<String, jsonschema::Validator>> = LazyLock::new(|| {
    let mut parts = spec::definitions();
    for (name, part) in &mut parts {
        // An ack carries the fields of its command's event, too.
        if name != "hub_ack" && !name.starts_with("client_") && part.get("properties").is_some() {
            part["additionalProperties"] = false.into();
        }
    }
    let of = |name: &str, parts: &Map<String, Value>| {
        let schema =
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("#/$defs/{name}"), "$defs": parts});
        jsonschema::validator_for(&schema).unwrap()
    };
    let frames = parts.keys().filter(|name| name.starts_with("hub_") || name.starts_with("client_"));
    frames.map(|name| (name.clone(), of(name, &parts))).collect()
});

/// Looks at a frame that a hub has said.
pub fn heard(frame: &Value) {
    let name = format!("hub_{}", frame["type"].as_str().unwrap_or_else(|| panic!("a frame without a type: {frame}")));
    let schema = SCHEMAS.get(&name).unwrap_or_else(|| panic!("no schema for {frame}"));
    if let Some(error) = schema.iter_errors(frame).next() {
        panic!("{error} at {}: {frame}", error.instance_path());
    }
}
