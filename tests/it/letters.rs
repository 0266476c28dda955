//! Direct messages: every device of the receiver, people who are away, people who are not wanted.
use crate::hub::{Hub, QUICK};
use serde_json::{Value, json};

fn to(user: &str, text: &str) -> Value {
    json!({"to_user_id": user, "message": text})
}

fn texts(frames: &[Value]) -> Vec<String> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages.map(|frame| frame["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_device_hears_it_and_the_sender_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut a, mut phone, mut web) = (hub.user("a").await, hub.user("b").await, hub.user("b").await);
    assert_eq!(a.ok("message", to("b", "hi")).await["delivered"], 2);
    for device in [&mut phone, &mut web] {
        let heard = device.wait("message").await;
        assert_eq!((&heard["from_user_id"], &heard["to_user_id"], &heard["message"]), (&json!("a"), &json!("b"), &json!("hi")));
        assert!(heard["timestamp"].as_u64().unwrap() < 100_000_000_000, "seconds");
    }
    assert_eq!(a.refused("message", to("z", "hi")).await, "user_not_reachable");
    assert_eq!(a.refused("message", to("b", &"x".repeat(4097))).await, "message_too_large");
    assert_eq!(a.ok("message", to("a", "to myself")).await["delivered"], 1);
}

#[tokio::test]
async fn what_is_kept_waits_until_he_comes_also_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [QUICK, &[("MESSAGES__DIRECT_KEEP_MAX", "3")]].concat();
    let hub = Hub::with(dir.path(), &settings);
    let mut a = hub.user("a").await;
    for text in ["one", "two", "three"] {
        let ack = a.ok("message", to("b", text)).await;
        assert_eq!((&ack["delivered"], &ack["kept"]), (&json!(0), &json!(true)));
    }
    assert_eq!(a.refused("message", to("b", "four")).await, "user_not_reachable", "no more than that");
    hub.kill();
    let hub = Hub::with(dir.path(), &settings);
    let mut b = hub.user("b").await;
    assert_eq!(texts(&b.drain().await), ["one", "two", "three"]);
    let mut again = hub.user("b").await;
    assert!(texts(&again.drain().await).is_empty(), "once");
    let mut a = hub.user("a").await;
    assert_eq!(a.ok("message", to("b", "live")).await.get("kept"), None);
    assert_eq!(a.ok("message", to("p", "polled")).await["kept"], true);
    let (_, polled) = hub.post("/api/poll/heartbeat", json!({"user_id": "p"})).await;
    assert_eq!(texts(polled["messages"].as_array().unwrap()), ["polled"]);
}

#[tokio::test]
async fn messages_wait_for_so_many_people_only() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MESSAGES__DIRECT_KEEP_MAX", "3"), ("MESSAGES__DIRECT_KEEP_USERS_MAX", "1")];
    let hub = Hub::with(dir.path(), &settings);
    let mut a = hub.user("a").await;
    a.ok("message", to("b", "one")).await;
    assert_eq!(a.refused("message", to("c", "one")).await, "user_not_reachable");
    a.ok("message", to("b", "two")).await;
    let mut b = hub.user("b").await;
    assert_eq!(texts(&b.drain().await), ["one", "two"]);
    assert_eq!(a.ok("message", to("c", "one")).await["kept"], true, "there is a place again");
}

#[tokio::test]
async fn whoever_is_blocked_is_not_heard() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MESSAGES__BLOCKED_MAX", "2"), ("MESSAGES__DIRECT_KEEP_MAX", "3")];
    let hub = Hub::with(dir.path(), &settings);
    let (mut a, mut b) = (hub.user("a").await, hub.user("b").await);
    let users = |users: &[&str]| json!({"user_ids": users});
    assert_eq!(b.ok("block_users", users(&["c", "a", "b"])).await["blocked"], json!(["a", "c"]), "never himself");
    assert_eq!(b.refused("block_users", users(&["d"])).await, "too_many");
    assert_eq!(a.refused("message", to("b", "hi")).await, "user_not_reachable");
    assert_eq!(b.ok("message", to("a", "one way")).await["delivered"], 1);
    assert!(texts(&b.drain().await).is_empty());
    hub.kill();
    let hub = Hub::with(dir.path(), &settings);
    let mut a = hub.user("a").await;
    assert_eq!(a.refused("message", to("b", "hi")).await, "user_not_reachable", "nor kept, also after a crash");
    let mut b = hub.user("b").await;
    assert_eq!(b.ok("blocked_users", json!({})).await["blocked"], json!(["a", "c"]));
    assert_eq!(b.ok("unblock_users", users(&["a", "z"])).await["blocked"], json!(["c"]));
    assert_eq!(a.ok("message", to("b", "hi")).await["delivered"], 1);
    assert_eq!(b.ok("unblock_users", users(&["c"])).await["blocked"], json!([]));
}
