//! Callbacks of one media server that arrive at any node: the picture, the seats and the gate are the same on all.
use crate::{
    fake::Fake,
    hub::{DEADLINE, Hub},
    nodes::Nodes,
};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::time::Duration;

const PATH: &str = "/api/hooks/m/0123456789abcdef";
const SECRET: &str = "cb-secret-01";

fn settings(kind: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("MEDIA__M__KIND", kind),
        ("MEDIA__M__SECRET_PATH", "\"0123456789abcdef\""),
        ("MEDIA__M__SECRET", SECRET),
        ("ROOM__RULES__QUEUE_MODE", "free"),
        ("ROOM__RULES__HOST_SEAT", "false"),
        ("ROOM__RULES__STREAM_STOP_GRACE_SECONDS", "1"),
    ]
}

fn now() -> u64 {
    let now = std::process::Command::new("date").arg("+%s").output().unwrap();
    String::from_utf8(now.stdout).unwrap().trim().parse().unwrap()
}

/// A callback of ZEGO about stream s1 of room r1.
fn zego(nonce: &str, event: &str, seq: u64, session: &str) -> Value {
    let time = now().to_string();
    let mut parts = [SECRET, &time, nonce];
    parts.sort_unstable();
    let signature: String = Sha1::digest(parts.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"event": event, "appid": "1", "timestamp": time, "nonce": nonce, "signature": signature, "room_id": "r1",
        "room_session_id": "858012925204410401", "user_id": "u", "stream_id": "s1", "stream_sid": session, "stream_seq": seq.to_string(),
        "create_time_ms": "1780000000100"})
}

fn zlm(regist: Option<bool>, ticket: &str) -> Value {
    let mut body = json!({"mediaServerId": "zlm1:B1", "hook_index": 3, "schema": "rtsp", "vhost": "__defaultVhost__", "app": "live",
        "stream": "r1_u_main", "params": format!("t={ticket}")});
    if let Some(on) = regist {
        body["regist"] = on.into();
    }
    body
}

/// Waits until a node takes exactly these sessions for on air.
async fn on_air(hub: &Hub, sessions: &[&str]) {
    let waited = async {
        loop {
            let (_, live) = hub.get("/api/media/m/live").await;
            let shown: Vec<&str> = live["streams"].as_array().unwrap().iter().map(|s| s["session"].as_str().unwrap()).collect();
            if shown == sessions {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waited).await.expect("the node knows what is on air");
}

/// Waits until a node shows this of the first seat.
async fn seat(hub: &Hub, media: &str) {
    let waited = async { while hub.get("/api/rooms/r1").await.1["state"]["seats"][0]["media"] != media {} };
    tokio::time::timeout(DEADLINE, waited).await.expect("the seat shows it");
}

#[tokio::test]
async fn callbacks_may_arrive_at_any_node() {
    let nodes = Nodes::start(2, &settings("zego"));
    let mut user = nodes.user(1, "u").await;
    user.ok("room_join", json!({})).await;
    user.ok("seat_take", json!({"seat_no": 1})).await;
    // Created 1, closed 2, created 3: told to both nodes in turn, and in a wrong order.
    let callbacks = [("n1", "stream_create", 1, "S1"), ("n3", "stream_create", 3, "S3"), ("n2", "stream_close", 2, "S1")];
    for (index, (nonce, event, seq, session)) in callbacks.into_iter().enumerate() {
        assert_eq!(nodes.hubs[index % 2].post(PATH, zego(nonce, event, seq, session)).await.0, 200);
    }
    for hub in &nodes.hubs {
        on_air(hub, &["S3"]).await;
        seat(hub, "publishing").await;
        assert_eq!(hub.status_of("u").await, "busy");
    }
    // A nonce belongs to one body, whichever node it comes to.
    let forged = zego("n1", "stream_close", 9, "S3");
    assert_eq!(nodes.hubs[1].post(PATH, forged).await.0, 401);
    // A node that starts later knows it, too.
    let mut nodes = nodes;
    nodes.add();
    on_air(&nodes.hubs[2], &["S3"]).await;
    assert_eq!(nodes.hubs[2].post(PATH, zego("n4", "stream_close", 4, "S3")).await.0, 200);
    for hub in &nodes.hubs {
        on_air(hub, &[]).await;
        seat(hub, "none").await;
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_one_publishing_on_all_nodes() {
    let mut settings = settings("zlmediakit");
    settings.push(("MEDIA__M__GATE", "enforce"));
    let nodes = Nodes::start(2, &settings);
    let (here, there) = (&nodes.hubs[0], &nodes.hubs[1]);
    let mut user = nodes.user(0, "u").await;
    user.ok("room_join", json!({})).await;
    user.ok("seat_take", json!({"seat_no": 1})).await;
    let ticket = there.get("/api/rooms/r1/publish-ticket?user_id=u").await.1["ticket"].as_str().unwrap().to_owned();
    let hook = |name: &str| format!("{PATH}/{name}");
    assert_eq!(there.post(&hook("on_publish"), zlm(None, &ticket)).await.1["code"], 0);
    here.post(&hook("on_stream_changed"), zlm(Some(true), &ticket)).await;
    for hub in [here, there] {
        on_air(hub, &[&ticket]).await;
        seat(hub, "publishing").await;
    }
    there.post(&hook("on_stream_changed"), zlm(Some(false), &ticket)).await;
    on_air(here, &[]).await;
    assert_eq!(here.post(&hook("on_publish"), zlm(None, &ticket)).await.1, json!({"code": -1, "msg": "ticket_used"}));
    seat(here, "none").await;
}

#[tokio::test]
async fn nodes_share_the_polls_and_what_they_bring() {
    let (fake, api) = Fake::start().await;
    let api: &'static str = Box::leak(api.into_boxed_str());
    let mut settings = settings("zlmediakit");
    settings.extend([("MEDIA__M__API", api), ("MEDIA__M__POLL_S", "5")]);
    settings.push(("MEDIA__M__STREAM_PATTERN", "^(?P<room>[a-z0-9]+)_(?P<user>[a-z0-9]+)_main$"));
    let nodes = Nodes::start(3, &settings);
    let mut user = nodes.user(0, "u").await;
    user.ok("room_join", json!({})).await;
    user.ok("seat_take", json!({"seat_no": 1})).await;
    fake.on_air("r1_u_main", "");
    for hub in &nodes.hubs {
        on_air(hub, &["poll:0"]).await;
        seat(hub, "publishing").await;
    }
    // Three nodes ask about as often as one would: every 5 s.
    let before = fake.lists();
    let many = async {
        while fake.lists() < before + 5 {
            nodes.hubs[0].get("/healthz").await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(11), many).await.is_err(), "5 lists in 11 s");
    fake.clear();
    for hub in &nodes.hubs {
        on_air(hub, &[]).await;
        seat(hub, "none").await;
    }
}
