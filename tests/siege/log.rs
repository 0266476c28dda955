//! The log: one event is one line whatever people send, and one client cannot fill it.
use crate::{exchange_raw, hub::Hub};
use serde_json::json;
use std::{fs, path::Path, process::Stdio};

/// What a terminal or a reader of lines could be fooled by.
const EVIL: &str = "x\r\n2026-01-01T00:00:00Z ERROR michub: forged\u{1b}[31m\u{9b}31m\u{7}";

fn logged(dir: &Path, format: &str) -> (Hub, std::path::PathBuf) {
    let file = dir.join("log");
    let log = Stdio::from(fs::File::create(&file).unwrap());
    (Hub::logging(dir, &[("LOG__LEVEL", "trace"), ("LOG__FORMAT", format)], log), file)
}

/// Sends the text wherever a text can be sent.
async fn provoke(hub: &Hub) {
    for field in ["user_id", "user_type", "token", "session_token", "rooms"] {
        let mut client = hub.connect().await;
        let mut hello = json!({"type": "user_online", "user_id": "u1"});
        hello[field] = json!(EVIL);
        client.say(hello).await;
        client.frame().await;
    }
    let mut client = hub.member("u2").await;
    for kind in ["queue_join", "user_kick", "room_message", "seat_extra", "queue_insert", "message", EVIL] {
        let fields =
            ["room_id", "op_id", "reason", "note", "target_user_id", "body", "kind", "class", "extra", "to_user_id", "message"];
        for field in fields {
            let mut more = json!({});
            more[field] = json!(EVIL);
            client.ask(kind, more).await;
        }
    }
    client.raw(EVIL).await;
    client.frame().await;
    let evil = "x%0d%0aERROR%1b[31m";
    for request in [
        format!("GET /api/rooms/{evil} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /ws?{evil} HTTP/1.1\r\nHost: {evil}\r\nOrigin: \u{1b}[31m\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n"
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {evil}\r\nAuthorization: Bearer \u{9b}31m\r\nConnection: close\r\n\r\n"
        ),
        "GE\u{1b}T / HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        exchange_raw(&hub.address, request.as_bytes()).await;
    }
}

#[tokio::test]
async fn one_event_is_one_line() {
    for format in ["pretty", "json"] {
        let dir = tempfile::tempdir().unwrap();
        let (hub, file) = logged(dir.path(), format);
        provoke(&hub).await;
        hub.terminate();
        assert!(hub.ended().await.success());
        let log = fs::read(file).unwrap();
        let text = String::from_utf8(log).expect("text");
        assert!(text.lines().count() > 1, "there is something to look at: {text}");
        for line in text.lines() {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            let begins = if format == "json" { line.starts_with("{\"timestamp\":") } else { line.starts_with("20") };
            assert!(begins && !line.starts_with("2026-01-01T00:00:00Z ERROR"), "{line:?}");
        }
    }
}

#[tokio::test]
async fn one_client_cannot_fill_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let hub = Hub::logging(dir.path(), &[], Stdio::from(fs::File::create(&file).unwrap()));
    let mut client = hub.member("u1").await;
    for n in 0..2_000 {
        client.say(json!({"type": "no_such_type", "id": n, "x": EVIL})).await;
    }
    client.drain().await;
    for _ in 0..50 {
        let mut client = hub.connect().await;
        client.raw("{").await;
        client.frame().await;
    }
    let lines = fs::read_to_string(file).unwrap().lines().count();
    assert!(lines < 100, "{lines} lines");
}
