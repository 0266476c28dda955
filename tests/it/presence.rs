//! Presence over sockets: who is seen how, the lost/offline rule, messages between people.
use crate::hub::{Hub, QUICK, SILENCE};
use michub::server::clock::Clock;
use serde_json::{Value, json};

fn status(frame: &Value) -> (&str, &str) {
    let line = &frame["user_status"][0];
    (line["user_id"].as_str().unwrap(), line["status"].as_str().unwrap())
}

#[tokio::test]
async fn the_inherited_messages_work_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let hello = json!({"type": "user_online", "user_id": "kol_123", "user_type": "kol", "timestamp": 1640995200});
    let mut kol = hub.enter(hello).await;
    assert_eq!((&kol.welcome["user_type"], &kol.welcome["resumed"]), (&json!("kol"), &json!(false)));
    kol.say(json!({"type": "heartbeat", "user_id": "kol_123", "user_type": "kol", "timestamp": 1640995200, "ts_ms": 7})).await;
    let ack = kol.wait("heartbeat_ack").await;
    assert_eq!(ack["ts_ms"], 7);
    assert_eq!(ack["server_ts_ms"].as_u64().unwrap() / 1000, ack["timestamp"].as_u64().unwrap());
    let mut fan = hub.user("user_789").await;
    fan.ok("watch_status", json!({"user_ids": ["kol_123"]})).await;
    let busy =
        json!({"type": "status_change", "user_id": "kol_123", "user_type": "kol", "status": "busy", "timestamp": 1640995200});
    kol.say(busy).await;
    let push = fan.wait("userOnlineStatus").await;
    assert!(push.get("id").is_none());
    assert_eq!(status(&push), ("kol_123", "busy"));
    let message = json!({"type": "message", "from_user_id": "user_789", "to_user_id": "kol_123", "message": "Hello, can we talk?",
        "timestamp": 1640995200});
    fan.say(message).await;
    let message = kol.wait("message").await;
    assert_eq!((&message["from_user_id"], &message["message"]), (&json!("user_789"), &json!("Hello, can we talk?")));
    let asked = fan.ask("request_online_status", json!({"user_ids": ["nobody", "kol_123"]})).await;
    let never = json!({"user_id": "nobody", "user_type": "user", "online": false, "status": "offline", "last_seen": 0});
    assert_eq!(asked["user_status"][0], never);
    assert_eq!((&asked["user_status"][1]["user_type"], &asked["user_status"][1]["online"]), (&json!("kol"), &json!(true)));
    kol.say(json!({"type": "user_offline", "user_id": "kol_123", "user_type": "kol", "timestamp": 1640995200})).await;
    assert_eq!(kol.close_code().await, 1000);
    assert_eq!(status(&fan.wait("userOnlineStatus").await), ("kol_123", "offline"));
}

#[tokio::test]
async fn a_dropped_line_is_offline_only_after_the_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let mut watcher = hub.user("w").await;
    let clock = Clock::new();
    let before = clock.now();
    let person = hub.user("p").await;
    watcher.ok("watch_status", json!({"user_ids": ["p"]})).await;
    drop(person);
    assert_eq!(status(&watcher.wait("userOnlineStatus").await), ("p", "offline"));
    let took = u128::from(clock.now().since(before).0);
    assert!(took >= SILENCE.as_millis(), "offline after {took} ms");
    assert_eq!(hub.status_of("p").await, "offline");
}

#[tokio::test]
async fn a_silent_client_is_closed_and_a_pong_is_enough_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let mut silent = hub.user("silent").await;
    let mut reader = hub.user("reader").await;
    reader.ok("watch_status", json!({"user_ids": ["silent"]})).await;
    // Reading answers pings, and is all that this client does: it is here when the other one, who does nothing, is not.
    assert_eq!(status(&reader.wait("userOnlineStatus").await), ("silent", "offline"));
    assert_eq!(hub.status_of("reader").await, "online");
    let closed = silent.closed().await.unwrap();
    assert_eq!((closed.code, closed.name.as_str()), (4108, "heartbeat_timeout"));
}

#[tokio::test]
async fn silence_is_counted_once() {
    let slow = [
        ("PRESENCE__HEARTBEAT_INTERVAL_MS", "2500"),
        ("PRESENCE__HEARTBEAT_TIMEOUT_MS", "6000"),
        ("PRESENCE__PING_INTERVAL_MS", "1500"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &slow);
    let mut watcher = hub.user("w").await;
    let clock = Clock::new();
    let before = clock.now();
    let mut silent = hub.user("silent").await;
    watcher.ok("watch_status", json!({"user_ids": ["silent"]})).await;
    assert_eq!(status(&watcher.wait("userOnlineStatus").await), ("silent", "offline"));
    let took = clock.now().since(before).0;
    // The time until the hub gives the line up is not added to the time until he is offline.
    assert!((6000..11_950).contains(&took), "offline after {took} ms");
    assert_eq!(silent.close_code().await, 4108);
}

#[tokio::test]
async fn many_devices_are_one_person() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut watcher = hub.user("w").await;
    let mut phone = hub.user("p").await;
    let mut web = hub.user("p").await;
    watcher.ok("watch_status", json!({"user_ids": ["p"]})).await;
    let sent = watcher.ok("message", json!({"to_user_id": "p", "message": "both"})).await;
    assert_eq!(sent["delivered"], 2);
    assert_eq!(phone.wait("message").await["message"], "both");
    assert_eq!(web.wait("message").await["message"], "both");
    phone.ok("user_offline", json!({})).await;
    assert_eq!(phone.close_code().await, 1000);
    web.ok("status_change", json!({"status": "away"})).await;
    // The first thing that anybody hears is the choice: the end of one device was nothing.
    assert_eq!(status(&watcher.wait("userOnlineStatus").await), ("p", "away"));
    web.ok("user_offline", json!({})).await;
    assert_eq!(status(&watcher.wait("userOnlineStatus").await), ("p", "offline"));
    assert_eq!(watcher.refused("message", json!({"to_user_id": "p", "message": "gone"})).await, "user_not_reachable");
}

#[tokio::test]
async fn somebody_on_a_seat_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("watch_status", json!({"user_ids": ["own"]})).await;
    own.ok("seat_take", json!({"seat_no": 1})).await;
    assert_eq!(status(&own.wait("userOnlineStatus").await), ("own", "busy"));
    own.ok("seat_leave", json!({})).await;
    assert_eq!(status(&own.wait("userOnlineStatus").await), ("own", "online"));
}

#[tokio::test]
async fn too_many_watches_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__WATCHES_PER_SESSION", "2"), ("LIMITS__SESSIONS_PER_USER", "1")]);
    let mut watcher = hub.user("w").await;
    assert_eq!(watcher.refused("watch_status", json!({"user_ids": ["a", "b", "c"]})).await, "too_many");
    let ack = watcher.ok("watch_status", json!({"user_ids": ["a", "b"]})).await;
    assert_eq!(ack["user_status"].as_array().unwrap().len(), 2);
    watcher.ok("unwatch_status", json!({"user_ids": ["a"]})).await;
    watcher.ok("watch_status", json!({"user_ids": ["c"]})).await;
    let many: Vec<String> = (0..501).map(|n| format!("u{n}")).collect();
    assert_eq!(watcher.refused("request_online_status", json!({"user_ids": many})).await, "bad_argument");
    let mut second = hub.connect().await;
    second.say(json!({"type": "user_online", "user_id": "w"})).await;
    assert_eq!(second.wait("error").await["name"], "too_many");
    assert_eq!(second.close_code().await, 4129);
}

#[tokio::test]
async fn a_room_hears_of_a_choice_made_right_after_the_join() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("PRESENCE__COALESCE_MS", "300")]);
    let mut other = hub.member("other").await;
    // Offline before, offline after: no change to anybody but the room, which was told `online` in between.
    let mut shy = hub.member("shy").await;
    shy.ok("status_change", json!({"status": "offline"})).await;
    let is_shy = |change: &serde_json::Value| change["user_id"] == "shy" && change["status"] == "offline";
    let told = other.until(|frame| frame["changes"].as_array().is_some_and(|changes| changes.iter().any(is_shy))).await;
    assert_eq!(told["online"], 2, "{told}");
    let members = other.ok("room_members", json!({})).await;
    assert_eq!(members["members"][1]["status"], "offline", "{members}");
}

/// Waits until somebody is told to be out of the room, and returns how he is.
async fn gone(other: &mut crate::client::Client, user: &str) -> Value {
    let is_gone = |change: &&Value| change["user_id"] == user && change["joined"] == false;
    let find = |frame: &Value| frame["changes"].as_array().and_then(|changes| changes.iter().find(is_gone).cloned());
    find(&other.until(|frame| find(frame).is_some()).await).unwrap()["status"].clone()
}

#[tokio::test]
async fn a_room_hears_how_somebody_is_who_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("PRESENCE__COALESCE_MS", "200")]);
    let mut other = hub.member("other").await;
    let mut leaver = hub.member("leaver").await;
    leaver.ok("status_change", json!({"status": "busy"})).await;
    leaver.ok("room_members", json!({})).await;
    leaver.ok("room_leave", json!({})).await;
    assert_eq!(gone(&mut other, "leaver").await, "busy", "he is still there, only not in the room");
    let mut ended = hub.member("ended").await;
    // Nobody is told of somebody who comes and goes before the room knows how he is.
    let is_ended = |change: &Value| change["user_id"] == "ended" && change["joined"] == true;
    other.until(|frame| frame["changes"].as_array().is_some_and(|changes| changes.iter().any(is_ended))).await;
    ended.ok("user_offline", json!({})).await;
    assert_eq!(gone(&mut other, "ended").await, "offline");
}

#[tokio::test]
async fn a_room_hears_that_somebody_is_offline_who_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let times = [("INTERVAL", "1000"), ("TIMEOUT", "4000")].map(|(name, ms)| (format!("PRESENCE__HEARTBEAT_{name}_MS"), ms));
    let times: Vec<(&str, &str)> = times.iter().map(|(name, ms)| (name.as_str(), *ms)).collect();
    let hub = Hub::with(dir.path(), &[&times[..], &[("PRESENCE__PING_INTERVAL_MS", "500")]].concat());
    let mut other = hub.member("other").await;
    drop(hub.member("lost").await);
    assert_eq!(gone(&mut other, "lost").await, "offline");
}
