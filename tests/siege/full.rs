//! The disk is full, the log is full: commands are refused for as long as nothing can be kept, everything else goes on.
use crate::hub::{DEADLINE, Hub, http};
use serde_json::json;
use std::{
    fs::File,
    process::{Command, Stdio},
};
use tokio::time::timeout;

/// Sets how large a file of the hub may become.
fn limit(hub: &Hub, bytes: &str) {
    let set = Command::new("prlimit").args(["--pid", &hub.id().to_string(), &format!("--fsize={bytes}:unlimited")]).status();
    assert!(set.unwrap().success());
}

/// The same command, in which a file that is too large is an error and no signal.
fn without_signal(command: &Command) -> Command {
    let mut wrapped = Command::new("env");
    wrapped.arg("--ignore-signal=XFSZ").arg(command.get_program()).args(command.get_args()).stdout(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.current_dir(command.get_current_dir().unwrap());
    wrapped
}

#[tokio::test]
async fn a_full_disk_stops_commands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let quickly = [("STORE__EMBEDDED__REOPEN_MS", "100"), ("STORE__EMBEDDED__FSYNC_INTERVAL_MS", "0"), ("LOG__LEVEL", "info")];
    let hub = Hub::of(&mut without_signal(&Hub::command(dir.path(), &quickly)));
    let (mut own, mut bob) = (hub.member("own").await, hub.user("bob").await);
    bob.ok("watch_status", json!({"user_ids": ["own"]})).await;
    own.ok("seat_lock", json!({"seat_nos": [2], "on": true})).await;
    limit(&hub, "0");

    let refused = own.ask("seat_lock", json!({"seat_nos": [3], "on": true})).await;
    assert_eq!(refused["name"], "unavailable", "{refused}");
    let probe = |path: &'static str| http(&hub.admin, "GET", path, "", "");
    assert_eq!((probe("/healthz").await.0, probe("/readyz").await.0), (200, 503));
    own.ask("heartbeat", json!({})).await;
    own.ok("status_change", json!({"status": "busy"})).await;
    let busy = |frame: &serde_json::Value| frame["type"] == "userOnlineStatus" && frame["user_status"][0]["status"] == "busy";
    bob.until(busy).await;
    bob.ok("message", json!({"to_user_id": "own", "message": "still there?"})).await;
    own.wait("message").await;
    assert_eq!(hub.get("/api/rooms/r1").await.0, 200);
    hub.user("late").await;

    limit(&hub, "unlimited");
    let works = async { while own.ask("seat_lock", json!({"seat_nos": [4], "on": true})).await["type"] != "ack" {} };
    timeout(DEADLINE, works).await.expect("the store is opened anew");
    assert_eq!(probe("/readyz").await.0, 200);
    hub.kill();
    let hub = Hub::start(dir.path());
    let locked = |room: &serde_json::Value, no: u64| {
        room["state"]["seats"].as_array().unwrap().iter().any(|seat| seat["no"] == no && seat["locked"] == true)
    };
    let (_, room) = hub.get("/api/rooms/r1").await;
    assert!(locked(&room, 2) && locked(&room, 4), "what was acked is there: {room}");
    assert!(!locked(&room, 3) || refused["details"]["outcome"] == "unknown", "what was refused is not: {refused} {room}");
}

#[tokio::test]
async fn a_full_log_ends_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let hub = Hub::of(Hub::command(dir.path(), &[("LOG__LEVEL", "trace")]).stderr(full));
    let mut own = hub.member("own").await;
    for n in 0..3 {
        hub.hang_up();
        own.ok("seat_lock", json!({"seat_nos": [2], "on": n % 2 == 0})).await;
        hub.user(&format!("u{n}")).await;
    }
    assert!(!hub.metrics().await.is_empty());
    hub.terminate();
    assert!(hub.ended().await.success(), "it says what it does, but nobody can keep it");
}
