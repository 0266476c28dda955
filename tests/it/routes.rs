//! Every route of the table as a stranger tries it: wrong methods, no or wrong tokens, bad bodies, bad ids, bad queries. The answer is always an
//! error object with a fitting status.
use crate::hub::{Hub, JWT, KEY, header, http};
use michub::wire::spec::{ROUTES, Route, Who};
use serde_json::{Value, json};

/// A path with parameters that are ids, of a room that is there.
fn path(route: &Route) -> String {
    let path = route.path.replace("{room_id}", "r1").replace("{user_id}", "u1").replace("{source}", "srs1");
    let path = path.replace("{secret}", SECRET).replace("{*hook}", "on_publish");
    if path.ends_with("/online-status") && route.method.name() == "get" { path + "?user_ids=u1" } else { path }
}

const SECRET: &str = "a-long-random-text";
const SOURCE: [(&str, &str); 2] = [("MEDIA__SRS1__KIND", "srs"), ("MEDIA__SRS1__SECRET_PATH", SECRET)];

async fn hub(dir: &std::path::Path, settings: &[(&str, &str)]) -> Hub {
    let hub = Hub::with(dir, &[settings, &SOURCE].concat());
    let room = json!({"room_id": "r1", "owner_user_id": "own"}).to_string();
    let auth = if settings.is_empty() { String::new() } else { format!("Authorization: Bearer {KEY}\r\n") };
    assert_eq!(http(&hub.address, "POST", "/api/rooms", &auth, &room).await.0, 201);
    hub
}

/// What must hold for every refusal.
fn is_error(answer: &Value, name: &str, what: &str) {
    for (field, holds) in [
        ("type", answer["type"] == "error"),
        ("code", answer["code"].is_u64()),
        ("name", answer["name"] == name),
        ("message", answer["message"].as_str().is_some_and(|message| !message.is_empty())),
        ("temporary", answer["temporary"].is_boolean()),
        ("retry_after_ms", answer["retry_after_ms"].is_u64()),
        ("details", answer["details"].is_object()),
    ] {
        assert!(holds, "{what}: {field}, not {name}: {answer}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_names_the_right_ones() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), &[]).await;
    for route in ROUTES {
        let right: Vec<&str> = ROUTES.iter().filter(|other| other.path == route.path).map(|other| other.method.name()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().filter(|name| !right.contains(&&*name.to_lowercase())) {
            let what = format!("{method} {}", route.path);
            let (head, answer) = hub.raw(method, &path(route), "", "").await;
            assert!(head.starts_with("HTTP/1.1 405 "), "{what}: {head}");
            let allowed = header(&head, "allow").unwrap_or_default().to_lowercase();
            assert!(right.iter().all(|name| allowed.split(',').any(|allowed| allowed.trim() == *name)), "{what}: {allowed}");
            is_error(&answer, "bad_request", &what);
        }
    }
    for (method, path) in [("POST", "/"), ("DELETE", "/index.html"), ("POST", "/ws")] {
        let (head, answer) = hub.raw(method, path, "", "").await;
        assert!(head.starts_with("HTTP/1.1 405 ") && header(&head, "allow").is_some(), "{method} {path}: {head}");
        is_error(&answer, "bad_request", path);
    }
    for (method, path, status) in [("GET", "/nothing", 404), ("POST", "/healthz", 405), ("DELETE", "/metrics", 405)] {
        let (got, answer) = http(&hub.admin, method, path, "", "").await;
        assert_eq!(got, status, "{method} {path}");
        is_error(&answer, "bad_request", path);
    }
}

#[tokio::test]
async fn who_may_not_hears_so_on_every_route() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), JWT).await;
    let person = format!("Authorization: Bearer {}\r\n", hub.mint(json!({"user_id": "u1"})).await);
    for route in ROUTES.iter().filter(|route| route.who != Who::Anyone) {
        let (method, path) = (route.method.name().to_uppercase(), path(route));
        for auth in ["", "Authorization: Bearer nonsense\r\n", "Authorization: Basic dTpw\r\n", "Authorization: Bearer \r\n"] {
            let what = format!("{method} {path} {auth}");
            let (head, answer) = hub.raw(&method, &path, auth, "{}").await;
            assert!(head.starts_with("HTTP/1.1 401 "), "{what}: {head}");
            assert_eq!(header(&head, "www-authenticate").as_deref(), Some("Bearer"), "{what}");
            is_error(&answer, "unauthorized", &what);
        }
        let (head, answer) = hub.raw(&method, &path, &person, "{}").await;
        assert!(!head.starts_with("HTTP/1.1 401 "), "{method} {path}: {head}");
        if route.who == Who::Backends {
            assert!(head.starts_with("HTTP/1.1 403 "), "{method} {path}: {head}");
            is_error(&answer, "forbidden", &path);
        }
    }
}

#[tokio::test]
async fn bad_bodies_are_refused_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), &[]).await;
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(300_000));
    let bodied = ROUTES.iter().filter(|route| route.takes_body() && route.who != Who::Anyone);
    for path in bodied.map(path) {
        for body in ["{", "[]", "null", "\"text\"", "7", "{\"id\":1,\"id\":2}", "{} {}", "{'a':1}"] {
            let (status, answer) = http(&hub.address, "POST", &path, "", body).await;
            assert_eq!(status, 400, "{path} {body}: {answer}");
            is_error(&answer, "bad_request", &path);
        }
        let (status, answer) = http(&hub.address, "POST", &path, "", &huge).await;
        assert_eq!(status, 413, "{path}");
        is_error(&answer, "message_too_large", &path);
    }
}

#[tokio::test]
async fn bad_ids_and_queries_name_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), &[]).await;
    for route in ROUTES.iter().filter(|route| route.path.contains("{room_id}") || route.path.contains("{user_id}")) {
        let field = if route.path.contains("{room_id}") { "/room_id" } else { "/user_id" };
        for id in ["a%20b", "%E6%88%BF", "a%2Fb", "%FF", "%00", &"x".repeat(65)] {
            let path = route.path.replace("{room_id}", id).replace("{user_id}", id) + "?user_id=u1";
            let body = r#"{"type":"queue_clear","class":"must","kind":"k","body":"b"}"#;
            let (status, answer) = http(&hub.address, &route.method.name().to_uppercase(), &path, "", body).await;
            assert_eq!((status, &answer["details"]["path"]), (400, &json!(field)), "{path}: {answer}");
            is_error(&answer, "bad_argument", &path);
        }
    }
    for (path, field) in [
        ("updates?wait_ms=abc", "/wait_ms"),
        ("updates?wait_ms=-1", "/wait_ms"),
        ("updates?wait_ms=", "/wait_ms"),
        ("updates?wait_ms=1.5", "/wait_ms"),
        ("messages?wait_ms=soon", "/wait_ms"),
        ("messages?limit=0", "/limit"),
        ("messages?limit=201", "/limit"),
        ("messages?limit=x", "/limit"),
        ("members?limit=201", "/limit"),
        ("members?limit=-1", "/limit"),
        ("members?offset=-1", "/offset"),
        ("members?offset=99999999999999999999999", "/offset"),
        ("history?limit=0", "/limit"),
        ("history?limit=1001", "/limit"),
        ("history?from_ms=yesterday", "/from_ms"),
        ("history?to_ms=-1", "/to_ms"),
        ("history?cursor=xyz", "/cursor"),
        ("history?user_id=a%20b", "/user_id"),
        ("publish-ticket", "/user_id"),
        ("publish-ticket?user_id=", "/user_id"),
    ] {
        let (status, answer) = hub.get(&format!("/api/rooms/r1/{path}")).await;
        assert_eq!((status, &answer["details"]["path"]), (400, &json!(field)), "{path}: {answer}");
        is_error(&answer, "bad_argument", path);
    }
    for path in ["/api/rooms?limit=0", "/api/rooms?limit=1001", "/api/rooms?limit=many"] {
        assert_eq!(hub.get(path).await.1["details"]["path"], "/limit", "{path}");
    }
    let (status, answer) = hub.get("/api/media/none/live").await;
    assert_eq!((status, &answer["message"]), (404, &json!("There is no such source of media.")));
    for path in ["updates?cursor=nonsense", "updates?cursor=", "messages?since=nonsense", "updates?unknown=1"] {
        assert_eq!(hub.get(&format!("/api/rooms/r1/{path}")).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_foreign_page_sends_nobody_away() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("DEMO__FAULTS", "true")]);
    for (origin, status) in [("http://evil.example".to_owned(), 403), (format!("http://{}", hub.address), 204)] {
        let (got, _) = http(&hub.address, "POST", "/demo/drain", &format!("Origin: {origin}\r\n"), "").await;
        assert_eq!(got, status, "{origin}");
    }
}

#[tokio::test]
async fn the_first_of_several_mistakes_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), &[]).await;
    let bad = |user: &str| json!({"act_as": "u1", "user_id": user, "type": "queue_insert", "class": "loud"});
    for route in ["commands", "messages"] {
        for (room, user, name) in [
            ("r1", "u2", "identity_mismatch"),
            ("r9", "u2", "identity_mismatch"),
            ("r9", "u1", "room_not_found"),
            ("r1", "u1", "bad_argument"),
        ] {
            let (_, answer) = hub.post(&format!("/api/rooms/{room}/{route}"), bad(user)).await;
            is_error(&answer, name, route);
        }
    }
}

#[tokio::test]
async fn a_refused_upgrade_is_an_error_object() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), &[]).await;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (headers, status, name) in [
        (String::new(), 426, "bad_request"),
        (upgrade.replace("13", "8") + "Connection: Upgrade\r\n", 426, "bad_request"),
        (upgrade.replace("dGhl", "") + "Connection: Upgrade\r\n", 400, "bad_request"),
        (format!("{upgrade}Connection: Upgrade\r\nOrigin: https://evil.example\r\n"), 403, "forbidden"),
    ] {
        let (head, answer) = hub.raw("GET", "/ws", &headers, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {head}");
        is_error(&answer, name, &headers);
    }
}
