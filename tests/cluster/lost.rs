//! Redis comes back older than it was: what any node still knows is given back under its own ids, and another history is never taken for
//! the same one.
use crate::{client::order, nodes::Nodes};
use serde_json::{Value, json};

/// Joins and leaves the queue, and returns the room's position.
async fn busy(client: &mut crate::client::Client, times: usize) -> Value {
    for _ in 0..times {
        client.ok("queue_join", json!({})).await;
        client.ok("queue_leave", json!({})).await;
    }
    client.ok("room_sync", json!({"cursor": ""})).await["cursor"].clone()
}

async fn enter(nodes: &Nodes, hub: usize, name: &str) -> crate::client::Client {
    let mut client = nodes.user(hub, name).await;
    client.ok("room_join", json!({})).await;
    client
}

#[tokio::test]
async fn a_lost_tail_is_given_back() {
    let mut nodes = Nodes::start(3, &[]);
    let mut own = enter(&nodes, 0, "own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let (mut a, mut b) = (enter(&nodes, 1, "a").await, enter(&nodes, 2, "b").await);
    busy(&mut a, 3).await;
    nodes.redis.ask("SAVE").unwrap();
    busy(&mut a, 5).await;
    b.ok("queue_join", json!({"op_id": "late"})).await;
    let head = busy(&mut own, 2).await;
    nodes.redis.restart().unwrap();
    // The first command after that may be told to come again.
    let dup = loop {
        let answer = b.ask("queue_join", json!({"op_id": "late"})).await;
        if answer["type"] == "ack" {
            break answer;
        }
        assert_eq!(answer["name"], "unavailable", "{answer}");
    };
    assert_eq!(dup["dup"], true, "{dup}");
    for client in [&mut own, &mut a, &mut b] {
        let ack = client.ok("room_sync", json!({"cursor": ""})).await;
        assert_eq!(ack["cursor"], head, "what was acked is there under its own position");
        let frames = client.drain().await;
        assert!(frames.iter().all(|frame| frame["type"] != "room_reset"), "{frames:?}");
    }
    let mut late = enter(&nodes, 1, "late").await;
    assert_eq!(order(&late.wait("room_snapshot").await), ["b"]);
}

#[tokio::test]
async fn another_history_is_noticed_by_every_node() {
    let mut nodes = Nodes::start(2, &[]);
    let mut own = enter(&nodes, 0, "own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut a = enter(&nodes, 1, "a").await;
    busy(&mut a, 2).await;
    nodes.redis.ask("SAVE").unwrap();
    busy(&mut a, 3).await;
    a.ok("queue_join", json!({"op_id": "mine"})).await;
    let lost = busy(&mut own, 2).await;
    for hub in &nodes.hubs {
        hub.signal("STOP");
    }
    nodes.redis.restart().unwrap();
    nodes.add();
    let mut other = enter(&nodes, 2, "other").await;
    // The new history grows past the lost one: the rev alone would not show it.
    let head = busy(&mut other, 20).await;
    let rev = |cursor: &Value| cursor.as_str().unwrap().split_once('.').unwrap().0.parse::<u64>().unwrap();
    assert!(rev(&head) > rev(&lost));
    for hub in &nodes.hubs[..2] {
        hub.signal("CONT");
    }
    let mut queues = Vec::new();
    for (client, revoked) in [(&mut own, Value::Null), (&mut a, json!(["mine"]))] {
        let reset = client.wait("room_reset").await;
        assert_eq!((&reset["room_id"], &reset["revoked"]), (&json!("r1"), &revoked));
        let snapshot = client.wait("room_snapshot").await;
        assert!(rev(&snapshot["cursor"]) >= rev(&head));
        queues.push(order(&snapshot));
    }
    assert_eq!(queues[0], queues[1]);
    assert!(!queues[0].contains(&"a".to_owned()), "his place is part of a history that is not there any more");
    let after = other.ok("queue_join", json!({})).await;
    let update = own.until(|frame| frame["type"] == "room_update" && frame["events"][0]["user_id"] == "other").await;
    assert_eq!(update["events"][0]["rev"], after["rev"]);
}
