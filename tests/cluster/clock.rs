//! A node whose clock is not that of Redis any more: it says so, and nothing is due by it.
use crate::{
    history::pause,
    hub::{DEADLINE, Hub, http},
    nodes::Nodes,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// How an answer to a beat begins: four things, the first of them Redis' time in ms.
const BEAT: &[u8] = b"*4\r\n:";
const DIGITS: usize = 13;

/// Moves the time in an answer to a beat.
fn shift(answer: &mut [u8], by_ms: i64) {
    let begins = answer.windows(BEAT.len()).position(|part| part == BEAT).map(|at| at + BEAT.len());
    let Some(digits) = begins.and_then(|at| answer.get_mut(at..at + DIGITS)) else { return };
    if let Some(time) = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i64>().ok()) {
        digits.copy_from_slice((time + by_ms).to_string().as_bytes());
    }
}

/// Puts a line between hubs and Redis over which its clock seems to be off.
async fn moved_clock(redis: SocketAddr, by_ms: Arc<AtomicI64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(redis).await else { continue };
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            let by_ms = by_ms.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                    shift(&mut buffer[..read], by_ms.load(Relaxed));
                    if to_client.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn ready(hub: &Hub) -> (u16, String) {
    let (status, body) = http(&hub.admin, "GET", "/readyz", "", "").await;
    (status, body.as_str().unwrap_or_default().trim().to_owned())
}

/// Waits until all nodes say that.
async fn all_say(nodes: &Nodes, wanted: (u16, &str)) {
    let wait = async {
        for hub in &nodes.hubs {
            while ready(hub).await != (wanted.0, wanted.1.to_owned()) {
                pause(50).await;
            }
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not {wanted:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_off_is_not_ready_and_fires_no_timers() {
    let settings = [("ROOM__RULES__TIMEOUT_SECONDS", "2"), ("ROOM__RULES__MAX_MIC_COUNT", "1")];
    let mut nodes = Nodes::start(0, &settings);
    let by_ms = Arc::new(AtomicI64::new(0));
    let line = moved_clock(([127, 0, 0, 1], nodes.redis.port()).into(), by_ms.clone()).await;
    for _ in 0..2 {
        nodes.add_reaching(format!("redis://{line}"));
    }
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    let mut a = nodes.user(1, "a").await;
    a.ok("room_join", json!({})).await;
    a.ok("queue_join", json!({})).await;
    own.event("turn_started").await;
    assert_eq!(own.event("turn_ended").await["user_id"], "a", "a clock that is right ends a turn");
    all_say(&nodes, (200, "ready")).await;
    by_ms.store(30_000, Relaxed);
    all_say(&nodes, (503, "the clock is off by more than 2 s")).await;
    assert!(nodes.hubs[0].metrics().await.contains("michub_clock_off_seconds"));
    // Commands are answered as before; only what would be due by the clock is not.
    a.ok("queue_join", json!({})).await;
    own.event("turn_started").await;
    own.early.clear();
    let none = timeout(Duration::from_secs(5), own.event("turn_ended")).await;
    assert!(none.is_err(), "a timer was fired by a clock that is off: {none:?}");
    by_ms.store(0, Relaxed);
    all_say(&nodes, (200, "ready")).await;
    assert_eq!(own.event("turn_ended").await["user_id"], "a");
}
