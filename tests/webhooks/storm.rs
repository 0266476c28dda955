//! A receiver that fails, hangs and dies, and a hub that dies: every event of every room arrives, in order, duplicates with the same id.
//!
//! `WEBHOOK_EVENTS` says how many events; `cargo xtask webhooks` runs it with 100,000 and more.
use crate::{
    hub::{Hub, http},
    receiver::{Delivery, Receiver, Reply, SECRET},
};
use michub::server::outgoing::{Outgoing, OutgoingSettings, Target};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Says that this process is the receiver: its port and its file.
const RECEIVER: &str = "WEBHOOK_RECEIVER";
const ROOMS: usize = 16;

/// The receiver in a process of its own, so that it can be killed: what it takes is in the file before it says so.
#[tokio::test]
async fn receiver_process() {
    let Ok(said) = std::env::var(RECEIVER) else { return };
    let (port, path) = said.split_once(' ').unwrap();
    let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    let receiver = Receiver::on(listener, move |delivery| behave(delivery, &file));
    receiver.wait_for_ever().await;
}

fn behave(delivery: &Delivery, mut file: &File) -> Reply {
    let chance = rand::random_range(0..1000);
    match chance {
        0..30 => return Reply::Status(500),
        30..40 => return Reply::Drop,
        40..42 => return Reply::Hang,
        _ => {}
    }
    let good = delivery.is_signed_by(SECRET);
    let line = json!({"id": delivery.id, "good": good, "body": delivery.json()});
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
    match chance {
        42..52 => Reply::Drop,
        52..54 => Reply::Hang,
        54..64 => Reply::Status(503),
        _ => Reply::Status(200),
    }
}

fn receiver(port: u16, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storm::receiver_process"])
        .env(RECEIVER, format!("{port} {}", file.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Locks and unlocks all seats of a room, again and again, whichever hub is there. Counts what was acked.
async fn drive(room: usize, mut hubs: watch::Receiver<Option<String>>, acked: Arc<AtomicUsize>, wanted: usize) {
    let settings = OutgoingSettings {
        allow_private: true,
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        answer_bytes: 65_536,
        idle_max: 1,
    };
    let mut on = true;
    while acked.load(Relaxed) < wanted {
        let Some(address) = hubs.wait_for(Option::is_some).await.unwrap().clone() else { continue };
        let url = format!("http://{address}/api/rooms/r{room}/commands");
        let hub = Outgoing::new(Target::parse(&url).unwrap(), settings.clone()).unwrap();
        loop {
            let body = json!({"type": "seat_lock", "seat_nos": "all", "on": on});
            match hub.post(&[], body.to_string().into()).await {
                Ok(answer) if answer.status.is_success() => {
                    on = !on;
                    if acked.fetch_add(1, Relaxed) >= wanted {
                        return;
                    }
                }
                _ => break,
            }
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
    }
}

/// The hubs of a storm: one with its own store, or two on one Redis.
struct Scene {
    dirs: Vec<TempDir>,
    settings: Vec<(&'static str, String)>,
    hubs: Vec<Hub>,
    /// Where each hub is; `None` while it is dead.
    show: Vec<watch::Sender<Option<String>>>,
    port: u16,
    file: PathBuf,
    receiving: Child,
}

impl Scene {
    async fn start(nodes: usize, settings: Vec<(&'static str, String)>) -> Self {
        let dirs: Vec<TempDir> = (0..nodes).map(|_| tempfile::tempdir().unwrap()).collect();
        let file = dirs[0].path().join("received");
        // Nobody else has it while the receiver is dead.
        let port = xtask::bed::free_port().unwrap();
        let retry = ["200"; 40].join(", ") + ", " + &["1000"; 20].join(", ");
        let config = format!(
            "[webhook.a]\nurl = \"http://127.0.0.1:{port}/\"\nallow_http = true\nallow_private = true\nsecrets = [\"{SECRET}\"]\n\
             timeout_ms = 300\nretry_ms = [5, 20, 50, 100, {retry}]\ntypes = [\"mic.*\", \"room.*\"]\n\
             [room.rules]\nqueue_mode = \"free\"\n"
        );
        for dir in &dirs {
            std::fs::write(dir.path().join("config.toml"), &config).unwrap();
        }
        let receiving = receiver(port, &file);
        let mut scene = Self { dirs, settings, hubs: Vec::new(), show: Vec::new(), port, file, receiving };
        for node in 0..nodes {
            let hub = scene.hub(node);
            scene.show.push(watch::Sender::new(Some(hub.address.clone())));
            scene.hubs.push(hub);
        }
        let mut own = scene.hubs[0].user("own").await;
        for room in 0..ROOMS {
            own.say(json!({"type": "room_join", "id": 1000 + room, "room_id": format!("r{room}")})).await;
            own.until(|frame| frame["id"] == 1000 + room).await;
        }
        scene
    }

    fn hub(&self, node: usize) -> Hub {
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Hub::with(self.dirs[node].path(), &settings)
    }

    fn kill_hub(&mut self, node: usize) {
        self.show[node].send_replace(None);
        self.hubs.remove(node).kill();
        let hub = self.hub(node);
        self.show[node].send_replace(Some(hub.address.clone()));
        self.hubs.insert(node, hub);
    }

    fn kill_receiver(&mut self) {
        kill(&mut self.receiving);
        self.receiving = receiver(self.port, &self.file);
    }

    /// Lets so many events happen while hubs and receiver die; returns when all of them are delivered.
    async fn storm(&mut self, events: usize) {
        // Each command changes 8 seats.
        let wanted = events.div_ceil(8);
        let acked = Arc::new(AtomicUsize::new(0));
        let drivers: Vec<_> = (0..ROOMS)
            .map(|room| tokio::spawn(drive(room, self.show[room % self.show.len()].subscribe(), acked.clone(), wanted)))
            .collect();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        let deaths = 6;
        for death in 1..=deaths {
            let so_far = || acked.load(Relaxed);
            while so_far() < wanted * death / (deaths + 1) {
                tick.tick().await;
                // On a busy machine all of them may be through before this looks again.
                assert!(so_far() >= wanted || !drivers.iter().any(JoinHandle::is_finished), "a driver has ended");
            }
            if death % 2 == 0 { self.kill_receiver() } else { self.kill_hub(death / 2 % self.hubs.len()) }
        }
        for driver in drivers {
            driver.await.unwrap();
        }
        // Once more each, while there is a backlog.
        self.kill_hub(0);
        self.kill_receiver();
        for hub in &self.hubs {
            until_delivered(hub, events).await;
        }
    }

    fn received(&mut self) -> String {
        kill(&mut self.receiving);
        std::fs::read_to_string(&self.file).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.receiving.kill();
        let _ = self.receiving.wait();
    }
}

fn wanted_events() -> usize {
    std::env::var("WEBHOOK_EVENTS").map_or(3_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_changes_places() {
    let events = wanted_events();
    let mut scene = Scene::start(1, Vec::new()).await;
    scene.storm(events).await;
    let exported = Command::new(env!("CARGO_BIN_EXE_michub"))
        .args(["history", "export", "--data"])
        .arg(scene.dirs[0].path())
        .env("MICHUB_ADMIN__LISTEN", &scene.hubs[0].admin)
        .output()
        .unwrap();
    let happened = by_room(&String::from_utf8(exported.stdout).unwrap());
    let count: usize = happened.values().map(Vec::len).sum();
    assert!(count >= events, "{count} events");
    let rooms = first_of_each(&scene.received());
    assert_eq!(rooms.keys().collect::<Vec<_>>(), happened.keys().collect::<Vec<_>>());
    for (room, got) in &rooms {
        let events: Vec<Value> = got.iter().skip(1).map(|body| stripped(&body["data"])).collect();
        assert_eq!(events.len(), happened[room].len(), "{room}");
        for (got, expected) in events.iter().zip(&happened[room]) {
            assert_eq!(got, expected, "{room}");
        }
    }
}

/// Redis keeps no history, so what came is compared with itself: every rev up to the head, each command with all its events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_redis_deliver_each_room_as_one() {
    let events = wanted_events();
    let dir = tempfile::tempdir().unwrap();
    let redis = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions::default()).unwrap();
    let settings = vec![
        ("STORE__KIND", "redis".to_owned()),
        ("STORE__REDIS__URL", redis.url()),
        ("STORE__REDIS__LOG_REVS_MAX", "1000000".to_owned()),
    ];
    let mut scene = Scene::start(2, settings).await;
    scene.storm(events).await;
    let mut heads = BTreeMap::new();
    for room in 0..ROOMS {
        let (_, snapshot) = scene.hubs[0].get(&format!("/api/rooms/r{room}")).await;
        heads.insert(format!("r{room}"), snapshot["state"]["rev"].as_u64().unwrap_or_else(|| panic!("{snapshot}")));
    }
    let rooms = first_of_each(&scene.received());
    assert_eq!(rooms.keys().collect::<Vec<_>>(), heads.keys().collect::<Vec<_>>());
    for (room, got) in &rooms {
        let mut by_rev: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
        for body in got {
            by_rev.entry(body["data"]["rev"].as_u64().unwrap()).or_default().push(&body["data"]);
        }
        assert!(by_rev.keys().copied().eq(0..=heads[room]), "{room}: a rev is missing up to {}", heads[room]);
        for (rev, all) in by_rev {
            assert!(all.iter().enumerate().all(|(index, data)| data["index"] == index), "{room} {rev}: {all:?}");
            assert!(all[0]["event"] != "seat_updated" || all.len() == 8, "{room} {rev}: {all:?}");
        }
    }
}

/// Waits until nothing is left to deliver.
async fn until_delivered(hub: &Hub, events: usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let (mut calm, mut shown) = (0, Value::Null);
    for _ in 0..3_000 + events / 20 {
        tick.tick().await;
        let (_, answer) = http(&hub.admin, "GET", "/webhooks", "", "").await;
        shown = answer["webhooks"][0].clone();
        calm = if shown["pending_rooms"] == 0 { calm + 1 } else { 0 };
        if calm == 10 {
            assert_eq!(shown["dead"], 0, "{shown}");
            return;
        }
    }
    panic!("not delivered in time: {shown}");
}

fn by_room(lines: &str) -> BTreeMap<String, Vec<Value>> {
    let mut rooms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        rooms.entry(value["room_id"].as_str().unwrap().to_owned()).or_default().push(value);
    }
    rooms
}

/// Returns what has come first under each id, by room. It must be an unbroken chain, and whatever came again must be the same.
fn first_of_each(received: &str) -> BTreeMap<String, Vec<Value>> {
    let mut bodies: BTreeMap<String, Value> = BTreeMap::new();
    let mut rooms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut again = 0;
    // A killed receiver may leave half a line, which nobody was told of; the next one goes on behind it.
    let whole = |line: &str| serde_json::from_str::<Value>(&line[line.rfind("{\"body\"").unwrap_or(0)..]).ok();
    for line in received.lines().filter_map(whole) {
        assert_eq!(line["good"], true, "{line}");
        let (id, body) = (line["id"].as_str().unwrap().to_owned(), line["body"].clone());
        if let Some(known) = bodies.get(&id) {
            assert_eq!(known, &body, "another body under {id}");
            again += 1;
            continue;
        }
        assert_ne!(body["type"], "system.gap", "{body}");
        rooms.entry(body["data"]["room_id"].as_str().unwrap().to_owned()).or_default().push(body.clone());
        bodies.insert(id, body);
    }
    for (room, got) in &rooms {
        assert_eq!(got[0]["type"], "room.opened", "{room}");
        for pair in got.windows(2) {
            let (one, two) = (&pair[0]["data"], &pair[1]["data"]);
            assert_eq!((&two["prev_rev"], &two["prev_index"]), (&one["rev"], &one["index"]), "{room}");
        }
    }
    println!("{} messages of {} rooms, {again} duplicates", bodies.len(), rooms.len());
    rooms
}

/// A message's data as the history shows the event.
fn stripped(data: &Value) -> Value {
    let mut data = data.as_object().unwrap().clone();
    data.retain(|key, _| !["index", "cursor", "prev_rev", "prev_index"].contains(&key.as_str()));
    Value::Object(data)
}
