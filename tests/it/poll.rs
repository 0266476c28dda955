//! Clients without a connection: sessions over HTTP, waiting for updates, and the change to a socket.
use crate::hub::{Hub, JWT, KEY, QUICK};
use serde_json::{Value, json};

const BEAT: &str = "/api/poll/heartbeat";

async fn beat(hub: &Hub, body: Value) -> Value {
    let (status, answer) = hub.post(BEAT, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_polling_client_is_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let first = beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    assert_eq!(
        (&first["type"], &first["resumed"], &first["rooms"][0]["room_id"]),
        (&json!("welcome"), &json!(false), &json!("r1"))
    );
    own.until(|frame| frame["type"] == "room_presence" && frame["online"] == 2).await;
    assert_eq!(hub.status_of("p").await, "online");
    let (status, ack) = hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    assert_eq!((status, &ack["index"]), (200, &json!(0)));
    let ack = own.ok("message", json!({"to_user_id": "p", "message": "hi"})).await;
    assert_eq!(ack["delivered"], 1);
    let second = beat(&hub, json!({"user_id": "p", "session_token": first["session_token"]})).await;
    assert_eq!((&second["resumed"], &second["session_id"]), (&json!(true), &first["session_id"]));
    assert_eq!(second["messages"][0]["message"], "hi");
    assert_eq!(beat(&hub, json!({"user_id": "p"})).await["session_id"], first["session_id"]);
    let gone = beat(&hub, json!({"user_id": "p", "offline": true})).await;
    assert_eq!(gone["session_id"], first["session_id"]);
    assert_eq!(own.event("queue_left").await["reason"], "left");
    assert_eq!(hub.status_of("p").await, "offline");
}

#[tokio::test]
async fn polling_ends_like_a_dropped_line() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    own.event("queue_held").await;
    beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    own.event("queue_returned").await;
}

#[tokio::test]
async fn from_polling_to_a_socket_and_back_shows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let polls = beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    own.event("queue_joined").await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    own.until(|frame| frame["type"] == "room_presence" && frame["online"] == 2).await;
    let cursor = polls["rooms"][0]["cursor"].clone();
    let mut socket = hub.resume(&polls, json!([{"room_id": "r1", "cursor": cursor}])).await;
    assert_eq!((&socket.welcome["resumed"], &socket.welcome["session_id"]), (&json!(true), &polls["session_id"]));
    socket.event("queue_joined").await;
    let back = beat(&hub, json!({"user_id": "p", "session_token": socket.welcome["session_token"]})).await;
    assert_eq!((&back["resumed"], &back["rooms"][0]["room_id"]), (&json!(true), &json!("r1")));
    assert_eq!(socket.close_code().await, 4009);
    let last = own.ok("seat_lock", json!({"seat_nos": [2], "on": false})).await;
    let told = own.until(|frame| frame["type"] == "room_update").await;
    assert_eq!(told["events"][0]["rev"], last["rev"], "nothing happened in between: {told}");
    let told = own.drain().await;
    assert!(told.iter().all(|frame| frame["type"] == "room_update" && !frame.to_string().contains("held")), "{told:?}");
}

#[tokio::test]
async fn a_long_poll_waits_for_the_next_update() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let (_, snapshot) = hub.get("/api/rooms/r1").await;
    let path = |cursor: &Value, wait: u64| format!("/api/rooms/r1/updates?cursor={}&wait_ms={wait}", cursor.as_str().unwrap());
    let (status, short) = hub.get(&path(&snapshot["cursor"], 0)).await;
    assert_eq!((status, &short["updates"], &short["cursor"]), (200, &json!([]), &snapshot["cursor"]));
    let (status, short) = hub.get(&path(&snapshot["cursor"], 150)).await;
    assert_eq!((status, &short["updates"]), (200, &json!([])));
    let long = path(&snapshot["cursor"], 25_000);
    let (waited, ack) = tokio::join!(hub.get(&long), own.ok("queue_join", json!({})));
    assert_eq!((waited.0, &waited.1["updates"][0]["prev"]), (200, &snapshot["cursor"]));
    assert_eq!(waited.1["updates"][0]["events"][0]["rev"], ack["rev"]);
    assert_eq!(waited.1["updates"][0]["cursor"], waited.1["cursor"]);
    let (_, reset) = hub.get("/api/rooms/r1/updates?cursor=zzz").await;
    assert_eq!((&reset["reset"], &reset["snapshot"]["cursor"]), (&json!(true), &waited.1["cursor"]));
    let (status, wrong) = hub.get("/api/rooms/r1/updates?wait_ms=soon").await;
    assert_eq!((status, &wrong["details"]["path"]), (400, &json!("/wait_ms")));
    let (status, none) = hub.get("/api/rooms/r404/updates?wait_ms=25000").await;
    assert_eq!((status, &none["name"]), (404, &json!("room_not_found")));
}

#[tokio::test]
async fn a_token_says_who_polls() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let token = hub.mint(json!({"user_id": "p"})).await;
    assert_eq!(hub.post(BEAT, json!({"user_id": "p"})).await.0, 401);
    let (status, welcome) = hub.post_as(&token, BEAT, json!({"rooms": [{"room_id": "r1"}]})).await;
    assert_eq!((status, &welcome["user_id"]), (200, &json!("p")));
    let (status, other) = hub.post_as(&token, BEAT, json!({"user_id": "q"})).await;
    assert_eq!((status, &other["name"]), (403, &json!("identity_mismatch")));
    let (status, other) = hub.post_as(&token, BEAT, json!({"act_as": "q"})).await;
    assert_eq!((status, &other["name"]), (403, &json!("forbidden")));
    assert_eq!(hub.post_as(KEY, BEAT, json!({"act_as": "q"})).await.1["user_id"], "q");
    assert_eq!(hub.get_as(&token, "/api/rooms/r1").await.0, 200);
    assert_eq!(hub.get("/api/rooms/r1").await.0, 401);
}
