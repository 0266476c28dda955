//! What people say in a room: classes, order, coming back, keys, rights, and all of it over HTTP.
use crate::{
    client::Client,
    hub::{Hub, JWT, KEY},
};
use serde_json::{Value, json};

fn text(class: &str, body: &str) -> Value {
    json!({"class": class, "kind": "chat", "body": body})
}

/// Says something, and returns the ack.
async fn say(client: &mut Client, class: &str, body: &str) -> Value {
    client.ok("room_message", text(class, body)).await
}

async fn heard(client: &mut Client) -> Value {
    client.wait("room_message").await
}

fn bodies(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

/// The room messages among these frames.
fn said(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame["type"] == "room_message").cloned().collect()
}

#[tokio::test]
async fn everybody_hears_it_the_sender_too() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut a, mut b) = (hub.member("a").await, hub.member("b").await);
    let ack = say(&mut a, "must", "one").await;
    assert_eq!(ack["seq"], 1);
    let frame = heard(&mut b).await;
    let told = (&frame["room_id"], &frame["seq"], &frame["from_user_id"], &frame["class"], &frame["kind"], &frame["body"]);
    assert_eq!(told, (&json!("r1"), &json!(1), &json!("a"), &json!("must"), &json!("chat"), &json!("one")));
    assert_eq!((&frame["msg_cursor"], &frame["at_ms"]), (&ack["msg_cursor"], &ack["at_ms"]));
    assert_eq!(heard(&mut a).await, frame);
    for (class, body) in [("normal", "two"), ("droppable", "three"), ("must", "four")] {
        say(&mut a, class, body).await;
        let frame = heard(&mut b).await;
        let seq = if class == "must" { 2 } else { 1 };
        assert_eq!((&frame["body"], &frame["seq"]), (&json!(body), &json!(seq)), "only the class must has numbers of its own");
        assert_eq!(frame.get("msg_cursor").is_some(), class == "must");
    }
    let (status, page) = hub.get("/api/rooms/r1/messages").await;
    assert_eq!((status, bodies(&page["messages"]), &page["more"]), (200, vec!["one", "four"], &json!(false)));
    assert_eq!(page["messages"][0]["type"], "room_message");
    let (status, error) = hub.get("/api/rooms/r9/messages").await;
    assert_eq!((status, &error["name"]), (404, &json!("room_not_found")));
}

#[tokio::test]
async fn what_is_refused_is_not_said() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut own, mut a) = (hub.member("own").await, hub.member("a").await);
    let mut stranger = hub.user("z").await;
    assert_eq!(stranger.refused("room_message", text("normal", "x")).await, "not_member");
    assert_eq!(a.refused("room_message", text("normal", &"x".repeat(12_289))).await, "message_too_large");
    let wrong = a.ask("room_message", json!({"class": "loud", "kind": "k", "body": ""})).await;
    assert_eq!((&wrong["name"], &wrong["details"]["path"]), (&json!("bad_argument"), &json!("/class")));
    own.ok("talk_set", json!({"must_level": 600, "slow_mode_seconds": 3600})).await;
    assert_eq!(a.event("talk_changed").await["slow_mode_seconds"], 3600);
    assert_eq!(a.refused("room_message", text("must", "x")).await, "forbidden");
    say(&mut a, "normal", "first").await;
    let soon = a.ask("room_message", text("normal", "second")).await;
    assert_eq!((&soon["name"], soon["details"]["until_ms"].is_u64()), (&json!("too_soon"), true));
    assert!(soon["retry_after_ms"].as_u64().is_some_and(|wait| wait > 1_000), "as long as he has to wait: {soon}");
    own.ok("talk_mute", json!({"target_user_id": "a"})).await;
    let muted = a.ask("room_message", text("normal", "third")).await;
    assert_eq!((&muted["name"], &muted["details"]), (&json!("forbidden"), &json!({"until_ms": null})));
    own.ok("user_kick", json!({"target_user_id": "a"})).await;
    assert_eq!(a.refused("room_message", text("normal", "fourth")).await, "not_member");
    own.ok("room_close", json!({})).await;
    assert_eq!(own.refused("room_message", text("normal", "fifth")).await, "room_closed");
    assert_eq!(said(&own.drain().await).len(), 1);
}

#[tokio::test]
async fn a_key_says_it_once_also_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut a, mut b) = (hub.member("a").await, hub.member("b").await);
    let keyed = |class: &str| json!({"class": class, "kind": "gift", "body": "rose", "dedup_id": class});
    for class in ["must", "normal"] {
        let first = a.ok("room_message", keyed(class)).await;
        let again = a.ok("room_message", keyed(class)).await;
        assert_eq!((&again["dup"], &again["seq"], &again["at_ms"]), (&json!(true), &first["seq"], &first["at_ms"]));
    }
    let other = b.ok("room_message", keyed("must")).await;
    assert_eq!((&other["seq"], other.get("dup")), (&json!(2), None), "keys are the sender's own");
    for seq in [1, 1, 2] {
        assert_eq!(heard(&mut b).await["seq"], seq, "once each");
    }
    assert!(said(&b.drain().await).is_empty());
    hub.kill();
    let hub = Hub::start(dir.path());
    let mut a = hub.member("a").await;
    assert_eq!(a.ok("room_message", keyed("must")).await["dup"], true);
    assert_eq!(hub.get("/api/rooms/r1/messages").await.1["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn whoever_comes_back_hears_what_he_missed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let (mut a, b) = (hub.member("a").await, hub.member("b").await);
    say(&mut a, "must", "m1").await;
    let cursor = say(&mut a, "must", "m2").await["msg_cursor"].clone();
    drop(b.socket);
    for body in ["m3", "m4", "m5"] {
        say(&mut a, "must", body).await;
        say(&mut a, "normal", "not kept").await;
    }
    let mut b = hub.resume(&b.welcome, json!([{"room_id": "r1", "msg_cursor": cursor}])).await;
    let head = b.welcome["rooms"][0]["msg_cursor"].clone();
    let missed = said(&b.drain().await);
    assert_eq!(bodies(&json!(missed)), ["m3", "m4", "m5"]);
    assert_eq!((&missed[2]["msg_cursor"], b.welcome["rooms"][0].get("msg_skipped")), (&head, None));
    // After a crash the same positions go on.
    hub.kill();
    let hub = Hub::start(dir.path());
    let mut b = hub.user("b").await;
    let ack = b.ok("room_join", json!({"msg_cursor": cursor})).await;
    assert_eq!((&ack["msg_cursor"], ack.get("msg_skipped")), (&head, None));
    assert_eq!(bodies(&json!(said(&b.drain().await))), ["m3", "m4", "m5"]);
    let again = b.ok("room_join", json!({"msg_cursor": head})).await;
    assert_eq!((&again["msg_cursor"], said(&b.drain().await).len()), (&head, 0));
    let mut c = hub.user("c").await;
    assert_eq!(c.ok("room_join", json!({})).await["msg_cursor"], head, "who asks for none hears where it goes on");
    assert_eq!(said(&c.drain().await).len(), 0);
}

#[tokio::test]
async fn after_a_long_time_only_the_newest_page() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("MESSAGES__PAGE_MAX", "3"), ("MESSAGES__REPLAY_MAX_AGE_MS", "0")]);
    let mut a = hub.member("a").await;
    let cursor = say(&mut a, "must", "m0").await["msg_cursor"].clone();
    for n in 1..=3 {
        say(&mut a, "must", &format!("m{n}")).await;
    }
    let mut b = hub.user("b").await;
    let ack = b.ok("room_join", json!({"msg_cursor": cursor})).await;
    assert_eq!(ack.get("msg_skipped"), None, "a page is no flood");
    assert_eq!(said(&b.drain().await).len(), 3);
    let last = say(&mut a, "must", "m4").await["msg_cursor"].clone();
    assert_eq!(heard(&mut b).await["body"], "m4");
    for from in [cursor, json!("77.00000000000000aa"), json!("")] {
        let ack = b.ok("room_join", json!({"msg_cursor": from})).await;
        assert_eq!((&ack["msg_skipped"], &ack["msg_cursor"]), (&json!(true), &last), "{from}");
        let told: Vec<Value> = said(&b.drain().await).iter().map(|m| json!([m["body"], m["skipped"]])).collect();
        assert_eq!(told, [json!(["m2", true]), json!(["m3", null]), json!(["m4", null])], "{from}");
    }
}

#[tokio::test]
async fn pages_lead_through_everything_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("MESSAGES__KEEP_MAX", "5")]);
    let mut a = hub.member("a").await;
    let start = hub.get("/api/rooms/r1/messages").await.1["cursor"].as_str().unwrap().to_owned();
    for n in 1..=4 {
        say(&mut a, "must", &format!("m{n}")).await;
    }
    let get = async |query: &str| hub.get(&format!("/api/rooms/r1/messages?{query}")).await.1;
    let first = get(&format!("since={start}&limit=3")).await;
    assert_eq!((bodies(&first["messages"]), &first["more"], first.get("skipped")), (vec!["m1", "m2", "m3"], &json!(true), None));
    let cursor = first["cursor"].as_str().unwrap();
    let second = get(&format!("since={cursor}&limit=3")).await;
    assert_eq!((bodies(&second["messages"]), &second["more"]), (vec!["m4"], &json!(false)));
    let end = second["cursor"].as_str().unwrap();
    let third = get(&format!("since={end}")).await;
    assert_eq!((bodies(&third["messages"]), third["cursor"].as_str()), (vec![], Some(end)));
    assert_eq!(bodies(&get("limit=2").await["messages"]), ["m3", "m4"], "the newest");
    let before = first["messages"][2]["msg_cursor"].as_str().unwrap();
    assert_eq!(bodies(&get(&format!("before={before}&limit=1")).await["messages"]), ["m2"]);
    for n in 5..=8 {
        say(&mut a, "must", &format!("m{n}")).await;
    }
    let gone = get(&format!("since={start}")).await;
    assert_eq!((bodies(&gone["messages"]), &gone["skipped"]), (vec!["m4", "m5", "m6", "m7", "m8"], &json!(true)));
    let (status, error) = hub.get("/api/rooms/r1/messages?limit=0").await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/limit")));
}

#[tokio::test]
async fn backends_speak_with_their_key_and_people_with_their_token() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let token = hub.mint(json!({"user_id": "a"})).await;
    let mut a = hub.enter(json!({"type": "user_online", "user_id": "a", "token": token})).await;
    a.ok("room_join", json!({})).await;
    let post = async |bearer: &str, body: Value| hub.post_as(bearer, "/api/rooms/r1/messages", body).await;
    let (status, ack) = post(KEY, json!({"id": 7, "class": "must", "kind": "notice", "body": "hello"})).await;
    assert_eq!((status, &ack["type"], &ack["id"], &ack["seq"]), (200, &json!("ack"), &json!(7), &json!(1)));
    let frame = heard(&mut a).await;
    assert_eq!((&frame["from_user_id"], &frame["system"]), (&json!("service"), &json!(true)));
    assert_eq!(post(KEY, json!({"class": "normal", "kind": "k", "body": "b", "act_as": "a"})).await.0, 200);
    let frame = heard(&mut a).await;
    assert_eq!((&frame["from_user_id"], frame.get("system")), (&json!("a"), None));
    assert_eq!(post(&token, text("normal", "by token")).await.0, 200);
    assert_eq!(heard(&mut a).await["body"], "by token");
    let stranger = hub.mint(json!({"user_id": "z"})).await;
    let refused = [
        (post(&stranger, text("normal", "x")).await, 409, "not_member"),
        (post(&token, json!({"class": "normal", "kind": "k", "body": "b", "act_as": "a"})).await, 403, "forbidden"),
        (post(&token, json!({"class": "normal", "kind": "k", "body": "b", "from_user_id": "z"})).await, 403, "identity_mismatch"),
        (post("nonsense", text("normal", "x")).await, 401, "unauthorized"),
        (post(&token, text("normal", &"x".repeat(20_000))).await, 413, "message_too_large"),
    ];
    for ((status, error), expected, name) in refused {
        assert_eq!((status, &error["name"]), (expected, &json!(name)), "{error}");
    }
    let command = json!({"type": "room_message", "class": "normal", "kind": "k", "body": "as a command"});
    assert_eq!(hub.post_as(KEY, "/api/rooms/r1/commands", command).await.0, 200);
    assert_eq!(heard(&mut a).await["body"], "as a command");
}

#[tokio::test]
async fn a_slow_reader_loses_what_may_be_lost_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__OUTBOX_BYTES", "65536")]);
    let (mut a, mut slow) = (hub.member("a").await, hub.member("slow").await);
    // He does not read; the socket's buffers fill, then his outbox, then what may be dropped is.
    let body = "x".repeat(12_000);
    let mut musts = 0;
    for round in 0..1500 {
        say(&mut a, if round % 3 == 0 { "normal" } else { "droppable" }, &body).await;
        if round % 100 == 0 {
            say(&mut a, "must", "kept").await;
            musts += 1;
        }
        a.early.clear();
    }
    let metrics = hub.metrics().await;
    let count = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert!(count("michub_frames_dropped_total{class=\"droppable\"}") > 0.0, "{metrics}");
    assert_eq!(count("michub_slow_consumers_total"), 0.0, "nobody is closed for what may be dropped");
    assert_eq!(count("michub_room_messages_total"), f64::from(1500 + musts));
    let got = said(&slow.drain().await);
    let kept: Vec<u64> = got.iter().filter(|m| m["class"] == "must").map(|m| m["seq"].as_u64().unwrap()).collect();
    assert_eq!(kept, (1..=musts as u64).collect::<Vec<_>>(), "every one, in order");
    assert!(got.len() < 1500, "{} came through", got.len());
}
