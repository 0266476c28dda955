//! A node that drains and stops on purpose: the others know, and nobody is shown away for it.
use crate::{
    client::Client,
    history::{pause, within},
    nodes::Nodes,
};
use michub::server::clock::Clock;
use serde_json::json;
use std::{fs::File, path::PathBuf};

/// How soon a node that has left is taken over, in ms: the others look at every third of the lease.
const TAKEN_OVER: u64 = 3_000;
/// A node judges nobody before it has lived for a lease, and nobody who has beaten within one, in ms.
const LEASE_AND_SOME: u64 = 3_500;

/// Adds a hub that logs into a file.
fn logged(nodes: &mut Nodes) -> PathBuf {
    let mut log = PathBuf::new();
    nodes.add_logging(|data| {
        log = data.join("log");
        File::create(&log).unwrap().into()
    });
    log
}

fn count(logs: &[PathBuf], words: &str) -> usize {
    let all = logs.iter().map(|log| std::fs::read_to_string(log).unwrap());
    all.map(|text| text.lines().filter(|line| line.contains(words)).count()).sum()
}

async fn until_counted(logs: &[PathBuf], words: &str, wanted: usize) {
    let clock = Clock::new();
    let end = clock.mono().plus(within(TAKEN_OVER));
    while count(logs, words) < wanted {
        assert!(clock.mono() < end, "not said {wanted} times: {words}");
        pause(20).await;
    }
}

async fn come_back(nodes: &Nodes, hub: usize, before: &Client) -> Client {
    let back = nodes.back(hub, &before.welcome).await;
    assert_eq!(
        (&back.welcome["resumed"], &back.welcome["rooms"][0]["room_id"]),
        (&json!(true), &json!("r1")),
        "{}",
        back.welcome
    );
    back
}

async fn goes(nodes: &mut Nodes, hub: usize) {
    let went = nodes.hubs.remove(hub);
    went.terminate();
    assert!(went.ended().await.success());
}

#[tokio::test]
async fn a_goodbye_is_no_death() {
    let mut nodes = Nodes::start(0, &[]);
    let mut logs = vec![logged(&mut nodes), logged(&mut nodes)];
    let mut own = nodes.user(1, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    own.ok("watch_status", json!({"user_ids": ["a", "b"]})).await;
    let mut people = Vec::new();
    for name in ["a", "b"] {
        let mut person = nodes.user(0, name).await;
        person.ok("room_join", json!({})).await;
        person.ok("queue_join", json!({})).await;
        own.wait("userOnlineStatus").await;
        people.push(person);
    }
    pause(LEASE_AND_SOME).await;
    goes(&mut nodes, 0).await;
    assert_eq!(count(&logs, "the others know that this node leaves"), 1);
    until_counted(&logs, "a node has left", 1).await;
    let b = come_back(&nodes, 0, &people[1]).await;
    // Whoever took it over leaves, too, long before it is done: the next one takes over both.
    logs.push(logged(&mut nodes));
    own.early.clear();
    let mut own = come_back(&nodes, 1, &own).await;
    pause(LEASE_AND_SOME).await;
    goes(&mut nodes, 0).await;
    until_counted(&logs, "a node has left", 3).await;
    pause(LEASE_AND_SOME).await;
    let all: String = logs.iter().map(|log| std::fs::read_to_string(log).unwrap()).collect();
    assert!(!all.contains("WARN") && !all.contains("ERROR"), "{all}");
    assert_eq!(count(&logs, "a node has left"), 3, "{all}");
    let shown = own.ask("request_online_status", json!({"user_ids": ["a", "b"]})).await;
    assert!(shown["user_status"].as_array().unwrap().iter().all(|one| one["status"] == "online"), "{shown}");
    let back = (come_back(&nodes, 0, &people[0]).await, come_back(&nodes, 0, &b).await);
    let told = own.drain().await;
    let wrong = told.iter().find(|frame| ["\"offline\"", "queue_left"].iter().any(|word| frame.to_string().contains(word)));
    assert!(wrong.is_none(), "{wrong:?}");
    drop(back);
}
