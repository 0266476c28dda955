//! Canaries: every secret of a hub and of its clients is told apart, and none of them shows in logs, metrics, errors or what commands print.
use crate::{exchange_raw, hub::Hub};
use serde_json::json;
use std::{fs, process::Stdio};

const SETTINGS: &[(&str, &str)] = &[
    ("AUTH__MODE", "jwt"),
    ("AUTH__JWT__SECRET", "canary-jwt-secret-0123456789abcdef"),
    ("AUTH__JWT__OLD_SECRET", "canary-old-secret-0123456789abcdef"),
    ("AUTH__API_KEYS", "[\"canary-api-key-0123456789\"]"),
    ("AUTH__QUERY_TOKEN", "true"),
    ("LOG__LEVEL", "trace"),
    ("LIMITS__NEW_CONNECTIONS_PER_SECOND_PER_ADDRESS", "0"),
];
const KEY: &str = "canary-api-key-0123456789";

#[tokio::test]
async fn no_secret_shows_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let hub = Hub::logging(dir.path(), SETTINGS, Stdio::from(fs::File::create(&file).unwrap()));
    let mut seen = String::new();
    let (_, minted) = hub.post_as(KEY, "/api/online-status/rts-token", json!({"user_id": "u1"})).await;
    let token = minted["token"].as_str().unwrap().to_owned();
    let mut u1 = hub.enter(json!({"type": "user_online", "user_id": "u1", "token": token})).await;
    let session = u1.welcome["session_token"].as_str().unwrap().to_owned();
    u1.ok("room_join", json!({})).await;
    drop(u1);
    // The same token everywhere that one can be, good and bad, and with others in its place.
    let bad = format!("{token}x");
    for hello in [
        json!({"type": "user_online", "user_id": "u2", "token": token}),
        json!({"type": "user_online", "user_id": "u1", "token": bad}),
        json!({"type": "user_online", "user_id": "u1", "token": KEY}),
        json!({"type": "user_online", "user_id": "u1", "token": token, "session_token": format!("{session}x")}),
        json!({"type": "user_online", "user_id": "u1", "token": token, "session_token": session}),
        json!({"type": token, "token": token}),
    ] {
        let mut client = hub.connect().await;
        client.say(hello).await;
        seen += &client.frame().await["message"].to_string();
    }
    for request in [
        format!(
            "GET /ws?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: hub.v1.json, bearer.{token}\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET /api/rooms/r1?token={token} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bad}\r\nConnection: close\r\n\r\n"
        ),
        format!("GET /api/{KEY}/{token} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {KEY}\r\nConnection: close\r\n\r\n"),
        format!("POST /api/hooks/none/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ] {
        seen += &exchange_raw(&hub.address, request.as_bytes()).await;
    }
    seen += &hub.metrics().await;
    hub.terminate();
    assert!(hub.ended().await.success());
    seen += &fs::read_to_string(file).unwrap();
    for word in ["print-config", "check-config"] {
        let output = Hub::command(dir.path(), SETTINGS).arg(word).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{word}");
        seen += &String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    }
    let middle = |text: &str| text[text.len() / 2..text.len() / 2 + 20].to_owned();
    let canaries = [middle(&token), middle(&session), "canary-".to_owned()];
    for canary in canaries {
        assert!(!seen.contains(&canary), "{canary} in {seen}");
    }
}
