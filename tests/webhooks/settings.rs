//! What an endpoint can be told besides rooms, how else it can be signed, and what changes while the hub runs.
use crate::{
    hub::Hub,
    receiver::{Delivery, OTHER, Receiver, Reply, SECRET},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, SigningKey, Verifier, VerifyingKey};
use serde_json::{Value, json};
use std::path::Path;

fn write(dir: &Path, receiver: &Receiver, more: &str) {
    let url = format!("http://{}/hook", receiver.address);
    let media = "[media.m]\nkind = \"srs\"\nsecret_path = \"0123456789abcdef\"\ngate = \"enforce\"\n";
    let hook = format!(
        "[webhook.a]\nurl = \"{url}\"\nallow_http = true\nallow_private = true\nretry_ms = [20, 40, 80, 160, 320, 640]\n{more}\n"
    );
    std::fs::write(dir.join("config.toml"), format!("{media}{hook}")).unwrap();
}

async fn ask(hub: &Hub, ticket: &str) -> Value {
    let body = json!({"server_id": "s", "service_id": "k", "action": "on_publish", "client_id": "c1", "vhost": "v", "app": "live", "stream": "s1",
        "param": format!("?t={ticket}")});
    let (status, answer) = hub.post("/api/hooks/m/0123456789abcdef/on_publish", body).await;
    assert_eq!(status, 200);
    answer
}

fn of<'a>(got: &'a [Delivery], kind: &str) -> Vec<&'a Delivery> {
    got.iter().filter(|delivery| delivery.kind() == kind).collect()
}

#[tokio::test]
async fn whoever_was_not_let_on_air_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    write(dir.path(), &receiver, &format!("secrets = [\"{SECRET}\"]\ntypes = [\"media.*\"]"));
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("queue_join", json!({})).await;
    let ticket = hub.get("/api/rooms/r1/publish-ticket?user_id=own").await.1["ticket"].as_str().unwrap().to_owned();
    own.ok("seat_leave", json!({})).await;
    assert_eq!(ask(&hub, &ticket).await, json!({"code": 1, "msg": "not_on_mic"}));
    assert_eq!(ask(&hub, "none").await["msg"], "bad_ticket");
    let got = receiver.wait("both", |got| of(got, "media.publish.denied").len() == 2).await;
    assert!(got.iter().all(|delivery| delivery.kind() == "media.publish.denied" && delivery.is_signed_by(SECRET)));
    let named = got.iter().map(Delivery::json).find(|body| body["data"]["why"] == "not_on_mic").expect("the one with a ticket");
    let data = &named["data"];
    assert_eq!((&data["room_id"], &data["user_id"], &data["source"]), (&json!("r1"), &json!("own"), &json!("m")));
    assert_eq!((&data["stream"], &data["let_in"]), (&json!("v/live/s1"), &json!(false)));
}

#[tokio::test]
async fn a_private_key_signs_and_its_public_one_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let key = SigningKey::from_bytes(&[7; 32]);
    write(dir.path(), &receiver, &format!("secrets = [\"{SECRET}\", \"whsk_{}\"]", STANDARD.encode([7; 32])));
    let hub = Hub::start(dir.path());
    let _own = hub.member("own").await;
    let got = receiver.wait("room.opened", |got| !of(got, "room.opened").is_empty()).await;
    let (_, state) = crate::hub::http(&hub.admin, "GET", "/webhooks", "", "").await;
    let public = state["webhooks"][0]["public_keys"][0].as_str().unwrap().strip_prefix("whpk_").unwrap();
    let list = crate::contract::webhooks(&hub, &["list"]);
    assert!(list.contains(&format!("\n  public key: whpk_{public}\n")), "{list}");
    let public: [u8; 32] = STANDARD.decode(public).unwrap().try_into().unwrap();
    assert_eq!(public, key.verifying_key().to_bytes());
    let verifier = VerifyingKey::from_bytes(&public).unwrap();
    for delivery in got {
        assert!(delivery.is_signed_by(SECRET));
        let signed = delivery.signature.split(' ').find_map(|one| one.strip_prefix("v1a,")).expect("a v1a signature");
        let signed = Signature::from_slice(&STANDARD.decode(signed).unwrap()).unwrap();
        let content = format!("{}.{}.{}", delivery.id, delivery.timestamp, delivery.body);
        verifier.verify(content.as_bytes(), &signed).unwrap();
    }
}

#[tokio::test]
async fn an_endpoint_changes_while_the_hub_runs() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let moved = Receiver::start(|_| Reply::Status(200)).await;
    write(dir.path(), &receiver, &format!("secrets = [\"{SECRET}\"]\ntypes = [\"room.opened\"]"));
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    receiver.wait("room.opened", |got| !of(got, "room.opened").is_empty()).await;
    // Another secret, other types, another address: what happens from now on goes there.
    write(dir.path(), &moved, &format!("secrets = [\"{OTHER}\"]\ntypes = [\"mic.*\"]"));
    hub.hang_up();
    let reloaded = async { while !hub.metrics().await.contains("michub_config_reloads_total{outcome=\"ok\"} 1") {} };
    tokio::time::timeout(crate::hub::DEADLINE, reloaded).await.expect("the configuration is reloaded");
    own.ok("queue_join", json!({})).await;
    let got = moved.wait("mic.seat.taken", |got| !of(got, "mic.seat.taken").is_empty()).await;
    assert!(got.iter().all(|delivery| delivery.kind().starts_with("mic.") && delivery.is_signed_by(OTHER)));
    // A secret that is none leaves everything as it is.
    write(dir.path(), &receiver, "secrets = [\"whsec_AAAA\"]");
    hub.hang_up();
    let refused = async { while !hub.metrics().await.contains("outcome=\"refused\"} 1") {} };
    tokio::time::timeout(crate::hub::DEADLINE, refused).await.expect("the configuration is refused");
    own.ok("seat_leave", json!({})).await;
    moved.wait("mic.seat.left", |got| !of(got, "mic.seat.left").is_empty()).await;
}
