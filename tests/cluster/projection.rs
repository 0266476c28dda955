//! What other tools read of people, with nothing but GET.
use crate::{client::Client, history::pause, nodes::Nodes};
use serde_json::{Value, json};

/// Reads a key of the projection until it says that; returns all that it says.
async fn shows(nodes: &Nodes, key: &str, status: &str) -> Value {
    let mut last = String::new();
    for _ in 0..1_500 {
        last = nodes.redis.ask_words(&["GET", key]).unwrap();
        if let Some(Ok(value)) = last.lines().nth(1).map(serde_json::from_str::<Value>)
            && value["status"] == status
        {
            return value;
        }
        pause(20).await;
    }
    panic!("{key} is not shown {status}: {last}");
}

fn ttl_ms(nodes: &Nodes, key: &str) -> i64 {
    nodes.redis.ask_words(&["PTTL", key]).unwrap().trim().trim_start_matches(':').parse().unwrap()
}

async fn kol(nodes: &Nodes, hub: usize, name: &str) -> Client {
    nodes.hubs[hub].enter(json!({"type": "user_online", "user_id": name, "user_type": "kol"})).await
}

#[tokio::test]
async fn other_tools_read_how_people_are() {
    let nodes = Nodes::start(2, &[]);
    let mut a = kol(&nodes, 0, "k1").await;
    let _user = nodes.user(1, "u1").await;
    let shown = shows(&nodes, "kol_status:k1", "online").await;
    assert_eq!((&shown["user_type"], shown.as_object().unwrap().len()), (&json!("kol"), 4), "{shown}");
    let (seen, at) = (shown["last_seen"].as_u64().unwrap(), shown["timestamp"].as_u64().unwrap());
    assert!(seen > 1_600_000_000 && seen <= at && at < seen + 60, "{shown}");
    assert_eq!(shows(&nodes, "user_status:u1", "online").await["user_type"], "user");
    assert!((200_000..=300_000).contains(&ttl_ms(&nodes, "kol_status:k1")));
    a.ok("status_change", json!({"status": "away"})).await;
    shows(&nodes, "kol_status:k1", "away").await;
    a.ok("status_change", json!({"status": "online"})).await;
    shows(&nodes, "kol_status:k1", "online").await;
    // On a seat on another device and another node.
    let mut second = kol(&nodes, 1, "k1").await;
    second.ok("room_join", json!({})).await;
    second.ok("seat_take", json!({})).await;
    shows(&nodes, "kol_status:k1", "busy").await;
    // Only one device goes.
    a.say(json!({"type": "user_offline"})).await;
    a.close_code().await;
    pause(300).await;
    shows(&nodes, "kol_status:k1", "busy").await;
    second.say(json!({"type": "user_offline"})).await;
    shows(&nodes, "kol_status:k1", "offline").await;
}

#[tokio::test]
async fn what_is_shown_is_shown_again() {
    let nodes = Nodes::start(2, &[("STORE__REDIS__PROJECTION_SECONDS", "3")]);
    let (mut here, mut there) = (nodes.user(0, "u1").await, nodes.user(1, "u1").await);
    shows(&nodes, "user_status:u1", "online").await;
    assert!((1..=7_500).contains(&ttl_ms(&nodes, "user_status:u1")));
    there.ok("status_change", json!({"status": "busy"})).await;
    shows(&nodes, "user_status:u1", "busy").await;
    for _ in 0..2 {
        nodes.redis.ask("DEL user_status:u1").unwrap();
        // Both nodes write it again, and both know what he is on the other.
        pause(3_100).await;
        shows(&nodes, "user_status:u1", "busy").await;
    }
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(nodes.redis.ask_words(&["GET", "user_status:u1"]).unwrap());
        pause(50).await;
    }
    assert!(seen.iter().all(|value| value.contains("\"busy\"")), "{seen:?}");
    here.drain().await;
}

#[tokio::test]
async fn nobody_is_shown_where_that_is_not_wanted() {
    let nodes = Nodes::start(1, &[("STORE__REDIS__PROJECTION_SECONDS", "0")]);
    let mut person = nodes.user(0, "u1").await;
    person.ok("status_change", json!({"status": "busy"})).await;
    pause(300).await;
    assert_eq!(nodes.redis.ask("GET user_status:u1").unwrap().trim(), "$-1");
}
