//! What `deploy/` watches, against a real scrape: every name that a rule or the dashboard uses is there, and the rules do what they say.
use crate::hub::{DEADLINE, Hub};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::time::timeout;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn promtool(args: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(args).current_dir(deploy("prometheus")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool, of Debian's package prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// Picks the names of metrics out of an expression.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.starts_with("michub_") || word.starts_with("process_")).map(str::to_owned).collect()
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(map) => map.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// A hub that has lived a little, and its scrape.
async fn scrape() -> String {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let mut other = hub.enter(json!({"type": "user_online", "user_id": "other", "attempt": 3, "down_ms": 9000})).await;
    own.ok("queue_join", json!({})).await;
    own.ok("watch_status", json!({"user_ids": ["other"]})).await;
    other.ok("status_change", json!({"status": "busy"})).await;
    other.ok("message", json!({"to_user_id": "own", "message": "hi"})).await;
    other.say(json!({"type": "heartbeat"})).await;
    other.wait("heartbeat_ack").await;
    assert_eq!(other.ask("queue_move", json!({"target_user_id": "own", "place": "front"})).await["type"], "error");
    hub.get("/api/rooms/r1").await;
    own.wait("userOnlineStatus").await;
    own.raw("{").await;
    for _ in 0..5 {
        other.raw("{").await;
    }
    other.close_code().await;
    // What is counted behind an answer may come a moment after it.
    let mut text = String::new();
    let counted = async {
        while !LAST.iter().all(|name| has_counted(&text, name)) {
            text = hub.metrics().await;
        }
    };
    let counted = timeout(DEADLINE, counted).await;
    assert!(counted.is_ok(), "not all of {LAST:?} is counted: {text}");
    text
}

/// What the hub counts last of all that [`scrape`] does.
const LAST: &[&str] = &[
    "michub_closes_total{name=\"bad_request\"}",
    "michub_commands_total{outcome=\"refused\"}",
    "michub_commits_total{outcome=\"ok\"}",
    "michub_heartbeats_total",
    "michub_http_seconds_count{route=\"/api/rooms/{room_id}\"}",
    "michub_message_seconds_count{kind=\"command\"}",
    "michub_message_seconds_count{kind=\"direct\"}",
    "michub_status_seconds_count",
];

fn has_counted(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') && rest != " 0"))
}

#[tokio::test]
async fn every_name_that_is_watched_is_there() {
    let text = scrape().await;
    promtool(&["check", "metrics"], &text);
    let there: BTreeSet<&str> = text.lines().filter_map(|line| line.split([' ', '{']).next()).collect();
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(deploy("grafana/michub.json")).unwrap()).unwrap();
    let mut used = Vec::new();
    strings(&dashboard, &mut used);
    used.push(fs::read_to_string(deploy("prometheus/michub.rules.yml")).unwrap());
    let used: BTreeSet<String> = used.iter().flat_map(|text| names(text)).collect();
    assert!(used.len() > 25, "{used:?}");
    let missing: Vec<_> = used.iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in a scrape: {missing:?}");

    let records = fs::read_to_string(deploy("prometheus/michub.rules.yml")).unwrap();
    let recorded: BTreeSet<&str> = records.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert_eq!(recorded.len(), 5, "the five targets");
    let board = dashboard.to_string();
    assert!(recorded.iter().all(|name| board.contains(name)), "the dashboard shows all of {recorded:?}");
}

#[tokio::test]
async fn the_numbers_count() {
    let text = scrape().await;
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not there")).parse().unwrap()
    };
    assert!((value("michub_connects_total{outcome=\"ok\"}") - 2.0).abs() < 0.1);
    assert!((value("michub_reconnects_total{outcome=\"ok\"}") - 1.0).abs() < 0.1);
    assert!((value("michub_reconnects_total{outcome=\"failed\"}") - 2.0).abs() < 0.1);
    assert!((value("michub_heartbeats_total") - 1.0).abs() < 0.1);
    assert!(value("michub_closes_total{name=\"bad_request\"}") > 0.5);
    assert!(value("michub_commands_total{outcome=\"refused\"}") > 0.5);
    assert!(value("michub_commits_total{outcome=\"ok\"}") > 0.5);
    assert!(value("michub_message_seconds_count{kind=\"command\"}") > 0.5);
    assert!(value("michub_status_seconds_count") > 0.5);
    assert!(value("michub_connections") > 0.5 && value("michub_rooms") > 0.5 && value("michub_ready") > 0.5);
    assert!(value("process_resident_memory_bytes") > 1e6);
}

/// Every name in a scrape is in the table of metrics, with its kind and what it says.
#[tokio::test]
async fn every_name_in_a_scrape_is_in_the_table() {
    use michub::server::telemetry::metrics::table::ALL;
    let text = scrape().await;
    let kinds: Vec<(&str, &str)> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(kinds.len() > 30, "{kinds:?}");
    for (name, kind) in kinds {
        let metric = ALL.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(metric.kind.name(), kind, "{name}");
        assert!(text.contains(&format!("# HELP {name} {}", metric.help)), "{name}");
        let label = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('{')?.split_once('}')?.0.to_owned());
        for labels in text.lines().filter_map(label) {
            let names: BTreeSet<&str> = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|pair| pair.0).collect();
            let known = metric.labels.split_whitespace().collect();
            assert!(names.is_subset(&known), "{name} has the labels {names:?}");
        }
    }
}

/// Reads what a program of the system says of a file.
fn said_by(program: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn systemd_understands_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("michub.service");
    let text = fs::read_to_string(deploy("michub.service")).unwrap();
    fs::write(&unit, text.replace("/usr/bin/michub", env!("CARGO_BIN_EXE_michub"))).unwrap();
    let (good, said) = said_by("systemd-analyze", &["verify", "--man=no", unit.to_str().unwrap()]);
    assert!(good && said.is_empty(), "{said}");
    let (good, said) = said_by("systemd-analyze", &["security", "--offline=yes", "--threshold=20", unit.to_str().unwrap()]);
    assert!(good, "an exposure above 2.0: {said}");
}

/// What the image and the containers are started with is understood by this version.
#[test]
fn the_containers_are_what_the_hub_expects() {
    let dockerfile = fs::read_to_string(deploy("Dockerfile")).unwrap();
    for needed in ["USER 10001", "HEALTHCHECK", "\"health\"]", "STOPSIGNAL SIGTERM", "--locked", "AS build"] {
        assert!(dockerfile.contains(needed), "{needed}");
    }
    assert!(!dockerfile.contains(":latest"));
    let compose = fs::read_to_string(deploy("compose.yml")).unwrap();
    let own = compose.split("\n  redis:").next().unwrap();
    let set = |text: &str| -> Vec<(String, String)> {
        let lines = text.lines().flat_map(|line| line.trim().trim_start_matches("ENV ").split_whitespace().collect::<Vec<_>>());
        let pairs = lines.filter_map(|word| word.split_once('=')).filter(|(name, _)| name.starts_with("MICHUB_"));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let mut settings = set(&dockerfile);
    for line in own.lines().map(str::trim).filter(|line| line.starts_with("MICHUB_")) {
        let (name, value) = line.split_once(": ").unwrap();
        let value = value.trim_matches('\'').replace("${MICHUB_STORE_KIND:-embedded}", "embedded");
        let secret = |text: &str| {
            text.split("${").skip(1).fold(text.to_owned(), |text, part| {
                let variable = part.split('}').next().unwrap_or_default();
                text.replace(&format!("${{{variable}}}"), "0123456789abcdef0123456789abcdef")
            })
        };
        settings.push((name.to_owned(), secret(&value)));
    }
    assert!(settings.len() >= 9, "{settings:?}");
    let dir = tempfile::tempdir().unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_michub"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let output = check.arg("--config").arg(config).arg("check-config").current_dir(&dir).envs(settings).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"], "");
}

#[test]
fn the_rules_do_what_they_say() {
    promtool(&["check", "rules", "michub.rules.yml"], "");
    promtool(&["test", "rules", "michub.test.yml"], "");
}

/// Starts a hub as systemd does, and reads what it tells.
#[test]
fn the_service_manager_is_told() {
    use std::os::unix::net::UnixDatagram;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_michub"))
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(dir.path())
        .current_dir(dir.path())
        .envs([("MICHUB_ADMIN__LISTEN", "127.0.0.1:0"), ("WATCHDOG_USEC", "400000"), ("NOTIFY_SOCKET", path.to_str().unwrap())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let wait = |word: &str| {
        let mut bytes = [0; 4096];
        loop {
            let length = socket.recv(&mut bytes).expect("a message in time");
            if String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line == word) {
                return;
            }
        }
    };
    let signal = |name: &str| Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    for word in ["READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        wait(word);
    }
    signal("-HUP");
    wait("RELOADING=1");
    wait("READY=1");
    signal("-TERM");
    wait("STOPPING=1");
    assert!(child.wait().unwrap().success());
}
