//! The named cases of disorder, each in every order and repeated, as callbacks over HTTP: what counts is what the hub then takes for on air.
use crate::hub::{Hub, http};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::Mac;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};

const SECRET_PATH: &str = "0123456789abcdef";
/// ZEGO's, Agora's and LiveKit's secret.
const SECRET: &str = "api-secret-01-api-secret-01-32by";

/// One callback: where it goes, its headers, its body.
#[derive(Clone, Debug)]
pub struct Callback {
    pub path: String,
    pub headers: String,
    pub body: String,
}

/// A hub that listens to one server of each kind; each source is named as its kind.
pub struct Desk {
    pub hub: Hub,
    now: u64,
}

impl Desk {
    pub fn open(dir: &std::path::Path, settings: &[(&str, &str)], log: impl Into<std::process::Stdio>) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        for kind in ["zego", "zlmediakit", "srs", "livekit", "agora"] {
            for (key, value) in
                [("KIND", kind), ("SECRET_PATH", "\"0123456789abcdef\""), ("SECRET", SECRET), ("API_KEY", "APIkey1")]
            {
                all.push((format!("MEDIA__{}__{key}", kind.to_uppercase()), value.to_owned()));
            }
        }
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let now = std::process::Command::new("date").arg("+%s").output().unwrap();
        let now = String::from_utf8(now.stdout).unwrap().trim().parse().unwrap();
        Self { hub: Hub::logging(dir, &all, log.into()), now }
    }

    pub async fn send(&self, callback: &Callback) -> (u16, Value) {
        http(&self.hub.address, "POST", &callback.path, &callback.headers, &callback.body).await
    }

    /// What is on air at a source: by room or server, stream and session.
    async fn live(&self, source: &str) -> BTreeMap<String, BTreeSet<(String, String)>> {
        let (status, live) = self.hub.get(&format!("/api/media/{source}/live")).await;
        assert_eq!(status, 200, "{live}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut spaces: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        for line in live["streams"].as_array().unwrap() {
            spaces.entry(text(&line["space"])).or_default().insert((text(&line["stream"]), text(&line["session"])));
        }
        spaces
    }

    pub fn zego(&self, nonce: &str, fields: Value) -> Callback {
        let time = self.now.to_string();
        let mut parts = [SECRET, &time, nonce];
        parts.sort_unstable();
        let mut body = json!({"appid": "1", "timestamp": time, "nonce": nonce, "signature": hex(&Sha1::digest(parts.concat()))});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Callback { path: format!("/api/hooks/zego/{SECRET_PATH}"), headers: String::new(), body: body.to_string() }
    }

    pub fn livekit(&self, body: &Value) -> Callback {
        let body = body.to_string();
        let claims = json!({"iss": "APIkey1", "nbf": self.now - 5, "exp": self.now + 300, "sha256": STANDARD.encode(sha2::Sha256::digest(&body))});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        michub::server::auth::crypto::install();
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let headers = format!("Authorization: {token}\r\nContent-Type: application/webhook+json\r\n");
        Callback { path: format!("/api/hooks/livekit/{SECRET_PATH}"), headers, body }
    }
}

pub fn agora(body: &Value) -> Callback {
    let body = body.to_string();
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&body);
    let headers = format!("Agora-Signature-V2: {}\r\nContent-Type: application/json\r\n", hex(&mac.finalize().into_bytes()));
    Callback { path: format!("/api/hooks/agora/{SECRET_PATH}"), headers, body }
}

pub fn plain(source: &str, hook: &str, body: &Value) -> Callback {
    let path = format!("/api/hooks/{source}/{SECRET_PATH}/{hook}");
    Callback { path, headers: "Content-Type: application/json\r\n".to_owned(), body: body.to_string() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All orders of `0..count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for next in 0..count {
        let put = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| [&order[..at], &[next], &order[at..]].concat())
        };
        all = all.iter().flat_map(put).collect();
    }
    all
}

/// Delivers a case in every order, every callback twice, each order in a place of its own, and wants the same streams everywhere.
///
/// `case(place)` makes the callbacks; `place` is the name of a room (or, where streams are global, a part of their names).
async fn always(
    desk: &Desk,
    source: &str,
    name: &str,
    count: usize,
    case: &dyn Fn(&str) -> Vec<Callback>,
    wanted: &[(&str, &str)],
) {
    let mut places = Vec::new();
    for (number, order) in orders(count).iter().enumerate() {
        let place = format!("{name}n{number}");
        let callbacks = case(&place);
        assert_eq!(callbacks.len(), count, "{name}");
        for at in order {
            for _ in 0..2 {
                let (status, answer) = desk.send(&callbacks[*at]).await;
                assert_eq!(status, 200, "{name} {order:?}: {answer}");
            }
        }
        places.push((place, order.clone()));
    }
    let live = desk.live(source).await;
    for (place, order) in places {
        let global = |(stream, _): &&(String, String)| stream.contains(&format!("{place}_"));
        let shown: BTreeSet<(String, String)> = match live.get("") {
            Some(all) => all.iter().filter(global).cloned().collect(),
            None => live.get(&place).cloned().unwrap_or_default(),
        };
        let wanted: BTreeSet<(String, String)> =
            wanted.iter().map(|(stream, session)| (stream.replace('*', &place), session.replace('*', &place))).collect();
        assert_eq!(shown, wanted, "{name} in the order {order:?}");
    }
}

/// ZEGO's room `place`, epoch `A` or `B`: `+7` begins stream s1 with number 7, `-8 S7` ends that of session S7.
fn zego_case<'a>(desk: &'a Desk, steps: &'a [&'a str]) -> impl Fn(&str) -> Vec<Callback> + 'a {
    move |place| {
        let callback = |(index, step): (usize, &&str)| {
            let (epoch, rest) = step.split_at(1);
            let (id, born) = if epoch == "A" { (858_012_925_204_410_401_u64, 100) } else { (858_012_925_204_410_402, 900) };
            let nonce = format!("{place}-{index}");
            let (what, session) = rest.split_once(' ').unwrap_or((rest, "S1"));
            let room = |event: &str| json!({"event": event, "room_id": place, "room_session_id": id, "room_create_time": (1_780_000_000_000_u64 + born).to_string()});
            let stream = |event: &str, seq: &str| {
                json!({"event": event, "room_id": place, "room_session_id": id.to_string(), "user_id": "u1", "stream_id": "s1", "stream_alias": "s1",
                    "stream_sid": session, "stream_seq": seq, "create_time_ms": (1_780_000_000_001_u64 + born).to_string(), "type": "0"})
            };
            let fields = match what.split_at(1) {
                ("c", _) => room("room_create"),
                ("x", _) => room("room_close"),
                ("+", seq) => stream("stream_create", seq),
                (_, seq) => stream("stream_close", seq),
            };
            desk.zego(&nonce, fields)
        };
        steps.iter().enumerate().map(callback).collect()
    }
}

#[tokio::test]
async fn zego_in_every_order() {
    let dir = tempfile::tempdir().unwrap();
    let desk = &Desk::open(dir.path(), &[], std::process::Stdio::inherit());
    /// A name, what happens, and which streams and sessions are then on air.
    type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);
    let cases: [Case; 7] = [
        ("z1", &["A+1 S1", "A+3 S3", "A-2 S1"], &[("s1", "S3")]),
        ("z2", &["A-2 S1", "A+1 S1"], &[]),
        ("z3", &["A+1 S1", "A-2 S1", "Ax", "Bc", "B+1 S9"], &[("s1", "S9")]),
        ("z4", &["B+1 S9", "A+5 S5", "Ax"], &[("s1", "S9")]),
        ("z5", &["Ax", "Ac", "A+1 S1"], &[]),
        ("z6", &["A+1 S1", "A+3 S2", "A-4 S2"], &[]),
        ("z7", &["A+1 S1"], &[("s1", "S1")]),
    ];
    for (name, steps, wanted) in cases {
        always(desk, "zego", name, steps.len(), &zego_case(desk, steps), wanted).await;
    }
}

#[tokio::test]
async fn zego_writes_its_numbers_in_many_ways() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path(), &[], std::process::Stdio::inherit());
    let stream = |event: &str, room: &str, session: Value, seq: Value| {
        let mut body = json!({"event": event, "room_id": room, "user_id": "u1", "stream_id": "s1", "stream_sid": "S1", "room_session_id": session,
            "create_time_ms": "1780000000100"});
        if !seq.is_null() {
            body["stream_seq"] = seq;
        }
        body
    };
    let (number, text, other) = (json!(858_012_925_204_410_401_u64), json!("858012925204410401"), json!("858012925204410402"));
    let sent = [
        // The same life of a room, written as a number and as a text: the close ends the stream.
        stream("stream_create", "same", number.clone(), json!("1")),
        stream("stream_close", "same", text.clone(), json!("2")),
        // Two lives that differ in the 18th digit: it does not.
        stream("stream_create", "other", other, json!("1")),
        stream("stream_close", "other", text.clone(), json!("2")),
        stream("stream_create", "zeros", text.clone(), json!("01")),
        stream("stream_close", "zeros", text.clone(), json!(2)),
        stream("stream_create", "plain", text.clone(), json!(1)),
        stream("stream_create", "none", text.clone(), Value::Null),
        stream("stream_create", "ended", text.clone(), Value::Null),
        stream("stream_close", "ended", text, Value::Null),
    ];
    for (index, body) in sent.into_iter().enumerate() {
        assert_eq!(desk.send(&desk.zego(&format!("n{index}"), body)).await.0, 200);
    }
    let rooms: Vec<String> = desk.live("zego").await.into_keys().collect();
    assert_eq!(rooms, ["none", "other", "plain"]);
    // A body that is percent-encoded as a whole, and a form.
    let encoded = |body: &str| body.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut callback = desk.zego("e1", stream("stream_create", "encoded", json!("1"), json!("1")));
    callback.body = encoded(&callback.body);
    assert_eq!(desk.send(&callback).await.0, 200);
    let mut callback = desk.zego("e2", stream("stream_create", "form", json!("1"), json!("1")));
    let fields: BTreeMap<String, String> = serde_json::from_str(&callback.body).unwrap();
    callback.body = fields.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join("&");
    assert_eq!(desk.send(&callback).await.0, 200);
    let live = desk.live("zego").await;
    assert!(live.contains_key("encoded") && live.contains_key("form"), "{live:?}");
}

fn ticket(place: &str, grant: u64) -> String {
    format!("{place}~u1~1~{grant}~9999999999999~seal")
}

fn zlm(hook: &'static str, boot: &str, place: &str, on: Option<bool>, grant: u64, schema: &str) -> Callback {
    let mut body = json!({"mediaServerId": format!("zlm1:{boot}"), "hook_index": 15, "schema": schema, "vhost": "v", "app": "live",
        "stream": format!("{place}_u1_main"), "params": format!("t={}", ticket(place, grant))});
    if let Some(on) = on {
        body["regist"] = on.into();
    }
    plain("zlmediakit", hook, &body)
}

#[tokio::test]
async fn zlmediakit_in_every_order() {
    let dir = tempfile::tempdir().unwrap();
    let desk = &Desk::open(dir.path(), &[], std::process::Stdio::inherit());
    let changed = |place: &str, on: bool, grant: u64| zlm("on_stream_changed", "01A", place, Some(on), grant, "rtsp");
    let (stream, second) = ("v/live/*_u1_main", "*~u1~1~42~9999999999999~seal");
    // An old end that was sent again comes last, with a newer hook_index.
    let retried = |place: &str| vec![changed(place, true, 41), changed(place, false, 41), changed(place, true, 42)];
    always(desk, "zlmediakit", "l1", 3, &retried, &[(stream, second)]).await;
    // Asked twice within the server's patience, registered once; then over.
    let asked = |place: &str| zlm("on_publish", "01A", place, None, 41, "rtsp");
    let patient = |place: &str| vec![asked(place), asked(place), changed(place, true, 41)];
    always(desk, "zlmediakit", "l2", 3, &patient, &[(stream, "*~u1~1~41~9999999999999~seal")]).await;
    let over = |place: &str| vec![asked(place), changed(place, true, 41), changed(place, false, 41)];
    always(desk, "zlmediakit", "l2x", 3, &over, &[]).await;
    // One event for each protocol.
    let schemas = |place: &str| {
        let off = |schema| zlm("on_stream_changed", "01A", place, Some(false), 41, schema);
        vec![changed(place, true, 41), off("rtsp"), off("rtmp"), off("hls"), off("fmp4")]
    };
    always(desk, "zlmediakit", "l3", 5, &schemas, &[]).await;
    // A late end of grant 41, while 42 is on air.
    let late = |place: &str| vec![changed(place, true, 42), changed(place, false, 41)];
    always(desk, "zlmediakit", "g2", 2, &late, &[(stream, second)]).await;
}

#[tokio::test]
async fn a_new_boot_of_zlmediakit_ends_the_streams_of_the_old() {
    for order in orders(3) {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path(), &[], std::process::Stdio::inherit());
        let callbacks = [
            zlm("on_stream_changed", "01A", "old", Some(true), 1, "rtsp"),
            zlm("on_stream_changed", "01B", "new", Some(true), 2, "rtsp"),
            plain("zlmediakit", "on_server_started", &json!({"mediaServerId": "zlm1:01B", "hook.alive_interval": "10.0"})),
        ];
        for at in &order {
            assert_eq!(desk.send(&callbacks[*at]).await.0, 200);
        }
        let live = desk.live("zlmediakit").await;
        let streams: Vec<&str> = live[""].iter().map(|(stream, _)| stream.as_str()).collect();
        assert_eq!(streams, ["v/live/new_u1_main"], "{order:?}");
    }
}

#[tokio::test]
async fn livekit_agora_and_srs_in_every_order() {
    let dir = tempfile::tempdir().unwrap();
    let desk = &Desk::open(dir.path(), &[], std::process::Stdio::inherit());
    let event = |place: &str, event: &str, person: &str, at: u64| {
        let mut body = json!({"event": event, "room": {"sid": format!("RM_{place}"), "name": place},
            "participant": {"sid": person, "identity": "u1", "joinedAtMs": (1_780_000_000_000_u64 + at).to_string()},
            "id": format!("EV_{place}{event}{person}"), "createdAt": "1780000000"});
        if event.starts_with("track") {
            let micros = (1_780_000_000_000_000_u64 + at * 1000).to_string();
            body["track"] = json!({"sid": format!("TR_{person}"), "source": "MICROPHONE", "version": {"unixMicro": micros}});
        }
        desk.livekit(&body)
    };
    // He has joined again before his older self has left.
    let rejoined = |place: &str| {
        vec![
            event(place, "track_published", "PA_1", 1),
            event(place, "participant_left", "PA_1", 1),
            event(place, "participant_joined", "PA_2", 9),
            event(place, "track_published", "PA_2", 9),
        ]
    };
    always(desk, "livekit", "k1", 4, &rejoined, &[("track/u1/TR_PA_2", "TR_PA_2")]).await;
    let left = |place: &str| vec![event(place, "track_published", "PA_1", 1), event(place, "participant_left", "PA_1", 1)];
    always(desk, "livekit", "k2", 2, &left, &[]).await;

    let notice = |place: &str, kind: u64, seq: u64| {
        agora(
            &json!({"noticeId": format!("{place}:{kind}:{seq}"), "productId": 1, "eventType": kind, "notifyMs": 1_780_000_000_123_u64, "sid": "S1",
            "payload": {"channelName": place, "uid": 10_001, "platform": 1, "clientSeq": seq, "ts": 1_780_000_000}}),
        )
    };
    let off = |place: &str| vec![notice(place, 104, 5), notice(place, 103, 4)];
    always(desk, "agora", "a1", 2, &off, &[]).await;
    let on = |place: &str| vec![notice(place, 103, 6), notice(place, 104, 5), notice(place, 103, 4)];
    always(desk, "agora", "a1on", 3, &on, &[("10001", "10001")]).await;
    let probe = json!({"eventType": 103, "payload": {"channelName": "test_webhook", "uid": 12_121_212, "clientSeq": 1, "ts": 1}});
    assert_eq!(desk.send(&agora(&probe)).await.0, 200);
    assert!(!desk.live("agora").await.contains_key("test_webhook"));
    assert_eq!(desk.hub.get("/api/rooms/test_webhook").await.0, 404);

    // Each question in its turn, as nothing but its arrival tells its age: the end of the older client comes late.
    let srs = |action: &'static str, client: &str| {
        plain(
            "srs",
            action,
            &json!({"server_id": "srs1", "service_id": "k3v", "action": action, "client_id": client, "vhost": "v", "app": "live",
            "stream": "s2_u1_main", "param": ""}),
        )
    };
    for callback in [srs("on_publish", "c1"), srs("on_publish", "c2"), srs("on_unpublish", "c1")] {
        assert_eq!(desk.send(&callback).await, (200, json!({"code": 0})));
    }
    let live = desk.live("srs").await;
    assert_eq!(live[""].iter().collect::<Vec<_>>(), [&("v/live/s2_u1_main".to_owned(), "c2".to_owned())]);
}
