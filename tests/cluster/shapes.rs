//! A Cluster of Redis servers: what belongs to people, bans, slow mode and repair touches one slot at a time there.
use crate::{
    hub::{Hub, JWT, KEY},
    nodes::Nodes,
};
use serde_json::json;
use xtask::bed::RedisCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = RedisCluster::start(dir.path()).unwrap();
    let settings = [JWT, &[("STORE__REDIS__SHAPE", "cluster"), ("MESSAGES__DIRECT_KEEP_MAX", "3")]].concat();
    let nodes = Nodes::reaching(cluster.urls(), 2, &settings);
    let enter = async |hub: usize, user: &str| {
        let token = nodes.hubs[0].mint(json!({"user_id": user})).await;
        nodes.hubs[hub].enter(json!({"type": "user_online", "user_id": user, "token": token})).await
    };
    let (mut a, mut b) = (enter(0, "a").await, enter(1, "b").await);
    for person in [&mut a, &mut b] {
        person.ok("room_join", json!({})).await;
    }
    a.ok("talk_set", json!({"slow_mode_seconds": 3600})).await;
    // His node must have heard of it, too.
    b.event("talk_changed").await;
    let chat = json!({"class": "must", "kind": "chat", "body": "hi"});
    b.ok("room_message", chat.clone()).await;
    let mut elsewhere = enter(0, "b").await;
    elsewhere.ok("room_join", json!({})).await;
    assert_eq!(elsewhere.refused("room_message", chat).await, "too_soon");
    a.ok("block_users", json!({"user_ids": ["b"]})).await;
    assert_eq!(b.refused("message", json!({"to_user_id": "a", "message": "hi"})).await, "user_not_reachable");
    assert_eq!(a.ok("message", json!({"to_user_id": "c", "message": "later"})).await["kept"], true);
    assert_eq!(enter(1, "c").await.wait("message").await["message"], "later");
    assert_eq!(nodes.hubs[0].post_as(KEY, "/api/users/b/ban", json!({})).await.0, 200);
    assert_eq!(b.close_code().await, 4003);
    let (own, urls) = (tempfile::tempdir().unwrap(), cluster.urls());
    let reach = [("STORE__KIND", "redis"), ("STORE__REDIS__SHAPE", "cluster"), ("STORE__REDIS__URL", urls.as_str())];
    let repaired = Hub::command(own.path(), &reach).arg("repair").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&repaired.stdout), "1 rooms are whole\n", "{repaired:?}");
}
