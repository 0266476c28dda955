//! Rooms over nodes: one order for everybody, whoever decides where.
use crate::{client::order, nodes::Nodes};
use serde_json::{Value, json};

/// Follows a room's chain up to a position, and returns its events.
async fn follow(client: &mut crate::client::Client, mut from: Value, to: &Value) -> Vec<Value> {
    let mut events = Vec::new();
    while from != *to {
        let update = client.wait("room_update").await;
        assert_eq!(update["prev"], from, "the chain is broken: {update}");
        from = update["cursor"].clone();
        events.extend(update["events"].as_array().unwrap().iter().cloned());
    }
    events
}

/// Tells whether this says who is in the room, of somebody.
fn tells_of(frame: &Value, user: &str) -> bool {
    frame["changes"].as_array().is_some_and(|all| all.iter().any(|one| one["user_id"] == user))
}

#[tokio::test]
async fn a_room_is_left_when_the_last_device_on_any_node_leaves() {
    let nodes = Nodes::start(2, &[]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut phone = nodes.user(0, "p").await;
    let mut web = nodes.user(1, "p").await;
    phone.ok("room_join", json!({})).await;
    web.ok("room_join", json!({})).await;
    phone.ok("queue_join", json!({})).await;
    own.event("queue_joined").await;
    // A node tells of its people in order: with the second of them the first is known.
    nodes.user(1, "q").await.ok("room_join", json!({})).await;
    own.until(|frame| tells_of(frame, "q")).await;
    phone.ok("room_leave", json!({})).await;
    let marked = own.ok("seat_extra", json!({"seat_no": 1, "extra": "x"})).await;
    let told =
        own.until(|frame| frame["events"].as_array().is_some_and(|all| all.iter().any(|one| one["rev"] == marked["rev"]))).await;
    assert!(told["events"].as_array().unwrap().iter().all(|one| one["event"] != "queue_left"), "{told}");
    // Again: with somebody who came to the phone's node after that, the other node knows that the phone has left.
    nodes.user(0, "r").await.ok("room_join", json!({})).await;
    web.until(|frame| tells_of(frame, "r")).await;
    web.ok("room_leave", json!({})).await;
    assert_eq!(own.event("queue_left").await["reason"], "left");
}

#[tokio::test]
async fn three_nodes_have_one_order() {
    let nodes = Nodes::start(3, &[]);
    let mut own = nodes.user(0, "own").await;
    assert_eq!(own.ok("room_join", json!({})).await["role"], "owner");
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut people = Vec::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut person = nodes.user(index, name).await;
        let joined = person.ok("room_join", json!({})).await;
        people.push((person, joined["cursor"].clone()));
    }
    for (person, _) in &mut people {
        let ack = person.ok("queue_join", json!({"op_id": "j"})).await;
        assert_eq!(person.ok("queue_join", json!({"op_id": "j"})).await["rev"], ack["rev"]);
    }
    own.ok("queue_move", json!({"target_user_id": "c", "place": {"before": "a"}})).await;
    let last = own.ok("room_sync", json!({"cursor": ""})).await["cursor"].clone();
    let mut seen = Vec::new();
    for (person, joined) in &mut people {
        let snapshot = person.wait("room_snapshot").await;
        assert_eq!(snapshot["cursor"], *joined);
        let events = follow(person, joined.clone(), &last).await;
        seen.push(events.into_iter().find(|event| event["event"] == "queue_moved").expect("everybody hears of the move"));
    }
    assert!(seen.iter().all(|event| *event == seen[0]), "{seen:?}");
    for (person, _) in &mut people {
        person.ok("room_sync", json!({"cursor": ""})).await;
        assert_eq!(order(&person.wait("room_snapshot").await), ["c", "a", "b"]);
    }
    let members = people[2].0.ok("room_members", json!({})).await;
    assert_eq!(members["total"], 4, "{members}");
}

#[tokio::test]
async fn everybody_at_once_on_three_nodes() {
    let nodes = Nodes::start(3, &[("ROOM__RULES__MAX_QUEUE_LEN", "500")]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut tasks = Vec::new();
    for number in 0..60 {
        let mut person = nodes.user(number % 3, &format!("u{number}")).await;
        tasks.push(tokio::spawn(async move {
            person.ok("room_join", json!({})).await;
            let ack = person.ok("queue_join", json!({})).await;
            (person, ack["rev"].as_u64().unwrap())
        }));
    }
    let mut revs = Vec::new();
    let mut people = Vec::new();
    for task in tasks {
        let (person, rev) = task.await.unwrap();
        people.push(person);
        revs.push(rev);
    }
    revs.sort_unstable();
    let distinct = revs.len();
    revs.dedup();
    assert_eq!(revs.len(), distinct, "two commands have one rev");
    let mut orders = Vec::new();
    for person in people.iter_mut().take(3) {
        person.early.clear();
        person.ok("room_sync", json!({"cursor": ""})).await;
        orders.push(order(&person.wait("room_snapshot").await));
    }
    assert_eq!(orders[0].len(), 60);
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[tokio::test]
async fn a_dead_node_loses_nobodys_place() {
    // The room's rules keep nobody's place; the hub does, because it was the one to go.
    let mut nodes = Nodes::start(3, &[("ROOM__RULES__HOLD_SECONDS_QUEUE", "0")]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut a = nodes.user(1, "a").await;
    a.ok("room_join", json!({})).await;
    a.ok("queue_join", json!({"op_id": "first"})).await;
    let mut b = nodes.user(2, "b").await;
    b.ok("room_join", json!({})).await;
    b.ok("queue_join", json!({})).await;
    let cursor = b.ok("room_sync", json!({"cursor": ""})).await["cursor"].clone();
    nodes.kill(1);
    own.early.clear();
    assert_eq!(own.event("queue_held").await["user_id"], "a");
    let mut again = nodes.resume(1, &a.welcome, json!([{"room_id": "r1", "cursor": cursor}])).await;
    assert_eq!((&again.welcome["resumed"], &again.welcome["session_id"]), (&json!(true), &a.welcome["session_id"]));
    let dup = again.ok("queue_join", json!({"op_id": "first"})).await;
    assert_eq!(dup["dup"], true, "{dup}");
    assert_eq!(own.event("queue_returned").await["user_id"], "a");
    own.ok("room_sync", json!({"cursor": ""})).await;
    assert_eq!(order(&own.wait("room_snapshot").await), ["a", "b"]);
}

#[tokio::test]
async fn every_node_lists_all_rooms_with_all_their_people() {
    let nodes = Nodes::start(3, &[]);
    let (mut a, mut b) = (nodes.user(0, "a").await, nodes.user(1, "b").await);
    a.ok("room_join", json!({"room_id": "both"})).await;
    b.ok("room_join", json!({"room_id": "both"})).await;
    b.ok("room_join", json!({"room_id": "one"})).await;
    let wanted = json!({"rooms": [{"room_id": "both", "online": 2}, {"room_id": "one", "online": 1}], "cursor": null});
    for hub in &nodes.hubs {
        let (mut clock, mut shown) = (tokio::time::interval(std::time::Duration::from_millis(20)), json!(null));
        let told = async {
            while shown != wanted {
                clock.tick().await;
                shown = hub.get("/api/rooms").await.1;
            }
        };
        let told = tokio::time::timeout(crate::hub::DEADLINE, told).await;
        assert!(told.is_ok(), "{shown}");
    }
    let (_, first) = nodes.hubs[2].get("/api/rooms?limit=1").await;
    assert_eq!((&first["rooms"][0]["room_id"], &first["cursor"]), (&json!("both"), &json!("both")));
}
