//! Presence over nodes: transitions only, once each, and nobody flickers who comes back elsewhere.
use crate::{
    client::Client,
    hub::{DEADLINE, SILENCE},
    nodes::Nodes,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// The statuses in a push or an ack, by user.
fn statuses(frame: &Value) -> Vec<(String, String)> {
    let line = |one: &Value| (one["user_id"].as_str().unwrap().to_owned(), one["status"].as_str().unwrap().to_owned());
    frame["user_status"].as_array().unwrap().iter().map(line).collect()
}

fn pair(user: &str, status: &str) -> Vec<(String, String)> {
    vec![(user.to_owned(), status.to_owned())]
}

/// Is there for a while: pings are answered, frames are kept.
async fn listen(client: &mut Client, span: Duration) {
    let mut kept = Vec::new();
    let listened = async {
        loop {
            kept.push(client.frame().await);
        }
    };
    let _: Result<(), _> = timeout(span, listened).await;
    client.early.extend(kept);
}

#[tokio::test]
async fn watchers_on_other_nodes_see_transitions() {
    let nodes = Nodes::quick(3);
    let mut watcher = nodes.user(0, "w").await;
    let ack = watcher.ok("watch_status", json!({"user_ids": ["a"]})).await;
    assert_eq!(statuses(&ack), pair("a", "offline"));
    let mut a = nodes.user(1, "a").await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("a", "online"));
    a.ok("status_change", json!({"status": "busy"})).await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("a", "busy"));
    let mut second = nodes.user(2, "a").await;
    second.ok("status_change", json!({"status": "away"})).await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("a", "away"));
    let mut late = nodes.user(2, "late").await;
    assert_eq!(statuses(&late.ask("request_online_status", json!({"user_ids": ["a"]})).await), pair("a", "away"));
    a.say(json!({"type": "user_offline"})).await;
    second.say(json!({"type": "user_offline"})).await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("a", "offline"));
}

#[tokio::test]
async fn nobody_flickers_when_redis_is_emptied_while_it_runs() {
    let nodes = Nodes::start(2, &[]);
    let mut watcher = nodes.user(0, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["both"]})).await;
    let mut here = nodes.user(0, "both").await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("both", "online"));
    let mut there = nodes.user(1, "both").await;
    let _far = nodes.user(1, "far").await;
    there.ok("status_change", json!({"status": "busy"})).await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("both", "busy"));
    nodes.redis.ask("FLUSHALL").unwrap();
    here.say(json!({"type": "user_offline"})).await;
    assert_eq!(here.close_code().await, 1000);
    let shown = watcher.ask("request_online_status", json!({"user_ids": ["far", "both"]})).await;
    assert!(statuses(&shown).iter().all(|(_, status)| status != "offline"), "{shown}");
    there.ok("status_change", json!({"status": "away"})).await;
    let mut told = Vec::new();
    while told.last() != Some(&("both".to_owned(), "away".to_owned())) {
        told.extend(statuses(&watcher.wait("userOnlineStatus").await));
    }
    assert!(told.iter().all(|(_, status)| status != "offline"), "{told:?}");
}

#[tokio::test]
async fn who_has_left_is_known_on_every_node() {
    let nodes = Nodes::quick(3);
    let mut watcher = nodes.user(0, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["a"]})).await;
    let mut a = Client::connect(&nodes.hubs[1].address).await;
    a.say(json!({"type": "user_online", "user_id": "a", "user_type": "kol"})).await;
    a.wait("welcome").await;
    watcher.wait("userOnlineStatus").await;
    a.say(json!({"type": "user_offline"})).await;
    let left = watcher.wait("userOnlineStatus").await["user_status"][0].clone();
    assert_eq!((&left["user_type"], &left["status"]), (&json!("kol"), &json!("offline")));
    assert!(left["last_seen"].as_u64() > Some(0), "{left}");
    for hub in [0, 2] {
        let mut asking = nodes.user(hub, &format!("asking{hub}")).await;
        let answer = asking.ask("request_online_status", json!({"user_ids": ["a"]})).await;
        assert_eq!(answer["user_status"][0], left, "on node {hub}");
    }
}

#[tokio::test]
async fn whoever_polls_chooses_his_status_through_any_node() {
    let nodes = Nodes::quick(2);
    let mut watcher = nodes.user(0, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["p"]})).await;
    assert_eq!(nodes.hubs[0].post("/api/poll/heartbeat", json!({"user_id": "p"})).await.0, 200);
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("p", "online"));
    let choose = |user: &str| json!({"type": "status_change", "status": "away", "act_as": user});
    let (status, ack) = nodes.hubs[1].post("/api/poll/frame", choose("p")).await;
    assert_eq!((status, &ack["type"]), (200, &json!("ack")), "{ack}");
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("p", "away"));
    let (status, refusal) = nodes.hubs[1].post("/api/poll/frame", choose("nobody")).await;
    assert_eq!((status, &refusal["name"]), (409, &json!("user_not_reachable")), "{refusal}");
}

#[tokio::test]
async fn of_resumes_at_the_same_moment_one_lives() {
    let nodes = Nodes::quick(2);
    let mut watcher = nodes.user(0, "w").await;
    let mut first = nodes.user(0, "a").await;
    let hello = json!({"type": "user_online", "user_id": "a", "session_token": first.welcome["session_token"]});
    let mut lines = tokio::task::JoinSet::new();
    lines.spawn(async move { first.close_code().await });
    for _ in 0..5 {
        let mut clients = Vec::new();
        for place in 0..4 {
            clients.push(Client::connect(&nodes.hubs[place % 2].address).await);
        }
        for client in &mut clients {
            client.say(hello.clone()).await;
        }
        for mut client in clients {
            lines.spawn(async move { client.close_code().await });
        }
        for _ in 0..4 {
            assert_eq!(lines.join_next().await.unwrap().unwrap(), 4009);
        }
        let told = watcher.ok("message", json!({"to_user_id": "a", "message": "hello"})).await;
        assert_eq!(told["delivered"], 1, "the last one lives");
    }
    lines.abort_all();
}

#[tokio::test]
async fn a_session_goes_on_on_another_node() {
    let nodes = Nodes::start(3, &[]);
    let mut watcher = nodes.user(0, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["a"]})).await;
    let mut a = nodes.user(1, "a").await;
    watcher.wait("userOnlineStatus").await;
    a.ok("watch_status", json!({"user_ids": ["w"]})).await;
    a.ok("room_join", json!({})).await;
    let mut again = nodes.back(2, &a.welcome).await;
    assert_eq!((&again.welcome["resumed"], &again.welcome["session_id"]), (&json!(true), &a.welcome["session_id"]));
    assert_eq!(a.close_code().await, 4009);
    assert_eq!(again.welcome["rooms"][0]["room_id"], "r1", "its rooms have come along");
    assert_eq!(statuses(&again.wait("userOnlineStatus").await), pair("w", "online"), "and its watches");
    // Whatever would have been told to the watcher by now is in front of the answer.
    assert!(watcher.drain().await.is_empty(), "somebody who moves was never away");
    let back = nodes.resume(1, &again.welcome, json!([])).await;
    assert_eq!(back.welcome["resumed"], true);
    assert_eq!(again.close_code().await, 4009);
    assert!(watcher.drain().await.is_empty());
}

#[tokio::test]
async fn whoever_resumes_on_the_same_node_is_there_to_stay() {
    let nodes = Nodes::quick(2);
    let mut watcher = nodes.user(1, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["a"]})).await;
    let a = nodes.user(0, "a").await;
    watcher.wait("userOnlineStatus").await;
    let before = a.welcome.clone();
    drop(a);
    listen(&mut watcher, Duration::from_millis(400)).await;
    let mut again = nodes.back(0, &before).await;
    assert_eq!(again.welcome["resumed"], true);
    // Longer than the lost line would have been waited for.
    let patience = SILENCE + Duration::from_millis(1_000);
    tokio::join!(listen(&mut watcher, patience), listen(&mut again, patience));
    assert!(watcher.early.is_empty(), "{:?}", watcher.early);
}

#[tokio::test]
async fn a_polling_session_keeps_its_rooms_on_any_node() {
    let nodes = Nodes::start(3, &[]);
    let mut own = nodes.hubs[0].member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    let mut beat = json!({"user_id": "p", "rooms": [{"room_id": "r1"}, {"room_id": "r2"}]});
    for round in 0..6 {
        let (status, welcome) = nodes.hubs[round % 3].post("/api/poll/heartbeat", beat).await;
        assert_eq!((status, &welcome["resumed"]), (200, &json!(round > 0)), "{welcome}");
        let mut rooms: Vec<&str> =
            welcome["rooms"].as_array().unwrap().iter().map(|room| room["room_id"].as_str().unwrap()).collect();
        rooms.sort_unstable();
        assert_eq!(rooms, ["r1", "r2"], "round {round}: he is in all his rooms again");
        beat = json!({"user_id": "p", "session_token": welcome["session_token"]});
        if round % 2 == 0 {
            beat["rooms"] = json!([{"room_id": "r2"}]);
        }
        if round == 0 {
            let (status, ack) = nodes.hubs[1].post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
            assert_eq!(status, 200, "{ack}");
            own.event("queue_joined").await;
        }
    }
    let mut socket =
        nodes.hubs[1].enter(json!({"type": "user_online", "user_id": "p", "session_token": beat["session_token"]})).await;
    assert_eq!(socket.welcome["rooms"].as_array().unwrap().len(), 2);
    let last = own.ok("flag_set", json!({"flag": "queue_open", "on": false})).await;
    let told = own.until(|frame| frame["type"] == "room_update").await;
    assert_eq!(told["events"][0]["rev"], last["rev"], "nothing happened in between: {told}");
    socket.until(|frame| frame["events"][0]["rev"] == last["rev"]).await;
    let pushed: Vec<_> = own.drain().await.into_iter().filter(|frame| frame["type"] == "userOnlineStatus").collect();
    assert!(pushed.iter().all(|frame| statuses(frame) == pair("p", "online")), "{pushed:?}");
}

#[tokio::test]
async fn what_the_answer_says_is_not_told_once_more() {
    let nodes = Nodes::start(2, &[]);
    let (mut a, mut watcher) = (nodes.user(0, "a").await, nodes.user(1, "w").await);
    let ack = watcher.ok("watch_status", json!({"user_ids": ["a"]})).await;
    assert_eq!(statuses(&ack), pair("a", "online"));
    // Many times as long as changes are gathered.
    listen(&mut watcher, Duration::from_millis(400)).await;
    assert!(watcher.early.is_empty(), "nothing has changed: {:?}", watcher.early);
    a.ok("status_change", json!({"status": "busy"})).await;
    assert_eq!(statuses(&watcher.wait("userOnlineStatus").await), pair("a", "busy"));
}

#[tokio::test]
async fn messages_reach_every_device() {
    let nodes = Nodes::start(3, &[]);
    let mut from = nodes.user(0, "from").await;
    let (mut first, mut second) = (nodes.user(1, "to").await, nodes.user(2, "to").await);
    let ack = from.ok("message", json!({"to_user_id": "to", "message": "hi"})).await;
    assert_eq!(ack["delivered"], 2);
    for device in [&mut first, &mut second] {
        assert_eq!(device.wait("message").await["message"], "hi");
    }
    let hello = first.welcome.clone();
    drop((first, second));
    let kept = loop {
        let ack = from.ok("message", json!({"to_user_id": "to", "message": "kept"})).await;
        if ack["delivered"] == 0 {
            break ack;
        }
    };
    assert_eq!(kept["delivered"], 0);
    let mut back = nodes.resume(0, &hello, json!([])).await;
    assert_eq!(back.wait("message").await["message"], "kept");
    assert_eq!(from.refused("message", json!({"to_user_id": "nobody", "message": "hi"})).await, "user_not_reachable");
}

#[tokio::test]
async fn the_people_of_a_dead_node_are_offline_in_time() {
    let mut nodes = Nodes::quick(3);
    let mut watcher = nodes.user(0, "w").await;
    watcher.ok("watch_status", json!({"user_ids": ["a", "b"]})).await;
    let mut a = nodes.user(1, "a").await;
    watcher.wait("userOnlineStatus").await;
    let mut b = nodes.user(1, "b").await;
    watcher.wait("userOnlineStatus").await;
    // The survivors judge nobody before they have lived for a lease.
    let patience = Duration::from_millis(3_500);
    tokio::join!(listen(&mut watcher, patience), listen(&mut a, patience), listen(&mut b, patience));
    assert!(watcher.early.is_empty(), "{:?}", watcher.early);
    nodes.kill(1);
    let mut b = nodes.resume(1, &b.welcome, json!([])).await;
    let pushed = tokio::select! {
        pushed = watcher.wait("userOnlineStatus") => pushed,
        () = listen(&mut b, DEADLINE) => panic!("nobody is told"),
    };
    assert_eq!(statuses(&pushed), pair("a", "offline"));
    let shown = watcher.ask("request_online_status", json!({"user_ids": ["a", "b"]})).await;
    assert_eq!(statuses(&shown)[1].1, "online");
}
