//! Direct messages over nodes: who is blocked on one is refused on all, and what is kept on one is delivered by any.
use crate::{hub::QUICK, nodes::Nodes};
use serde_json::{Value, json};

fn to(user: &str, text: &str) -> Value {
    json!({"to_user_id": user, "message": text})
}

fn texts(frames: &[Value]) -> Vec<String> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages.map(|frame| frame["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_is_blocked_is_refused_on_every_node() {
    let mut nodes = Nodes::start(2, &[("MESSAGES__BLOCKED_MAX", "8")]);
    let (mut a, mut b) = (nodes.user(0, "a").await, nodes.user(1, "b").await);
    assert_eq!(b.ok("message", to("a", "hi")).await["delivered"], 1);
    a.ok("block_users", json!({"user_ids": ["b"]})).await;
    assert_eq!(b.refused("message", to("a", "hi")).await, "user_not_reachable");
    nodes.add();
    let mut late = nodes.user(2, "b").await;
    assert_eq!(late.refused("message", to("a", "hi")).await, "user_not_reachable", "also on a node that joins later");
    let mut other = nodes.user(1, "a").await;
    assert_eq!(other.ok("blocked_users", json!({})).await["blocked"], json!(["b"]));
    other.ok("unblock_users", json!({"user_ids": ["b"]})).await;
    assert_eq!(late.ok("message", to("a", "hi")).await["delivered"], 2);
    // Two devices on two nodes block at once: nothing is lost.
    tokio::join!(
        async {
            for n in 0..4 {
                a.ok("block_users", json!({"user_ids": [format!("x{n}")]})).await;
            }
        },
        async {
            for n in 0..4 {
                other.ok("block_users", json!({"user_ids": [format!("y{n}")]})).await;
            }
        }
    );
    let all = ["x0", "x1", "x2", "x3", "y0", "y1", "y2", "y3"];
    assert_eq!(a.ok("blocked_users", json!({})).await["blocked"], json!(all));
    assert_eq!(other.refused("block_users", json!({"user_ids": ["z"]})).await, "too_many");
}

#[tokio::test]
async fn what_waits_is_delivered_by_any_node() {
    let settings = [QUICK, &[("MESSAGES__DIRECT_KEEP_MAX", "3"), ("MESSAGES__DIRECT_KEEP_USERS_MAX", "2")]].concat();
    let mut nodes = Nodes::start(2, &settings);
    let (mut here, mut there) = (nodes.user(0, "a").await, nodes.user(1, "a").await);
    assert_eq!(here.ok("message", to("b", "one")).await["kept"], true);
    assert_eq!(there.ok("message", to("b", "two")).await["kept"], true);
    assert_eq!(here.ok("message", to("b", "three")).await["kept"], true);
    assert_eq!(there.refused("message", to("b", "four")).await, "user_not_reachable", "no more than that, over all nodes");
    here.ok("message", to("c", "one")).await;
    assert_eq!(there.refused("message", to("d", "one")).await, "user_not_reachable", "for no more people");
    let mut b = nodes.user(1, "b").await;
    assert_eq!(texts(&b.drain().await), ["one", "two", "three"]);
    let mut again = nodes.user(0, "b").await;
    assert!(texts(&again.drain().await).is_empty(), "once");
    nodes.kill(0);
    let (_, polled) = nodes.hubs[0].post("/api/poll/heartbeat", json!({"user_id": "c"})).await;
    assert_eq!(texts(polled["messages"].as_array().unwrap()), ["one"], "although the node is gone that kept it");
}

#[tokio::test]
async fn what_is_said_to_the_people_of_a_dead_node_waits_for_them() {
    let mut nodes = Nodes::start(3, &[]);
    let (mut a, b, mut both) = (nodes.user(0, "a").await, nodes.user(2, "b").await, nodes.user(1, "both").await);
    let _gone = nodes.user(2, "both").await;
    let before = b.welcome.clone();
    nodes.kill(2);
    assert_eq!(a.ok("message", to("b", "one")).await["delivered"], 0, "nobody has it, whatever Redis knows of the dead node");
    assert_eq!(a.ok("message", to("both", "two")).await["delivered"], 1, "he has another device");
    assert_eq!(both.wait("message").await["message"], "two");
    let mut again = nodes.back(1, &before).await;
    assert_eq!(texts(&again.drain().await), ["one"], "when he is back, it is there");
    assert!(texts(&both.drain().await).is_empty(), "nothing is told twice");
}

#[tokio::test]
async fn what_a_polling_client_has_not_heard_follows_it() {
    let nodes = Nodes::start(2, &[]);
    let mut a = nodes.user(0, "a").await;
    let (_, first) = nodes.hubs[0].post("/api/poll/heartbeat", json!({"user_id": "p", "wait_ms": 0})).await;
    let beat = |heard: &Value, wait: u64| json!({"user_id": "p", "session_token": first["session_token"], "wait_ms": wait, "heard": heard});
    for text in ["one", "two", "three"] {
        assert_eq!(a.ok("message", to("p", text)).await["delivered"], 1);
    }
    let (_, told) = nodes.hubs[0].post("/api/poll/heartbeat", beat(&first["heard"], 20_000)).await;
    assert_eq!(texts(told["frames"].as_array().unwrap()), ["one", "two", "three"]);
    // That answer is lost on its way; he asks the other node from where he was.
    let (mut heard, mut got) = (first["heard"].clone(), Vec::new());
    for _ in 0..3 {
        if got.len() == 3 {
            break;
        }
        let (status, there) = nodes.hubs[1].post("/api/poll/heartbeat", beat(&heard, 20_000)).await;
        assert_eq!((status, &there["session_id"]), (200, &first["session_id"]), "{there}");
        got.extend(texts(there["frames"].as_array().unwrap()));
        heard = there["heard"].clone();
    }
    assert_eq!(got, ["one", "two", "three"]);
    // Back with a part of it heard; then what he has is not told again.
    assert_eq!(a.ok("message", to("p", "four")).await["delivered"], 1);
    let (_, back) = nodes.hubs[0].post("/api/poll/heartbeat", beat(&heard, 20_000)).await;
    let mut got = texts(back["frames"].as_array().unwrap());
    if got.is_empty() {
        let (_, more) = nodes.hubs[0].post("/api/poll/heartbeat", beat(&back["heard"], 20_000)).await;
        got = texts(more["frames"].as_array().unwrap());
    }
    assert_eq!(got, ["four"]);
}

#[tokio::test]
async fn a_node_whose_line_has_just_broken_is_not_dead() {
    let nodes = Nodes::start(2, &[]);
    let (mut a, mut b) = (nodes.user(0, "a").await, nodes.user(1, "b").await);
    for round in 0..8 {
        nodes.redis.ask("CLIENT KILL TYPE pubsub").unwrap();
        let text = format!("m{round}");
        assert_eq!(a.ok("message", to("b", &text)).await["delivered"], 1, "{text}");
        assert_eq!(b.wait("message").await["message"], text);
    }
}
