//! The history as operators and admins meet it: over HTTP with a role, and by the command line beside a running hub.
use crate::hub::{Hub, JWT, KEY};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};

fn michub(admin: &str, data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(args).arg("--data").arg(data).env("MICHUB_ADMIN__LISTEN", admin).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn the_command_line_reads_beside_a_hub_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.user("own").await;
    own.ask("room_join", json!({})).await;
    own.ask("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    for name in ["a", "b"] {
        let mut person = hub.user(name).await;
        person.ask("room_join", json!({})).await;
        assert_eq!(person.ask("queue_join", json!({})).await["type"], "ack");
        person.say(json!({"type": "heartbeat"})).await;
    }
    let moved = own.ask("queue_move", json!({"target_user_id": "b", "place": "front", "force": true, "op_id": "m7"})).await;
    assert_eq!(moved["type"], "ack", "{moved}");

    let check = || {
        let lines = text(&michub(&hub.admin, dir.path(), &["history", "export", "--room", "r1"]));
        let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0]["event"], "seat_updated");
        let why = text(&michub(&hub.admin, dir.path(), &["why", "r1", "b"]));
        assert!(why.contains("queue_moved") && why.contains("op_id=m7"), "{why}");
        assert!(!why.contains("user_id=a"), "{why}");
        let replay = text(&michub(&hub.admin, dir.path(), &["replay", "r1"]));
        assert!(replay.contains("nothing differs"), "{replay}");
        assert!(!michub(&hub.admin, dir.path(), &["why", "nowhere", "b"]).status.success());
    };
    check();
    let (status, page) = hub.get("/api/rooms/r1/history?user_id=b&limit=1").await;
    assert_eq!((status, &page["events"][0]["event"]), (200, &json!("queue_joined")));
    let (status, error) = hub.get("/api/rooms/r1/history?cursor=yesterday").await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/cursor")));
    assert_eq!(hub.get("/api/rooms/nowhere/history").await.0, 404);
    hub.kill();
    // A port that no hub of another test can have by now.
    let why = text(&michub("127.0.0.1:1", dir.path(), &["why", "r1", "b"]));
    assert!(why.contains("queue_moved"), "{why}");
}

#[tokio::test]
async fn admins_and_backends_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let (own_token, other_token) = (hub.mint(json!({"user_id": "own"})).await, hub.mint(json!({"user_id": "other"})).await);
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own_token})).await;
    own.ok("room_join", json!({})).await;
    let mut other = hub.enter(json!({"type": "user_online", "user_id": "other", "token": other_token})).await;
    other.ok("room_join", json!({})).await;
    other.ok("queue_join", json!({})).await;

    let path = "/api/rooms/r1/history";
    assert_eq!(hub.get(path).await.0, 401);
    assert_eq!(hub.get_as(&other_token, path).await.0, 403);
    for reader in [&*own_token, KEY] {
        let (status, page) = hub.get_as(reader, path).await;
        assert_eq!((status, &page["events"][0]["by"]), (200, &json!("other")));
    }
    own.ok("role_set", json!({"target_user_id": "other", "role_id": "admin"})).await;
    assert_eq!(hub.get_as(&other_token, path).await.0, 200);
}
