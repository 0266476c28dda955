//! Every scenario of the load generator, small, against the real binary: its counts add up, and it meets no error. Nothing is timed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

struct Hub {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Hub {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_michub"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0")
            .env("MICHUB_SERVER__SHARDS", "2")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1.split_once(' ').unwrap().0.to_owned();
        Self { child, address, _data: data }
    }

    fn load(&self, args: &str) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_michub"))
            .args(["load", "--json", "--seconds", "1", "--target", &self.address])
            .args(["--hub-pid", &self.child.id().to_string()])
            .args(args.split(' '))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args}: {text}\n{shown}");
        assert!(shown.contains("measuring: "), "{args}: no progress: {shown}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["errors"], serde_json::json!({}), "{args}");
        assert!(report["hub"]["rss_kb_end"].as_u64().unwrap() > 0, "{args}: {report}");
        report
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(report: &Value, what: &str) -> u64 {
    report["counts"][what].as_u64().unwrap_or_else(|| panic!("no {what} in {report}"))
}

#[test]
fn idle_clients_beat() {
    let report = Hub::start().load("idle --clients 5 --interval-ms 100");
    assert_eq!(report["sockets"], 5);
    assert!(count(&report, "heartbeats acked") > 0);
}

#[test]
fn every_heartbeat_is_acked() {
    let report = Hub::start().load("heartbeat --clients 4 --rate 0 --depth 3 --count 30");
    assert_eq!(count(&report, "heartbeats acked"), 4 * 30);
    assert_eq!(report["latency_us"]["heartbeat"]["count"], 4 * 10);
}

#[test]
fn every_delivered_message_is_counted() {
    let report = Hub::start().load("fanout --rooms 2 --subscribers 5 --writers 2 --rate 0 --burst 4 --count 20");
    assert_eq!(count(&report, "commands answered"), 2 * 2 * 20);
    assert_eq!(count(&report, "messages delivered"), 2 * 2 * 20 * 5);
    assert_eq!(report["latency_us"]["last subscriber"]["count"], 2 * 2 * 20);
    assert!(count(&report, "frames delivered") <= count(&report, "messages delivered"));
}

#[test]
fn admins_move_people() {
    let report = Hub::start().load("queue --admins 3 --queued 5 --depth 4 --count 40");
    assert_eq!(count(&report, "commands acked"), 3 * 40);
    assert_eq!(report["latency_us"]["ack"]["count"], 3 * 40);
}

#[test]
fn slow_readers_get_everything_too() {
    let report = Hub::start().load("slow-readers --rooms 2 --subscribers 4 --slow-percent 25 --rate 50");
    assert_eq!(count(&report, "clients with everything"), 6);
    assert_eq!(count(&report, "slow clients with everything"), 2);
    assert!(count(&report, "messages delivered") > count(&report, "messages at slow clients"));
}

#[test]
fn watchers_hear_every_change() {
    let report = Hub::start().load("watch --clients 6 --people 2 --rate 10 --count 3");
    assert_eq!(count(&report, "pushes delivered"), 6 * 2 * 3);
    assert_eq!(report["latency_us"]["status"]["count"], 6 * 2 * 3);
}

#[test]
fn a_mixed_load_is_answered() {
    let report = Hub::start().load("mixed --rooms 2 --subscribers 10 --rate 20");
    assert!(count(&report, "moves acked") > 0);
    assert!(count(&report, "frames delivered") > 0);
}

#[test]
fn everybody_comes_back_to_his_place() {
    let report = Hub::start().load("reconnect --clients 12 --rooms 3");
    assert_eq!(count(&report, "clients resumed"), 12);
    assert_eq!(count(&report, "places kept"), 12);
}

#[test]
fn pollers_miss_nothing() {
    let report = Hub::start().load("poll --clients 12 --rate 20 --count 10 --interval-ms 300");
    assert_eq!(count(&report, "frames delivered"), 12 * 10);
    assert!(count(&report, "heartbeats acked") >= 12);
    assert!(count(&report, "polls answered") >= 12 + 12);
}

#[test]
fn the_bound_needs_no_hub() {
    let report = Hub::start().load("bound --subscribers 5 --rate 0 --count 10");
    assert_eq!(count(&report, "messages delivered"), 5 * 10);
    assert_eq!(report["latency_us"]["last subscriber"]["count"], 10);
}

#[test]
fn a_wrong_load_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_michub")).args(["load", "idle", "--clients", "20000"]).output().unwrap();
    assert!(!output.status.success());
    let output = Command::new(env!("CARGO_BIN_EXE_michub"))
        .args(["load", "idle", "--clients", "2", "--seconds", "1", "--target", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert!(!output.status.success(), "errors are not hidden");
    assert!(String::from_utf8(output.stdout).unwrap().contains("errors: 2"));
}
