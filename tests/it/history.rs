//! The history as operators and admins meet it: over HTTP with a role, and by the command line beside a running hub.
use super::*;
use std::process::Output;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(hub: &Hub, path: &str, token: Option<&str>) -> (u16, Value) {
    let mut stream = TcpStream::connect(&hub.address).await.unwrap();
    let bearer = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{bearer}Connection: close\r\n\r\n", hub.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn michub(hub: &Hub, data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(args).arg("--data").arg(data).env("MICHUB_ADMIN__LISTEN", &hub.admin).output().unwrap()
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
        let lines = text(&michub(&hub, dir.path(), &["history", "export", "--room", "r1"]));
        let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0]["event"], "seat_updated");
        let why = text(&michub(&hub, dir.path(), &["why", "r1", "b"]));
        assert!(why.contains("queue_moved") && why.contains("op_id=m7"), "{why}");
        assert!(!why.contains("user_id=a"), "{why}");
        let replay = text(&michub(&hub, dir.path(), &["replay", "r1"]));
        assert!(replay.contains("nothing differs"), "{replay}");
        assert!(!michub(&hub, dir.path(), &["why", "nowhere", "b"]).status.success());
    };
    check();
    let (status, page) = get(&hub, "/api/rooms/r1/history?user_id=b&limit=1", None).await;
    assert_eq!((status, &page["events"][0]["event"]), (200, &json!("queue_joined")));
    let (status, error) = get(&hub, "/api/rooms/r1/history?cursor=yesterday", None).await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/cursor")));
    assert_eq!(get(&hub, "/api/rooms/nowhere/history", None).await.0, 404);
    let mut hub = hub;
    hub.child.kill().unwrap();
    hub.child.wait().unwrap();
    let why = text(&michub(&hub, dir.path(), &["why", "r1", "b"]));
    assert!(why.contains("queue_moved"), "{why}");
}

#[tokio::test]
async fn admins_and_backends_may_read_it() {
    let secret = "0123456789abcdef0123456789abcdef";
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("MICHUB_AUTH__MODE", "jwt"),
        ("MICHUB_AUTH__JWT__SECRET", secret),
        ("MICHUB_AUTH__API_KEYS", "[\"the-key-of-a-backend\"]"),
    ];
    let hub = Hub::start_with(dir.path(), &settings);
    let token = |user: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
        let minted = command.args(["token", "--user-id", user, "--data"]).arg(dir.path()).envs(settings).output().unwrap();
        text(&minted).trim().to_owned()
    };
    let hello = |user: &str| json!({"type": "user_online", "user_id": user, "token": token(user)});
    let mut own = hub.enter(hello("own")).await;
    own.ask("room_join", json!({})).await;
    let mut other = hub.enter(hello("other")).await;
    other.ask("room_join", json!({})).await;
    assert_eq!(other.ask("queue_join", json!({})).await["type"], "ack");

    let path = "/api/rooms/r1/history";
    assert_eq!(get(&hub, path, None).await.0, 401);
    assert_eq!(get(&hub, path, Some(&token("other"))).await.0, 403);
    for reader in [token("own"), "the-key-of-a-backend".to_owned()] {
        let (status, page) = get(&hub, path, Some(&reader)).await;
        assert_eq!((status, &page["events"][0]["by"]), (200, &json!("other")));
    }
    let given = own.ask("role_set", json!({"target_user_id": "other", "role_id": "admin"})).await;
    assert_eq!(given["type"], "ack", "{given}");
    assert_eq!(get(&hub, path, Some(&token("other"))).await.0, 200);
}
