//! Callbacks that are refused: a documented answer, nothing changed, one line in the log. For every kind of media server.
use crate::{
    hub::DEADLINE,
    media_cases::{Callback, Desk, agora, plain},
};
use serde_json::{Value, json};
use std::path::Path;

/// Lines of the log about callbacks.
fn lines(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter(|line| line.contains("callback") || line.contains("larger")).map(str::to_owned).collect()
}

struct Case {
    what: &'static str,
    callback: Callback,
    status: u16,
    name: &'static str,
}

fn case(what: &'static str, callback: Callback, status: u16, name: &'static str) -> Case {
    Case { what, callback, status, name }
}

fn with(callback: &Callback, change: impl Fn(&mut Callback)) -> Callback {
    let mut changed = callback.clone();
    change(&mut changed);
    changed
}

fn giant(callback: &Callback) -> Callback {
    with(callback, |it| it.body = format!("{{\"x\":\"{}\"}}", "x".repeat(300_000)))
}

fn as_text(callback: &Callback) -> Callback {
    with(callback, |it| {
        it.headers = it.headers.replace("application/webhook+json", "text/plain").replace("application/json", "text/plain");
        if !it.headers.contains("text/plain") {
            it.headers.push_str("Content-Type: text/plain\r\n");
        }
    })
}

/// What each kind refuses, and with which answer.
fn refused(desk: &Desk) -> Vec<Case> {
    let stream = |event: &str| {
        json!({"event": event, "room_id": "r1", "room_session_id": "1", "user_id": "u1", "stream_id": "s1", "stream_sid": "S1", "stream_seq": "1",
            "create_time_ms": "1780000000100"})
    };
    let zego = desk.zego("refused", stream("stream_create"));
    let livekit = desk.livekit(&json!({"event": "track_published", "room": {"sid": "RM_1", "name": "r1"}, "id": "EV_1",
        "participant": {"sid": "PA_1", "identity": "u1"}, "track": {"sid": "TR_1", "version": {"unixMicro": "1780000000100000"}}}));
    let agora =
        agora(&json!({"eventType": 103, "payload": {"channelName": "r1", "uid": 7, "clientSeq": 1, "ts": 1_780_000_000}}));
    let zlm = plain(
        "zlmediakit",
        "on_stream_changed",
        &json!({"mediaServerId": "z:1", "hook_index": 1, "regist": true, "schema": "rtsp", "vhost": "v",
        "app": "live", "stream": "r1_u1_main", "params": "t=1~2~3~4~5~6"}),
    );
    let srs = plain(
        "srs",
        "on_publish",
        &json!({"server_id": "s", "service_id": "k", "action": "on_publish", "client_id": "c1", "vhost": "v",
        "app": "live", "stream": "r1_u1_main", "param": ""}),
    );
    let tampered =
        |callback: &Callback| with(callback, |it| it.body = it.body.replace("u1", "u2").replace("\"uid\":7", "\"uid\":8"));
    let unsigned = |callback: &Callback| with(callback, |it| it.headers.clear());
    let elsewhere = |callback: &Callback| with(callback, |it| it.path = it.path.replace("0123456789abcdef", "fedcba9876543210"));
    let broken = |callback: &Callback| with(callback, |it| it.body = "<xml/>".to_owned());
    vec![
        case("zego: signature", with(&zego, |it| it.body = it.body.replace("\"refused\"", "\"other\"")), 401, "unauthorized"),
        case("zego: no JSON", broken(&zego), 400, "bad_request"),
        case("zego: giant", giant(&zego), 413, "message_too_large"),
        case("zego: wrong path", elsewhere(&zego), 404, "bad_request"),
        case("livekit: content type", as_text(&livekit), 401, "unauthorized"),
        case("livekit: tampered", tampered(&livekit), 401, "unauthorized"),
        case("livekit: unsigned", unsigned(&livekit), 401, "unauthorized"),
        case("livekit: giant", giant(&livekit), 413, "message_too_large"),
        case("livekit: wrong path", elsewhere(&livekit), 404, "bad_request"),
        case("agora: tampered", tampered(&agora), 401, "unauthorized"),
        case("agora: unsigned", unsigned(&agora), 401, "unauthorized"),
        case("agora: giant", giant(&agora), 413, "message_too_large"),
        case("agora: wrong path", elsewhere(&agora), 404, "bad_request"),
        case("zlmediakit: no JSON", broken(&zlm), 400, "bad_request"),
        case("zlmediakit: giant", giant(&zlm), 413, "message_too_large"),
        case("zlmediakit: wrong path", elsewhere(&zlm), 404, "bad_request"),
        case("zlmediakit: content type", as_text(&zlm), 401, "unauthorized"),
        case("srs: no JSON", broken(&srs), 400, "bad_request"),
        case("srs: giant", giant(&srs), 413, "message_too_large"),
        case("srs: wrong path", elsewhere(&srs), 404, "bad_request"),
        case("srs: content type", as_text(&srs), 401, "unauthorized"),
        case("agora: content type", as_text(&agora), 401, "unauthorized"),
        case("zego: content type", as_text(&zego), 401, "unauthorized"),
    ]
}

async fn nothing_is_on_air(desk: &Desk, what: &str) {
    for kind in ["zego", "zlmediakit", "srs", "livekit", "agora"] {
        let (_, live) = desk.hub.get(&format!("/api/media/{kind}/live")).await;
        assert_eq!(live["streams"], json!([]), "{what}");
    }
}

#[tokio::test]
async fn a_refused_callback_changes_nothing_and_leaves_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let desk = Desk::open(dir.path(), &[], std::fs::File::create(&log).unwrap());
    for Case { what, callback, status, name } in refused(&desk) {
        let before = lines(&log).len();
        let (answered, body) = desk.send(&callback).await;
        assert_eq!((answered, &body["name"]), (status, &json!(name)), "{what}: {body}");
        nothing_is_on_air(&desk, what).await;
        let after = lines(&log);
        assert_eq!(after.len(), before + 1, "{what}: {:?}", &after[before..]);
    }
    // The same nonce with another body.
    let body =
        |event: &str| json!({"event": event, "room_id": "r1", "room_session_id": "1", "room_create_time": "1780000000000"});
    assert_eq!(desk.send(&desk.zego("n1", body("room_create"))).await.0, 200);
    assert_eq!(desk.send(&desk.zego("n1", body("room_create"))).await.0, 200, "a repetition");
    let before = lines(&log).len();
    assert_eq!(desk.send(&desk.zego("n1", body("room_close"))).await.0, 401);
    let after = lines(&log);
    assert_eq!(after.len(), before + 1);
    assert!(after.last().unwrap().contains("ERROR"), "{after:?}");
    let metrics = desk.hub.metrics().await;
    assert!(metrics.contains("outcome=\"forged\"") && metrics.contains("outcome=\"refused\""), "{metrics}");
}

#[tokio::test]
async fn what_is_unknown_is_thanked_for_and_secrets_stay_out_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let desk = Desk::open(dir.path(), &[("LOG__LEVEL", "debug")], std::fs::File::create(&log).unwrap());
    let ini = json!({"mediaServerId": "z:1", "api.secret": "canary-of-the-api", "hook.alive_interval": "10.0", "general.mediaServerId": "z:1"});
    let unknown: [(Callback, Value); 6] = [
        (desk.zego("n1", json!({"event": "room_party", "room_id": "r1"})), json!({})),
        (desk.livekit(&json!({"event": "egress_started", "id": "EV_1"})), json!({})),
        (agora(&json!({"eventType": 999, "payload": {"channelName": "r1"}})), json!({})),
        (plain("zlmediakit", "on_flow_report", &json!({"mediaServerId": "z:1"})), json!({"code": 0, "msg": "success"})),
        (plain("zlmediakit", "on_server_started", &ini), json!({"code": 0, "msg": "success"})),
        (plain("srs", "on_dvr", &json!({"server_id": "s", "action": "on_dvr"})), json!({"code": 0})),
    ];
    for (callback, thanks) in unknown {
        assert_eq!(desk.send(&callback).await, (200, thanks), "{callback:?}");
    }
    nothing_is_on_air(&desk, "unknown events").await;
    let metrics = desk.hub.metrics().await;
    assert!(metrics.contains("outcome=\"ignored\""), "{metrics}");
    desk.hub.terminate();
    assert!(tokio::time::timeout(DEADLINE, desk.hub.ended()).await.unwrap().success());
    let text = std::fs::read_to_string(&log).unwrap();
    for secret in ["canary-of-the-api", "api-secret-01", "0123456789abcdef"] {
        assert!(!text.contains(secret), "{secret} stands in the log");
    }
}
