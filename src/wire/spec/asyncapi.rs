//! The socket as AsyncAPI 3.0: one channel, what clients send and what the hub sends.
use super::{client_frames, definitions, hub_frames, referring};
use crate::wire::close::Close;
use serde_json::{Map, Value, json};

/// Returns the document.
#[must_use]
pub fn asyncapi() -> Value {
    let (mut messages, mut on_channel) = (Map::new(), Map::new());
    let mut side = |side: &str, frames: Vec<(&str, Value)>| {
        let mut of_side = Vec::new();
        for (name, schema) in frames {
            let key = format!("{side}_{name}");
            let about = schema.get("description").cloned().unwrap_or_default();
            let payload = json!({"$ref": format!("#/components/schemas/{key}")});
            messages.insert(
                key.clone(),
                json!({"name": name, "summary": about, "contentType": "application/json", "payload": payload}),
            );
            on_channel.insert(key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
            of_side.push(json!({"$ref": format!("#/channels/socket/messages/{key}")}));
        }
        of_side
    };
    let (said, heard) = (side("client", client_frames()), side("hub", hub_frames()));
    let closes = Close::ALL.iter().map(|close| format!("{} {}", close.number(), close.name())).collect::<Vec<_>>().join(" · ");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "michub",
            "version": "1",
            "description": format!(
                "One JSON object per text frame over a WebSocket. The first frame is `user_online`. Unknown fields are ignored by both sides. Close codes: {closes}."
            ),
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": {"hub": {"host": "127.0.0.1:8080", "protocol": "ws"}},
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/ws",
                "title": "The socket",
                "messages": on_channel,
                "bindings": {"ws": {"method": "GET", "headers": {"type": "object", "properties": {
                    "Sec-WebSocket-Protocol": {"type": "string", "enum": ["hub.v1.json"]},
                }}}},
            },
        },
        "operations": {
            "say": {"action": "receive", "summary": "What a client sends.", "channel": {"$ref": "#/channels/socket"}, "messages": said},
            "hear": {"action": "send", "summary": "What the hub sends.", "channel": {"$ref": "#/channels/socket"}, "messages": heard},
        },
        "components": {
            "messages": messages,
            "schemas": referring(Value::Object(definitions()), "#/components/schemas/"),
        },
    })
}
