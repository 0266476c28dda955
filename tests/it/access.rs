//! Who comes in and how much he may send: tokens, their end, rates.
use crate::hub::{DEADLINE, Hub, JWT, KEY};
use serde_json::json;
use tokio::time::timeout;

/// A frame of a flood.
const ONE_OF_MANY: &str = r#"{"type":"unwatch_status","user_ids":["x"],"id":1}"#;

#[tokio::test]
async fn nobody_comes_in_without_a_token_of_his_own() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let token = hub.mint(json!({"user_id": "u1", "user_type": "kol", "room_id": "r1", "role": "admin"})).await;
    let cases = [
        (json!({"type": "user_online", "user_id": "u1"}), "unauthorized"),
        (json!({"type": "user_online", "user_id": "u1", "token": "x.y.z"}), "unauthorized"),
        (json!({"type": "user_online", "user_id": "u1", "token": KEY}), "unauthorized"),
        (json!({"type": "user_online", "user_id": "u2", "token": token}), "identity_mismatch"),
        (json!({"type": "heartbeat"}), "unauthorized"),
    ];
    for (hello, name) in cases.into_iter().chain([(json!({"type": "user_online"}), "unauthorized")]) {
        let mut client = hub.connect().await;
        client.say(hello.clone()).await;
        assert_eq!(client.wait("error").await["name"], name, "{hello}");
        assert_eq!(client.close_code().await, 4001, "{hello}");
    }
    let unnamed = hub.enter(json!({"type": "user_online", "id": 3, "token": token})).await;
    assert_eq!((&unnamed.welcome["user_id"], &unnamed.welcome["id"]), (&json!("u1"), &json!(3)), "the token says who it is");
    let mut u1 = hub.enter(json!({"type": "user_online", "user_id": "u1", "token": token})).await;
    assert_eq!(u1.welcome["user_type"], "kol");
    let own = hub.mint(json!({"user_id": "own"})).await;
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await;
    assert_eq!(own.ok("room_join", json!({})).await["role"], "owner");
    assert_eq!(u1.ok("room_join", json!({})).await["role"], "admin");
    assert_eq!(u1.refused("heartbeat", json!({"user_id": "own"})).await, "identity_mismatch");
}

#[tokio::test]
async fn a_token_names_a_known_kind_of_user_or_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("PRESENCE__USER_TYPES", r#"["user", "star"]"#)]);
    for (kind, status) in [("star", 200), ("kol", 400), ("a star", 400)] {
        let (got, answer) = hub.post("/api/online-status/rts-token", json!({"user_id": "a", "user_type": kind})).await;
        assert_eq!(got, status, "{kind}: {answer}");
        assert!(status == 200 || answer["details"]["path"] == "/user_type", "{answer}");
    }
}

#[tokio::test]
async fn a_kind_of_user_is_known_whoever_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let before = Hub::with(dir.path(), &[JWT, &[("PRESENCE__USER_TYPES", r#"["user", "star"]"#)]].concat());
    let token = before.mint(json!({"user_id": "u1", "user_type": "star"})).await;
    before.kill();
    let hub = Hub::with(dir.path(), JWT);
    let mut client = hub.connect().await;
    client.say(json!({"type": "user_online", "user_id": "u1", "token": token})).await;
    assert_eq!(client.wait("error").await["details"]["path"], "/user_type");
    assert_eq!(client.close_code().await, 4000);
    let (status, answer) = hub.post_as(&token, "/api/poll/heartbeat", json!({})).await;
    assert_eq!((status, &answer["details"]["path"]), (400, &json!("/user_type")));
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_gets_another() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let hello = |token: &str, user: &str| json!({"type": "user_online", "user_id": user, "token": token});
    let short = hub.mint(json!({"user_id": "u1", "expire_time": 8})).await;
    let mut ends = hub.enter(hello(&short, "u1")).await;
    let short = hub.mint(json!({"user_id": "u2", "expire_time": 8})).await;
    let mut stays = hub.enter(hello(&short, "u2")).await;
    let (foreign, long) = (hub.mint(json!({"user_id": "u1"})).await, hub.mint(json!({"user_id": "u2"})).await);
    assert_eq!(stays.refused("refresh_token", json!({"token": foreign})).await, "identity_mismatch");
    let ack = stays.ok("refresh_token", json!({"token": long})).await;
    assert!(ack["expires_at_ms"].as_u64().unwrap() > 0);
    let closed = ends.closed().await.unwrap();
    assert_eq!((closed.code, closed.name.as_str()), (4301, "token_expired"));
    stays.ok("room_join", json!({})).await;
}

#[tokio::test]
async fn the_first_frame_has_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("AUTH__TIMEOUT_MS", "200")]);
    let mut silent = hub.connect().await;
    let closed = silent.closed().await.unwrap();
    assert_eq!((closed.code, closed.name.as_str()), (4001, "unauthorized"));
    for (hello, name) in [
        (json!({"type": "user_online", "user_id": "not an id"}), "bad_argument"),
        (json!({"type": "user_online", "user_id": "a", "user_type": "robot"}), "bad_argument"),
    ] {
        let mut client = hub.connect().await;
        client.say(hello).await;
        assert_eq!(client.wait("error").await["name"], name);
        assert_eq!(client.close_code().await, 4000);
    }
}

#[tokio::test]
async fn a_flood_is_refused_and_then_ended() {
    let dir = tempfile::tempdir().unwrap();
    let limits = [("LIMITS__FRAMES_PER_SECOND", "5"), ("LIMITS__FRAMES_BURST", "8")];
    let hub = Hub::with(dir.path(), &limits);
    let mut flood = hub.user("flood").await;
    let mut quiet = hub.user("quiet").await;
    let mut answers = Vec::new();
    // Nobody waits for an answer: a slow machine sends as fast as a quick one.
    for _ in 0..40 {
        flood.raw(ONE_OF_MANY).await;
    }
    for _ in 0..40 {
        answers.push(flood.frame().await["name"].as_str().unwrap_or("ack").to_owned());
    }
    let count = |wanted: &str| answers.iter().filter(|name| *name == wanted).count();
    assert!(count("ack") >= 8 && count("rate_limited") > 0, "{answers:?}");
    // Heartbeats are not counted.
    for _ in 0..20 {
        assert_eq!(quiet.ask("heartbeat", json!({})).await["type"], "heartbeat_ack");
    }
    quiet.ok("unwatch_status", json!({"user_ids": ["x"]})).await;
    let goes_on = async {
        loop {
            for _ in 0..20 {
                flood.raw(ONE_OF_MANY).await;
            }
            for _ in 0..20 {
                let frame = flood.frame().await;
                if frame["type"] == "closing" {
                    return frame;
                }
            }
        }
    };
    let end = timeout(DEADLINE, goes_on).await.expect("an end in time");
    assert_eq!((&end["code"], end["retry_after_ms"].as_u64() > Some(0)), (&json!(4129), true));
}

#[tokio::test]
async fn a_repeat_of_a_known_op_id_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__COMMANDS_PER_SECOND_PER_ROOM", "2")]);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true, "op_id": "lock"})).await;
    let ack = own.ok("queue_join", json!({"op_id": "j"})).await;
    // Both tokens of the room are taken: a new command is refused as soon as they are; a repeat never is.
    for _ in 0..50 {
        let again = own.ok("queue_join", json!({"op_id": "j"})).await;
        assert_eq!((&again["dup"], &again["rev"], &again["index"]), (&json!(true), &ack["rev"], &ack["index"]));
    }
    let mut refused = false;
    for n in 0..20 {
        let answer = own.ask("seat_lock", json!({"seat_nos": [2], "on": n % 2 == 0, "op_id": format!("n{n}")})).await;
        refused |= answer["name"] == "rate_limited";
    }
    assert!(refused);
    assert_eq!(own.ok("queue_join", json!({"op_id": "j"})).await["dup"], true);
}
