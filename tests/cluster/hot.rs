//! A hot room: everybody moves somebody all the time, on three nodes, one of which is far from Redis. Nobody's command is refused for that.
use crate::{
    client::Client,
    history::{pause, within},
    nodes::Nodes,
};
use michub::server::clock::Clock;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use xtask::bed::Proxy;

const ADMINS: [usize; 3] = [2, 2, 4];
/// How long everybody moves, in ms.
const SPAN: u64 = 5_000;
/// How long a command may wait for its turn, in ms.
const WAIT: u64 = 2_000;

/// How many moves were acked and refused, and the slowest of them in ms.
async fn moves(mut admin: Client, clock: Clock, stop: Arc<AtomicBool>) -> (u64, u64, u64) {
    let (mut acked, mut refused, mut slowest) = (0, 0, 0);
    while !stop.load(Relaxed) {
        let (target, begun) = (format!("u{}", acked % 5), clock.mono());
        let answer = admin.ask("queue_move", json!({"target_user_id": target, "place": "front", "force": true})).await;
        admin.early.clear();
        slowest = clock.mono().since(begun).max(slowest);
        if answer["type"] == "ack" {
            acked += 1;
        } else {
            assert_eq!(answer["name"], "unavailable", "{answer}");
            refused += 1;
        }
    }
    (acked, refused, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_far_away_has_its_turn_in_a_hot_room() {
    let mut nodes = Nodes::start(2, &[("STORE__REDIS__WAIT_MS", Box::leak(within(WAIT).to_string().into_boxed_str()))]);
    let proxy = Proxy::start(vec![([127, 0, 0, 1], nodes.redis.port()).into()], 1).unwrap();
    proxy.delay(Duration::from_millis(4), Duration::from_millis(2));
    nodes.add_reaching(format!("redis://{}", proxy.address()));
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for number in 0..5 {
        let mut person = nodes.user(0, &format!("u{number}")).await;
        person.ok("room_join", json!({})).await;
        person.ok("queue_join", json!({})).await;
        people.push(person);
    }
    let (clock, stop) = (Clock::new(), Arc::new(AtomicBool::new(false)));
    let mut tasks = Vec::new();
    for (hub, admins) in ADMINS.into_iter().enumerate() {
        for number in 0..admins {
            let name = format!("admin{hub}-{number}");
            let mut admin = nodes.user(hub, &name).await;
            admin.ok("room_join", json!({})).await;
            own.ok("role_set", json!({"target_user_id": name, "role_id": "admin"})).await;
            tasks.push((hub, tokio::spawn(moves(admin, clock, stop.clone()))));
        }
    }
    drop(people);
    pause(SPAN).await;
    stop.store(true, Relaxed);
    let mut by_hub = [(0, 0, 0); 3];
    for (hub, task) in tasks {
        let (acked, refused, slowest) = task.await.unwrap();
        by_hub[hub] = (by_hub[hub].0 + acked, by_hub[hub].1 + refused, slowest.max(by_hub[hub].2));
    }
    for (hub, (acked, refused, slowest)) in by_hub.iter().enumerate() {
        println!("hub {hub}: {acked} acked, {refused} refused in {SPAN} ms; the slowest took {slowest} ms");
    }
    assert!(by_hub.iter().all(|(_, refused, _)| *refused == 0), "{by_hub:?}");
    assert!(by_hub.iter().all(|(acked, ..)| *acked >= 20), "{by_hub:?}");
}
