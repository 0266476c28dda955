//! SIGHUP and the memory limit: what a running hub takes over, and what it refuses to.
use crate::hub::{DEADLINE, Hub, http};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tokio::time::timeout;

fn write(dir: &Path, toml: &str) {
    fs::write(dir.join("config.toml"), toml).unwrap();
}

/// Sends SIGHUP and waits until the metrics count one more reload with this outcome.
async fn reload(hub: &Hub, outcome: &str) {
    let line = format!("michub_config_reloads_total{{outcome=\"{outcome}\"}} ");
    let count = async || {
        let (_, text) = http(&hub.admin, "GET", "/metrics", "", "").await;
        let text = text.as_str().unwrap().to_owned();
        text.lines().find_map(|known| known.strip_prefix(&line)).map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = count().await;
    hub.hang_up();
    timeout(DEADLINE, async { while count().await == before {} }).await.expect("a reload in time");
}

#[tokio::test]
async fn a_reload_changes_what_it_can_and_a_bad_file_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "[room.rules]\nmax_mic_count = 3\n");
    let hub = Hub::start(dir.path());
    let mut old = hub.member("old").await;
    let seats = async |name: &str, room: &str| {
        let mut client = hub.user(name).await;
        client.ok("room_join", json!({"room_id": room})).await;
        client.wait("room_snapshot").await["state"]["rules"]["max_mic_count"].clone()
    };
    assert_eq!(seats("a", "one").await, 3);
    write(
        dir.path(),
        "[room.rules]\nmax_mic_count = 5\n[auth]\napi_keys = [\"fresh\"]\n[limits]\nframes_per_second = 1\nframes_burst = 1\n",
    );
    reload(&hub, "ok").await;
    assert_eq!(seats("b", "two").await, 5);
    let (status, _) = hub.get_as("fresh", "/api/rooms/one").await;
    assert_eq!(status, 200, "a new key is known");
    write(dir.path(), "[room.rules]\nmax_mic_count = 99\n");
    reload(&hub, "refused").await;
    write(dir.path(), "[log]\nlevel = \"michub=loud\"\n[auth]\napi_keys = []\n");
    reload(&hub, "refused").await;
    let (status, _) = hub.get_as("fresh", "/api/rooms/one").await;
    assert_eq!(status, 200, "the old configuration stays");
    assert_eq!(old.ask("queue_join", json!({})).await["type"], Value::from("ack"), "nobody is put out");
    write(dir.path(), "[room.rules]\nmax_mic_count = 7\n");
    reload(&hub, "ok").await;
    assert_eq!(seats("c", "three").await, 7);
    assert_eq!(hub.get_as("fresh", "/api/rooms/one").await.0, 401, "a removed key is refused");
}

#[tokio::test]
async fn nobody_is_let_in_when_memory_runs_short() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut early = hub.member("early").await;
    write(dir.path(), "[limits]\nmemory_bytes = 1000000\n");
    reload(&hub, "ok").await;
    timeout(DEADLINE, async { while hub.is_let_in().await {} }).await.expect("a refusal in time");
    early.ok("queue_join", json!({})).await;
    write(dir.path(), "");
    reload(&hub, "ok").await;
    timeout(DEADLINE, async { while !hub.is_let_in().await {} }).await.expect("let in again in time");
    hub.member("late").await;
}
