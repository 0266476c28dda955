//! Every route over HTTP: what it answers, and how it refuses.
use crate::hub::{Hub, JWT, KEY, header, http};
use serde_json::{Value, json};

const MINT: &str = "/api/online-status/rts-token";
const COMMANDS: &str = "/api/rooms/r1/commands";

#[tokio::test]
async fn backends_mint_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let (status, minted) = hub.post_as(KEY, MINT, json!({"user_id": "u1", "expire_time": 60})).await;
    assert_eq!((status, &minted["user_id"], &minted["token"]), (200, &json!("u1"), &minted["signature"]));
    let token = minted["token"].as_str().unwrap();
    let cases = [
        (KEY, json!({}), 400, "bad_argument", "/user_id"),
        (KEY, json!({"user_id": "no id"}), 400, "bad_argument", "/user_id"),
        (KEY, json!({"user_id": "u", "expire_time": 0}), 400, "bad_argument", "/expire_time"),
        (KEY, json!({"user_id": "u", "expire_time": 86401}), 400, "bad_argument", "/expire_time"),
        (KEY, json!({"user_id": "u", "expire_time": "1"}), 400, "bad_argument", "/expire_time"),
        (KEY, json!({"user_id": "u", "role": "admin"}), 400, "bad_argument", "/room_id"),
        (KEY, json!({"user_id": "u", "user_type": "a b"}), 400, "bad_argument", "/user_type"),
        (KEY, json!([]), 400, "bad_request", ""),
        (token, json!({"user_id": "u1"}), 403, "forbidden", ""),
        ("nonsense", json!({"user_id": "u1"}), 401, "unauthorized", ""),
    ];
    for (bearer, body, status, name, path) in cases {
        let (got, error) = hub.post_as(bearer, MINT, body.clone()).await;
        assert_eq!((got, &error["name"], &error["type"]), (status, &json!(name), &json!("error")), "{body}");
        assert_eq!(error["details"]["path"].as_str().unwrap_or_default(), path, "{body}");
    }
    assert_eq!(hub.post(MINT, json!({"user_id": "u1"})).await.0, 401);
    assert_eq!(hub.raw("POST", MINT, &format!("Authorization: bearer {KEY}\r\n"), r#"{"user_id":"u"}"#).await.1["user_id"], "u");
}

#[tokio::test]
async fn presence_is_read_by_the_hundred() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let _a = hub.user("a").await;
    let (status, answer) = hub.get("/api/online-status?user_ids=nobody,a").await;
    assert_eq!((status, &answer["type"]), (200, &json!("userOnlineStatus")));
    let shown: Vec<&Value> = answer["user_status"].as_array().unwrap().iter().map(|line| &line["status"]).collect();
    assert_eq!(shown, ["offline", "online"]);
    let many = |n: usize| (0..n).map(|n| format!("u{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(hub.get(&format!("/api/online-status?user_ids={}", many(500))).await.0, 200);
    for path in ["/api/online-status", "/api/online-status?user_ids=", "/api/online-status?user_ids=a,,b"] {
        let (status, error) = hub.get(path).await;
        assert_eq!((status, &error["name"]), (400, &json!("bad_argument")), "{path}");
    }
    let (status, error) = hub.get(&format!("/api/online-status?user_ids={}", many(501))).await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/user_ids")));
}

#[tokio::test]
async fn commands_are_those_of_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let (own, p) = (hub.mint(json!({"user_id": "own"})).await, hub.mint(json!({"user_id": "p"})).await);
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await;
    own.ok("room_join", json!({})).await;
    let lock = json!({"type": "seat_lock", "seat_nos": "all", "on": true, "id": 5, "op_id": "lock"});
    let (status, ack) = hub.post_as(KEY, COMMANDS, lock.clone()).await;
    assert_eq!((status, &ack["type"], &ack["id"], &ack["rev"]), (200, &json!("ack"), &json!(5), &json!(1)));
    assert_eq!(own.event("seat_updated").await["by"], "service");
    assert_eq!(hub.post_as(KEY, COMMANDS, lock).await.1["dup"], true);
    let join = json!({"type": "queue_join", "room_id": "r1"});
    assert_eq!(hub.post_as(&p, COMMANDS, join.clone()).await.1["name"], "not_member");
    hub.post_as(&p, "/api/poll/heartbeat", json!({"rooms": [{"room_id": "r1"}]})).await;
    let cases = [
        (KEY, json!({"type": "queue_join", "act_as": "nobody"}), 409, "not_member"),
        (p.as_str(), json!({"type": "queue_join", "act_as": "own"}), 403, "forbidden"),
        (&p, json!({"type": "queue_join", "user_id": "own"}), 403, "identity_mismatch"),
        (&p, json!({"type": "queue_join", "room_id": "r2"}), 400, "bad_argument"),
        (&p, json!({"type": "queue_clear"}), 403, "forbidden"),
        (&p, json!({"type": "queue_leave"}), 409, "not_queued"),
        (&p, json!({"type": "queue_join", "if_rev": 0}), 409, "stale_rev"),
        (&p, json!({"type": "queue_move", "target_user_id": "p", "place": "up"}), 400, "bad_argument"),
        (&p, json!({"type": "seat_take", "seat_no": 99}), 409, "wrong_mode"),
        (&p, json!({"type": "dance"}), 400, "unknown_type"),
        (&p, json!({"type": "heartbeat"}), 400, "bad_argument"),
        (&p, json!({"no": "type"}), 400, "bad_request"),
        (KEY, json!({"type": "seat_lock", "seat_nos": [99], "on": true}), 404, "seat_not_found"),
        ("nonsense", join.clone(), 401, "unauthorized"),
    ];
    for (bearer, body, status, name) in cases {
        let (got, error) = hub.post_as(bearer, COMMANDS, body.clone()).await;
        assert_eq!((got, &error["name"]), (status, &json!(name)), "{body}: {error}");
    }
    assert_eq!(hub.post_as(&p, COMMANDS, join).await.1["index"], 0);
    let (status, error) = hub.post_as(KEY, "/api/rooms/r404/commands", json!({"type": "queue_clear"})).await;
    assert_eq!((status, &error["name"]), (404, &json!("room_not_found")));
    let (status, error) = hub.post_as(KEY, "/api/rooms/no%20id/commands", json!({"type": "queue_clear"})).await;
    assert_eq!((status, &error["details"]["path"]), (400, &json!("/room_id")));
    own.ok("room_close", json!({})).await;
    assert_eq!(hub.post_as(KEY, COMMANDS, json!({"type": "queue_clear"})).await.0, 410);
}

#[tokio::test]
async fn what_is_no_route_is_an_error_object_too() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("DEMO__ENABLED", "false"), ("LIMITS__HTTP_BODY_BYTES", "1000")]);
    for (method, path, body, status) in [
        ("GET", "/", "", 404),
        ("GET", "/api/nothing", "", 404),
        ("GET", "/metrics", "", 404),
        ("GET", "/healthz", "", 404),
        ("PUT", "/api/rooms/r1", "", 405),
        ("GET", COMMANDS, "", 405),
        ("POST", COMMANDS, "{", 400),
        ("POST", COMMANDS, &format!("{{\"x\":\"{}\"}}", "y".repeat(2000)), 413),
    ] {
        let (got, error) = http(&hub.address, method, path, "", body).await;
        assert_eq!((got, &error["type"]), (status, &json!("error")), "{method} {path}: {error}");
    }
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/api/rooms/r1", 404)] {
        assert_eq!(http(&hub.admin, "GET", path, "", "").await.0, status, "{path}");
    }
}

#[tokio::test]
async fn foreign_pages_cannot_act() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("AUTH__ALLOWED_ORIGINS", "[\"https://app.example\"]")]);
    let mint = r#"{"user_id":"u"}"#;
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "https://app.example:443"] {
        let (head, error) = hub.raw("POST", MINT, &format!("Origin: {origin}\r\n"), mint).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{origin}: {head}");
        assert_eq!((&error["name"], header(&head, "access-control-allow-origin")), (&json!("forbidden"), None));
    }
    for origin in [format!("http://{}", hub.address), "https://app.example".to_owned()] {
        let (head, minted) = hub.raw("POST", MINT, &format!("Origin: {origin}\r\n"), mint).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{origin}: {head}");
        assert_eq!((&minted["user_id"], header(&head, "access-control-allow-origin")), (&json!("u"), Some(origin)));
    }
    let asks =
        "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
    let (head, _) = hub.raw("OPTIONS", COMMANDS, asks, "").await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert!(header(&head, "access-control-allow-headers").unwrap().contains("authorization"));
}
