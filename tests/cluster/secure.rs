//! Redis as one meets it behind locks: TLS with an authority of one's own, and a user who may touch one prefix only.
use crate::{
    history::within,
    hub::{DEADLINE, Hub},
};
use serde_json::json;
use std::{fs::File, path::Path, process::Stdio, time::Duration};
use tokio::time::timeout;
use xtask::bed::{Redis, RedisOptions, free_port};

/// A Redis that speaks TLS on a port of its own, with a certificate that is its own authority.
struct Locked {
    redis: Redis,
    url: String,
    ca: String,
    dir: tempfile::TempDir,
}

fn certificate(dir: &Path, name: &str) -> [String; 2] {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let files = ["cert", "key"].map(|part| dir.join(format!("{name}-{part}.pem")).to_str().unwrap().to_owned());
    std::fs::write(&files[0], signed.cert.pem()).unwrap();
    std::fs::write(&files[1], signed.signing_key.serialize_pem()).unwrap();
    files
}

fn locked() -> Locked {
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = certificate(dir.path(), "redis");
    let port = free_port().unwrap().to_string();
    let args = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert];
    let args = [&args[..], &["--tls-auth-clients", "no"]].concat();
    let options = RedisOptions { args: args.iter().map(ToString::to_string).collect(), sentinel: false };
    let redis = Redis::start(dir.path(), options).unwrap();
    Locked { redis, url: format!("rediss://127.0.0.1:{port}"), ca: cert, dir }
}

/// Starts a hub that is not waited for, and whose log can be read.
fn start(dir: &Path, settings: &[(&str, &str)]) -> (std::process::Child, std::path::PathBuf) {
    let log = dir.join("log");
    let mut command = Hub::command(dir, &[&[("STORE__KIND", "redis")], settings].concat());
    let child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    (child, log)
}

/// Waits until a log says something.
async fn says(log: &Path, text: &str, within: Duration) {
    let said = async {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while !std::fs::read_to_string(log).unwrap().contains(text) {
            beat.tick().await;
        }
    };
    if timeout(within, said).await.is_err() {
        panic!("the log does not say {text}: {}", std::fs::read_to_string(log).unwrap());
    }
}

#[tokio::test]
async fn nodes_meet_over_tls() {
    let locked = locked();
    let settings = [("STORE__KIND", "redis"), ("STORE__REDIS__URL", &locked.url), ("STORE__REDIS__CA_FILE", &locked.ca)];
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let hubs = [Hub::with(one.path(), &settings), Hub::with(other.path(), &settings)];
    let (mut a, mut b) = (hubs[0].user("a").await, hubs[1].user("b").await);
    for person in [&mut a, &mut b] {
        person.ok("room_join", json!({})).await;
    }
    b.ok("queue_join", json!({})).await;
    assert_eq!(a.event("queue_joined").await["user_id"], "b");
    drop(locked.redis);
}

#[tokio::test]
async fn a_stranger_is_no_redis() {
    let locked = locked();
    let [foreign, _] = certificate(locked.dir.path(), "foreign");
    let dir = tempfile::tempdir().unwrap();
    let (mut hub, log) = start(dir.path(), &[("STORE__REDIS__URL", &locked.url), ("STORE__REDIS__CA_FILE", &foreign)]);
    says(&log, "Redis cannot be reached", DEADLINE).await;
    says(&log, "certificate", DEADLINE).await;
    xtask::bed::kill(&mut hub);
    // Without an authority named, those of the system are asked: none of them knows it.
    let dir = tempfile::tempdir().unwrap();
    let (mut hub, log) = start(dir.path(), &[("STORE__REDIS__URL", &locked.url)]);
    says(&log, "certificate", DEADLINE).await;
    xtask::bed::kill(&mut hub);
    // Somebody who speaks no TLS: two seconds, and the log says so.
    let dir = tempfile::tempdir().unwrap();
    let plain = locked.redis.url().replace("redis://", "rediss://");
    let (mut hub, log) = start(dir.path(), &[("STORE__REDIS__URL", &plain), ("STORE__REDIS__CA_FILE", &locked.ca)]);
    says(&log, "Redis cannot be reached", Duration::from_millis(within(3_500))).await;
    says(&log, "a server without TLS does not answer rediss://", DEADLINE).await;
    xtask::bed::kill(&mut hub);
    // The other way round.
    let dir = tempfile::tempdir().unwrap();
    let (mut hub, log) = start(dir.path(), &[("STORE__REDIS__URL", &locked.url.replace("rediss://", "redis://"))]);
    says(&log, "a server that wants TLS needs rediss://", DEADLINE).await;
    xtask::bed::kill(&mut hub);
}

#[test]
fn what_cannot_become_right_is_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let [_, key] = certificate(dir.path(), "own");
    let missing = dir.path().join("missing.pem");
    let wrong: [(&str, &str, &str); 3] = [
        ("STORE__REDIS__CA_FILE", &key, "there is no certificate in it"),
        ("STORE__REDIS__CA_FILE", missing.to_str().unwrap(), "missing.pem"),
        ("STORE__REDIS__URL", "unix:///run/redis", "store.redis.url"),
    ];
    for (name, value, said) in wrong {
        for verb in ["serve", "check-config"] {
            let settings = [("STORE__KIND", "redis"), ("STORE__REDIS__URL", "rediss://127.0.0.1:1"), (name, value)];
            let done = Hub::command(dir.path(), &settings).arg(verb).output().unwrap();
            let text = String::from_utf8_lossy(&done.stderr);
            assert!(!done.status.success() && text.contains(said), "{name}={value} {verb}: {text}");
        }
    }
}

#[tokio::test]
async fn a_user_with_one_prefix_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Redis::start(dir.path(), RedisOptions::default()).unwrap();
    redis.ask("ACL SETUSER michub on >secret ~one:* &one:* +@all -@dangerous +role").unwrap();
    let url = redis.url();
    let own = [
        ("STORE__KIND", "redis"),
        ("STORE__REDIS__URL", url.as_str()),
        ("STORE__REDIS__USERNAME", "michub"),
        ("STORE__REDIS__PASSWORD", "secret"),
        ("STORE__REDIS__KEY_PREFIX", "one:"),
        ("STORE__REDIS__LEASE_MS", "3000"),
        ("STORE__REDIS__WAIT_MS", "600"),
        ("MESSAGES__DIRECT_KEEP_MAX", "3"),
    ];
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = one.path().join("log");
    let hub = Hub::logging(one.path(), &own, File::create(&log).unwrap().into());
    let second = Hub::with(other.path(), &own);
    let (mut a, mut b) = (hub.user("a").await, second.user("b").await);
    a.ok("watch_status", json!({"user_ids": ["b", "c"]})).await;
    for person in [&mut a, &mut b] {
        person.ok("room_join", json!({})).await;
    }
    a.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    b.ok("queue_join", json!({})).await;
    a.ok("talk_set", json!({"slow_mode_seconds": 1})).await;
    for class in ["must", "normal"] {
        a.ok("room_message", json!({"class": class, "kind": "chat", "body": "hi"})).await;
    }
    b.ok("room_message", json!({"class": "must", "kind": "chat", "body": "hi"})).await;
    b.ok("status_change", json!({"status": "busy"})).await;
    b.ok("block_users", json!({"user_ids": ["c"]})).await;
    a.ok("message", json!({"to_user_id": "b", "message": "hi"})).await;
    a.ok("message", json!({"to_user_id": "c", "message": "later"})).await;
    assert_eq!(hub.get("/api/rooms/r1/messages").await.0, 200);
    assert_eq!(hub.get("/api/rooms").await.1["rooms"][0]["room_id"], "r1");
    assert_eq!(hub.post("/api/poll/heartbeat", json!({"user_id": "c", "rooms": [{"room_id": "r1"}]})).await.0, 200);
    assert_eq!(hub.post("/api/users/c/ban", json!({})).await.0, 200);
    let back = hub.resume(&b.welcome, json!([])).await;
    assert_eq!(back.welcome["resumed"], true);
    second.kill();
    let cleared = async {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        while !hub.metrics().await.contains("michub_nodes_dead_total 1") {
            beat.tick().await;
        }
    };
    timeout(DEADLINE, cleared).await.expect("the survivor clears up");
    assert_eq!(redis.ask("ACL LOG").unwrap(), "*0\r\n", "something is not allowed");
    let strangers = redis.ask_words(&["EVAL", "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if string.sub(k, 1, 4) ~= 'one:' then n = n + 1 end end return n", "0"]);
    assert_eq!(strangers.unwrap(), ":0\r\n", "keys beside the prefix");
    // A right to channels is missed as loudly.
    redis.ask("ACL SETUSER deaf on >secret ~one:* +@all -@dangerous +role").unwrap();
    let third = tempfile::tempdir().unwrap();
    let mut settings = own.to_vec();
    settings.push(("STORE__REDIS__USERNAME", "deaf"));
    let (mut deaf, deaf_log) = start(third.path(), &settings);
    says(&deaf_log, "nothing can be heard from Redis", DEADLINE).await;
    xtask::bed::kill(&mut deaf);
    // What is missing is named, and nothing has happened.
    redis.ask("ACL SETUSER michub -evalsha -eval").unwrap();
    let refused = a.ask("flag_set", json!({"flag": "mute_all", "on": true, "op_id": "o1"})).await;
    assert_eq!((&refused["name"], &refused["details"]["outcome"]), (&json!("unavailable"), &json!("none")), "{refused}");
    says(&log, "evalsha", DEADLINE).await;
    redis.ask("ACL SETUSER michub +evalsha +eval").unwrap();
    let done = a.ok("flag_set", json!({"flag": "mute_all", "on": true, "op_id": "o1"})).await;
    assert_eq!(done.get("dup"), None, "{done}");
}
