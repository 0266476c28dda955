//! The binary as its users meet it: real sockets, real files, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

mod history;

const DEADLINE: Duration = Duration::from_secs(10);

struct Hub {
    child: Child,
    address: String,
    admin: String,
}

impl Hub {
    fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_michub"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0")
            .env("MICHUB_SERVER__SHARDS", "2")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1.split_once(' ').unwrap().0.to_owned();
        let admin = line.split_once("admin=http://").unwrap().1.split_once(')').unwrap().0.to_owned();
        Self { child, address, admin }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn enter(&self, hello: Value) -> Client {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (socket, _) = client_async(format!("ws://{}/ws", self.address), stream).await.unwrap();
        let mut client = Client { socket, welcome: Value::Null, next: 1 };
        client.say(hello).await;
        client.welcome = client.wait("welcome").await;
        client
    }

    async fn user(&self, name: &str) -> Client {
        self.enter(json!({"type": "user_online", "user_id": name})).await
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    welcome: Value,
    next: i64,
}

impl Client {
    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn frame(&mut self) -> Value {
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("a frame in time").expect("an open socket").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Skips frames up to one of this type.
    async fn wait(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Asks, and waits for the one reply.
    async fn ask(&mut self, kind: &str, fields: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut frame = json!({"type": kind, "id": id, "room_id": "r1"});
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.say(frame).await;
        loop {
            let frame = self.frame().await;
            if frame["id"] == id {
                return frame;
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(close)) = timeout(DEADLINE, self.socket.next()).await.unwrap().unwrap().unwrap() {
                return close.code.into();
            }
        }
    }
}

fn order(snapshot: &Value) -> Vec<String> {
    snapshot["state"]["queue"].as_array().unwrap().iter().map(|entry| entry["user_id"].as_str().unwrap().to_owned()).collect()
}

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
        client.socket.send(Message::text("{")).await.unwrap();
    }
    assert_eq!(client.close_code().await, 4000);
}
