//! Who acts is whoever the token says: no field of any frame changes that.
use crate::hub::{Hub, JWT, SECRET};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Fields by which somebody could try to be another one.
const NAMES: &[&str] = &["act_as", "actor", "by", "sub", "user", "from", "role", "role_id", "session_id", "system"];

/// Every frame of the golden vectors that names a room, asked in room `r1` with an id of its own.
fn frames() -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/client.json")).unwrap();
    let all = vectors.iter().filter(|vector| vector["parsed"]["says"].is_object());
    let all = all.filter_map(|vector| serde_json::from_str::<Value>(vector["frame"].as_str()?).ok());
    let inside =
        all.filter(|frame| frame["room_id"].is_string() && frame["type"] != "room_leave" && frame["type"] != "room_close");
    inside.collect()
}

fn token(user: &str) -> String {
    let claims = json!({"sub": user, "exp": 4_102_444_800_u64});
    michub::server::auth::crypto::install();
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[tokio::test]
async fn no_field_makes_somebody_another() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let hello = |user: &str| json!({"type": "user_online", "user_id": user, "token": token(user)});
    let mut own = hub.enter(hello("own")).await;
    own.ok("room_join", json!({})).await;
    own.ok("role_set", json!({"target_user_id": "mallory", "role_id": "admin"})).await;
    let mut mallory = hub.enter(hello("mallory")).await;
    mallory.ok("room_join", json!({})).await;
    own.drain().await;
    let frames = frames();
    assert!(frames.len() > 60, "{} frames", frames.len());
    for frame in &frames {
        let kind = frame["type"].as_str().unwrap();
        for sender in ["user_id", "from_user_id"] {
            let mut fields = frame.clone();
            for gone in ["type", "id", "op_id", "if_rev", "user_id", "from_user_id"] {
                fields.as_object_mut().unwrap().remove(gone);
            }
            fields["room_id"] = json!("r1");
            fields[sender] = json!("own");
            assert_eq!(mallory.refused(kind, fields).await, "identity_mismatch", "{kind} with {sender}");
        }
    }
    let nothing = own.drain().await;
    assert!(nothing.iter().all(|frame| frame["type"] != "room_update"), "{nothing:?}");
    for frame in &frames {
        let mut fields = frame.clone();
        for gone in ["type", "id", "op_id", "if_rev", "user_id", "from_user_id"] {
            fields.as_object_mut().unwrap().remove(gone);
        }
        fields["room_id"] = json!("r1");
        for name in NAMES.iter().filter(|name| frame.get(**name).is_none()) {
            fields[*name] = json!("own");
        }
        mallory.ask(frame["type"].as_str().unwrap(), fields).await;
    }
    let seen = own.drain().await;
    let events = seen.iter().filter_map(|frame| frame["events"].as_array()).flatten();
    let actors: Vec<&Value> = events.map(|event| &event["by"]).collect();
    assert!(actors.len() > 5 && actors.iter().all(|by| **by == "mallory" || **by == "hub"), "{actors:?}");
    assert!(seen.iter().all(|frame| frame["type"] != "room_message" || frame["from_user_id"] == "mallory"), "{seen:?}");
}
