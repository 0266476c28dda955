//! What goes with a session to whatever node it moves, its rooms and watches, is what they were last, whatever Redis has been through.
use crate::{
    client::Client,
    history::{pause, within},
    hub::http,
    nodes::Nodes,
};
use serde_json::{Value, json};

/// For how long a node may still be telling what it could not tell before, in ms.
const TOLD: u64 = 1_500;

/// Whom a session watches and where it is changes while Redis is away; then it moves to another node.
async fn comes_along(away: impl FnOnce(&mut Nodes), back: impl FnOnce(&mut Nodes)) {
    let mut nodes = Nodes::start(2, &[]);
    let mut own = nodes.user(0, "own").await;
    for room in ["r1", "r2", "r3"] {
        own.ok("room_join", json!({"room_id": room})).await;
    }
    let (b, c) = (nodes.user(0, "b").await, nodes.user(0, "c").await);
    let mut a = nodes.user(0, "a").await;
    let mut still = nodes.user(0, "still").await;
    for person in [&mut a, &mut still] {
        person.ok("room_join", json!({"room_id": "r1"})).await;
        person.ok("room_join", json!({"room_id": "r3"})).await;
        person.ok("watch_status", json!({"user_ids": ["b"]})).await;
    }
    away(&mut nodes);
    while http(&nodes.hubs[0].admin, "GET", "/readyz", "", "").await.0 != 503 {
        pause(20).await;
    }
    // Twice each, so that what comes last counts.
    a.ok("watch_status", json!({"user_ids": ["own"]})).await;
    a.ok("room_leave", json!({"room_id": "r1"})).await;
    a.ok("unwatch_status", json!({"user_ids": ["b"]})).await;
    a.ok("room_join", json!({"room_id": "r2"})).await;
    a.ok("watch_status", json!({"user_ids": ["c"]})).await;
    back(&mut nodes);
    for hub in &nodes.hubs {
        while http(&hub.admin, "GET", "/readyz", "", "").await.0 != 200 {
            pause(20).await;
        }
    }
    pause(within(TOLD)).await;
    for (person, rooms, watched) in [(a, ["r2", "r3"], vec!["c", "own"]), (still, ["r1", "r3"], vec!["b"])] {
        let mut moved = nodes.back(1, &person.welcome).await;
        assert_eq!(moved.welcome["resumed"], true, "{}", moved.welcome);
        let mut entered: Vec<&Value> = moved.welcome["rooms"].as_array().unwrap().iter().map(|room| &room["room_id"]).collect();
        entered.sort_by_key(|room| room.as_str());
        assert_eq!(entered, rooms, "{}", moved.welcome);
        assert_eq!(shown(&mut moved).await, watched);
    }
    drop((own, b, c));
}

/// Whom a session is told of after it has moved.
async fn shown(client: &mut Client) -> Vec<String> {
    let told = client.wait("userOnlineStatus").await;
    let mut users: Vec<String> =
        told["user_status"].as_array().unwrap().iter().map(|one| one["user_id"].as_str().unwrap().to_owned()).collect();
    users.sort();
    users
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_along_after_redis_hung() {
    comes_along(|nodes| nodes.redis.freeze().unwrap(), |nodes| nodes.redis.thaw().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_along_after_redis_was_emptied() {
    comes_along(|nodes| nodes.redis.kill(), |nodes| nodes.redis.restart().unwrap()).await;
}
