//! What HTTP takes and answers beside the frames of the socket: bodies of requests, and answers that no frame is.
use super::{
    client_frames, commands,
    shape::{self, Shape},
};
use serde_json::{Map, Value, json};

const fn shape(name: &'static str, about: &'static str, fields: &'static str) -> Shape {
    Shape { name, about, fields }
}

/// What a request may say.
const ASKED: &[Shape] = &[
    shape(
        "mint",
        "For whom a token is. `room_id` with `role` makes him somebody in a room; seconds in `expire_time`.",
        "user_id:user! user_type:user_type room_id:room role:role expire_time:1..86400",
    ),
    shape("who", "Whose statuses are asked for.", "user_ids:user[0..500]!"),
    shape("ban", "For how long; for ever, if nothing is said.", "seconds:1..315360000"),
    shape(
        "new_room",
        "A room, its owner, and its rules if they are not those of new rooms.",
        "room_id:room! owner_user_id:user! rules:rules",
    ),
    shape(
        "poll",
        "Who polls, where he is and where he wants to be. A client token says who it is; then neither `user_id` nor `act_as` is needed.",
        "user_id:user act_as:user user_type:user_type session_token:text rooms:room_at[0..64] leave:room[0..64] offline:bool wait_ms:count heard:text watch:user[0..1000] own_session:bool timestamp:number",
    ),
    shape(
        "saying",
        "What is said; a backend may name the member who says it.",
        "id:int class:must|normal|droppable! kind:word64! body:text12288! dedup_id:key64 act_as:user user_id:user from_user_id:user",
    ),
];

/// What an answer says.
const ANSWERED: &[Shape] = &[
    shape("minted", "A token; `signature` is the same text.", "token:text! signature:text! user_id:user! expires_at_ms:ms!"),
    shape("kicked", "How many sessions have ended, and when a ban ends that does.", "user_id:user! sessions:count! until_ms:ms"),
    shape(
        "room_list",
        "A page of rooms; `cursor`: where the next one begins, `null` = this was the last.",
        "rooms:listed_room[]! cursor:text~!",
    ),
    shape("listed_room", "A room, and how many people are in it, as far as this node knows.", "room_id:room! online:count!"),
    shape("updates_since", "What has happened since the client's position.", "updates:hub_room_update[]! cursor:cursor!"),
    shape(
        "updates_reset",
        "The client's position cannot be continued.",
        "reset:true! snapshot:hub_room_snapshot! cursor:cursor!",
    ),
    shape(
        "history",
        "A page of events; `cursor`: where the next one begins, `null` = this was the last.",
        "events:event[]! cursor:text~!",
    ),
    shape(
        "messages",
        "A page of messages; `cursor` is the next `since`, `more`: there are further ones on that side, `skipped`: older ones are left out.",
        "messages:hub_room_message[]! cursor:cursor! more:bool! skipped:true",
    ),
    shape(
        "publish_ticket",
        "A ticket, and the seat that it is for.",
        "ticket:text! room_id:room! user_id:user! seat_no:seat! grant:count! expires_at_ms:ms!",
    ),
    shape("media_uid", "The number by which Agora knows somebody.", "source:text! user_id:user! uid:count!"),
    shape("live", "What is on air at a media server.", "source:text! streams:on_air[]!"),
    shape(
        "on_air",
        "A stream, and whose it is as far as that is known.",
        "space:text! stream:text! session:text! room_id:room user_id:user",
    ),
];

/// Frames that need no socket, besides the commands; `true`: somebody says them, so a backend has to name him.
const FRAMES: [(&str, bool); 7] = [
    ("status_change", true),
    ("message", true),
    ("block_users", true),
    ("unblock_users", true),
    ("blocked_users", true),
    ("request_online_status", false),
    ("room_message", false),
];

/// Returns every schema that only HTTP has, by name.
pub(super) fn schemas(user_types: &[String]) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, schema: Value| all.insert(name.to_owned(), schema);
    for part in ASKED {
        put(part.name, narrowed(part.name, shape::said(shape::object(part, ""))));
    }
    for part in ANSWERED {
        put(part.name, shape::object(part, ""));
    }
    put(
        "user_type",
        json!({"enum": user_types, "description": "`presence.user_types` lists the kinds of users that this hub knows."}),
    );
    put("updates", one_of(["updates_since", "updates_reset"]));
    put("framed", json!({"anyOf": [reference("hub_ack"), reference("hub_userOnlineStatus")]}));
    put("polled", json!({"allOf": [reference("hub_welcome")], "required": ["messages"]}));
    put("callback", json!({"description": "Whatever the media server sends."}));
    put(
        "thanks",
        json!({"type": "object", "description": "What the media server wants to hear: let in or refused, or just heard."}),
    );
    put("document", json!({"type": "object"}));
    let mut in_room = Map::new();
    let mut alone = Map::new();
    for (name, schema) in commands() {
        let (here, there) = (format!("command_{name}"), format!("frame_{name}"));
        put(&here, acting(without_room(schema.clone())));
        put(&there, acting(schema));
        in_room.insert(name.to_owned(), here.into());
        alone.insert(name.to_owned(), there.into());
    }
    let frames = client_frames();
    for (name, said) in FRAMES {
        let Some((_, schema)) = frames.iter().find(|(known, _)| *known == name) else { continue };
        let schema = acting(schema.clone());
        let senders: &[&str] = if name == "message" { &["act_as", "user_id", "from_user_id"] } else { &["act_as", "user_id"] };
        let there = format!("frame_{name}");
        put(&there, if said { with_one_of(schema.clone(), senders) } else { schema.clone() });
        alone.insert(name.to_owned(), there.into());
        if name == "room_message" {
            put("command_room_message", without_room(schema));
            in_room.insert(name.to_owned(), "command_room_message".into());
        }
    }
    put("command", by_type(&in_room));
    put("frame", by_type(&alone));
    all
}

/// What a body needs beyond its fields one by one.
fn narrowed(name: &str, mut schema: Value) -> Value {
    match name {
        "poll" => with_one_of(schema, &["user_id", "act_as"]),
        "mint" => {
            let there = |field: &str| json!({"required": [field], "properties": {field: {"type": "string"}}});
            if let Some(object) = schema.as_object_mut() {
                object.insert("if".to_owned(), there("role"));
                object.insert("then".to_owned(), there("room_id"));
            }
            schema
        }
        _ => schema,
    }
}

/// A schema of which at least one of some fields must be there.
fn with_one_of(mut schema: Value, fields: &[&str]) -> Value {
    let there = |field: &&str| json!({"required": [field], "properties": {*field: reference("id")}});
    if let Some(object) = schema.as_object_mut() {
        object.insert("anyOf".to_owned(), fields.iter().map(there).collect());
    }
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn one_of(names: [&str; 2]) -> Value {
    json!({"oneOf": names.map(reference)})
}

fn by_type(schemas: &Map<String, Value>) -> Value {
    let refs: Map<String, Value> =
        schemas.iter().map(|(name, to)| (name.clone(), format!("#/$defs/{}", to.as_str().unwrap_or_default()).into())).collect();
    let list: Vec<Value> = refs.values().map(|to| json!({"$ref": to})).collect();
    json!({"oneOf": list, "discriminator": {"propertyName": "type", "mapping": refs}})
}

/// A frame as HTTP takes it: a backend may name whom it acts for.
fn acting(mut schema: Value) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("act_as".to_owned(), json!({"anyOf": [{"$ref": "#/$defs/id"}, {"type": "null"}]}));
    }
    schema
}

/// A frame whose room the path names.
fn without_room(mut schema: Value) -> Value {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "room_id");
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("room_id");
    }
    schema
}
