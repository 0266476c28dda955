//! Who is sent away is sent away from every node, at once; his older tokens are good nowhere, also where a node joins later.
use crate::{
    client::Client,
    history::{pause, within},
    hub::{DEADLINE, Hub, JWT, KEY, http},
    nodes::Nodes,
};
use serde_json::{Value, json};
use std::time::Duration;

async fn enter(hub: &Hub, token: &str) -> Client {
    hub.enter(json!({"type": "user_online", "user_id": "a", "token": token})).await
}

/// Says hello, and returns the code with which the hub closes.
async fn refused(hub: &Hub, token: &str) -> u16 {
    let mut client = hub.connect().await;
    client.say(json!({"type": "user_online", "user_id": "a", "token": token})).await;
    client.close_code().await
}

async fn minted(hub: &Hub) -> String {
    hub.mint(json!({"user_id": "a"})).await
}

async fn post(hub: &Hub, what: &str, body: Value) -> (u16, Value) {
    hub.post_as(KEY, &format!("/api/users/a/{what}"), body).await
}

#[tokio::test]
async fn a_kick_is_heard_everywhere() {
    let mut nodes = Nodes::start(3, JWT);
    let token = minted(&nodes.hubs[0]).await;
    let mut phone = enter(&nodes.hubs[1], &token).await;
    let mut web = enter(&nodes.hubs[2], &token).await;
    web.ok("room_join", json!({})).await;
    let kicked = async {
        let (status, answer) = post(&nodes.hubs[0], "kick", json!({})).await;
        assert_eq!((status, &answer["sessions"]), (200, &json!(2)), "{answer}");
        for session in [&mut phone, &mut web] {
            assert_eq!(session.close_code().await, 4003);
        }
    };
    tokio::time::timeout(Duration::from_millis(within(1_000)), kicked).await.expect("everywhere within a second");
    nodes.add();
    for hub in &nodes.hubs {
        assert_eq!(refused(hub, &token).await, 4001, "a token from before");
        let (status, _) = hub.get_as(&token, "/api/online-status?user_ids=a").await;
        assert_eq!(status, 401);
    }
    let newer = minted(&nodes.hubs[2]).await;
    for hub in &nodes.hubs {
        assert_eq!(enter(hub, &newer).await.welcome["resumed"], false);
    }
}

#[tokio::test]
async fn a_ban_holds_until_it_is_lifted() {
    let mut nodes = Nodes::start(2, JWT);
    let token = minted(&nodes.hubs[0]).await;
    let mut here = enter(&nodes.hubs[1], &token).await;
    assert_eq!(post(&nodes.hubs[0], "ban", json!({"seconds": 0})).await.0, 400);
    let (status, answer) = post(&nodes.hubs[0], "ban", json!({"seconds": 3600})).await;
    assert_eq!((status, answer["until_ms"].is_u64()), (200, true), "{answer}");
    assert_eq!(here.close_code().await, 4003);
    nodes.add();
    let newer = minted(&nodes.hubs[1]).await;
    for hub in &nodes.hubs {
        assert_eq!(refused(hub, &newer).await, 4003, "nobody of that name");
    }
    assert_eq!(post(&nodes.hubs[2], "unban", json!({})).await.0, 200);
    // Every node hears it; this one has.
    assert_eq!(refused(&nodes.hubs[2], &token).await, 4001);
    enter(&nodes.hubs[2], &newer).await;
}

#[tokio::test]
async fn a_kick_that_fails_changes_nothing() {
    let mut nodes = Nodes::start(2, JWT);
    let token = minted(&nodes.hubs[0]).await;
    let mut session = enter(&nodes.hubs[1], &token).await;
    let other = enter(&nodes.hubs[0], &token).await;
    nodes.redis.kill();
    let (status, error) = post(&nodes.hubs[0], "kick", json!({})).await;
    assert_eq!((status, &error["name"]), (503, &json!("unavailable")), "{error}");
    session.say(json!({"type": "heartbeat"})).await;
    session.wait("heartbeat_ack").await;
    while http(&nodes.hubs[0].admin, "GET", "/readyz", "", "").await.0 != 503 {
        pause(20).await;
    }
    let (_, error) = post(&nodes.hubs[0], "kick", json!({})).await;
    assert_eq!(error["details"]["outcome"], "none", "nothing was sent: {error}");
    drop(other);
    nodes.redis.restart().unwrap();
    let kicked = async {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        while post(&nodes.hubs[0], "kick", json!({})).await.0 != 200 {
            beat.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, kicked).await.expect("Redis is back");
    // A node that was deaf when it was said hears it when its own line is back.
    assert_eq!(session.close_code().await, 4003);
}
