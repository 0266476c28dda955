//! What a Redis refuses, and what each durability promises: `unavailable` with the outcome that is true, and commands again when it is over.
use crate::{
    client::Client,
    history::within,
    hub::{DEADLINE, Hub, http},
    nodes::Nodes,
};
use serde_json::{Value, json};
use std::{fs::File, time::Duration};
use tokio::time::timeout;
use xtask::bed::{Redis, RedisOptions};

const SHORT: (&str, &str) = ("STORE__REDIS__WAIT_MS", "600");

async fn flag(client: &mut Client, on: bool, op_id: &str) -> Value {
    client.ask("flag_set", json!({"flag": "mute_all", "on": on, "op_id": op_id})).await
}

async fn ready(nodes: &Nodes) -> u16 {
    http(&nodes.hubs[0].admin, "GET", "/readyz", "", "").await.0
}

/// Waits until the balancer is told so.
async fn ready_is(hub: &Hub, wanted: u16) {
    let told = async { while http(&hub.admin, "GET", "/readyz", "", "").await.0 != wanted {} };
    timeout(Duration::from_secs(5), told).await.unwrap_or_else(|_| panic!("/readyz is not {wanted}"));
}

fn outcome(answer: &Value) -> &str {
    assert_eq!(answer["name"], "unavailable", "{answer}");
    answer["details"]["outcome"].as_str().unwrap()
}

/// Sends a command again until it is acked.
async fn until_acked(client: &mut Client, on: bool, op_id: &str) -> Value {
    let acked = async {
        loop {
            let answer = flag(client, on, op_id).await;
            if answer["type"] == "ack" {
                return answer;
            }
        }
    };
    timeout(Duration::from_millis(within(5_000)), acked).await.expect("an ack within 5 s")
}

/// Makes the next write fail for want of a place to save to.
fn fill_disk(redis: &Redis) {
    redis.ask_words(&["CONFIG", "SET", "save", "3600 1"]).unwrap();
    redis.wipe().unwrap();
    std::fs::remove_dir(redis.dir()).unwrap();
    redis.ask("BGSAVE").unwrap();
    xtask::bed::until(DEADLINE, || match redis.ask("INFO persistence")? {
        told if told.contains("rdb_last_bgsave_status:err") => Ok(()),
        told => Err(std::io::Error::other(told)),
    })
    .unwrap();
}

#[tokio::test]
async fn a_refused_write_has_not_happened() {
    let nodes = Nodes::start(1, &[SHORT]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    let mut rev = flag(&mut own, true, "begin").await["rev"].as_u64().unwrap();
    let nobody = format!("REPLICAOF 127.0.0.1 {}", xtask::bed::free_port().unwrap());
    let faults = [
        ("OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        ("READONLY", nobody.as_str(), "REPLICAOF NO ONE"),
        ("MISCONF", "", "CONFIG SET stop-writes-on-bgsave-error no"),
    ];
    for (number, (name, fault, cure)) in faults.into_iter().enumerate() {
        if fault.is_empty() {
            fill_disk(&nodes.redis)
        } else {
            drop(nodes.redis.ask(fault).unwrap())
        }
        let (on, op_id) = (number % 2 == 1, format!("o{number}"));
        let answer = flag(&mut own, on, &op_id).await;
        assert_eq!(outcome(&answer), "none", "{name}: {answer}");
        assert_eq!(ready(&nodes).await, 503, "{name}: whoever balances sends nobody here");
        let (_, kick) = nodes.hubs[0].post("/api/users/own/kick", json!({})).await;
        assert_eq!(outcome(&kick), "none", "{name}: {kick}");
        nodes.redis.ask(cure).unwrap();
        let acked = until_acked(&mut own, on, &op_id).await;
        let again = async { while ready(&nodes).await != 200 {} };
        timeout(Duration::from_millis(within(5_000)), again).await.unwrap_or_else(|_| panic!("{name}: not ready"));
        rev += 1;
        assert_eq!((acked.get("dup"), acked["rev"].as_u64()), (None, Some(rev)), "{name}: it happened, once, now");
    }
}

#[tokio::test]
async fn without_a_replica_nobody_knows() {
    let nodes = Nodes::start(0, &[]);
    let dir = tempfile::tempdir().unwrap();
    let url = nodes.redis.url();
    let settings = [
        ("STORE__KIND", "redis"),
        ("STORE__REDIS__URL", url.as_str()),
        ("STORE__REDIS__DURABILITY", "replica"),
        ("STORE__REDIS__COMMAND_TIMEOUT_MS", "1500"),
    ];
    let replica = || {
        let dir = tempfile::tempdir().unwrap();
        let of = ["--replicaof", "127.0.0.1", &nodes.redis.port().to_string()].map(ToString::to_string);
        let server = Redis::start(dir.path(), RedisOptions { args: of.to_vec(), sentinel: false }).unwrap();
        // The master counts it, too.
        xtask::bed::until(DEADLINE, || match nodes.redis.ask("WAIT 1 100")? {
            told if told == ":1\r\n" => Ok(()),
            told => Err(std::io::Error::other(told)),
        })
        .unwrap();
        (server, dir)
    };
    nodes.redis.ask("CONFIG SET repl-diskless-sync-delay 0").unwrap();
    let first = replica();
    let hub = Hub::with(dir.path(), &settings);
    let mut own = hub.user("own").await;
    own.ok("room_join", json!({})).await;
    assert_eq!(flag(&mut own, true, "with").await["type"], "ack");
    drop(first);
    let answer = flag(&mut own, false, "without").await;
    assert_eq!(outcome(&answer), "unknown", "{answer}");
    ready_is(&hub, 503).await;
    let gift = json!({"class": "must", "kind": "gift", "body": "rose"});
    assert_eq!(outcome(&own.ask("room_message", gift.clone()).await), "unknown");
    let (_, kick) = hub.post("/api/users/somebody/kick", json!({})).await;
    assert_eq!(outcome(&kick), "unknown", "{kick}");
    let second = replica();
    let (status, kicked) = hub.post("/api/users/somebody/kick", json!({})).await;
    assert_eq!(status, 200, "{kicked}");
    let acked = until_acked(&mut own, false, "without").await;
    assert_eq!(acked["type"], "ack", "once, and told so: {acked}");
    own.ok("room_message", gift).await;
    ready_is(&hub, 200).await;
    drop(second);
    // Nobody asks for anything, and whoever balances hears of it all the same.
    ready_is(&hub, 503).await;
}

#[tokio::test]
async fn a_disk_that_may_lag_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Redis::start(dir.path(), RedisOptions::default()).unwrap();
    redis.ask("ACL SETUSER michub on >secret ~* &* +@all -@dangerous +role +config|get").unwrap();
    let data = tempfile::tempdir().unwrap();
    let (url, log) = (redis.url(), data.path().join("log"));
    let settings = [
        ("STORE__KIND", "redis"),
        ("STORE__REDIS__URL", url.as_str()),
        ("STORE__REDIS__DURABILITY", "disk"),
        ("STORE__REDIS__USERNAME", "michub"),
        ("STORE__REDIS__PASSWORD", "secret"),
    ];
    let stderr = File::create(&log).unwrap();
    let path = data.path().to_owned();
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let hub = tokio::task::spawn_blocking(move || {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Hub::logging(&path, &settings, stderr.into())
    });
    let said = async {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while !std::fs::read_to_string(&log).unwrap().contains("needs appendonly yes") {
            beat.tick().await;
        }
    };
    timeout(DEADLINE, said).await.expect("the log says why");
    assert!(!hub.is_finished(), "it waits");
    for wanted in ["CONFIG SET appendonly yes", "CONFIG SET appendfsync always"] {
        redis.ask(wanted).unwrap();
    }
    let hub = timeout(DEADLINE, hub).await.expect("it comes up").unwrap();
    let mut own = hub.user("own").await;
    own.ok("room_join", json!({})).await;
    assert_eq!(flag(&mut own, true, "on").await["type"], "ack");
}

#[tokio::test]
async fn an_empty_redis_is_accepted_by_command() {
    let mut nodes = Nodes::start(2, &[SHORT]);
    let mut own = nodes.user(0, "own").await;
    own.ok("room_join", json!({})).await;
    flag(&mut own, true, "on").await;
    nodes.redis.kill();
    nodes.redis.wipe().unwrap();
    nodes.redis.restart().unwrap();
    let mut other = nodes.user(1, "other").await;
    let refused = async {
        let mut number = 0;
        while other.ask("room_join", json!({"room_id": format!("fresh{number}")})).await["name"] != "unavailable" {
            number += 1;
        }
    };
    timeout(DEADLINE, refused).await.expect("no room is made");
    let url = nodes.redis.url();
    let repair = |args: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Hub::command(dir.path(), &[("STORE__KIND", "redis"), ("STORE__REDIS__URL", &url)]);
        let done = command.arg("repair").args(args).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(repair(&[]).contains("michub repair --accept-empty"));
    assert!(repair(&["--accept-empty"]).contains("that is accepted"));
    assert!(!repair(&[]).contains("hub:epoch"), "once is enough");
    let made = async { while other.ask("room_join", json!({"room_id": "late"})).await["type"] != "ack" {} };
    timeout(DEADLINE, made).await.expect("rooms are made again");
    until_acked(&mut own, false, "off").await;
}

#[tokio::test]
async fn nobody_needs_to_ask_for_a_command_to_be_noticed() {
    let nodes = Nodes::start(1, &[]);
    assert_eq!(ready(&nodes).await, 200);
    nodes.redis.ask("CONFIG SET maxmemory 1").unwrap();
    let noticed = async { while ready(&nodes).await == 200 {} };
    timeout(Duration::from_millis(within(2_500)), noticed).await.expect("an idle link is asked each second");
    nodes.redis.ask("CONFIG SET maxmemory 0").unwrap();
    let again = async { while ready(&nodes).await != 200 {} };
    timeout(Duration::from_millis(within(5_000)), again).await.expect("ready again, without a command");
}
