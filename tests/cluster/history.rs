//! The history checker: people on three nodes work in several rooms while something breaks. Afterwards every acked command is in the log
//! once, the chain that everybody has seen is unbroken, all copies are equal, nobody was reset, and nobody was seen offline.
//!
//! `MICHUB_SEED` chooses who does what, `MICHUB_FAULT_MS` how long a fault lasts that does last: `cargo xtask faults` sets both.
use crate::{
    nodes::Nodes,
    worker::{Addresses, Worker},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;

const ROOMS: usize = 3;
const PEOPLE: usize = 6;
/// For how long everybody works on after the fault, in ms.
const AFTER: u64 = 2_000;

/// A small generator of its own, so that a seed means the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

pub async fn pause(ms: u64) {
    let _: Result<(), _> = timeout(Duration::from_millis(ms), std::future::pending()).await;
}

/// The time in ms that the hub promises something within; five times as long where others run beside it (`cargo test`), and that alone
/// where they do not (`cargo xtask faults` sets `MICHUB_PATIENCE` to 1).
pub fn within(promised_ms: u64) -> u64 {
    promised_ms * number("MICHUB_PATIENCE", 5)
}

/// How long a fault lasts, in ms, if nobody has said otherwise.
pub fn lasting(default: u64) -> u64 {
    number("MICHUB_FAULT_MS", default)
}

fn command(dice: &mut Dice, turn: u64) -> Value {
    match (dice.roll(6), turn % 2) {
        (0, _) => json!({"type": "queue_move", "target_user_id": "p1-0", "place": "front", "force": true}),
        (1, _) => json!({"type": "queue_move", "target_user_id": "p2-0", "place": "back", "force": true}),
        (_, 0) => json!({"type": "queue_join"}),
        (_, _) => json!({"type": "queue_leave"}),
    }
}

async fn work(mut worker: Worker, mut dice: Dice, stop: Arc<AtomicBool>) -> Worker {
    let mut turn = 0;
    while !stop.load(Relaxed) {
        let frame = command(&mut dice, turn);
        worker.command(frame, &stop).await;
        turn += 1;
        pause(dice.roll(20)).await;
    }
    worker
}

/// Lets people work while `fault` happens, then checks what everybody has.
pub async fn check<F: AsyncFnOnce(&mut Nodes, &Addresses)>(mut nodes: Nodes, fault: F) {
    let seed = number("MICHUB_SEED", 1);
    let addresses: Addresses = Arc::new(Mutex::new(nodes.addresses()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for room in 0..ROOMS {
        let everybody: Vec<String> = (0..PEOPLE).map(|person| format!("p{person}-{room}")).collect();
        for (person, user) in everybody.iter().enumerate() {
            let mut worker = Worker::new(user.clone(), format!("room-{room}"), person + room, addresses.clone());
            assert!(worker.connect(&stop).await);
            if person == 0 {
                worker.command(json!({"type": "seat_lock", "seat_nos": "all", "on": true}), &stop).await;
            }
            worker.watch(&everybody).await;
            let dice = Dice(seed.wrapping_mul(1_000).wrapping_add((room * PEOPLE + person) as u64));
            tasks.push(tokio::spawn(work(worker, dice, stop.clone())));
        }
    }
    pause(500).await;
    fault(&mut nodes, &addresses).await;
    pause(AFTER).await;
    stop.store(true, Relaxed);
    let mut workers = Vec::new();
    for task in tasks {
        workers.push(task.await.unwrap());
    }
    verify(workers).await;
}

/// Reads every copy up to the head that its node knows: position and state by room.
async fn settle(workers: &mut [Worker], never: &AtomicBool) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut settled: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for worker in workers {
        let mut end = None;
        for _ in 0..20 {
            end = worker.settle().await;
            if end.is_some() {
                break;
            }
            assert!(timeout(Duration::from_secs(30), worker.connect(never)).await.unwrap());
        }
        settled.entry(worker.room.clone()).or_default().push(end.expect("a room that can be read"));
    }
    settled
}

async fn verify(mut workers: Vec<Worker>) {
    let never = AtomicBool::new(false);
    let mut settled = settle(&mut workers, &never).await;
    // A node that was not told of something finds that out when it looks, every 30 s and a tenth.
    for _ in 0..18 {
        if settled.values().all(|ends| ends.windows(2).all(|pair| pair[0].0 == pair[1].0)) {
            break;
        }
        pause(2_000).await;
        settled = settle(&mut workers, &never).await;
    }
    let (mut acks, mut unavailable, mut resets) = (0, 0, 0);
    for (room, ends) in &settled {
        let first = &ends[0];
        assert!(ends.iter().all(|(head, _)| *head == first.0), "{room}: not one head: {ends:?}");
        for (_, state) in ends {
            assert_eq!(state["queue"], first.1["queue"], "{room}: the queues differ");
            assert_eq!(state["seats"], first.1["seats"], "{room}: the seats differ");
        }
        let here: Vec<&Worker> = workers.iter().filter(|worker| worker.room == *room).collect();
        let mut log: BTreeMap<u64, Value> = BTreeMap::new();
        for worker in &here {
            assert!(worker.copy.torn.is_empty(), "{room}: {} {:?}", worker.user, worker.copy.torn);
            assert_eq!(worker.copy.offline, 0, "{room}: {} saw somebody offline", worker.user);
            resets += worker.copy.resets;
            for (rev, event) in &worker.copy.events {
                if let Some(known) = log.insert(*rev, event.clone()) {
                    assert_eq!(known, *event, "{room}: two histories at {rev}");
                }
            }
        }
        for worker in &here {
            unavailable += worker.unavailable;
            for acked in &worker.acked {
                acks += 1;
                let times = log.values().filter(|event| event["op_id"] == acked.op.as_str()).count();
                let known = log.first_key_value().is_some_and(|(first, _)| *first <= acked.rev);
                assert!(times <= 1, "{room}: {acked:?} was done {times} times");
                if known {
                    assert_eq!(times, 1, "{room}: {acked:?} is lost");
                    assert_eq!(log[&acked.rev]["op_id"], acked.op.as_str(), "{room}: {acked:?} is not where it was said to be");
                }
            }
        }
        let revs: Vec<u64> = log.keys().copied().collect();
        assert!(revs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{room}: a gap");
    }
    assert_eq!(resets, 0, "somebody was reset");
    println!("{acks} acked, {unavailable} times unavailable");
    assert!(acks > 20, "hardly anything was done");
}
