//! Clients without a connection: sessions over HTTP, waiting for updates, and the change to a socket.
use crate::hub::{DEADLINE, Hub, JWT, KEY, QUICK, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

const BEAT: &str = "/api/poll/heartbeat";

async fn beat(hub: &Hub, body: Value) -> Value {
    let (status, answer) = hub.post(BEAT, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_polling_client_is_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let first = beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    assert_eq!(
        (&first["type"], &first["resumed"], &first["rooms"][0]["room_id"]),
        (&json!("welcome"), &json!(false), &json!("r1"))
    );
    own.until(|frame| frame["type"] == "room_presence" && frame["online"] == 2).await;
    assert_eq!(hub.status_of("p").await, "online");
    let (status, ack) = hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    assert_eq!((status, &ack["index"]), (200, &json!(0)));
    let ack = own.ok("message", json!({"to_user_id": "p", "message": "hi"})).await;
    assert_eq!(ack["delivered"], 1);
    let second = beat(&hub, json!({"user_id": "p", "session_token": first["session_token"]})).await;
    assert_eq!((&second["resumed"], &second["session_id"]), (&json!(true), &first["session_id"]));
    assert_eq!(second["messages"][0]["message"], "hi");
    assert_eq!(beat(&hub, json!({"user_id": "p"})).await["session_id"], first["session_id"]);
    let gone = beat(&hub, json!({"user_id": "p", "offline": true})).await;
    assert_eq!(gone["session_id"], first["session_id"]);
    assert_eq!(own.event("queue_left").await["reason"], "left");
    assert_eq!(hub.status_of("p").await, "offline");
}

#[tokio::test]
async fn polling_ends_like_a_dropped_line() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    own.event("queue_held").await;
    beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    own.event("queue_returned").await;
}

#[tokio::test]
async fn from_polling_to_a_socket_and_back_shows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let polls = beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    own.until(|frame| frame["type"] == "room_presence" && frame["online"] == 2).await;
    hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    own.event("queue_joined").await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    let cursor = polls["rooms"][0]["cursor"].clone();
    let mut socket = hub.resume(&polls, json!([{"room_id": "r1", "cursor": cursor}])).await;
    assert_eq!((&socket.welcome["resumed"], &socket.welcome["session_id"]), (&json!(true), &polls["session_id"]));
    socket.event("queue_joined").await;
    let back = beat(&hub, json!({"user_id": "p", "session_token": socket.welcome["session_token"]})).await;
    assert_eq!((&back["resumed"], &back["rooms"][0]["room_id"]), (&json!(true), &json!("r1")));
    assert_eq!(socket.close_code().await, 4009);
    let last = own.ok("seat_lock", json!({"seat_nos": [2], "on": false})).await;
    let told = own.until(|frame| frame["type"] == "room_update").await;
    assert_eq!(told["events"][0]["rev"], last["rev"], "nothing happened in between: {told}");
    let told = own.drain().await;
    let away = |frame: &Value| ["held", "offline"].iter().any(|word| frame.to_string().contains(word));
    assert!(!told.iter().any(away), "{told:?}");
}

#[tokio::test]
async fn a_long_poll_waits_for_the_next_update() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let (_, snapshot) = hub.get("/api/rooms/r1").await;
    let path = |cursor: &Value, wait: u64| format!("/api/rooms/r1/updates?cursor={}&wait_ms={wait}", cursor.as_str().unwrap());
    let (status, short) = hub.get(&path(&snapshot["cursor"], 0)).await;
    assert_eq!((status, &short["updates"], &short["cursor"]), (200, &json!([]), &snapshot["cursor"]));
    let (status, short) = hub.get(&path(&snapshot["cursor"], 150)).await;
    assert_eq!((status, &short["updates"]), (200, &json!([])));
    let long = path(&snapshot["cursor"], 25_000);
    let (waited, ack) = tokio::join!(hub.get(&long), own.ok("queue_join", json!({})));
    assert_eq!((waited.0, &waited.1["updates"][0]["prev"]), (200, &snapshot["cursor"]));
    assert_eq!(waited.1["updates"][0]["events"][0]["rev"], ack["rev"]);
    assert_eq!(waited.1["updates"][0]["cursor"], waited.1["cursor"]);
    let (_, reset) = hub.get("/api/rooms/r1/updates?cursor=zzz").await;
    assert_eq!((&reset["reset"], &reset["snapshot"]["cursor"]), (&json!(true), &waited.1["cursor"]));
    let (status, wrong) = hub.get("/api/rooms/r1/updates?wait_ms=soon").await;
    assert_eq!((status, &wrong["details"]["path"]), (400, &json!("/wait_ms")));
    let (status, none) = hub.get("/api/rooms/r404/updates?wait_ms=25000").await;
    assert_eq!((status, &none["name"]), (404, &json!("room_not_found")));
}

#[tokio::test]
async fn a_token_says_who_polls() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let token = hub.mint(json!({"user_id": "p"})).await;
    assert_eq!(hub.post(BEAT, json!({"user_id": "p"})).await.0, 401);
    let (status, welcome) = hub.post_as(&token, BEAT, json!({"rooms": [{"room_id": "r1"}]})).await;
    assert_eq!((status, &welcome["user_id"]), (200, &json!("p")));
    let (status, other) = hub.post_as(&token, BEAT, json!({"user_id": "q"})).await;
    assert_eq!((status, &other["name"]), (403, &json!("identity_mismatch")));
    let (status, other) = hub.post_as(&token, BEAT, json!({"act_as": "q"})).await;
    assert_eq!((status, &other["name"]), (403, &json!("forbidden")));
    assert_eq!(hub.post_as(KEY, BEAT, json!({"act_as": "q"})).await.1["user_id"], "q");
    assert_eq!(hub.get_as(&token, "/api/rooms/r1").await.0, 200);
    assert_eq!(hub.get("/api/rooms/r1").await.0, 401);
}

/// Opens a stream of events, and leaves the socket after the head.
async fn stream(hub: &Hub, path: &str, headers: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(&hub.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{headers}\r\n", hub.address);
    socket.write_all(request.as_bytes()).await.unwrap();
    BufReader::new(socket)
}

/// Reads up to the next event with data: its id and its frame.
async fn event(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut id = String::new();
    loop {
        let mut line = String::new();
        timeout(DEADLINE, stream.read_line(&mut line)).await.expect("an event in time").unwrap();
        assert!(!line.is_empty(), "the stream has ended");
        if let Some(text) = line.strip_prefix("id: ") {
            id = text.trim().to_owned();
        } else if let Some(text) = line.strip_prefix("data: ") {
            return (id, serde_json::from_str(text).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_tells_what_the_socket_tells() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("SERVER__DRAIN_TIMEOUT_MS", "30000")]);
    let mut own = hub.member("own").await;
    let mut events = stream(&hub, "/api/rooms/r1/updates", "").await;
    let (id, snapshot) = event(&mut events).await;
    assert_eq!((&snapshot["type"], &snapshot["cursor"]), (&json!("room_snapshot"), &json!(id)));
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let told = own.wait("room_update").await;
    let (first, update) = event(&mut events).await;
    assert_eq!((&update, &update["prev"], &update["cursor"]), (&told, &json!(id), &json!(first)));
    drop(events);
    own.ok("queue_join", json!({})).await;
    own.ok("queue_leave", json!({})).await;
    // Coming back with the last id, as browsers do by themselves, misses nothing.
    let mut events = stream(&hub, "/api/rooms/r1/updates?cursor=", &format!("Last-Event-ID: {first}\r\n")).await;
    let (second, update) = event(&mut events).await;
    assert_eq!((&update["prev"], &update["events"][0]["event"]), (&json!(first), &json!("queue_joined")));
    let (third, update) = event(&mut events).await;
    assert_eq!((&update["prev"], &update["events"][0]["event"]), (&json!(second), &json!("queue_left")));
    hub.terminate();
    let (_, closing) = event(&mut events).await;
    assert_eq!((&closing["type"], &closing["code"]), (&json!("closing"), &json!(4101)));
    let mut rest = String::new();
    events.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("retry: "), "{rest}");
    assert!(!third.is_empty());
    own.close_code().await;
    drop(own);
    assert!(hub.ended().await.success());
}

#[tokio::test]
async fn reading_has_the_rules_of_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let (own, p) = (hub.mint(json!({"user_id": "own"})).await, hub.mint(json!({"user_id": "p", "expire_time": 8})).await);
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await;
    own.ok("room_join", json!({})).await;
    assert_eq!(hub.get("/api/rooms/r1/updates").await.0, 401);
    let mut ends = stream(&hub, "/api/rooms/r1/updates", &format!("Authorization: Bearer {p}\r\n")).await;
    event(&mut ends).await;
    let (_, closing) = event(&mut ends).await;
    assert_eq!(closing["code"], 4301);
    let p = hub.mint(json!({"user_id": "p"})).await;
    let mut banned = stream(&hub, "/api/rooms/r1/updates", &format!("Authorization: Bearer {p}\r\n")).await;
    event(&mut banned).await;
    hub.post_as(&p, BEAT, json!({"rooms": [{"room_id": "r1"}]})).await;
    own.ok("user_ban", json!({"target_user_id": "p"})).await;
    assert_eq!(event(&mut banned).await.1["events"][0]["event"], "member_banned");
    assert_eq!(event(&mut banned).await.1["name"], "forbidden");
    assert_eq!(event(&mut banned).await.1["code"], 4003);
    for path in ["/api/rooms/r1", "/api/rooms/r1/updates", "/api/rooms/r1/updates?wait_ms=25000"] {
        let (status, refused) = hub.get_as(&p, path).await;
        assert_eq!((status, &refused["name"]), (403, &json!("forbidden")), "{path}");
        assert_eq!(hub.get_as(KEY, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_long_poll_may_take_longer_than_a_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__HANDSHAKE_TIMEOUT_MS", "200")]);
    hub.member("own").await;
    let (_, snapshot) = hub.get("/api/rooms/r1").await;
    let path = format!("/api/rooms/r1/updates?wait_ms=900&cursor={}", snapshot["cursor"].as_str().unwrap());
    let (status, answer) = hub.get(&path).await;
    assert_eq!((status, &answer["cursor"]), (200, &snapshot["cursor"]), "{answer}");
}

#[tokio::test]
async fn a_page_may_stream_with_a_token_in_its_address() {
    let dir = tempfile::tempdir().unwrap();
    for allowed in ["true", "false"] {
        let settings: Vec<_> = JWT.iter().copied().chain([("AUTH__QUERY_TOKEN", allowed)]).collect();
        let hub = Hub::with(dir.path(), &settings);
        let token = hub.mint(json!({"user_id": "p"})).await;
        hub.post_as(&token, BEAT, json!({"rooms": [{"room_id": "r1"}]})).await;
        let status = async |path: &str, headers: &str| {
            let mut line = String::new();
            stream(&hub, path, headers).await.read_line(&mut line).await.unwrap();
            line.split(' ').nth(1).unwrap().to_owned()
        };
        for topic in ["updates", "messages"] {
            let expected = if allowed == "true" { "200" } else { "401" };
            assert_eq!(status(&format!("/api/rooms/r1/{topic}?token={token}"), "").await, expected, "{topic} {allowed}");
            assert_eq!(
                status(&format!("/api/rooms/r1/{topic}?token={KEY}"), "").await,
                "401",
                "a backend's key is no token of a page"
            );
            assert_eq!(hub.get(&format!("/api/rooms/r1/{topic}?token={token}")).await.0, 401, "only streams need it");
        }
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let (head, snapshot) = hub.raw("GET", "/api/rooms/r1", "", "").await;
    let tag = header(&head, "etag").unwrap();
    assert_eq!(tag, format!("W/\"{}\"", snapshot["cursor"].as_str().unwrap()));
    let known = format!("If-None-Match: {tag}\r\n");
    for path in ["/api/rooms/r1", "/api/rooms/r1/updates", "/api/rooms/r1/updates?wait_ms=100"] {
        let (head, body) = hub.raw("GET", path, &known, "").await;
        assert!(head.starts_with("HTTP/1.1 304 "), "{path}: {head}");
        assert_eq!((header(&head, "etag"), body), (Some(tag.clone()), json!("")), "{path}");
    }
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let (head, updates) = hub.raw("GET", "/api/rooms/r1/updates", &known, "").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(updates["updates"][0]["prev"], snapshot["cursor"]);
    let (head, _) = hub.raw("GET", "/api/rooms/r1", &known, "").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn too_many_waiting_requests_are_told_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__LONG_POLLS_PER_ROOM", "0")]);
    let mut own = hub.member("own").await;
    let cursor = own.ok("room_sync", json!({})).await["cursor"].as_str().unwrap().to_owned();
    let (head, busy) = hub.raw("GET", &format!("/api/rooms/r1/updates?cursor={cursor}&wait_ms=9000"), "", "").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!((header(&head, "retry-after").as_deref(), &busy["name"]), (Some("1"), &json!("busy")));
}

#[tokio::test]
async fn a_polling_client_leaves_rooms_and_sees_who_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    beat(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}, {"room_id": "r2"}]})).await;
    let (status, members) = hub.get("/api/rooms/r1/members?limit=1&offset=1").await;
    assert_eq!((status, &members["total"], &members["members"][0]["user_id"]), (200, &json!(2), &json!("p")));
    assert_eq!(hub.get("/api/rooms/r1/members?limit=201").await.0, 400);
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    beat(&hub, json!({"user_id": "p", "leave": ["r1"]})).await;
    assert_eq!(own.event("queue_left").await["reason"], "left");
    assert_eq!(hub.get("/api/rooms/r1/members").await.1["total"], 1);
    assert_eq!(hub.get("/api/rooms/r2/members").await.1["total"], 1);
}

async fn say(hub: &Hub, class: &str, body: &str) -> Value {
    let (status, ack) = hub.post("/api/rooms/r1/messages", json!({"class": class, "kind": "chat", "body": body})).await;
    assert_eq!(status, 200, "{ack}");
    ack
}

#[tokio::test]
async fn messages_are_waited_for_like_updates() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    hub.member("own").await;
    let path = |since: &str, wait: u64| format!("/api/rooms/r1/messages?since={since}&wait_ms={wait}");
    let one = say(&hub, "must", "one").await["msg_cursor"].as_str().unwrap().to_owned();
    let (_, none) = hub.get(&path(&one, 100)).await;
    assert_eq!((&none["messages"], &none["cursor"]), (&json!([]), &json!(one)));
    let long = path(&one, 25_000);
    let saying = async {
        // A command, and what is not kept, wake nobody.
        hub.post("/api/rooms/r1/commands", json!({"type": "seat_lock", "seat_nos": "all", "on": true})).await;
        say(&hub, "normal", "lost on pollers").await;
        say(&hub, "must", "two").await
    };
    let (first, second, two) = tokio::join!(hub.get(&long), hub.get(&long), saying);
    assert_eq!((first.0, &first.1["messages"][0]["body"], &first.1["cursor"]), (200, &json!("two"), &two["msg_cursor"]));
    assert_eq!(first, second);
    let (_, at_once) = hub.get(&path("", 25_000)).await;
    assert_eq!(at_once["messages"].as_array().unwrap().len(), 2);
    let (_, unknown) = hub.get(&path("nonsense", 25_000)).await;
    assert_eq!(unknown["skipped"], true);
}

#[tokio::test]
async fn messages_stream_too() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    hub.member("own").await;
    say(&hub, "must", "one").await;
    let mut events = stream(&hub, "/api/rooms/r1/messages", "").await;
    let (id, one) = event(&mut events).await;
    assert_eq!((&one["type"], &one["body"], &one["msg_cursor"]), (&json!("room_message"), &json!("one"), &json!(id)));
    say(&hub, "must", "two").await;
    assert_eq!(event(&mut events).await.1["body"], "two");
    drop(events);
    say(&hub, "must", "three").await;
    let mut events = stream(&hub, "/api/rooms/r1/messages", &format!("Last-Event-ID: {id}\r\n")).await;
    assert_eq!(event(&mut events).await.1["body"], "two");
    assert_eq!(event(&mut events).await.1["body"], "three");
}

#[tokio::test]
async fn frames_are_said_without_a_socket() {
    const FRAME: &str = "/api/poll/frame";
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let (own, p) = (hub.mint(json!({"user_id": "own"})).await, hub.mint(json!({"user_id": "p"})).await);
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await;
    own.ok("room_join", json!({})).await;
    own.ok("watch_status", json!({"user_ids": ["p"]})).await;
    let busy = json!({"type": "status_change", "status": "busy", "id": 7});
    assert_eq!(hub.post_as(&p, FRAME, busy.clone()).await.1["name"], "user_not_reachable");
    hub.post_as(&p, BEAT, json!({"rooms": [{"room_id": "r1"}]})).await;
    assert_eq!(hub.post_as(&p, FRAME, busy).await, (200, json!({"type": "ack", "id": 7})));
    own.until(|frame| frame["user_status"][0]["status"] == "busy").await;
    let hello = json!({"type": "message", "to_user_id": "own", "message": "hi", "from_user_id": "p"});
    assert_eq!(hub.post_as(&p, FRAME, hello).await, (200, json!({"type": "ack", "delivered": 1})));
    let message = own.wait("message").await;
    assert_eq!((&message["from_user_id"], &message["message"]), (&json!("p"), &json!("hi")));
    let (_, shown) = hub.post_as(&p, FRAME, json!({"type": "request_online_status", "user_ids": ["own"], "id": 9})).await;
    assert_eq!((&shown["id"], &shown["user_status"][0]["status"]), (&json!(9), &json!("online")));
    let join = json!({"type": "queue_join", "room_id": "r1", "id": 3});
    assert_eq!(hub.post_as(&p, FRAME, join).await.1["id"], 3);
    own.event("queue_joined").await;
    for (bearer, body, status, name) in [
        (
            p.as_str(),
            json!({"type": "message", "to_user_id": "own", "message": "x", "from_user_id": "q"}),
            403,
            "identity_mismatch",
        ),
        (&p, json!({"type": "message", "to_user_id": "own", "message": "x", "act_as": "q"}), 403, "forbidden"),
        (&p, json!({"type": "message", "to_user_id": "nobody", "message": "x"}), 409, "user_not_reachable"),
        (&p, json!({"type": "room_join", "room_id": "r1"}), 400, "bad_argument"),
        (&p, json!({"type": "dance"}), 400, "unknown_type"),
        (KEY, json!({"type": "message", "to_user_id": "own", "message": "x"}), 400, "bad_argument"),
        ("nonsense", json!({"type": "heartbeat"}), 401, "unauthorized"),
    ] {
        let (got, error) = hub.post_as(bearer, FRAME, body.clone()).await;
        assert_eq!((got, &error["name"]), (status, &json!(name)), "{body}: {error}");
    }
    let system = json!({"type": "message", "to_user_id": "own", "message": "x", "act_as": "system"});
    assert_eq!(hub.post_as(KEY, FRAME, system).await.1["delivered"], 1);
}
