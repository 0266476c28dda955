//! Media servers: callbacks in the vendors' shapes over HTTP, and what a room shows of it.
use crate::{
    client::Client,
    fake::Fake,
    hub::{Hub, http},
};
use serde_json::{Value, json};

const SECRET_PATH: &str = "0123456789abcdef";

/// The settings of a hub with one source of this kind.
pub fn settings_of<'a>(kind: &'a str, settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("MEDIA__M__KIND", kind),
        ("MEDIA__M__SECRET_PATH", "\"0123456789abcdef\""),
        ("ROOM__RULES__QUEUE_MODE", "free"),
        ("ROOM__RULES__HOST_SEAT", "false"),
        ("ROOM__RULES__STREAM_STOP_GRACE_SECONDS", "1"),
    ];
    all.extend_from_slice(settings);
    all
}

/// A hub with one source, and `u` on seat 1 of room `r1`.
pub async fn seated(dir: &std::path::Path, kind: &str, settings: &[(&str, &str)]) -> (Hub, Client, Value) {
    let hub = Hub::with(dir, &settings_of(kind, settings));
    let mut user = hub.member("u").await;
    user.ok("seat_take", json!({})).await;
    let ticket = ticket(&hub).await;
    (hub, user, ticket)
}

pub async fn ticket(hub: &Hub) -> Value {
    let (status, ticket) = hub.get("/api/rooms/r1/publish-ticket?user_id=u").await;
    assert_eq!(status, 200, "{ticket}");
    ticket
}

pub async fn hook(hub: &Hub, hook: &str, body: &Value) -> (u16, Value) {
    hub.post(&format!("/api/hooks/m/{SECRET_PATH}/{hook}"), body.clone()).await
}

/// Waits until the seat shows this, or the seat's person has left.
pub async fn media(user: &mut Client, wanted: &str) -> Value {
    let named = |event: &Value| event["media"] == wanted || event["reason"] == wanted;
    let waited = user.until(|frame| frame["events"].as_array().is_some_and(|events| events.iter().any(named)));
    let update = tokio::time::timeout(crate::hub::DEADLINE, waited).await.expect(wanted);
    update["events"].as_array().unwrap().iter().find(|event| named(event)).unwrap().clone()
}

pub fn srs(action: &str, client: &str, ticket: &str) -> Value {
    json!({"server_id": "vid-s", "service_id": "k3v9x1ab", "action": action, "client_id": client, "ip": "10.0.0.9",
        "vhost": "__defaultVhost__", "app": "live", "tcUrl": "rtmp://h/live", "stream": "r1_u_main", "param": format!("?t={ticket}"),
        "stream_url": "/live/r1_u_main", "stream_id": "vid-1"})
}

pub fn zlm(regist: Option<bool>, ticket: &str) -> Value {
    let mut body = json!({"mediaServerId": "zlm1:B1", "hook_index": 3, "schema": "rtsp", "vhost": "__defaultVhost__", "app": "live",
        "stream": "r1_u_main", "params": format!("t={ticket}")});
    match regist {
        Some(on) => body["regist"] = on.into(),
        None => body["id"] = "7-12".into(),
    }
    body
}

#[tokio::test]
async fn srs_publishes_by_ticket_and_frees_the_seat() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__GATE", "enforce"), ("MEDIA__M__POLL_S", "5"), ("MEDIA__M__API", api.as_str())];
    let (hub, mut user, first) = seated(dir.path(), "srs", &settings).await;
    let first = first["ticket"].as_str().unwrap();

    let (status, refused) = hook(&hub, "on_publish", &srs("on_publish", "c0", "r1~u~1~2~9999999999999~forged")).await;
    assert_eq!((status, refused), (200, json!({"code": 1, "msg": "bad_ticket"})));
    assert_eq!(hook(&hub, "on_publish", &srs("on_publish", "c1", first)).await, (200, json!({"code": 0})));
    // The question proves nothing: the server's own list does.
    fake.on_air("r1_u_main", "c1");
    assert_eq!(media(&mut user, "publishing").await["seat_no"], 1);
    assert_eq!(hub.status_of("u").await, "busy");
    fake.clear();
    assert_eq!(hook(&hub, "on_unpublish", &srs("on_unpublish", "c1", first)).await, (200, json!({"code": 0})));
    assert_eq!(media(&mut user, "lost").await["by"], "hub");
    media(&mut user, "stream_stopped").await;

    // A ticket of an earlier seat is worth nothing, and a new one is.
    let (_, none) = hub.get("/api/rooms/r1/publish-ticket?user_id=u").await;
    assert_eq!(none["name"], "not_seated");
    user.ok("seat_take", json!({})).await;
    assert_eq!(hook(&hub, "on_publish", &srs("on_publish", "c2", first)).await.1["msg"], "stale_grant");
    let second = ticket(&hub).await;
    let second = second["ticket"].as_str().unwrap();
    assert_eq!(hook(&hub, "on_publish", &srs("on_publish", "c2", second)).await.1["code"], 0);
    fake.on_air("r1_u_main", "c2");
    media(&mut user, "publishing").await;

    // Losing the seat ends the stream.
    user.ok("seat_leave", json!({})).await;
    let kicked = async {
        while fake.kicked().is_empty() {
            tokio::task::yield_now().await;
            hub.get("/healthz").await;
        }
    };
    tokio::time::timeout(crate::hub::DEADLINE, kicked).await.expect("the stream is ended");
    assert!(fake.kicked().iter().all(|client| client == "c2"), "{:?}", fake.kicked());
}

#[tokio::test]
async fn zlmediakit_names_sessions_by_ticket() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, mut user, first) = seated(dir.path(), "zlmediakit", &[("MEDIA__M__GATE", "enforce")]).await;
    let first = first["ticket"].as_str().unwrap();
    let allowed = json!({"code": 0, "msg": "ok", "continue_push_ms": 3000, "enable_mp4": false});
    assert_eq!(hook(&hub, "on_publish", &zlm(None, first)).await, (200, allowed));
    hook(&hub, "on_stream_changed", &zlm(Some(true), first)).await;
    media(&mut user, "publishing").await;
    // Dropped and back within the server's own patience: asked again, registered once.
    assert_eq!(hook(&hub, "on_publish", &zlm(None, first)).await.1["code"], 0);
    for _ in 0..3 {
        assert_eq!(hook(&hub, "on_stream_changed", &zlm(Some(false), first)).await.1["code"], 0);
    }
    media(&mut user, "lost").await;
    assert_eq!(hook(&hub, "on_publish", &zlm(None, first)).await.1, json!({"code": -1, "msg": "ticket_used"}));
    // A newer stream within the grace keeps the seat.
    let second = ticket(&hub).await;
    let second = second["ticket"].as_str().unwrap();
    assert_eq!(hook(&hub, "on_publish", &zlm(None, second)).await.1["code"], 0);
    hook(&hub, "on_stream_changed", &zlm(Some(true), second)).await;
    media(&mut user, "publishing").await;
    // A late word about the first one changes nothing.
    hook(&hub, "on_stream_changed", &zlm(Some(false), first)).await;
    let state = hub.get("/api/rooms/r1").await.1;
    assert_eq!(state["state"]["seats"][0]["media"], "publishing", "{state}");
    user.ok("seat_mute", json!({"seat_nos": [1], "on": true})).await;
    let (status, thanks) =
        hook(&hub, "on_server_started", &json!({"mediaServerId": "zlm1:B1", "api.secret": "do-not-log"})).await;
    assert_eq!((status, &thanks["code"]), (200, &json!(0)));
}

#[tokio::test]
async fn signed_callbacks_change_something_and_others_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MEDIA__M__SECRET", "cb-secret-01")];
    let (hub, mut user, _) = seated(dir.path(), "zego", &settings).await;
    let path = format!("/api/hooks/m/{SECRET_PATH}");
    let signed = |event: &str, seq: u64, nonce: &str| {
        use sha1::{Digest, Sha1};
        let now = std::process::Command::new("date").arg("+%s").output().unwrap();
        let now = String::from_utf8(now.stdout).unwrap().trim().to_owned();
        let mut parts = ["cb-secret-01", &now, nonce];
        parts.sort_unstable();
        let signature: String = Sha1::digest(parts.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"event": event, "appid": "1", "timestamp": now, "nonce": nonce, "signature": signature, "room_id": "r1",
            "room_session_id": "858012925204410401", "user_id": "u", "stream_id": "r1_u_main", "stream_sid": format!("s-{}", seq.div_ceil(2)),
            "stream_seq": seq.to_string(), "create_time_ms": "1780000000100"})
    };
    let mut forged = signed("stream_create", 1, "n1");
    forged["signature"] = "00".into();
    assert_eq!(hub.post(&path, forged).await.0, 401);
    let created = signed("stream_create", 1, "n2");
    assert_eq!(hub.post(&path, created.clone()).await.0, 200);
    media(&mut user, "publishing").await;
    assert_eq!(hub.post(&path, created.clone()).await.0, 200, "a repetition");
    let mut changed = created;
    changed["event"] = "stream_close".into();
    assert_eq!(hub.post(&path, changed).await.0, 401, "the nonce of another body");
    // Created 1, created 3, closed 2, in a wrong order: the stream is live.
    assert_eq!(hub.post(&path, signed("stream_create", 3, "n3")).await.0, 200);
    assert_eq!(hub.post(&path, signed("stream_close", 2, "n4")).await.0, 200);
    assert_eq!(hub.get("/api/rooms/r1").await.1["state"]["seats"][0]["media"], "publishing");
    assert_eq!(hub.post(&path, signed("room_party", 2, "n5")).await.0, 200, "an unknown event");
    assert_eq!(hub.post(&path, signed("stream_close", 4, "n6")).await.0, 200);
    media(&mut user, "lost").await;

    for (path, status) in
        [("/api/hooks/m/wrong-secret-wrong", 404), ("/api/hooks/x/0123456789abcdef", 404), ("/api/hooks/m/", 404)]
    {
        assert_eq!(hub.post(path, json!({})).await.0, status, "{path}");
    }
    assert_eq!(http(&hub.address, "POST", &path, "", "\u{0}").await.0, 400);
    assert_eq!(http(&hub.address, "POST", &path, "", &"x".repeat(300_000)).await.0, 413);
}

#[tokio::test]
async fn livekit_is_heard_only_with_its_own_content_type_and_hash() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MEDIA__M__SECRET", "api-secret-01-api-secret-01-32by"), ("MEDIA__M__API_KEY", "APIkey1")];
    let (hub, mut user, _) = seated(dir.path(), "livekit", &settings).await;
    let path = format!("/api/hooks/m/{SECRET_PATH}");
    let call = async |body: &str, signed_body: &str, kind: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        use sha2::{Digest, Sha256};
        let claims =
            json!({"iss": "APIkey1", "nbf": 1, "exp": 9_999_999_999_u64, "sha256": STANDARD.encode(Sha256::digest(signed_body))});
        let key = jsonwebtoken::EncodingKey::from_secret(b"api-secret-01-api-secret-01-32by");
        michub::server::auth::crypto::install();
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let headers = format!("Authorization: {token}\r\nContent-Type: {kind}\r\n");
        http(&hub.address, "POST", &path, &headers, body).await.0
    };
    let event = |event: &str, person: &str, at: u64| {
        json!({"event": event, "room": {"sid": "RM_a1", "name": "r1"}, "participant": {"sid": person, "identity": "u", "joinedAtMs": at.to_string()},
            "track": {"sid": format!("TR_{person}"), "source": "MICROPHONE", "version": {"unixMicro": (at * 1000).to_string()}}, "id": "EV_1", "createdAt": "1780000000"})
        .to_string()
    };
    let published = event("track_published", "PA_2", 1_780_000_000_200);
    assert_eq!(call(&published, &published, "application/json").await, 401);
    assert_eq!(call(&published, "{}", "application/webhook+json").await, 401);
    assert_eq!(call(&published, &published, "application/webhook+json").await, 200);
    media(&mut user, "publishing").await;
    // The one who left is his older self.
    let left = event("participant_left", "PA_1", 1_780_000_000_100);
    assert_eq!(call(&left, &left, "application/webhook+json").await, 200);
    assert_eq!(hub.get("/api/rooms/r1").await.1["state"]["seats"][0]["media"], "publishing");
    let left = event("participant_left", "PA_2", 1_780_000_000_200);
    assert_eq!(call(&left, &left, "application/webhook+json").await, 200);
    media(&mut user, "lost").await;
}

#[tokio::test]
async fn agora_knows_people_by_the_numbers_of_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MEDIA__M__SECRET", "ncs-secret-01")];
    let (hub, mut user, _) = seated(dir.path(), "agora", &settings).await;
    let uid = async |who: &str| hub.get(&format!("/api/media/m/uid?user_id={who}")).await.1["uid"].as_u64().unwrap();
    let number = uid("u").await;
    assert_eq!(uid("u").await, number);
    assert_ne!(uid("v").await, number);
    assert_eq!(hub.get("/api/media/x/uid?user_id=u").await.0, 404);
    let call = async |event: u64, uid: u64, seq: u64| {
        use hmac::Mac;
        let body = json!({"noticeId": "1", "productId": 1, "eventType": event, "notifyMs": 1, "sid": "S1",
            "payload": {"channelName": "r1", "uid": uid, "platform": 1, "clientSeq": seq, "ts": 1_780_000_000}});
        let body = body.to_string();
        let mac =
            hmac::Hmac::<sha2::Sha256>::new_from_slice(b"ncs-secret-01").unwrap().chain_update(&body).finalize().into_bytes();
        let mac: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = format!("Agora-Signature-V2: {mac}\r\nContent-Type: application/json\r\n");
        assert_eq!(http(&hub.address, "POST", &format!("/api/hooks/m/{SECRET_PATH}"), &headers, &body).await.0, 200);
    };
    call(103, number, 1).await;
    media(&mut user, "publishing").await;
    call(104, number, 2).await;
    media(&mut user, "lost").await;
}

/// Plays a vendor's callbacks against a hub; with losses, which polls repair, if `lose` of 100 are to get lost.
async fn simulated(kind: &str, lose: Option<u32>) {
    let dir = tempfile::tempdir().unwrap();
    let (secret, key) = match kind {
        "livekit" => ("api-secret-01-api-secret-01-32by", "key"),
        "agora" => ("ncs-secret-01", "app:customer"),
        _ => ("cb-secret-01", "app"),
    };
    // The simulator serves the API there.
    let free = format!("127.0.0.1:{}", xtask::bed::free_port().unwrap());
    let api = format!("http://{free}");
    let mut settings = vec![
        ("MEDIA__M__KIND", kind),
        ("MEDIA__M__SECRET_PATH", "\"0123456789abcdef\""),
        ("MEDIA__M__SECRET", secret),
        ("MEDIA__M__API_KEY", key),
        ("MEDIA__M__POLL_S", "5"),
        ("LOG__LEVEL", "error"),
    ];
    if lose.is_some() {
        settings.push(("MEDIA__M__API", &api));
    }
    let hub = Hub::with(dir.path(), &settings);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(["simulate-media", "--hub", &format!("http://{}", hub.address), "--source", "m", "--kind", kind]);
    command.args([
        "--secret-path",
        SECRET_PATH,
        "--secret",
        secret,
        "--api-key",
        key,
        "--duplicate",
        "30",
        "--agree-within",
        "60",
    ]);
    match lose {
        Some(lose) => command.args(["--lose", &lose.to_string(), "--serve", &free, "--rooms", "20"]),
        None => command.args(["--rooms", "100"]),
    };
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {said}");
}

#[tokio::test]
async fn any_order_of_callbacks_ends_right() {
    for kind in ["zego", "zlmediakit", "srs", "livekit", "agora"] {
        simulated(kind, None).await;
    }
}

#[tokio::test]
async fn polls_repair_lost_callbacks() {
    let kinds = ["zego", "zlmediakit", "srs", "livekit", "agora"];
    futures_util::future::join_all(kinds.map(|kind| simulated(kind, Some(5)))).await;
}
