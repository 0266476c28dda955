//! After Redis has changed hands, what one node commits reaches the people of another within seconds, not at the next audit.
use crate::{
    client::Client,
    history::{pause, within},
    nodes::Nodes,
};
use michub::server::clock::Clock;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use xtask::bed::{RedisCluster, Sentinels};

const ROOMS: usize = 24;
/// How long an update may take from its ack to somebody on another node, in ms.
const FLOWS: u64 = 5_000;

/// When something happened to a rev of a room.
type Times = Arc<Mutex<BTreeMap<(String, u64), u64>>>;

async fn write(mut client: Client, room: String, clock: Clock, acked: Times, stop: Arc<AtomicBool>) {
    let mut turn = 0;
    while !stop.load(Relaxed) {
        let kind = if turn % 2 == 0 { "queue_join" } else { "queue_leave" };
        let answer = client.ask(kind, json!({"room_id": room})).await;
        client.early.clear();
        if let Some(rev) = answer["rev"].as_u64().filter(|_| answer["type"] == "ack" && answer["noop"].is_null()) {
            acked.lock().unwrap().insert((room.clone(), rev), clock.mono().0);
        }
        turn += 1;
        pause(100).await;
    }
}

async fn watch(mut client: Client, clock: Clock, seen: Times) {
    loop {
        let frame: Value = client.frame().await;
        let room = frame["room_id"].as_str().unwrap_or_default().to_owned();
        let revs: Vec<u64> = match frame["type"].as_str() {
            Some("room_update") => frame["events"].as_array().unwrap().iter().filter_map(|event| event["rev"].as_u64()).collect(),
            Some("room_snapshot") => frame["rev"].as_u64().into_iter().collect(),
            _ => continue,
        };
        let mut seen = seen.lock().unwrap();
        for rev in revs {
            seen.entry((room.clone(), rev)).or_insert(clock.mono().0);
        }
    }
}

/// People write on one node and are watched on another while `fault` happens; afterwards everything acked has been seen in time.
async fn flows<F: AsyncFnOnce()>(what: &str, nodes: Nodes, fault: F) {
    let (clock, stop) = (Clock::new(), Arc::new(AtomicBool::new(false)));
    let (acked, seen) = (Times::default(), Times::default());
    let mut watcher = nodes.user(0, "watcher").await;
    let mut writers = Vec::new();
    for number in 0..ROOMS {
        let room = format!("flow-{number}");
        let mut writer = nodes.user(1, &format!("writer-{number}")).await;
        writer.ok("room_join", json!({"room_id": room})).await;
        writer.ok("seat_lock", json!({"room_id": room, "seat_nos": "all", "on": true})).await;
        watcher.ok("room_join", json!({"room_id": room})).await;
        writers.push(tokio::spawn(write(writer, room, clock, acked.clone(), stop.clone())));
    }
    let watching = tokio::spawn(watch(watcher, clock, seen.clone()));
    pause(1_000).await;
    let begun = clock.mono().0;
    fault().await;
    stop.store(true, Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let (written, patience) = (acked.lock().unwrap().clone(), clock.mono().plus(within(FLOWS)));
    let all_is_seen = || {
        let seen = seen.lock().unwrap();
        written.keys().all(|(room, rev)| seen.range((room.clone(), *rev)..(room.clone(), u64::MAX)).next().is_some())
    };
    while !all_is_seen() && clock.mono() < patience {
        pause(100).await;
    }
    watching.abort();
    let (acked, seen) = (acked.lock().unwrap().clone(), seen.lock().unwrap().clone());
    let first_seen =
        |room: &str, rev: u64| seen.range((room.to_owned(), rev)..(room.to_owned(), u64::MAX)).map(|(_, at)| *at).min();
    let mut worst = BTreeMap::new();
    for ((room, rev), at) in acked.iter().filter(|(_, at)| **at >= begun) {
        let delay = first_seen(room, *rev).map_or(u64::MAX, |seen| seen.saturating_sub(*at));
        let slot = worst.entry(room.clone()).or_insert(0);
        *slot = delay.max(*slot);
    }
    let pauses: Vec<u64> = (0..ROOMS)
        .filter_map(|number| {
            let room = format!("flow-{number}");
            let times: Vec<u64> = acked.range((room.clone(), 0)..(room, u64::MAX)).map(|(_, at)| *at).collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).max()
        })
        .collect();
    println!(
        "{what}: {} acks, the slowest update took {:?} ms; the longest pause between two acks of a room was {:?} to {:?} ms",
        acked.len(),
        worst.values().max(),
        pauses.iter().min(),
        pauses.iter().max()
    );
    assert_eq!(worst.len(), ROOMS, "{what}: rooms in which nothing was acked afterwards");
    assert!(worst.values().all(|delay| *delay <= within(FLOWS)), "{what}: {worst:?}");
}

async fn on_a_cluster<F: AsyncFnOnce(&mut RedisCluster)>(what: &str, fault: F) {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = RedisCluster::start(dir.path()).unwrap();
    let nodes = Nodes::reaching(redis.urls(), 2, &[("STORE__REDIS__SHAPE", "cluster")]);
    flows(what, nodes, async || fault(&mut redis).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_master_has_died() {
    on_a_cluster("a dead master", async |redis| {
        redis.servers[0].kill();
        pause(8_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_master_has_stood_still() {
    on_a_cluster("a master that stands still", async |redis| {
        redis.servers[1].freeze().unwrap();
        pause(10_000).await;
        redis.servers[1].thaw().unwrap();
        pause(3_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_replica_has_taken_over_by_command() {
    on_a_cluster("a takeover by command", async |redis| {
        for replica in 3..6 {
            redis.servers[replica].ask("CLUSTER FAILOVER").unwrap();
        }
        pause(4_000).await;
        // What was a master is a replica now, and dies as one.
        redis.servers[0].kill();
        pause(6_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_slots_have_moved() {
    on_a_cluster("moved slots", async |redis| {
        redis.reshard(3_000).unwrap();
        pause(6_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_switch_by_sentinels() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Sentinels::start(dir.path()).unwrap();
    let nodes = Nodes::reaching(redis.urls(), 2, &[("STORE__REDIS__SHAPE", "sentinel")]);
    flows("a switch by Sentinels", nodes, async || {
        redis.servers[0].kill();
        pause(8_000).await;
    })
    .await;
}
