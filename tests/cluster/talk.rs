//! What is said in a room on many nodes: everybody hears it, in one order.
use crate::{client::Client, nodes::Nodes};
use serde_json::{Value, json};

async fn say(client: &mut Client, class: &str, body: &str) -> Value {
    client.ok("room_message", json!({"class": class, "kind": "chat", "body": body})).await
}

/// The numbers of the next messages of class `must`.
async fn musts(client: &mut Client, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        let frame = client.wait("room_message").await;
        if frame["class"] == "must" {
            seqs.push(frame["seq"].as_u64().unwrap());
        }
    }
    seqs
}

#[tokio::test]
async fn all_nodes_hear_it_in_one_order() {
    let nodes = Nodes::start(3, &[]);
    let mut people = Vec::new();
    for index in 0..3 {
        let mut person = nodes.user(index, &format!("u{index}")).await;
        person.ok("room_join", json!({})).await;
        people.push(person);
    }
    for class in ["normal", "droppable", "must"] {
        let ack = say(&mut people[0], class, class).await;
        for person in &mut people {
            let frame = person.wait("room_message").await;
            assert_eq!((&frame["body"], &frame["from_user_id"], &frame["seq"]), (&json!(class), &json!("u0"), &ack["seq"]));
        }
    }
    // Everybody talks at once; an observer on each node hears every number once, in order.
    let mut observers = Vec::new();
    for index in 0..3 {
        let mut observer = nodes.user(index, &format!("o{index}")).await;
        observer.ok("room_join", json!({})).await;
        observers.push(observer);
    }
    let tasks: Vec<_> = people
        .into_iter()
        .map(|mut person| {
            tokio::spawn(async move {
                for n in 0..20 {
                    say(&mut person, "must", &format!("{n}")).await;
                    person.early.clear();
                }
                person
            })
        })
        .collect();
    for observer in &mut observers {
        assert_eq!(musts(observer, 60).await, (2..=61).collect::<Vec<u64>>());
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_key_and_a_position_hold_on_every_node() {
    let nodes = Nodes::start(2, &[]);
    let mut here = nodes.user(0, "a").await;
    let mut there = nodes.user(1, "a").await;
    for device in [&mut here, &mut there] {
        device.ok("room_join", json!({})).await;
    }
    let rose = json!({"class": "must", "kind": "gift", "body": "rose", "dedup_id": "d"});
    let first = here.ok("room_message", rose.clone()).await;
    assert_eq!(there.wait("room_message").await["dedup_id"], "d");
    let again = there.ok("room_message", rose).await;
    assert_eq!((&again["dup"], &again["seq"]), (&json!(true), &first["seq"]));
    let second = there.ok("room_message", json!({"class": "must", "kind": "gift", "body": "two"})).await;
    let mut late = nodes.user(0, "b").await;
    let ack = late.ok("room_join", json!({"msg_cursor": first["msg_cursor"]})).await;
    assert_eq!(ack["msg_cursor"], second["msg_cursor"]);
    assert_eq!(late.wait("room_message").await["body"], "two");
}

#[tokio::test]
async fn slow_mode_counts_over_all_nodes() {
    let nodes = Nodes::start(2, &[]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("talk_set", json!({"slow_mode_seconds": 3600})).await;
    let (mut here, mut there) = (nodes.user(0, "a").await, nodes.user(1, "a").await);
    for device in [&mut here, &mut there] {
        device.ok("room_join", json!({})).await;
    }
    let chat = |class: &str| json!({"class": class, "kind": "chat", "body": "hi"});
    // Both at once: one of them is heard.
    let (one, other) = tokio::join!(here.ask("room_message", chat("normal")), there.ask("room_message", chat("must")));
    let acked = [&one, &other].iter().filter(|answer| answer["type"] == "ack").count();
    assert_eq!(acked, 1, "{one} {other}");
    let refused = if one["type"] == "ack" { &other } else { &one };
    assert_eq!(refused["name"], "too_soon");
    assert!(refused["details"]["until_ms"].is_u64(), "{refused}");
    for device in [&mut here, &mut there] {
        assert_eq!(device.refused("room_message", chat("droppable")).await, "too_soon");
    }
    for n in 0..3 {
        own.ok("room_message", json!({"class": "normal", "kind": "chat", "body": format!("{n}")})).await;
    }
    own.ok("talk_set", json!({"slow_mode_seconds": 0})).await;
    there.event("talk_changed").await;
    there.ok("room_message", chat("normal")).await;
}
