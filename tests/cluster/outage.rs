//! Redis is away: what goes on, what is refused and how soon, and how soon everything is back.
use crate::{
    client::Client,
    history::{pause, within},
    hub::{DEADLINE, Hub, http},
    nodes::Nodes,
};
use michub::server::clock::Clock;
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long a command may wait (`store.redis.wait_ms` and some), and how soon everything is back, in ms.
const REFUSED: u64 = 2_600;
const BACK: u64 = 5_000;
/// For how long it is asked who is here while everything comes back, in ms.
const ASKED: u64 = 2_000;

async fn ready(hub: &Hub) -> u16 {
    http(&hub.admin, "GET", "/readyz", "", "").await.0
}

async fn all_are(nodes: &Nodes, status: u16, within_ms: u64, clock: Clock) {
    let end = clock.mono().plus(within_ms);
    for hub in &nodes.hubs {
        while ready(hub).await != status {
            assert!(clock.mono() < end, "not {status} within {within_ms} ms");
            pause(20).await;
        }
    }
}

async fn snapshot(client: &mut Client) -> Value {
    client.early.clear();
    client.ok("room_sync", json!({"cursor": ""})).await;
    client.wait("room_snapshot").await
}

async fn store_is_shown_healthy(hub: &Hub) -> bool {
    hub.get("/demo/hub").await.1["store_healthy"].as_bool().unwrap()
}

async fn goes_on_without(fault: impl FnOnce(&mut Nodes), mend: impl FnOnce(&mut Nodes)) {
    let clock = Clock::new();
    let mut nodes = Nodes::start(2, &[]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for (hub, name) in [(0, "a"), (1, "b"), (1, "c")] {
        let mut person = nodes.user(hub, name).await;
        person.ok("room_join", json!({})).await;
        person.ok("queue_join", json!({})).await;
        person.ok("watch_status", json!({"user_ids": ["a", "b", "c"]})).await;
        people.push(person);
    }
    // What was done on the other node is heard of a moment later.
    let heard = async {
        loop {
            let before = snapshot(&mut own).await;
            if before["state"]["queue"].as_array().map(Vec::len) == Some(people.len()) {
                return before;
            }
        }
    };
    let before = timeout(DEADLINE, heard).await.expect("three people in the queue");
    assert!(before["stale"].is_null() && store_is_shown_healthy(&nodes.hubs[0]).await);
    for person in &mut people {
        let frames = person.drain().await;
        let wrong = frames.iter().find(|frame| frame.to_string().contains("\"offline\""));
        assert!(wrong.is_none(), "before: {} {wrong:?}", person.welcome["user_id"]);
    }
    let [mut a, mut b, c] = <[Client; 3]>::try_from(people).ok().unwrap();

    fault(&mut nodes);
    // A hundred commands at once wait together, not one after the other.
    let asked = clock.mono();
    for id in 1_000..1_100 {
        own.say(json!({"type": "queue_move", "id": id, "room_id": "r1", "target_user_id": "a", "place": "front"})).await;
    }
    for _ in 0..100 {
        let refused = own.wait("error").await;
        assert_eq!((&refused["name"], &refused["temporary"]), (&json!("unavailable"), &json!(true)), "{refused}");
        assert!(["none", "unknown"].contains(&refused["details"]["outcome"].as_str().unwrap()), "{refused}");
    }
    let waited = clock.mono().since(asked);
    assert!(waited <= within(REFUSED), "refused after {waited} ms");
    all_are(&nodes, 503, within(1_000), clock).await;
    for hub in &nodes.hubs {
        assert_eq!(http(&hub.admin, "GET", "/healthz", "", "").await.0, 200);
        assert!(hub.metrics().await.contains("michub_ready 0"));
        assert!(!store_is_shown_healthy(hub).await);
    }
    // From now on nobody waits, and everything that needs nobody else goes on.
    let asked = clock.mono();
    assert_eq!(own.refused("queue_move", json!({"target_user_id": "a", "place": "front"})).await, "unavailable");
    own.say(json!({"type": "heartbeat"})).await;
    own.wait("heartbeat_ack").await;
    let shown = snapshot(&mut own).await;
    assert_eq!((&shown["stale"], &shown["state"]["queue"]), (&json!(true), &before["state"]["queue"]));
    let (status, read) = nodes.hubs[1].get("/api/rooms/r1").await;
    assert_eq!((status, &read["stale"]), (200, &json!(true)), "{read}");
    let shown = a.ask("request_online_status", json!({"user_ids": ["a", "b"]})).await;
    assert!(shown["user_status"].as_array().unwrap().iter().all(|one| one["status"] == "online"), "{shown}");
    let quick = clock.mono().since(asked);
    assert!(quick <= within(1_500), "what needs no Redis took {quick} ms");
    let hello = c.welcome.clone();
    drop(c);
    let asked = clock.mono();
    let mut c = nodes.back(1, &hello).await;
    assert_eq!((&c.welcome["resumed"], &c.welcome["session_id"]), (&json!(true), &hello["session_id"]), "resumed from memory");
    let resumed = clock.mono().since(asked);
    assert!(resumed <= within(REFUSED), "resumed after {resumed} ms");

    mend(&mut nodes);
    let mended = clock.mono();
    // Redis may know nobody yet: whoever is watched is not gone for that.
    while clock.mono().since(mended) < ASKED {
        let shown = a.ask("request_online_status", json!({"user_ids": ["a", "b", "c"]})).await;
        assert!(shown["user_status"].as_array().unwrap().iter().all(|one| one["status"] == "online"), "{shown}");
        pause(5).await;
    }
    all_are(&nodes, 200, within(BACK), clock).await;
    loop {
        let answer = b.ask("queue_leave", json!({"op_id": "after"})).await;
        if answer["type"] == "ack" {
            break;
        }
        assert!(clock.mono().since(mended) < within(BACK), "{answer}");
        pause(50).await;
    }
    let back = clock.mono().since(mended);
    assert!(back <= within(BACK), "commands are acked again after {back} ms");
    own.event("queue_left").await;
    let after = snapshot(&mut own).await;
    assert!(after["stale"].is_null(), "{after}");
    let queue: Vec<&Value> = after["state"]["queue"].as_array().unwrap().iter().map(|entry| &entry["user_id"]).collect();
    assert_eq!(queue, ["a", "c"]);
    for client in [&mut a, &mut b, &mut c] {
        let frames = client.drain().await;
        let wrong = frames.iter().find(|frame| frame["type"] == "room_reset" || frame.to_string().contains("\"offline\""));
        assert!(wrong.is_none(), "{} {wrong:?}", client.welcome["user_id"]);
    }
    println!("refused after {waited} ms, then at once; resumed in {resumed} ms; acked again {back} ms after Redis was back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back_empty() {
    goes_on_without(|nodes| nodes.redis.kill(), |nodes| nodes.redis.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs() {
    goes_on_without(|nodes| nodes.redis.freeze().unwrap(), |nodes| nodes.redis.thaw().unwrap()).await;
}
