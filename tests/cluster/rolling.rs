//! Nodes are replaced one after the other behind a balancer: clients are told when to come back, and nothing happens to anybody.
//!
//! `MICHUB_PEOPLE` says how many there are: `cargo xtask rolling` runs it with 5,000. `MICHUB_REPORT` names a file for what was counted.
use crate::{
    client::{Client, order},
    history::{number, pause, within},
    hub::DEADLINE,
    nodes::Nodes,
};
use futures_util::{StreamExt, stream};
use michub::server::clock::Clock;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

/// How many people one room has, and how many of them each watches.
const ROOM: usize = 50;
const WATCHED: usize = 24;
/// How long everybody may take to come back, in ms.
const BACK: u64 = 10_000;
/// How often somebody tries to come back.
const TRIES: usize = 50;

type Addresses = Arc<Mutex<Vec<String>>>;

/// Takes connections and passes them on to the nodes in turn; one that does not answer is skipped.
async fn balancer(addresses: Addresses) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            turn += 1;
            let (all, from) = (addresses.lock().unwrap().clone(), turn);
            tokio::spawn(async move {
                for step in 0..all.len() {
                    if let Ok(mut hub) = TcpStream::connect(&all[(from + step) % all.len()]).await {
                        // Whoever ends first ends the other.
                        let _ = copy_bidirectional(&mut client, &mut hub).await;
                        return;
                    }
                }
            });
        }
    });
    address
}

/// What somebody has seen in his whole life.
#[derive(Default)]
struct Seen {
    closings: usize,
    offline: usize,
    left: Vec<Value>,
    resumed: usize,
    /// How often a room was asked for again.
    asked_again: usize,
    /// The longest time until he was back, in ms.
    away: u64,
}

fn note(seen: &mut Seen, frame: &Value) {
    if frame["type"] == "userOnlineStatus" {
        seen.offline += frame["user_status"].as_array().unwrap().iter().filter(|one| one["status"] == "offline").count();
    }
    for event in frame["events"].as_array().into_iter().flatten() {
        if ["queue_left", "queue_held", "queue_returned", "queue_cleared", "seat_left"].iter().any(|name| event["event"] == *name)
        {
            seen.left.push(event.clone());
        }
    }
}

/// Comes back with the session. `None`: the line was cut again before the welcome.
async fn come_back(balancer: &str, before: &Value) -> Option<Client> {
    let mut client = Client::try_connect(balancer).await?;
    client.say(json!({"type": "user_online", "user_id": before["user_id"], "session_token": before["session_token"]})).await;
    loop {
        match timeout(DEADLINE, client.socket.next()).await.ok()?? {
            Ok(Message::Text(text)) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "welcome" {
                    client.welcome = frame;
                    return Some(client);
                }
                if frame["type"] == "closing" {
                    return None;
                }
                client.early.push_back(frame);
            }
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Stays over every close, as the hub asks for.
async fn stay(mut client: Client, balancer: String, clock: Clock, mut stop: watch::Receiver<bool>) -> (Client, Seen) {
    let mut seen = Seen::default();
    let mut retry_after = 0;
    loop {
        let next = tokio::select! {
            next = client.socket.next() => next,
            _ = stop.wait_for(|stop| *stop) => return (client, seen),
        };
        match next {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                note(&mut seen, &frame);
                if frame["type"] == "closing" {
                    assert_eq!(frame["code"], 4101, "{frame}");
                    seen.closings += 1;
                    retry_after = frame["retry_after_ms"].as_u64().unwrap();
                }
            }
            _ => {
                let gone = clock.mono();
                pause(retry_after).await;
                let mut tries = 0;
                client = loop {
                    if let Some(back) = come_back(&balancer, &client.welcome).await {
                        break back;
                    }
                    tries += 1;
                    assert!(tries < TRIES, "nobody takes {} back", client.welcome["user_id"]);
                    pause(50).await;
                };
                assert_eq!(client.welcome["resumed"], true);
                let entered = client.welcome["rooms"][0].clone();
                assert!(entered["room_id"].is_string(), "{}", client.welcome);
                // A room that cannot be read in time is asked for again.
                while !entered["error"].is_null() {
                    let joined = client.ask("room_join", json!({"room_id": entered["room_id"]})).await;
                    if joined["type"] == "ack" {
                        break;
                    }
                    assert_eq!(joined["temporary"], true, "{joined}");
                    seen.asked_again += 1;
                    pause(100).await;
                }
                for frame in client.early.drain(..) {
                    note(&mut seen, &frame);
                }
                seen.resumed += 1;
                seen.away = seen.away.max(clock.mono().since(gone));
            }
        }
    }
}

/// How often Redis has been asked for something so far, by command.
fn asked(nodes: &Nodes) -> BTreeMap<String, u64> {
    let stats = nodes.redis.ask("INFO commandstats").unwrap();
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(line).collect()
}

/// Opens somebody's first session, in his room and its queue.
async fn enter(balancer: &str, number: usize, people: usize) -> Client {
    let room = format!("room-{}", number / ROOM);
    let mut client = Client::connect(balancer).await;
    client.say(json!({"type": "user_online", "user_id": format!("p{number}")})).await;
    client.welcome = client.wait("welcome").await;
    client.ok("room_join", json!({"room_id": room})).await;
    if number.is_multiple_of(ROOM) {
        client.ok("seat_lock", json!({"room_id": room, "seat_nos": "all", "on": true})).await;
    }
    client.ok("queue_join", json!({"room_id": room})).await;
    let watched: Vec<String> = (number..number + WATCHED).map(|other| format!("p{}", other % people)).collect();
    client.ok("watch_status", json!({"user_ids": watched})).await;
    client.early.clear();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_happens_to_nobody() {
    let people = usize::try_from(number("MICHUB_PEOPLE", 24)).unwrap();
    let rooms = people.div_ceil(ROOM);
    let clock = Clock::new();
    // Whoever is shown lost loses his place at once: only what the hub grants to those whom it has sent away keeps it.
    let settings = [
        ("ROOM__RULES__HOLD_SECONDS_QUEUE", "0"),
        ("ROOM__RULES__HOLD_SECONDS_SEAT", "0"),
        ("STORE__REDIS__PROJECTION_SECONDS", "0"),
    ];
    let mut nodes = Nodes::start(3, &settings);
    let addresses = Arc::new(Mutex::new(nodes.addresses()));
    let balancer = balancer(addresses.clone()).await;
    let (stop, stopped) = watch::channel(false);
    let mut tasks: Vec<JoinHandle<(Client, Seen)>> = Vec::new();
    // The first of each room owns it; the others come in order, so that each room's queue is known.
    for first in 0..ROOM {
        let these = (first..people).step_by(ROOM).map(|number| enter(&balancer, number, people));
        for client in stream::iter(these).buffered(32).collect::<Vec<_>>().await {
            tasks.push(tokio::spawn(stay(client, balancer.clone(), clock, stopped.clone())));
        }
    }
    let before = asked(&nodes);
    let begun = clock.mono();
    for _ in 0..3 {
        let old = nodes.hubs.remove(0);
        *addresses.lock().unwrap() = nodes.addresses();
        old.terminate();
        assert!(old.ended().await.success());
        nodes.add();
        *addresses.lock().unwrap() = nodes.addresses();
    }
    // Everybody is back within the spread and some.
    pause(2_500 + u64::try_from(people).unwrap()).await;
    let after = asked(&nodes);
    let took = clock.mono().since(begun);
    stop.send(true).unwrap();
    let mut lives = Vec::new();
    for task in tasks {
        lives.push(task.await.unwrap());
    }
    let left: Vec<&Value> = lives.iter().flat_map(|(_, seen)| &seen.left).collect();
    assert!(left.is_empty(), "{left:?}");
    let (mut closings, mut away, mut asked_again) = (0, 0, 0);
    // Nobody goes before everybody has looked.
    for (client, seen) in &mut lives {
        for frame in client.drain().await {
            note(seen, &frame);
        }
        assert_eq!((seen.offline, seen.left.len()), (0, 0), "{:?}", seen.left);
        assert_eq!(seen.closings, seen.resumed);
        closings += seen.closings;
        away = seen.away.max(away);
        asked_again += seen.asked_again;
        let number: usize = client.welcome["user_id"].as_str().unwrap()[1..].parse().unwrap();
        if number.is_multiple_of(ROOM) {
            let room = number / ROOM;
            client.ok("room_sync", json!({"room_id": format!("room-{room}"), "cursor": ""})).await;
            let everybody: Vec<String> =
                (room * ROOM..people.min((room + 1) * ROOM)).map(|number| format!("p{number}")).collect();
            assert_eq!(order(&client.wait("room_snapshot").await), everybody);
        }
    }
    let calls = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    println!(
        "{people} people in {rooms} rooms, three nodes replaced in {took} ms: {closings} times sent away, all back within {away} ms, 0 shown \
         offline, 0 places lost, rooms asked for again {asked_again} times; Redis was asked for a room's log {} times and for its people {} times, and ran {} scripts",
        calls("xrange"),
        calls("hgetall"),
        calls("evalsha"),
    );
    if let Ok(report) = std::env::var("MICHUB_REPORT") {
        let counts = json!({"sent_away": closings, "away_ms": away, "took_ms": took, "rooms": rooms, "logs_read": calls("xrange"), "peoples_read": calls("hgetall"), "scripts": calls("evalsha")});
        std::fs::write(report, counts.to_string()).unwrap();
    }
    assert!(closings >= people, "{closings} closings");
    assert!(away <= within(BACK), "somebody was away for {away} ms");
    // Each node loads each room at most once in its life, whatever the number of people.
    let most = u64::try_from(rooms * 3 * 3).unwrap();
    assert!(calls("xrange") <= most, "a room's log was read {} times for {rooms} rooms", calls("xrange"));
}
