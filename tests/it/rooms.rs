//! Rooms: one order for everybody, members, kicks and bans, the end of a room.
use crate::{client::order, hub::Hub};
use serde_json::json;

#[tokio::test]
async fn two_people_see_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.user("own").await;
    assert_eq!(own.ask("room_join", json!({})).await["role"], "owner");
    let first = own.wait("room_snapshot").await;
    assert_eq!(first["rev"], 0);
    own.ask("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for name in ["a", "b", "c"] {
        let mut person = hub.user(name).await;
        person.ask("room_join", json!({})).await;
        let ack = person.ask("queue_join", json!({"op_id": "j"})).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        assert_eq!(person.ask("queue_join", json!({"op_id": "j"})).await["dup"], true);
        people.push(person);
    }
    let ack = own.ask("queue_move", json!({"target_user_id": "c", "place": {"before": "a"}})).await;
    let update = people[0].wait("room_update").await;
    assert_eq!(update["events"][0]["event"], "queue_joined");
    let mut moved = people[0].wait("room_update").await;
    while moved["events"][0]["event"] != "queue_moved" {
        let next = people[0].wait("room_update").await;
        assert_eq!(next["prev"], moved["cursor"], "the chain is broken");
        moved = next;
    }
    assert_eq!(moved["events"][0]["rev"], ack["rev"]);
    let refused = people[0].ask("queue_clear", json!({})).await;
    assert_eq!((refused["code"].as_i64(), &refused["name"]), (Some(1005), &json!("forbidden")));
    people[0].ask("room_sync", json!({"cursor": ""})).await;
    assert_eq!(order(&people[0].wait("room_snapshot").await), ["c", "a", "b"]);
}

#[tokio::test]
async fn kill_nine_loses_nothing_acked() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path());
    let mut own = hub.user("own").await;
    own.ask("room_join", json!({})).await;
    own.ask("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut token = own.welcome["session_token"].clone();
    for round in 0..20 {
        let mut newcomer = hub.user(&format!("u{round}")).await;
        newcomer.ask("room_join", json!({})).await;
        let ack = newcomer.ask("queue_join", json!({})).await;
        assert_eq!(ack["type"], "ack", "round {round}: {ack}");
        let move_up = json!({"target_user_id": format!("u{round}"), "place": "front", "force": true});
        let last = own.ask("queue_move", move_up).await;
        assert_eq!(last["type"], "ack", "round {round}: {last}");
        hub.kill();
        hub = Hub::start(dir.path());
        own = hub
            .enter(json!({"type": "user_online", "user_id": "own", "session_token": token, "rooms": [{"room_id": "r1", "cursor": ""}]}))
            .await;
        assert_eq!(own.welcome["resumed"], true, "round {round}");
        token = own.welcome["session_token"].clone();
        let snapshot = own.wait("room_snapshot").await;
        assert!(snapshot["rev"].as_u64() >= last["rev"].as_u64());
        let expected: Vec<String> = (0..=round).rev().map(|n| format!("u{n}")).collect();
        assert_eq!(order(&snapshot), expected, "round {round}");
    }
}

#[tokio::test]
async fn bad_frames_are_answered_and_then_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut client = hub.user("a").await;
    assert_eq!(client.ask("dance", json!({})).await["name"], "unknown_type");
    let wrong = client.ask("room_join", json!({"room_id": 7})).await;
    assert_eq!((&wrong["name"], &wrong["details"]["path"]), (&json!("bad_argument"), &json!("/room_id")));
    assert_eq!(client.ask("heartbeat", json!({"user_id": "b"})).await["name"], "identity_mismatch");
    assert_eq!(client.ask("message", json!({"to_user_id": "z", "message": "hi"})).await["name"], "user_not_reachable");
    for _ in 0..5 {
        client.raw("{").await;
    }
    assert_eq!(client.close_code().await, 4000);
}

#[tokio::test]
async fn that_there_is_no_room_is_told_before_what_is_wrong_with_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut client = hub.user("a").await;
    let wrong = [
        ("queue_move", json!({"room_id": "none", "target_user_id": "b", "place": 5})),
        ("room_message", json!({"room_id": "none", "class": "loud", "kind": "k", "body": "b"})),
        ("room_members", json!({"room_id": "none", "limit": 201})),
        ("room_leave", json!({"room_id": "none"})),
        ("room_sync", json!({"room_id": "none"})),
    ];
    for (kind, fields) in &wrong {
        assert_eq!(client.refused(kind, fields.clone()).await, "room_not_found", "{kind}");
    }
    let (status, answer) = hub.post("/api/rooms/none/commands", json!({"type": "queue_move", "id": 3})).await;
    assert_eq!((status, &answer["name"], &answer["id"]), (404, &json!("room_not_found"), &json!(3)));
    hub.member("own").await;
    for (kind, fields) in wrong {
        let mut fields = fields;
        fields["room_id"] = json!("r1");
        let name = if kind == "room_leave" || kind == "room_sync" { "not_member" } else { "bad_argument" };
        assert_eq!(client.refused(kind, fields).await, name, "{kind}");
    }
    let (status, answer) = hub.post("/api/rooms/r1/commands", json!({"type": "queue_move", "id": 3})).await;
    let told = (status, &answer["details"]["path"], &answer["id"]);
    assert_eq!(told, (400, &json!("/target_user_id"), &json!(3)), "{answer}");
}
