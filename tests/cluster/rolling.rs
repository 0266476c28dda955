//! Nodes are replaced one after the other: clients are told when to come back, and nothing happens to anybody.
use crate::{
    client::{Client, order},
    nodes::Nodes,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_tungstenite::tungstenite::Message;

const PEOPLE: usize = 24;

/// What somebody has seen in his whole life.
#[derive(Default)]
struct Seen {
    closings: usize,
    offline: usize,
    left: Vec<Value>,
    resumed: usize,
}

/// Stays in the room over every close, as the hub asks for.
async fn stay(mut client: Client, addresses: Arc<Mutex<Vec<String>>>, stop: Arc<AtomicBool>, number: usize) -> (Client, Seen) {
    let mut seen = Seen::default();
    let mut retry_after = 0;
    while !stop.load(Relaxed) {
        let next = timeout(Duration::from_millis(100), client.socket.next()).await;
        match next {
            Err(_) | Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
            Ok(Some(Ok(Message::Text(text)))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                note(&mut seen, &frame);
                if frame["type"] == "closing" {
                    assert_eq!(frame["code"], 4101, "{frame}");
                    seen.closings += 1;
                    retry_after = frame["retry_after_ms"].as_u64().unwrap();
                }
            }
            Ok(_) => {
                let _: Result<(), _> = timeout(Duration::from_millis(retry_after), std::future::pending()).await;
                let hello = json!({"type": "user_online", "user_id": client.welcome["user_id"], "session_token": client.welcome["session_token"]});
                let address = {
                    let all = addresses.lock().unwrap();
                    all[number % all.len()].clone()
                };
                client = Client::connect(&address).await;
                client.say(hello).await;
                client.welcome = client.wait("welcome").await;
                assert_eq!(client.welcome["resumed"], true);
                let rooms = &client.welcome["rooms"];
                assert!(rooms[0]["room_id"] == "r1" && rooms[0]["error"].is_null(), "{}", client.welcome);
                seen.resumed += 1;
            }
        }
    }
    (client, seen)
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_happens_to_nobody() {
    // Whoever is shown lost loses his place at once: only what the hub grants to those whom it has sent away keeps it.
    let mut nodes = Nodes::start(3, &[("ROOM__RULES__HOLD_SECONDS_QUEUE", "0"), ("ROOM__RULES__HOLD_SECONDS_SEAT", "0")]);
    let everybody: Vec<String> = (0..PEOPLE).map(|number| format!("p{number}")).collect();
    let mut people = Vec::new();
    for (number, name) in everybody.iter().enumerate() {
        let mut client = nodes.user(number % 3, name).await;
        client.ok("room_join", json!({})).await;
        if number == 0 {
            client.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
        }
        client.ok("queue_join", json!({})).await;
        client.ok("watch_status", json!({"user_ids": everybody})).await;
        people.push(client);
    }
    for client in &mut people {
        client.drain().await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let addresses = Arc::new(Mutex::new(nodes.addresses()));
    let tasks: Vec<JoinHandle<(Client, Seen)>> = people
        .into_iter()
        .enumerate()
        .map(|(number, client)| tokio::spawn(stay(client, addresses.clone(), stop.clone(), number)))
        .collect();
    for _ in 0..3 {
        let old = nodes.hubs.remove(0);
        *addresses.lock().unwrap() = nodes.addresses();
        old.terminate();
        assert!(old.ended().await.success());
        nodes.add();
        *addresses.lock().unwrap() = nodes.addresses();
    }
    // Everybody is back within the spread and some.
    let _: Result<(), _> = timeout(Duration::from_millis(2_500), std::future::pending()).await;
    stop.store(true, Relaxed);
    let mut closings = 0;
    let mut lives = Vec::new();
    for task in tasks {
        lives.push(task.await.unwrap());
    }
    let left: Vec<&Value> = lives.iter().flat_map(|(_, seen)| &seen.left).collect();
    assert!(left.is_empty(), "{left:?}");
    // Nobody goes before everybody has looked.
    for (client, seen) in &mut lives {
        for frame in client.drain().await {
            note(seen, &frame);
        }
        assert_eq!((seen.offline, seen.left.len()), (0, 0), "{:?}", seen.left);
        assert_eq!(seen.closings, seen.resumed);
        closings += seen.closings;
        client.ok("room_sync", json!({"cursor": ""})).await;
        assert_eq!(order(&client.wait("room_snapshot").await), everybody);
    }
    assert!(closings >= PEOPLE, "{closings} closings");
}
