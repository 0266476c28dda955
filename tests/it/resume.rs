//! Coming back: a resumed session is as it was, and nobody has seen it go.
use crate::{client::order, hub::Hub};
use serde_json::json;

#[tokio::test]
async fn a_resume_shows_nothing_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut p = hub.member("p").await;
    p.ok("queue_join", json!({})).await;
    p.ok("status_change", json!({"status": "away"})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    let welcome = p.welcome.clone();
    let cursor = p.ok("room_sync", json!({})).await["cursor"].clone();
    drop(p);
    own.event("queue_held").await;
    own.ok("seat_lock", json!({"seat_nos": [2], "on": true})).await;
    let mut p = hub.resume(&welcome, json!([{"room_id": "r1", "cursor": cursor}])).await;
    assert_eq!((&p.welcome["resumed"], &p.welcome["session_id"]), (&json!(true), &welcome["session_id"]));
    assert_eq!(p.welcome["rooms"][0]["recovered"], true);
    let missed = p.wait("room_update").await;
    assert_eq!((&missed["prev"], &missed["events"][0]["event"]), (&cursor, &json!("queue_held")));
    own.event("queue_returned").await;
    assert_eq!(hub.status_of("p").await, "away");
    let told = own.drain().await;
    assert!(told.iter().all(|frame| frame["type"] != "userOnlineStatus"), "{told:?}");
    p.ok("queue_leave", json!({})).await;
}

#[tokio::test]
async fn without_naming_rooms_a_session_is_in_all_of_them_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path());
    let mut p = hub.member("p").await;
    p.ok("room_join", json!({"room_id": "r2"})).await;
    p.ok("room_join", json!({"room_id": "r3"})).await;
    p.ok("room_leave", json!({"room_id": "r3"})).await;
    for restart in [false, true] {
        let welcome = p.welcome.clone();
        drop(p);
        if restart {
            hub.kill();
            hub = Hub::start(dir.path());
        }
        let mut hello = json!({"type": "user_online", "user_id": "p", "session_token": welcome["session_token"]});
        if restart {
            hello["rooms"] = json!([]);
        }
        p = hub.enter(hello).await;
        let rooms: Vec<_> = p.welcome["rooms"].as_array().unwrap().iter().map(|room| room["room_id"].clone()).collect();
        assert_eq!((&p.welcome["resumed"], rooms), (&json!(true), vec![json!("r1"), json!("r2")]), "restart {restart}");
        assert_eq!(p.wait("room_snapshot").await["room_id"], "r1");
        assert_eq!(p.wait("room_snapshot").await["room_id"], "r2");
        p.ok("queue_clear", json!({"room_id": "r2"})).await;
        assert_eq!(p.refused("room_sync", json!({"room_id": "r3"})).await, "not_member");
    }
}

#[tokio::test]
async fn whoever_says_goodbye_leaves_what_a_lost_line_had() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut p = hub.member("p").await;
    p.ok("queue_join", json!({})).await;
    drop(p);
    own.event("queue_held").await;
    // Back without a token, and not in the room: then gone for good.
    let mut again = hub.user("p").await;
    again.ok("user_offline", json!({})).await;
    // The log and who is there are told apart from each other, in any order.
    let (mut left, mut out) = (None, None);
    while left.is_none() || out.is_none() {
        let frame = own.frame().await;
        let of = |list: &str, wanted: fn(&serde_json::Value) -> bool| {
            frame[list].as_array().is_some_and(|all| all.iter().any(wanted)).then(|| frame.clone())
        };
        left = left.or_else(|| of("events", |event| event["event"] == "queue_left" && event["reason"] == "left"));
        out = out.or_else(|| of("changes", |change| change["user_id"] == "p" && change["joined"] == false));
    }
    assert_eq!(out.unwrap()["online"], 1);
}

#[tokio::test]
async fn a_live_session_moves_to_another_socket() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut p = hub.member("p").await;
    p.ok("queue_join", json!({})).await;
    p.ok("watch_status", json!({"user_ids": ["own"]})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    own.drain().await;
    let mut old = p;
    let mut p = hub.resume(&old.welcome, json!([{"room_id": "r1", "cursor": ""}])).await;
    assert_eq!(p.welcome["session_id"], old.welcome["session_id"]);
    let closed = old.closed().await.unwrap();
    assert_eq!((closed.code, closed.name.as_str()), (4009, "replaced"));
    assert_eq!(order(&p.wait("room_snapshot").await), ["p"]);
    drop(old);
    // The watches came along.
    own.ok("status_change", json!({"status": "busy"})).await;
    p.until(|frame| frame["user_status"][0]["status"] == "busy").await;
    own.ok("seat_lock", json!({"seat_nos": [2], "on": false})).await;
    let update = p.wait("room_update").await;
    let events: Vec<_> = update["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events[0], "seat_updated", "nothing else happened in between: {events:?}");
    let told = own.drain().await;
    let held = |frame: &serde_json::Value| frame.to_string().contains("_held") || frame.to_string().contains("offline");
    assert!(!told.iter().any(held), "{told:?}");
}

#[tokio::test]
async fn a_bad_session_token_opens_a_fresh_session() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let a = hub.user("a").await;
    let mut stolen = a.welcome.clone();
    stolen["user_id"] = json!("b");
    let b = hub.resume(&stolen, json!([])).await;
    assert_eq!(b.welcome["resumed"], false);
    assert_ne!(b.welcome["session_id"], a.welcome["session_id"]);
    for token in ["", "x", "a.b.c"] {
        let hello = json!({"type": "user_online", "user_id": "c", "session_token": token, "rooms": [{"room_id": "r9"}]});
        let c = hub.enter(hello).await;
        assert_eq!((&c.welcome["resumed"], &c.welcome["rooms"][0]["recovered"]), (&json!(false), &json!(false)));
    }
}

#[tokio::test]
async fn messages_to_a_lost_session_wait_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut a, mut own, b) = (hub.user("a").await, hub.member("own").await, hub.member("b").await);
    own.drain().await;
    let welcome = b.welcome.clone();
    own.ok("seat_assign", json!({"target_user_id": "b", "seat_no": 2})).await;
    drop(b);
    own.event("seat_held").await;
    for n in 0..3 {
        let ack = a.ok("message", json!({"to_user_id": "b", "message": format!("m{n}")})).await;
        assert_eq!(ack["delivered"], 0);
    }
    let mut b = hub.resume(&welcome, json!([])).await;
    for n in 0..3 {
        assert_eq!(b.wait("message").await["message"], format!("m{n}"));
    }
    own.event("seat_returned").await;
}
