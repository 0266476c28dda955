//! Many people: exact counts and only the changes that matter in a large room, and one order over several shards.
use crate::{
    client::{Client, order},
    hub::Hub,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn changed(frame: &Value) -> Vec<&str> {
    frame["changes"].as_array().unwrap().iter().map(|change| change["user_id"].as_str().unwrap()).collect()
}

async fn count(client: &mut Client, online: u64) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = client.wait("room_presence").await;
        frames.push(frame.clone());
        if frame["online"] == online {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_small_room_tells_everything_of_its_people() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let mut p = hub.member("p").await;
    own.until(|frame| frame["type"] == "room_presence" && changed(frame).contains(&"p")).await;
    p.ok("status_change", json!({"status": "away"})).await;
    let away = own.until(|frame| frame["type"] == "room_presence" && frame["changes"][0]["status"] == "away").await;
    assert_eq!((changed(&away), &away["changes"][0]["joined"], &away["online"]), (vec!["p"], &json!(true), &json!(2)));
    p.ok("room_leave", json!({})).await;
    let left = own.until(|frame| frame["type"] == "room_presence" && frame["online"] == 1).await;
    assert_eq!((changed(&left), &left["changes"][0]["joined"]), (vec!["p"], &json!(false)));
}

#[tokio::test]
async fn a_large_room_tells_exact_counts_and_whoever_matters() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("ROOM__PRESENCE_MEMBERS_MAX", "3")]);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(hub.member(&format!("p{n}")).await);
    }
    let told = count(&mut own, 9).await;
    let names: BTreeSet<&str> = told.iter().filter(|frame| frame["online"].as_u64() > Some(3)).flat_map(changed).collect();
    assert!(names.iter().all(|name| ["own", "p0", "p1", "p2"].contains(name)), "{names:?}");
    // One who waits matters; one who does not is only counted.
    people[6].ok("queue_join", json!({})).await;
    people[6].ok("status_change", json!({"status": "busy"})).await;
    people[7].ok("status_change", json!({"status": "busy"})).await;
    let frame = own.until(|frame| frame["type"] == "room_presence" && !changed(frame).is_empty()).await;
    assert_eq!((changed(&frame), &frame["online"]), (vec!["p6"], &json!(9)));
    people.pop().unwrap().ok("room_leave", json!({})).await;
    let told = count(&mut own, 8).await;
    assert!(told.iter().all(|frame| !changed(frame).contains(&"p7")), "{told:?}");
    let page = own.ok("room_members", json!({"offset": 6, "limit": 5})).await;
    let users: Vec<&str> = page["members"].as_array().unwrap().iter().map(|member| member["user_id"].as_str().unwrap()).collect();
    assert_eq!((users, &page["total"]), (vec!["p5", "p6"], &json!(8)));
}

#[tokio::test]
async fn four_shards_see_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("SERVER__SHARDS", "4")]);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for n in 0..12 {
        let mut person = hub.member(&format!("p{n}")).await;
        let ack = person.ok("room_sync", json!({"cursor": ""})).await;
        person.wait("room_snapshot").await;
        people.push((person, ack["cursor"].clone()));
    }
    for (person, _) in &mut people {
        for n in 0..5 {
            let kind = if n % 2 == 0 { "queue_join" } else { "queue_leave" };
            person.say(json!({"type": kind, "room_id": "r1", "id": 1000 + n})).await;
        }
    }
    for (person, _) in &mut people {
        let mut frames = Vec::new();
        while frames.last().is_none_or(|frame: &Value| frame["id"] != 1004) {
            frames.push(person.frame().await);
        }
        person.early.extend(frames);
    }
    let head = own.ok("flag_set", json!({"flag": "mute_all", "on": true})).await["rev"].clone();
    let mut seen = BTreeSet::new();
    let mut orders = BTreeSet::new();
    for (person, cursor) in &mut people {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["rev"] != head) {
            let update = person.wait("room_update").await;
            assert_eq!(update["prev"], *cursor);
            *cursor = update["cursor"].clone();
            events.extend(update["events"].as_array().unwrap().clone());
        }
        seen.insert(json!(events).to_string());
        person.ok("room_sync", json!({"cursor": ""})).await;
        orders.insert(order(&person.wait("room_snapshot").await));
    }
    assert_eq!((seen.len(), orders.len()), (1, 1));
    assert_eq!(orders.first().unwrap().len(), 12);
}
