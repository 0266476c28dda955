//! What backends ask: rooms made, listed and closed, many people at once, somebody sent away from the hub.
use crate::hub::{DEADLINE, Hub, JWT, KEY, http};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn a_room_is_made_with_its_owner_and_rules() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [JWT, &[("ROOM__AUTO_CREATE", "false"), ("ROOM__RULES__MAX_MIC_COUNT", "3")]].concat();
    let hub = Hub::with(dir.path(), &settings);
    let token = hub.mint(json!({"user_id": "own"})).await;
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": token})).await;
    assert_eq!(own.refused("room_join", json!({})).await, "room_not_found");
    let post = async |bearer: &str, body: Value| hub.post_as(bearer, "/api/rooms", body).await;
    let wanted = json!({"room_id": "r1", "owner_user_id": "own", "rules": {"max_mic_count": 2, "queue_mode": "free"}});
    assert_eq!(post(&token, wanted.clone()).await.0, 403, "not for people");
    let (status, made) = post(KEY, wanted.clone()).await;
    assert_eq!((status, &made["type"], &made["rev"]), (201, &json!("room_snapshot"), &json!(0)));
    let state = &made["state"];
    let told = (&state["owner_user_id"], &state["mode"], state["seats"].as_array().unwrap().len());
    assert_eq!(told, (&json!("own"), &json!("free"), 3));
    let (status, again) = post(KEY, json!({"room_id": "r1", "owner_user_id": "other"})).await;
    assert_eq!((status, &again["state"]["owner_user_id"]), (200, &json!("own")), "it stays as it is");
    let (status, made) = post(KEY, json!({"room_id": "r2", "owner_user_id": "own"})).await;
    assert_eq!((status, &made["state"]["rules"]["max_mic_count"]), (201, &json!(3)), "the rules of new rooms");
    assert_eq!(own.ok("room_join", json!({})).await["role"], "owner");
    for (body, name, path) in [
        (json!({"owner_user_id": "own"}), "bad_argument", "/room_id"),
        (json!({"room_id": "r3"}), "bad_argument", "/owner_user_id"),
        (json!({"room_id": "r3", "owner_user_id": "o", "rules": {"max_mic_count": 0}}), "bad_rules", "/max_mic_count"),
        (json!({"room_id": "r3", "owner_user_id": "o", "rules": []}), "bad_rules", ""),
    ] {
        let (status, error) = post(KEY, body).await;
        assert_eq!((status, &error["name"], &error["details"]["path"]), (400, &json!(name), &json!(path)));
    }
    assert_eq!(hub.get_as(KEY, "/api/rooms/r3").await.0, 404, "a refused room is not made");
    // It outlives a crash before anybody was in it.
    hub.kill();
    let hub = Hub::with(dir.path(), &settings);
    assert_eq!(hub.get_as(KEY, "/api/rooms/r2").await.1["state"]["rules"]["max_mic_count"], 3);
}

#[tokio::test]
async fn rooms_are_listed_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    for name in ["b", "a", "c"] {
        assert_eq!(hub.post_as(KEY, "/api/rooms", json!({"room_id": name, "owner_user_id": "o"})).await.0, 201);
    }
    let token = hub.mint(json!({"user_id": "x"})).await;
    let mut x = hub.enter(json!({"type": "user_online", "user_id": "x", "token": token})).await;
    x.ok("room_join", json!({"room_id": "b"})).await;
    let (status, first) = hub.get_as(KEY, "/api/rooms?limit=2").await;
    assert_eq!(status, 200);
    assert_eq!(first, json!({"rooms": [{"room_id": "a", "online": 0}, {"room_id": "b", "online": 1}], "cursor": "b"}));
    let (_, last) = hub.get_as(KEY, "/api/rooms?limit=2&cursor=b").await;
    assert_eq!(last, json!({"rooms": [{"room_id": "c", "online": 0}], "cursor": null}));
    assert_eq!(hub.get_as(&token, "/api/rooms").await.0, 403);
    assert_eq!(hub.get_as(KEY, "/api/rooms?limit=1001").await.0, 400);
}

#[tokio::test]
async fn a_room_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    assert_eq!(hub.post_as(KEY, "/api/rooms", json!({"room_id": "r1", "owner_user_id": "own"})).await.0, 201);
    let token = hub.mint(json!({"user_id": "a"})).await;
    let mut a = hub.enter(json!({"type": "user_online", "user_id": "a", "token": token})).await;
    a.ok("room_join", json!({})).await;
    let delete = async |bearer: &str, path: &str| {
        http(&hub.address, "DELETE", path, &format!("Authorization: Bearer {bearer}\r\n"), "").await
    };
    assert_eq!(delete(&token, "/api/rooms/r1").await.0, 403);
    let (status, ack) = delete(KEY, "/api/rooms/r1?reason=night").await;
    assert_eq!((status, &ack["event"], &ack["reason"]), (200, &json!("room_closed"), &json!("night")));
    assert_eq!(a.event("room_closed").await["by"], "service");
    let (status, error) = delete(KEY, "/api/rooms/r1").await;
    assert_eq!((status, &error["name"]), (410, &json!("room_closed")));
    assert_eq!(delete(KEY, "/api/rooms/r9").await.0, 404);
}

#[tokio::test]
async fn five_hundred_people_are_asked_for_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let _here = hub.user("u499").await;
    let names = |count: usize| (0..count).map(|n| format!("u{n}")).collect::<Vec<_>>();
    let (status, answer) = hub.post("/api/online-status", json!({"user_ids": names(500)})).await;
    let all = answer["user_status"].as_array().unwrap();
    assert_eq!((status, all.len(), &all[499]["online"], &all[0]["online"]), (200, 500, &json!(true), &json!(false)));
    let (status, answer) = hub.get(&format!("/api/online-status?user_ids={}", names(500).join(","))).await;
    assert_eq!((status, answer["user_status"].as_array().unwrap().len()), (200, 500));
    let (status, error) = hub.post("/api/online-status", json!({"user_ids": names(501)})).await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/user_ids")));
}

/// Waits until somebody is offline, for less time than a lost line has.
async fn offline(hub: &Hub, user: &str) {
    let path = format!("/api/online-status?user_ids={user}");
    let shown = async { while hub.get_as(KEY, &path).await.1["user_status"][0]["status"] != "offline" {} };
    timeout(DEADLINE, shown).await.unwrap_or_else(|_| panic!("{user} is not offline"));
}

#[tokio::test]
async fn a_kick_ends_whoever_is_lost_at_the_same_moment() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    for n in 0..100 {
        let user = format!("u{n}");
        let token = hub.mint(json!({"user_id": user})).await;
        let person = hub.enter(json!({"type": "user_online", "user_id": user, "token": token})).await;
        // The line breaks somewhere between the request and its answer.
        let path = format!("/api/users/{user}/kick");
        let breaks = async {
            for _ in 0..n * 10 {
                tokio::task::yield_now().await;
            }
            drop(person.socket);
        };
        let ((status, _), ()) = tokio::join!(hub.post_as(KEY, &path, json!({})), breaks);
        assert_eq!(status, 200);
        offline(&hub, &user).await;
    }
}

#[tokio::test]
async fn somebody_is_sent_away_from_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let token = hub.mint(json!({"user_id": "a"})).await;
    let hello = json!({"type": "user_online", "user_id": "a", "token": token});
    let (mut phone, mut web) = (hub.enter(hello.clone()).await, hub.enter(hello.clone()).await);
    let key = hub.mint(json!({"user_id": "own"})).await;
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": key})).await;
    own.ok("room_join", json!({})).await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    for session in [&mut phone, &mut web] {
        session.ok("room_join", json!({})).await;
    }
    phone.ok("queue_join", json!({})).await;
    // One device is away, and keeps the place no longer than the others.
    let lost = hub.enter(hello).await;
    drop(lost.socket);
    assert_eq!(hub.post_as(&token, "/api/users/a/kick", json!({})).await.0, 403);
    let (status, answer) = hub.post_as(KEY, "/api/users/a/kick", json!({})).await;
    assert_eq!((status, &answer["user_id"]), (200, &json!("a")));
    assert!(answer["sessions"].as_u64().unwrap() >= 2, "{answer}");
    assert_eq!(phone.closed().await.unwrap().code, 4003);
    assert_eq!(web.close_code().await, 4003);
    assert_eq!(own.event("queue_left").await["reason"], "left");
    offline(&hub, "a").await;
    assert_eq!(hub.post_as(KEY, "/api/users/nobody/kick", json!({})).await.1["sessions"], 0);
    assert_eq!(hub.get_as(&token, "/api/online-status?user_ids=a").await.0, 401, "a token from before");
    let newer = hub.mint(json!({"user_id": "a"})).await;
    let mut back = hub.enter(json!({"type": "user_online", "user_id": "a", "token": newer})).await;
    assert_eq!(back.refused("refresh_token", json!({"token": token})).await, "unauthorized");
    assert_eq!(hub.post_as(KEY, "/api/users/a%20b/kick", json!({})).await.0, 400);
}

#[tokio::test]
async fn a_ban_outlives_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut a = hub.user("a").await;
    let (status, answer) = hub.post("/api/users/a/ban", json!({})).await;
    assert_eq!((status, &answer["sessions"], answer.get("until_ms")), (200, &json!(1), None), "for ever");
    assert_eq!(a.close_code().await, 4003);
    hub.kill();
    let hub = Hub::start(dir.path());
    let hello = json!({"type": "user_online", "user_id": "a"});
    let mut again = hub.connect().await;
    again.say(hello.clone()).await;
    assert_eq!((again.wait("error").await["name"].clone(), again.close_code().await), (json!("forbidden"), 4003));
    assert_eq!(hub.post("/api/poll/heartbeat", json!({"user_id": "a"})).await.0, 403);
    assert_eq!(hub.post("/api/users/a/unban", json!({})).await.0, 200);
    let kept = hub.enter(hello).await;
    hub.kill();
    let hub = Hub::start(dir.path());
    assert_eq!(hub.resume(&kept.welcome, json!([])).await.welcome["resumed"], true, "an old ban ends no later session");
}

#[tokio::test]
async fn a_stream_of_somebody_sent_away_ends() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let own = hub.mint(json!({"user_id": "own"})).await;
    hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await.ok("room_join", json!({})).await;
    let token = hub.mint(json!({"user_id": "a"})).await;
    let mut stream = TcpStream::connect(&hub.address).await.unwrap();
    let head = format!(
        "GET /api/rooms/r1/updates HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("room_snapshot") {
        let mut some = [0; 4096];
        let read = timeout(DEADLINE, stream.read(&mut some)).await.unwrap().unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    assert_eq!(hub.post_as(KEY, "/api/users/a/kick", json!({})).await.0, 200);
    // The answer has an end of its own; the line may live on.
    while !heard.contains("\"code\":4003") {
        let mut some = [0; 4096];
        let read = timeout(DEADLINE, stream.read(&mut some)).await.expect("an end in time").unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&some[..read]));
    }
}
