//! What an endpoint can rely on, one promise per test.
use crate::{
    hub::{Hub, http},
    receiver::{Delivery, OTHER, Receiver, Reply, SECRET},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Writes a configuration with one endpoint, `a`; `more` are further lines of its section.
fn configure(dir: &Path, receiver: &Receiver, more: &str) {
    let section = format!(
        "[webhook.a]\nurl = \"http://{}/hook?key=1\"\nallow_http = true\nallow_private = true\n{}\n{more}\n",
        receiver.address,
        if more.contains("secrets") { String::new() } else { format!("secrets = [\"{SECRET}\"]") },
    );
    let quick = if more.contains("retry_ms") { "" } else { "retry_ms = [20, 40, 80, 160, 320, 640, 1000, 1000, 1000, 1000]" };
    std::fs::write(dir.join("config.toml"), format!("{section}{quick}\n")).unwrap();
}

/// A hub with the room `r1`, which `own` owns.
async fn hub(dir: &Path) -> (Hub, crate::client::Client) {
    let hub = Hub::start(dir);
    let own = hub.member("own").await;
    (hub, own)
}

fn michub(hub: &Hub, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_michub")).args(args).env("MICHUB_ADMIN__LISTEN", &hub.admin).output().unwrap()
}

/// What `michub webhooks` prints.
pub fn webhooks(hub: &Hub, args: &[&str]) -> String {
    text(&michub(hub, &[&["webhooks"], args].concat()))
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn state(hub: &Hub) -> Value {
    http(&hub.admin, "GET", "/webhooks", "", "").await.1["webhooks"][0].clone()
}

/// Waits until the endpoint's state is like this.
async fn until(hub: &Hub, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1500 {
        tick.tick().await;
        let state = state(hub).await;
        if good(&state) {
            return state;
        }
    }
    panic!("{what}: {}", state(hub).await);
}

fn kinds(got: &[Delivery]) -> Vec<String> {
    got.iter().map(Delivery::kind).filter(|kind| kind != "user.status.changed").collect()
}

fn has(got: &[Delivery], kind: &str) -> bool {
    got.iter().any(|delivery| delivery.kind() == kind)
}

#[tokio::test]
async fn every_event_is_told_in_order_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(202)).await;
    configure(dir.path(), &receiver, &format!("secrets = [\"{OTHER}\", \"{SECRET}\"]"));
    let (_hub, mut own) = hub(dir.path()).await;
    own.ok("queue_join", json!({"op_id": "j1"})).await;
    own.ok("seat_leave", json!({})).await;
    let got = receiver.wait("all of it", |got| has(got, "mic.turn.ended") && has(got, "user.status.changed")).await;
    let room: Vec<Delivery> = got.iter().filter(|delivery| delivery.room() == "r1").cloned().collect();
    let expected = [
        "room.opened",
        "mic.queue.joined",
        "mic.queue.left",
        "mic.seat.taken",
        "mic.turn.started",
        "mic.seat.left",
        "mic.turn.ended",
    ];
    assert_eq!(kinds(&room), expected);
    assert!(got.iter().all(|delivery| delivery.is_signed_by(SECRET) && delivery.is_signed_by(OTHER)));
    assert!(got.iter().all(|delivery| delivery.path == "/hook?key=1"));
    let data: Vec<Value> = room.iter().map(|delivery| delivery.json()["data"].clone()).collect();
    assert_eq!(data[0]["prev_rev"], Value::Null);
    for pair in data.windows(2) {
        assert_eq!((&pair[1]["prev_rev"], &pair[1]["prev_index"]), (&pair[0]["rev"], &pair[0]["index"]));
    }
    assert_eq!((&data[1]["by"], &data[1]["op_id"], &data[1]["user_id"]), (&json!("own"), &json!("j1"), &json!("own")));
    assert_eq!((&data[3]["rev"], &data[3]["index"], &data[3]["seat_no"]), (&json!(1), &json!(2), &json!(2)));
    let status = got.iter().find(|delivery| delivery.kind() == "user.status.changed").expect("a status").json();
    assert_eq!(status["data"]["user_id"], "own");
    // Of two changes that wait, only the newer is sent.
    assert!(["online", "busy"].contains(&status["data"]["status"].as_str().unwrap()), "{status}");
}

/// What a room tells of somebody who joins the queue and gets a seat: it is opened, he joins, leaves, sits and has a turn.
const OF_OTHER: usize = 5;

#[tokio::test]
async fn a_failing_room_delays_no_other() {
    let dir = tempfile::tempdir().unwrap();
    // The first room fails until the other one has been told everything: were it held up for that, there would be no end.
    let of_other = AtomicUsize::new(0);
    let fails = move |delivery: &Delivery| match delivery.room().as_str() {
        "r1" if of_other.load(Relaxed) < OF_OTHER => Reply::Status(500),
        room => {
            of_other.fetch_add(usize::from(room == "r2"), Relaxed);
            Reply::Status(200)
        }
    };
    let receiver = Receiver::start(fails).await;
    configure(dir.path(), &receiver, &format!("types = [\"mic.*\", \"room.*\"]\nretry_ms = [{}]", ["500"; 60].join(", ")));
    let (hub, mut own) = hub(dir.path()).await;
    own.ok("queue_join", json!({})).await;
    own.say(json!({"type": "room_join", "room_id": "r2"})).await;
    let body = json!({"type": "queue_join", "act_as": "own"});
    receiver.wait("the first failure", |got| !got.is_empty()).await;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while hub.post("/api/rooms/r2/commands", body.clone()).await.0 != 200 {
        tick.tick().await;
    }
    let started = |got: &[Delivery], room: &str| got.iter().any(|one| one.room() == room && one.kind() == "mic.turn.started");
    let got = receiver.wait("both rooms", |got| started(got, "r1") && started(got, "r2")).await;
    // Whatever is told again is what was told before.
    let of_first: Vec<&Delivery> = got.iter().filter(|delivery| delivery.room() == "r1").collect();
    assert!(of_first.len() > OF_OTHER, "it was refused at least once: {of_first:?}");
    assert!(of_first[0].id == of_first[1].id && of_first[0].body == of_first[1].body, "{of_first:?}");
    let mut seen: Vec<(u64, u64)> = Vec::new();
    for delivery in of_first {
        let data = delivery.json()["data"].clone();
        seen.push((data["rev"].as_u64().unwrap(), data["index"].as_u64().unwrap()));
    }
    assert!(seen.is_sorted(), "{seen:?}");
}

// The command line is waited for, so the receiver needs a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_the_schedule_ends_in_dead_letters_and_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    static OUT: AtomicBool = AtomicBool::new(false);
    let receiver = Receiver::start(|_| Reply::Status(if OUT.load(Relaxed) { 500 } else { 200 })).await;
    configure(dir.path(), &receiver, "types = [\"mic.queue.*\"]\nretry_ms = [10, 20]");
    let (hub, mut own) = hub(dir.path()).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    own.ok("queue_join", json!({})).await;
    receiver.wait("the join", |got| has(got, "mic.queue.on_deck")).await;
    OUT.store(true, Relaxed);
    own.ok("queue_leave", json!({})).await;
    own.ok("queue_join", json!({})).await;
    until(&hub, "three dead letters", |state| state["dead"] == 3 && state["pending_rooms"] == 0).await;
    let dead = text(&michub(&hub, &["webhooks", "dead", "a"]));
    assert!(dead.contains("status 500") && dead.lines().count() == 3, "{dead}");
    OUT.store(false, Relaxed);
    let before = receiver.got().len();
    own.ok("queue_leave", json!({})).await;
    let got = receiver.wait("the gap and what follows", |got| has(&got[before.min(got.len())..], "mic.queue.left")).await;
    let after =
        &got[got.iter().position(|delivery| delivery.kind() == "system.gap" && delivery.json()["data"]["count"] == 3).unwrap()..];
    let last_gap = after.iter().rposition(|delivery| delivery.kind() == "system.gap").unwrap();
    let [gap, left, ..] = &after[last_gap..] else { panic!("{after:?}") };
    let (gap, left) = (gap.json()["data"].clone(), left.json());
    assert_eq!((&gap["reason"], &gap["count"], &gap["from_rev"]), (&json!("dead_letters"), &json!(3), &json!(3)));
    assert_eq!((&left["type"], &left["data"]["prev_rev"]), (&json!("mic.queue.left"), &gap["rev"]));
    let ids: Vec<String> = dead
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["letter"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text(&michub(&hub, &["webhooks", "replay", "a"])), "3 sent, 0 failed\n");
    let got = receiver.got();
    let last: Vec<String> = got[got.len() - 3..].iter().map(|delivery| delivery.id.clone()).collect();
    assert_eq!(last, ids, "in their order, under their own ids");
    let list = text(&michub(&hub, &["webhooks", "list"]));
    assert!(list.starts_with("a  ok  http://127.0.0.1:") && list.contains("dead 0") && !list.contains("key=1"), "{list}");
}

#[tokio::test]
async fn what_a_receiver_says_it_wants_is_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let answers = Mutex::new(vec![Reply::Status(410), Reply::With(429, "retry-after: 1\r\n")]);
    let receiver = Receiver::start(move |_| answers.lock().unwrap().pop().unwrap_or(Reply::Status(200))).await;
    configure(dir.path(), &receiver, "types = [\"room.opened\"]\nretry_ms = [1, 1, 1]");
    let (hub, _own) = hub(dir.path()).await;
    let got = receiver.wait("the second attempt", |got| got.len() == 2).await;
    let seconds: Vec<u64> = got.iter().map(|delivery| delivery.timestamp.parse().unwrap()).collect();
    assert!(seconds[1] > seconds[0], "the hub waits as long as it was asked to: {seconds:?}");
    until(&hub, "gone", |state| state["state"] == "gone" && state["pending_rooms"] == 0).await;
    assert_eq!(text(&michub(&hub, &["webhooks", "enable", "a"])), "a is in use\n");
    receiver.wait("the third attempt", |got| got.len() == 3).await;
    let nobody = michub(&hub, &["webhooks", "enable", "b"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no [webhook.b]"), "{nobody:?}");
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    for (host, why) in [("127.0.0.1", "is no address that is allowed"), ("localhost", "the name has no address that is allowed")]
    {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("http://{host}:{}", receiver.address.port());
        let open = format!("[webhook.a]\nurl = \"{url}\"\nallow_http = true\nsecrets = [\"{SECRET}\"]\nretry_ms = []\n");
        std::fs::write(dir.path().join("config.toml"), open).unwrap();
        let (hub, _own) = hub(dir.path()).await;
        until(&hub, "given up", |state| state["dead"] == 1).await;
        let list = webhooks(&hub, &["list"]);
        assert!(list.contains("the last attempt failed: ") && list.contains(why), "{list}");
        let dead = text(&michub(&hub, &["webhooks", "dead", "a"]));
        assert!(dead.contains(why), "{dead}");
    }
    assert_eq!(receiver.got().len(), 0);
}

#[tokio::test]
async fn a_redirect_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let other = Receiver::start(|_| Reply::Status(200)).await;
    let location: &'static str = format!("location: http://{}/\r\n", other.address).leak();
    let receiver = Receiver::start(move |_| Reply::With(307, location)).await;
    configure(dir.path(), &receiver, "types = [\"room.opened\"]\nretry_ms = []");
    let (hub, _own) = hub(dir.path()).await;
    until(&hub, "given up", |state| state["dead"] == 1).await;
    assert!(!receiver.got().is_empty() && other.got().is_empty());
}

#[tokio::test]
async fn what_happened_while_the_hub_was_down_is_told_later_and_what_was_before_never() {
    let dir = tempfile::tempdir().unwrap();
    let (first, mut own) = hub(dir.path()).await;
    own.ok("queue_join", json!({})).await;
    first.kill();
    let receiver = Receiver::start(|_| Reply::Hang).await;
    configure(dir.path(), &receiver, "types = [\"mic.*\", \"room.*\"]");
    let (second, mut own) = hub(dir.path()).await;
    own.ok("seat_leave", json!({})).await;
    receiver.wait("an attempt", |got| !got.is_empty()).await;
    second.kill();
    let there = Receiver::start(|_| Reply::Status(200)).await;
    configure(dir.path(), &there, "types = [\"mic.*\", \"room.*\"]");
    let _third = Hub::start(dir.path());
    let got = there.wait("the turn's end", |got| has(got, "mic.turn.ended")).await;
    assert!(!has(&got, "mic.queue.joined") && !has(&got, "room.opened"), "{:?}", kinds(&got));
    assert!(has(&got, "mic.seat.left"), "{:?}", kinds(&got));
}

#[tokio::test]
async fn what_nobody_keeps_any_more_is_a_gap_from_which_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    static OUT: AtomicBool = AtomicBool::new(true);
    let receiver = Receiver::start(|_| Reply::Status(if OUT.load(Relaxed) { 500 } else { 200 })).await;
    configure(dir.path(), &receiver, &format!("types = [\"room.*\"]\nretry_ms = [{}]", ["1000"; 60].join(", ")));
    let hub = Hub::with(dir.path(), &[("HISTORY__RETENTION_DAYS", "0")]);
    let mut own = hub.member("own").await;
    receiver.wait("an attempt", |got| !got.is_empty()).await;
    let mut rev = Value::Null;
    for turn in 0..400 {
        rev = own.ok("flag_set", json!({"flag": "mute_all", "on": turn % 2 == 0})).await["rev"].clone();
    }
    OUT.store(false, Relaxed);
    let before = receiver.got().len();
    let got = receiver.wait("the gap", |got| has(&got[before.min(got.len())..], "system.gap")).await;
    let gap = got.iter().find(|delivery| delivery.kind() == "system.gap").unwrap().json()["data"].clone();
    assert_eq!((&gap["reason"], &gap["rev"], &gap["from_rev"]), (&json!("trimmed"), &rev, &json!(1)));
    let snapshot = hub.get("/api/rooms/r1").await.1;
    assert_eq!(snapshot["cursor"], gap["cursor"], "a snapshot leads on from here: {snapshot}");
    own.ok("flag_set", json!({"flag": "queue_open", "on": false})).await;
    let next = receiver.wait("what follows", |got| got.last().is_some_and(|last| last.kind() == "room.flags.changed")).await;
    let data = next.last().unwrap().json()["data"].clone();
    assert_eq!((&data["prev_rev"], &data["rev"]), (&gap["rev"], &json!(rev.as_u64().unwrap() + 1)));
}
