//! Sockets over the hub's own TLS.
use crate::{
    hub::{DEADLINE, JWT},
    peer::{Peer, Signed, dial, http, hub},
};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::version;

#[tokio::test]
async fn rooms_and_pages_work_over_tls() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[]);
    let mut people = Vec::new();
    for (user, versions) in [("a", [&version::TLS12]), ("b", [&version::TLS13])] {
        let mut peer = Peer::enter(&hub.address, &signed.trusted(&versions), user).await;
        peer.ok("room_join", json!({})).await;
        people.push(peer);
    }
    // More than a record of TLS holds, in one frame and in many.
    let body = "x".repeat(12_000);
    for n in 0..8 {
        let dedup = format!("d{n}");
        people[0].ok("room_message", json!({"class": "must", "kind": "chat", "body": body, "dedup_id": dedup})).await;
    }
    for seq in 1..=8 {
        let heard = people[1].until(|frame| frame["type"] == "room_message").await;
        assert_eq!((&heard["seq"], heard["body"].as_str().unwrap().len()), (&json!(seq), body.len()));
    }
    let page = http(&hub.address, &signed.trust(), "/api/rooms/r1", "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("room_snapshot"), "{page}");
    for (origin, status) in [("https://localhost", "200"), ("http://localhost", "403"), ("https://other", "403")] {
        let page = http(&hub.address, &signed.trust(), "/api/rooms/r1", &format!("Origin: {origin}\r\n")).await;
        assert!(page.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {page}");
    }
    // The admin listener stays as it was.
    let mut admin = TcpStream::connect(&hub.admin).await.unwrap();
    admin.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_end_is_told_over_tls() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, JWT);
    let mut stranger = Peer::connect(&hub.address, &signed.trust()).await;
    stranger.say(json!({"type": "user_online", "user_id": "a", "token": "none"})).await;
    assert_eq!(stranger.closed().await, (4001, true));
    drop(hub);
    let hub = self::hub(dir.path(), &signed, &[]);
    let mut a = Peer::enter(&hub.address, &signed.trust(), "a").await;
    a.say(json!({"type": "user_offline"})).await;
    assert_eq!(a.closed().await, (1000, true));
    let mut b = Peer::enter(&hub.address, &signed.trust(), "b").await;
    hub.terminate();
    assert_eq!(b.closed().await, (4101, true));
    assert_eq!(hub.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_slow_reader_delays_nobody() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[("LIMITS__OUTBOX_BYTES", "65536")]);
    let mut slow = Peer::enter(&hub.address, &signed.trust(), "slow").await;
    slow.ok("room_join", json!({})).await;
    let mut quick = Peer::enter(&hub.address, &signed.trust(), "quick").await;
    quick.ok("room_join", json!({})).await;
    let body = "x".repeat(12_000);
    // The kernel hides some megabytes; then the outbox is full, and the line is given up.
    let watched = async {
        for _ in 0..200 {
            for _ in 0..10 {
                quick.ok("room_message", json!({"class": "must", "kind": "chat", "body": body})).await;
            }
            let metrics = hub.metrics().await;
            if metrics.contains("michub_closes_total{name=\"slow_consumer\"}") {
                return;
            }
        }
        panic!("the slow one is never given up");
    };
    timeout(DEADLINE, watched).await.expect("nobody waits for the slow one");
    quick.ok("room_message", json!({"class": "must", "kind": "chat", "body": "on"})).await;
}

#[tokio::test]
async fn a_late_reader_gets_everything_in_order() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[("LIMITS__OUTBOX_BYTES", "33554432")]);
    let mut late = Peer::enter(&hub.address, &signed.trust(), "late").await;
    late.ok("room_join", json!({})).await;
    let mut quick = Peer::enter(&hub.address, &signed.trust(), "quick").await;
    quick.ok("room_join", json!({})).await;
    // Records of every size up to the largest, more than kernel and record buffers hold.
    let lengths: Vec<usize> = (1..=1_000).map(|n| n * 37 % 12_000 + 1).collect();
    for length in &lengths {
        quick.ok("room_message", json!({"class": "must", "kind": "chat", "body": "x".repeat(*length)})).await;
    }
    for (seq, length) in (1..).zip(&lengths) {
        let heard = late.until(|frame| frame["type"] == "room_message").await;
        assert_eq!((heard["seq"].as_u64(), heard["body"].as_str().unwrap().len()), (Some(seq), *length));
    }
    late.ok("room_leave", json!({})).await;
}

#[tokio::test]
async fn who_says_too_little_is_put_out() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[("LIMITS__HANDSHAKE_TIMEOUT_MS", "500")]);
    // The head of a hello and nothing more; nothing at all; another language.
    for beginning in [&b"\x16\x03\x01\x02\x00\x01"[..], b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut line = TcpStream::connect(&hub.address).await.unwrap();
        line.write_all(beginning).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(DEADLINE, line.read_to_end(&mut answer)).await;
        assert!(ended.is_ok() && !answer.starts_with(b"HTTP"), "{beginning:?}: {answer:?}");
    }
    // A whole handshake, and then no request.
    let mut line = dial(&hub.address, &signed.trust()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, line.read_to_end(&mut answer)).await.expect("put out");
    assert!(answer.is_empty());
    Peer::enter(&hub.address, &signed.trust(), "a").await;
}

#[tokio::test]
async fn one_too_many_hears_so() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[("LIMITS__HTTP_CONNECTIONS_MAX", "2")]);
    let held = [dial(&hub.address, &signed.trust()).await.unwrap(), dial(&hub.address, &signed.trust()).await.unwrap()];
    let answer = http(&hub.address, &signed.trust(), "/api/rooms/r1", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After"), "{answer}");
    drop(held);
}

#[tokio::test]
async fn a_new_certificate_drops_nobody() {
    let (dir, old) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &old, &[]);
    let mut a = Peer::enter(&hub.address, &old.trust(), "a").await;
    a.ok("room_join", json!({})).await;
    let new = Signed::new();
    // A mistake changes nothing.
    std::fs::write(dir.path().join("cert.pem"), "no certificate").unwrap();
    hub.hang_up();
    until_reloads(&hub, "refused", 1).await;
    Peer::enter(&hub.address, &old.trust(), "b").await;
    new.write(dir.path());
    hub.hang_up();
    until_reloads(&hub, "ok", 1).await;
    Peer::enter(&hub.address, &new.trust(), "c").await;
    assert!(dial(&hub.address, &old.trust()).await.is_err(), "the old one is not shown any more");
    a.ok("room_message", json!({"class": "normal", "kind": "chat", "body": "still here"})).await;
}

/// What docs/OPERATIONS.md says of it, with room for another allocator; `cargo test --test tls idle -- --nocapture` prints it.
#[tokio::test]
async fn an_idle_line_costs_what_is_documented() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    let hub = hub(dir.path(), &signed, &[]);
    let (tls, mut held) = (signed.trust(), Vec::new());
    let resident = async || {
        let text = hub.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
        line.parse::<f64>().unwrap() / 1024.0
    };
    for n in 0..50 {
        held.push(Peer::enter(&hub.address, &tls, &format!("warm{n}")).await);
    }
    let before = resident().await;
    for n in 0..300 {
        held.push(Peer::enter(&hub.address, &tls, &format!("u{n}")).await);
    }
    let each = (resident().await - before) / 300.0;
    println!("{each:.1} KB per idle TLS connection");
    assert!(each < 20.0, "{each} KB");
}

#[tokio::test]
async fn a_certificate_is_checked_beforehand() {
    let (dir, signed) = (tempfile::tempdir().unwrap(), Signed::new());
    signed.write(dir.path());
    let check = |cert: &str| {
        let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let settings = [("SERVER__TLS_CERT_FILE", file(cert)), ("SERVER__TLS_KEY_FILE", file("key.pem"))];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        crate::hub::Hub::command(dir.path(), &settings).arg("check-config").output().unwrap()
    };
    assert!(check("cert.pem").status.success());
    let said = check("nowhere.pem");
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("nowhere.pem"), "{said:?}");
}

/// Waits until so many reloads have had this outcome.
async fn until_reloads(hub: &crate::hub::Hub, outcome: &str, count: u32) {
    let wanted = format!("michub_config_reloads_total{{outcome=\"{outcome}\"}} {count}");
    let seen = async {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while !hub.metrics().await.contains(&wanted) {
            beat.tick().await;
        }
    };
    timeout(DEADLINE, seen).await.expect(&wanted);
}
