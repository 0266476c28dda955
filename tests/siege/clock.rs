//! The wall clock jumps by two days, there and back: people, places and the order of the log do not care; tokens do.
use crate::{
    client::Client,
    hub::{Hub, JWT, QUICK, SILENCE},
    pass,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Where Debian's libfaketime is.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|path| path.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("Debian's package faketime: cargo xtask test installs it")
}

/// Starts a hub whose wall clock is what `file` says; its monotonic clock stays.
fn hub_at(dir: &std::path::Path, file: &std::path::Path, settings: &[(&str, &str)]) -> Hub {
    fs::write(file, "+0").unwrap();
    let mut command = Hub::command(dir, settings);
    command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", file);
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Hub::of(&mut command)
}

fn at_ms(update: &Value) -> u64 {
    update["events"][0]["at_ms"].as_u64().unwrap()
}

async fn beat(client: &mut Client) -> u64 {
    client.ask("heartbeat", json!({})).await["server_ts_ms"].as_u64().unwrap()
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_moves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("time");
    let hub = hub_at(dir.path(), &file, QUICK);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut p1 = hub.member("p1").await;
    p1.ok("queue_join", json!({})).await;
    own.event("queue_joined").await;
    own.drain().await;
    let mut last = 0;
    for jump in ["+2d", "-2d", "+0"] {
        fs::write(&file, jump).unwrap();
        // Longer than somebody silent is borne: they answer pings, and heartbeats.
        for n in 0..6 {
            pass(SILENCE / 5).await;
            beat(&mut own).await;
            beat(&mut p1).await;
            own.ok("flag_set", json!({"flag": "mute_all", "on": n % 2 == 0})).await;
        }
        let updates: Vec<Value> = own.drain().await.into_iter().filter(|frame| frame["type"] == "room_update").collect();
        for update in &updates {
            let events = update["events"].as_array().unwrap();
            assert!(events.iter().all(|event| event["event"] == "flags_changed"), "{jump}: {update}");
            assert!(at_ms(update) >= last, "{jump}: time goes back in the log");
            last = at_ms(update);
        }
        assert_eq!((hub.status_of("own").await, hub.status_of("p1").await), ("online".to_owned(), "online".to_owned()), "{jump}");
    }
    assert_eq!(p1.refused("queue_join", json!({})).await, "already_queued");
}

#[tokio::test]
async fn tokens_follow_the_wall_clock() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("time");
    let hub = hub_at(dir.path(), &file, JWT);
    let token = hub.mint(json!({"user_id": "u1", "expire_time": 3600})).await;
    let hello = json!({"type": "user_online", "user_id": "u1", "token": token});
    let mut inside = hub.enter(hello.clone()).await;
    fs::write(&file, "+2d").unwrap();
    let mut late = hub.connect().await;
    late.say(hello).await;
    assert_eq!(late.close_code().await, 4001, "it has expired");
    inside.say(json!({"type": "heartbeat"})).await;
    assert_eq!(inside.close_code().await, 4301);
}
