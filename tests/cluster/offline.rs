//! How long the people of a dead node are shown: until the timeout after the last frame of each of them, and a second at most beyond.
//!
//! `MICHUB_OFFLINE_MS` is the timeout (12 s, in real life 60 s), everything else keeps its proportion to it.
use crate::{
    client::Client,
    history::{pause, within},
    nodes::Nodes,
};
use michub::server::clock::Clock;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PEOPLE: u64 = 120;
/// How many of them come back elsewhere, the last of them late.
const BACK: u64 = 20;
/// Over how much of a minute their last frames are spread: no ping is due before the node dies, also on a slow machine.
const SPREAD: u64 = 14;
/// How much of a minute after the first last frame the last of them comes back: a slow machine may be late with it.
const LAST: u64 = 40;
/// How late somebody may be shown offline, and how early by the tick of a clock, in ms.
const LATE: u64 = 1_000;
const EARLY: i64 = 50;

fn timeout_ms() -> u64 {
    std::env::var("MICHUB_OFFLINE_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(12_000)
}

fn settings(timeout: u64) -> Vec<(&'static str, &'static str)> {
    let part = |of_60: u64| &*Box::leak((timeout * of_60 / 60).to_string().into_boxed_str());
    vec![
        ("PRESENCE__HEARTBEAT_TIMEOUT_MS", part(60)),
        ("PRESENCE__HEARTBEAT_INTERVAL_MS", part(30)),
        ("PRESENCE__PING_INTERVAL_MS", part(25)),
        ("STORE__REDIS__LEASE_MS", part(15)),
        // A place is gone with its person, not before.
        ("ROOM__HANDOVER_MS", part(60)),
    ]
}

/// Listens until the end, and notes who was shown offline when, and who was said to have left the room.
async fn observe(mut client: Client, clock: Clock) {
    loop {
        let frame = client.frame().await;
        let at = clock.mono().0;
        let lines = ["user_status", "changes"].iter().filter_map(|name| frame[*name].as_array()).flatten();
        let off: Vec<&Value> = lines.filter(|line| line["status"] == "offline" || line["joined"] == false).collect();
        for line in off {
            let kind = if frame["type"] == "room_presence" { "room" } else { "status" };
            NOTES.with_borrow_mut(|notes| notes.push((kind, line["user_id"].as_str().unwrap().to_owned(), at)));
        }
    }
}

thread_local! {
    static NOTES: std::cell::RefCell<Vec<(&'static str, String, u64)>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn late(at: u64, heard: u64, timeout: u64) -> i64 {
    i64::try_from(at).unwrap() - i64::try_from(heard + timeout).unwrap()
}

#[tokio::test]
async fn everybody_of_a_dead_node_is_offline_on_time() {
    let timeout = timeout_ms();
    let mut nodes = Nodes::start(3, &settings(timeout));
    let clock = Clock::new();
    let names: Vec<String> = (0..PEOPLE).map(|number| format!("u{number}")).collect();
    let mut watchers = Vec::new();
    for hub in [0, 2] {
        let mut watcher = nodes.user(hub, &format!("watcher{hub}")).await;
        watcher.ok("room_join", json!({})).await;
        watcher.ok("watch_status", json!({"user_ids": names})).await;
        watchers.push(watcher);
    }
    let mut people = Vec::new();
    for name in &names {
        let mut person = nodes.user(1, name).await;
        if people.len() % 4 == 0 {
            person.ok("room_join", json!({})).await;
        }
        people.push(person);
    }
    let local = tokio::task::LocalSet::new();
    for watcher in watchers {
        local.spawn_local(observe(watcher, clock));
    }
    local
        .run_until(async {
            // The survivors judge nobody before they have lived for a lease.
            pause(timeout / 4).await;
            // Their last frames are spread over the time between two pings; nobody answers one any more.
            let mut heard = BTreeMap::new();
            for person in &mut people {
                person.say(json!({"type": "heartbeat"})).await;
                heard.insert(person.welcome["user_id"].as_str().unwrap().to_owned(), clock.mono().0);
                pause(timeout * SPREAD / 60 / PEOPLE).await;
            }
            pause(150).await;
            nodes.kill(1);
            let died = clock.mono().0;
            let mut back = Vec::new();
            for number in 0..BACK {
                let whole = timeout * (LAST - SPREAD) / 60;
                let at = died + number * whole / BACK;
                pause(at.saturating_sub(clock.mono().0)).await;
                let before = &people[usize::try_from(number * 6).unwrap()].welcome;
                let (user, token) = (before["user_id"].clone(), before["session_token"].clone());
                let mut hello = json!({"type": "user_online", "user_id": user});
                // Every second one has lost his token.
                if number % 2 == 0 {
                    hello["session_token"] = token;
                }
                let client = nodes.hubs[usize::try_from(number % 2).unwrap()].enter(hello).await;
                heard.remove(user.as_str().unwrap());
                back.push(tokio::task::spawn_local(observe(client, clock)));
            }
            let end = died + timeout + 2_000 + within(LATE);
            pause(end.saturating_sub(clock.mono().0)).await;
            let notes = NOTES.with_borrow(Clone::clone);
            let flickered: Vec<_> = notes.iter().filter(|(_, user, _)| !heard.contains_key(user)).collect();
            assert!(flickered.is_empty(), "shown offline, although they came back (the node died at {died}): {flickered:?}");
            let late_by = i64::try_from(within(LATE)).unwrap();
            for kind in ["status", "room"] {
                let mut all = Vec::new();
                for (_, user, at) in notes.iter().filter(|(its, ..)| *its == kind) {
                    all.push(late(*at, heard[user], timeout));
                }
                all.sort_unstable();
                println!(
                    "{kind}: {} times offline; against {timeout} ms after the last frame: first {:?} ms, middle {:?} ms, last {:?} ms",
                    all.len(),
                    all.first(),
                    all.get(all.len() / 2),
                    all.last()
                );
                assert!(all.iter().all(|late| (-EARLY..=late_by).contains(late)), "{kind}: {all:?}");
            }
            let told = |user: &String| notes.iter().filter(|(kind, its, _)| *kind == "status" && its == user).count();
            let wrong: Vec<&String> = heard.keys().filter(|user| told(user) != 2).collect();
            assert!(wrong.is_empty(), "not told once to each watcher: {wrong:?}");
        })
        .await;
}
