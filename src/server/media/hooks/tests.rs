//! The vendors' own shapes: good calls, forged ones, and the vectors of their signatures.
use super::*;
use crate::hub::{
    media::{Space, Told},
    time::UnixMs,
};

const WALL: u64 = 1_780_000_000_000;
const B1: &str = r#"{"noticeId":"2000001428:4330:107","productId":1,"eventType":103,"notifyMs":1780000000123,"sid":"S1","payload":{"channelName":"room1","uid":10001,"platform":1,"clientSeq":1780000000000,"ts":1780000000}}"#;
const B2: &str = r#"{"event":"participant_left","room":{"sid":"RM_a1","name":"room1"},"participant":{"sid":"PA_1","identity":"u1"},"id":"EV_1","createdAt":"1780000000"}"#;
const B2_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBUElrZXkxIiwibmJmIjoxNzgwMDAwMDAwLCJleHAiOjE3ODAwMDAzMDAsInNoYTI1NiI6InVBUEhMSHE4ZVQ0SFIybGNmRzhIR1ZUazNzY3RiQkJJUFdEdVo4RVlxVXM9In0.HTu67DHjLDwHlFgBOl4k3_zVTdF_OejEH8j3-NTEojQ";

fn keys(secret: &str) -> Keys {
    Keys { secret: Secret(secret.to_owned()), api_key: "APIkey1".to_owned(), ticket_param: "t".to_owned() }
}

fn call(kind: Kind, secret: &str, hook: &str, headers: &[(&'static str, &str)], body: &str) -> Result<Heard, Refused> {
    let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
    hear(kind, &keys(secret), &Call { hook, headers: &headers, body: body.as_bytes(), wall_ms: WALL })
}

fn report(heard: Result<Heard, Refused>) -> Report {
    match heard.unwrap() {
        Heard::Report(report) => report,
        other => panic!("no report: {other:?}"),
    }
}

fn live(reports: &[Report]) -> Vec<String> {
    let mut space = Space::new(reports[0].births);
    for fact in reports.iter().flat_map(|report| &report.facts) {
        assert_eq!(space.join(fact, UnixMs(WALL)), Told::Joined);
    }
    space.live().iter().map(|live| format!("{}={}", live.stream.as_str(), live.session.as_str())).collect()
}

fn zego(fields: &str) -> String {
    use sha1::{Digest, Sha1};
    let nonce = "7254119327986670314";
    let mut parts = ["cb-secret-01", "1780000000", nonce];
    parts.sort_unstable();
    let signature = hex(&Sha1::digest(parts.concat()));
    format!(r#"{{"appid":"1","timestamp":"1780000000","nonce":"{nonce}","signature":"{signature}",{fields}}}"#)
}

fn stream(event: &str, session: &str, seq: &str, sid: &str) -> Report {
    let body = format!(
        r#""event":"{event}","room_id":"r1","room_session_id":{session},"user_id":"u1","stream_id":"s1","stream_sid":"{sid}",{seq}"create_time_ms":"1780000000100""#
    );
    report(call(Kind::Zego, "cb-secret-01", "", &[], &zego(&body)))
}

#[test]
fn zego_signs_three_sorted_texts() {
    use sha1::{Digest, Sha1};
    assert_eq!(hex(&Sha1::digest("1234121470820198secret")), "5bd59fd62953a8059fb7eaba95720f66d19e4517");
    let good = zego(r#""event":"room_create","room_id":"r1","room_session_id":858012925204410401,"room_create_time":"1""#);
    assert!(good.contains("cf2ff31a3849814eb9419fb950c6b702df82ef4a"));
    assert!(call(Kind::Zego, "cb-secret-01", "", &[], &good).is_ok());
    for bad in [good.replace("1780000000", "1780000001"), good.replace("\"nonce\"", "\"n\""), "{}".to_owned()] {
        assert_eq!(call(Kind::Zego, "cb-secret-01", "", &[], &bad), Err(Refused::Signature));
    }
    assert_eq!(call(Kind::Zego, "other", "", &[], &good), Err(Refused::Signature));
    assert_eq!(call(Kind::Zego, "cb-secret-01", "", &[], "<xml>"), Err(Refused::Body));
    let at = |seconds: u64| {
        let heard = Call { hook: "", headers: &HeaderMap::new(), body: good.as_bytes(), wall_ms: seconds * 1000 };
        hear(Kind::Zego, &keys("cb-secret-01"), &heard).is_ok()
    };
    assert!(at(1_780_000_300) && at(1_779_999_700), "clocks differ");
    assert!(!at(1_780_000_301) && !at(1_779_999_699), "an old callback is somebody else's");
}

#[test]
fn zego_ids_stay_exact_and_numbers_may_be_missing() {
    let seq = |number: &str| format!("\"stream_seq\":{number},");
    let first = stream("stream_create", "858012925204410401", &seq("\"01\""), "S1");
    let same = stream("stream_close", "\"858012925204410401\"", &seq("2"), "S1");
    assert_eq!(live(&[first.clone(), same]), [] as [&str; 0], "one room");
    let other = stream("stream_close", "858012925204410402", &seq("2"), "S1");
    let spaces: Vec<_> = [&first, &other].iter().map(|report| report.facts.clone()).collect();
    assert_ne!(format!("{:?}", spaces[0]).contains("410402"), format!("{:?}", spaces[1]).contains("410402"), "two rooms");
    let unnumbered = stream("stream_create", "1", "", "S2");
    assert!(matches!(unnumbered.facts[0], Fact::Session { .. }));
    assert_eq!(live(&[stream("stream_create", "1", "", "S1"), unnumbered]), ["s1=S2"]);
}

#[test]
fn zego_closes_of_older_sessions_do_nothing() {
    let seq = |number: u32| format!("\"stream_seq\":\"{number}\",");
    let reports = [
        stream("stream_create", "1", &seq(1), "S1"),
        stream("stream_create", "1", &seq(3), "S3"),
        stream("stream_close", "1", &seq(2), "S1"),
    ];
    assert_eq!(live(&reports), ["s1=S3"]);
}

#[test]
fn agora_signs_the_raw_body() {
    let v2 = ("agora-signature-v2", "3bb0a02c4056077a4905024aba2dd127b14cf71b639f20d3e978d7d704fb2c98");
    let v1 = ("agora-signature", "142a25fa51d98b04b4e45e63c8b20a038d4dda5f");
    assert_eq!(live(&[report(call(Kind::Agora, "ncs-secret-01", "", &[v2], B1))]), ["10001=10001"]);
    assert!(call(Kind::Agora, "ncs-secret-01", "", &[v1], B1).is_ok());
    let forged = B1.replace("10001", "10002");
    for headers in [&[v2][..], &[v1], &[]] {
        assert_eq!(call(Kind::Agora, "ncs-secret-01", "", headers, &forged), Err(Refused::Signature));
    }
}

fn agora(event: u32, seq: u64, channel: &str, uid: u64) -> Result<Heard, Refused> {
    use hmac::{Hmac, Mac};
    let body = format!(
        r#"{{"eventType":{event},"payload":{{"channelName":"{channel}","uid":{uid},"clientSeq":{seq},"ts":1780000000}}}}"#
    );
    let mac = Hmac::<sha2::Sha256>::new_from_slice(b"k").unwrap().chain_update(&body);
    call(Kind::Agora, "k", "", &[("agora-signature-v2", &hex(&mac.finalize().into_bytes()))], &body)
}

#[test]
fn agora_goes_by_the_clients_numbers() {
    let reports = [(104, 5), (103, 4), (103, 4)].map(|(event, seq)| report(agora(event, seq, "room1", 7)));
    assert_eq!(live(&reports), [] as [&str; 0]);
    assert_eq!(agora(103, 1, "test_webhook", 12_121_212), Ok(Heard::Nothing), "the vendor's probe");
    assert_eq!(agora(999, 1, "room1", 7), Ok(Heard::Nothing), "unknown events");
}

#[test]
fn livekit_signs_the_hash_of_the_body() {
    let headers = [("content-type", "application/webhook+json"), ("authorization", B2_TOKEN)];
    let secret = "api-secret-01-api-secret-01-32by";
    assert!(call(Kind::LiveKit, secret, "", &headers, B2).is_ok());
    assert_eq!(call(Kind::LiveKit, secret, "", &headers, &B2.replace("u1", "u2")), Err(Refused::Signature));
    assert_eq!(call(Kind::LiveKit, "other-secret-other-secret-other-", "", &headers, B2), Err(Refused::Signature));
    assert_eq!(call(Kind::LiveKit, secret, "", &headers[1..], B2), Err(Refused::ContentType));
    assert_eq!(call(Kind::LiveKit, secret, "", &headers[..1], B2), Err(Refused::Signature));
}

fn livekit(event: &str, pa: &str, track: &str) -> Report {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use jsonwebtoken::{EncodingKey, Header};
    use sha2::Digest;
    let body = format!(
        r#"{{"event":"{event}","room":{{"sid":"RM","name":"r1"}},"participant":{{"sid":"{pa}","identity":"u1","joinedAtMs":"{}"}},"track":{{"sid":"{track}","version":{{"unixMicro":"1780000000100000"}}}}}}"#,
        if pa == "PA_1" { 10 } else { 20 }
    );
    let hash = STANDARD.encode(sha2::Sha256::digest(&body));
    let claims = serde_json::json!({"iss": "APIkey1", "nbf": 0, "exp": 1_780_000_300, "sha256": hash});
    crate::server::auth::crypto::install();
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"lk")).unwrap();
    report(call(Kind::LiveKit, "lk", "", &[("content-type", "application/webhook+json"), ("authorization", &token)], &body))
}

#[test]
fn livekit_sessions_outlive_nobody() {
    let (joined, left) = (livekit("participant_joined", "PA_2", ""), livekit("participant_left", "PA_1", ""));
    assert_eq!(live(&[joined, left]), ["participant/u1=PA_2"]);
    let (published, gone) = (livekit("track_published", "PA_1", "TR_1"), livekit("participant_left", "PA_1", ""));
    assert_eq!(live(std::slice::from_ref(&published)), ["track/u1/TR_1=TR_1"]);
    assert_eq!(live(&[gone, published]), [] as [&str; 0]);
}

fn zlm(hook: &str, boot: &str, rest: &str) -> Result<Heard, Refused> {
    let body = format!(
        r#"{{"mediaServerId":"zlm1:{boot}","hook_index":7,"schema":"rtsp","vhost":"v","app":"live","stream":"r1_u1"{rest}}}"#
    );
    call(Kind::ZlMediaKit, "", hook, &[], &body)
}

fn changed(boot: &str, on: bool, ticket: &str) -> Report {
    report(zlm("on_stream_changed", boot, &format!(r#","regist":{on},"params":"x=1&t={ticket}""#)))
}

#[test]
fn zlmediakit_tickets_tell_publishings_apart() {
    let (t1, t2) = ("r1~u1~2~41~9~s", "r1~u1~2~42~9~s");
    let retried = [changed("A", true, t1), changed("A", true, t2), changed("A", false, t1)];
    assert_eq!(live(&retried), [format!("v/live/r1_u1={t2}")]);
    let schemas = [changed("A", true, t1), changed("A", false, t1), changed("A", false, t1)];
    assert_eq!(live(&schemas), [] as [&str; 0], "one schema after the other");
    let boot = [changed("A", true, t1), changed("B", true, t2), report(zlm("on_server_started", "B", ""))];
    assert_eq!(live(&boot), [format!("v/live/r1_u1={t2}")], "the old process is gone");
    assert!(report(zlm("on_stream_changed", "A", r#","regist":false"#)).poll, "without a ticket only a poll knows");
}

#[test]
fn zlmediakit_asks_before_it_publishes() {
    let Ok(Heard::Publish(asked)) = zlm("on_publish", "A", r#","params":"t=abc","id":"7-12""#) else { panic!("no question") };
    assert_eq!((asked.ticket.as_deref(), asked.session.as_str()), (Some("abc"), "7-12"));
    assert_eq!(zlm("on_play", "A", ""), Ok(Heard::Nothing));
    assert_eq!(call(Kind::ZlMediaKit, "", "on_publish", &[], "{}"), Err(Refused::Body));
}

#[test]
fn srs_asks_and_its_question_proves_nothing() {
    let srs = |action: &str, client: &str| {
        let body = format!(
            r#"{{"server_id":"srs1","service_id":"k3v","action":"{action}","client_id":"{client}","vhost":"v","app":"live","stream":"s1","param":"?t=tick"}}"#
        );
        call(Kind::Srs, "", "", &[], &body)
    };
    let Ok(Heard::Publish(asked)) = srs("on_publish", "c1") else { panic!("no question") };
    assert_eq!((asked.stream.as_str(), asked.ticket.as_deref()), ("v/live/s1", Some("tick")));
    let mut space = Space::new(asked.report.births);
    for fact in &asked.report.facts {
        space.join(fact, UnixMs(WALL));
    }
    assert!(space.live()[0].pending);
    for fact in report(srs("on_unpublish", "c1")).facts {
        space.join(&fact, UnixMs(WALL));
    }
    assert_eq!(space.live(), []);
    assert_eq!(srs("on_play", "c1"), Ok(Heard::Nothing));
}
