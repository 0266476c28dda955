//! kill -9 under load, at moments that nobody chose: nothing acked is lost, nothing is done twice, everybody sees one order.
//! `MICHUB_SEED` chooses other commands and moments.
use crate::{
    client::{Client, order},
    hub::{DEADLINE, Hub},
};
use futures_util::StreamExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};
use tokio::{sync::watch, time::timeout};
use tokio_tungstenite::tungstenite::Message;

const ROUNDS: u64 = 24;
const PEOPLE: usize = 6;
const IN_FLIGHT: usize = 4;

/// One person over all his sockets: what he asked, what he was told, and what he saw happen.
struct Person {
    name: String,
    rng: StdRng,
    welcome: Value,
    cursor: Value,
    queue: Vec<String>,
    /// Every event seen, by rev.
    seen: BTreeMap<u64, Vec<Value>>,
    pending: BTreeMap<String, Value>,
    acked: BTreeMap<String, u64>,
    /// Told that nothing happened.
    nothing: BTreeSet<String>,
    asked: u64,
    dups: u64,
}

impl Person {
    fn follow(&mut self, update: &Value) {
        assert_eq!(update["prev"], self.cursor, "{}: the chain is broken", self.name);
        self.cursor = update["cursor"].clone();
        for event in update["events"].as_array().unwrap() {
            let user = || event["user_id"].as_str().unwrap().to_owned();
            let index = |field: &str| usize::try_from(event[field].as_u64().unwrap()).unwrap();
            match event["event"].as_str().unwrap() {
                "queue_joined" => self.queue.insert(index("index"), user()),
                "queue_left" => self.queue.retain(|other| *other != user()),
                "queue_moved" => {
                    assert_eq!(self.queue.remove(index("from")), user());
                    self.queue.insert(index("to"), user());
                }
                _ => {}
            }
            self.seen.entry(event["rev"].as_u64().unwrap()).or_default().push(event.clone());
        }
    }

    fn hear(&mut self, frame: &Value) {
        let op = || frame["id"].as_u64().map(|id| format!("{}-{id}", self.name));
        match frame["type"].as_str().unwrap() {
            "room_update" => self.follow(frame),
            "ack" => {
                let op = op().unwrap();
                assert!(self.pending.remove(&op).is_some(), "{op} is answered twice");
                self.dups += u64::from(frame["dup"] == true);
                if frame["noop"] == true {
                    self.nothing.insert(op);
                } else {
                    self.acked.insert(op, frame["rev"].as_u64().unwrap());
                }
            }
            "error" => {
                let op = op().unwrap();
                assert!(self.pending.remove(&op).is_some(), "{op} is answered twice");
                let known = ["not_queued", "already_queued", "self_anchor", "anchor_gone", "target_rank"];
                assert!(known.contains(&frame["name"].as_str().unwrap()), "{frame}");
                self.nothing.insert(op);
            }
            "room_snapshot" | "room_reset" => panic!("{}: {frame}", self.name),
            _ => {}
        }
    }

    fn next_command(&mut self) -> Value {
        let someone = format!("p{}", self.rng.random_range(0..PEOPLE));
        let other = format!("p{}", self.rng.random_range(0..PEOPLE));
        let mut command = match self.rng.random_range(0..6) {
            0 => json!({"type": "queue_leave"}),
            1 | 2 => json!({"type": "queue_join"}),
            3 => json!({"type": "queue_move", "target_user_id": someone, "place": {"before": other}, "force": true}),
            4 => json!({"type": "queue_move", "target_user_id": someone, "place": "front", "force": true}),
            _ => json!({"type": "queue_move", "target_user_id": someone, "place": {"down": 2}, "force": true}),
        };
        self.asked += 1;
        command["room_id"] = json!("r1");
        command["id"] = json!(self.asked);
        command["op_id"] = json!(format!("{}-{}", self.name, self.asked));
        command
    }

    /// Sends and hears until the socket is gone, or until `stop` and everything is answered.
    async fn work(mut self, mut client: Client, answered: &'static AtomicU64, mut stop: watch::Receiver<bool>) -> Self {
        for command in self.pending.clone().into_values() {
            client.say(command).await;
        }
        loop {
            let stopped = *stop.borrow_and_update();
            while !stopped && self.pending.len() < IN_FLIGHT {
                let command = self.next_command();
                self.pending.insert(command["op_id"].as_str().unwrap().to_owned(), command.clone());
                client.say(command).await;
            }
            if stopped && self.pending.is_empty() {
                return self;
            }
            let frame = match client.early.pop_front() {
                Some(frame) => frame,
                None => match timeout(DEADLINE, client.socket.next()).await.expect("a frame in time") {
                    Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return self,
                },
            };
            self.hear(&frame);
            answered.fetch_add(u64::from(frame.get("id").is_some()), SeqCst);
        }
    }

    async fn back(&mut self, hub: &Hub) -> Client {
        let client = hub.resume(&self.welcome, json!([{"room_id": "r1", "cursor": self.cursor}])).await;
        assert_eq!(client.welcome["resumed"], true, "{}", self.name);
        assert_eq!(client.welcome["session_id"], self.welcome["session_id"]);
        assert_eq!(client.welcome["rooms"][0]["recovered"], true, "{}: {}", self.name, client.welcome);
        self.welcome = client.welcome.clone();
        client
    }

    /// Everything acked happened once, at the rev that was told; everything refused did not happen.
    fn check(&self, by_op: &BTreeMap<String, BTreeSet<u64>>) {
        for (op, rev) in &self.acked {
            assert_eq!(by_op.get(op), Some(&BTreeSet::from([*rev])), "{op} was acked with rev {rev}");
        }
        for op in &self.nothing {
            assert_eq!(by_op.get(op), None, "{op} was refused");
        }
    }
}

async fn everybody(hub: &Hub, seed: u64) -> Vec<(Person, Client)> {
    let mut own = hub.member("p0").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    for n in 1..PEOPLE {
        own.ok("role_set", json!({"target_user_id": format!("p{n}"), "role_id": "admin"})).await;
    }
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let mut client = if n == 0 { hub.resume(&own.welcome, json!([])).await } else { hub.user(&format!("p{n}")).await };
        if n > 0 {
            client.ok("room_join", json!({})).await;
        }
        let snapshot = client.wait("room_snapshot").await;
        let person = Person {
            name: format!("p{n}"),
            rng: StdRng::seed_from_u64(seed * 100 + n as u64),
            welcome: client.welcome.clone(),
            cursor: snapshot["cursor"].clone(),
            queue: order(&snapshot),
            seen: BTreeMap::new(),
            pending: BTreeMap::new(),
            acked: BTreeMap::new(),
            nothing: BTreeSet::new(),
            asked: 0,
            dups: 0,
        };
        people.push((person, client));
    }
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_under_load() {
    static ANSWERED: AtomicU64 = AtomicU64::new(0);
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path());
    let seed = std::env::var("MICHUB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut people = everybody(&hub, seed).await;
    let mut poller = beat(&hub, json!({"user_id": "q", "rooms": [{"room_id": "r1"}]})).await;
    let (status, ack) = hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "q"})).await;
    assert_eq!(status, 200, "{ack}");
    for round in 0..=ROUNDS {
        let (stop, stopped) = watch::channel(false);
        let goal = ANSWERED.load(SeqCst) + rng.random_range(1..400);
        let tasks: Vec<_> =
            people.drain(..).map(|(person, client)| tokio::spawn(person.work(client, &ANSWERED, stopped.clone()))).collect();
        timeout(DEADLINE, async {
            while ANSWERED.load(SeqCst) < goal {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("progress");
        if round == ROUNDS {
            stop.send(true).unwrap();
        } else {
            hub.kill();
            hub = Hub::start(dir.path());
            if round % 4 == 3 {
                // Once more, before anybody is back.
                hub.kill();
                hub = Hub::start(dir.path());
            }
            // Somebody without a socket is in his room again, too.
            poller = beat(&hub, json!({"user_id": "q", "session_token": poller["session_token"]})).await;
            assert_eq!((&poller["resumed"], &poller["rooms"][0]["room_id"]), (&json!(true), &json!("r1")), "{poller}");
        }
        for task in tasks {
            let mut person = task.await.unwrap();
            let client = person.back(&hub).await;
            people.push((person, client));
        }
    }
    let order = judge(people).await;
    assert!(order.contains(&"q".to_owned()), "{order:?}");
}

async fn beat(hub: &Hub, body: Value) -> Value {
    let (status, welcome) = hub.post("/api/poll/heartbeat", body).await;
    assert_eq!(status, 200, "{welcome}");
    welcome
}

async fn judge(mut people: Vec<(Person, Client)>) -> Vec<String> {
    let mut orders = BTreeSet::new();
    for (person, client) in &mut people {
        let ack = client.ok("room_sync", json!({"cursor": ""})).await;
        for frame in client.early.drain(..).filter(|frame| frame["type"] == "room_update") {
            person.follow(&frame);
        }
        let snapshot = client.wait("room_snapshot").await;
        assert_eq!((&snapshot["cursor"], &ack["cursor"]), (&person.cursor, &person.cursor), "{}", person.name);
        assert_eq!(order(&snapshot), person.queue, "{}", person.name);
        orders.insert(person.queue.clone());
    }
    assert_eq!(orders.len(), 1, "{orders:?}");
    let mut by_op: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut by_rev: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for (person, _) in &people {
        for (rev, events) in &person.seen {
            assert_eq!(
                by_rev.entry(*rev).or_insert_with(|| events.clone()),
                events,
                "rev {rev} is another one to {}",
                person.name
            );
            for op in events.iter().filter_map(|event| event["op_id"].as_str()) {
                by_op.entry(op.to_owned()).or_default().insert(*rev);
            }
        }
    }
    let (first, last) = (*by_rev.keys().next().unwrap(), *by_rev.keys().next_back().unwrap());
    assert_eq!(by_rev.len() as u64, last - first + 1, "a rev is missing");
    people.iter().for_each(|(person, _)| person.check(&by_op));
    let (acked, dups) = people.iter().fold((0, 0), |sum, (person, _)| (sum.0 + person.acked.len(), sum.1 + person.dups));
    println!("{acked} commands acked, {dups} of them as repeats after a crash");
    assert!(acked > 500, "{acked}");
    orders.pop_first().unwrap()
}
