//! The hub has no descriptors left: whoever is in stays in, nobody is let in, and the wait for some costs nothing.
use crate::{
    hub::{DEADLINE, Hub},
    pass,
};
use serde_json::json;
use std::{fs, net::TcpStream, process::Command, time::Duration};
use tokio::time::timeout;

fn descriptors(hub: &Hub) -> usize {
    fs::read_dir(format!("/proc/{}/fd", hub.id())).unwrap().count()
}

/// How much processor time it has used, in hundredths of a second.
fn used(hub: &Hub) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", hub.id())).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn without_descriptors_everybody_inside_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let limit = descriptors(&hub) + 8;
    let set = Command::new("prlimit").args(["--pid", &hub.id().to_string(), &format!("--nofile={limit}:4096")]).status();
    assert!(set.unwrap().success());
    let crowd: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(&hub.address).unwrap()).collect();
    timeout(DEADLINE, async {
        while descriptors(&hub) < limit {
            tokio::task::yield_now().await
        }
    })
    .await
    .expect("all are used");
    let before = used(&hub);
    for n in 0..20 {
        own.ok("seat_lock", json!({"seat_nos": [2], "on": n % 2 == 0})).await;
        pass(Duration::from_millis(50)).await;
    }
    let cost = used(&hub) - before;
    assert!(cost < 60, "{cost} hundredths of a second of processor time in a second of waiting");
    drop(crowd);
    hub.member("late").await;
    own.ok("queue_join", json!({})).await;
}
