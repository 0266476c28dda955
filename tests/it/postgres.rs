//! The history in PostgreSQL: complete and without duplicates, whoever is killed when.
use crate::hub::{DEADLINE, Hub};
use serde_json::json;
use std::{path::Path, process::Command};
use tokio::time::timeout;
use xtask::bed::{Postgres, Redis, RedisOptions};

const DAY_MS: u64 = 86_400_000;

fn hub(data: &Path, postgres: &Postgres) -> Hub {
    Hub::with(data, &[("HISTORY__URL", &postgres.url()), ("HISTORY__TIMEOUT_MS", "2000")])
}

/// Waits until the room's history is there up to a rev.
async fn arrived(postgres: &Postgres, rev: u64) {
    let reached = || postgres.sql("SELECT max(rev) FROM history_commits").ok()?.parse::<u64>().ok();
    let wait = async {
        while reached().is_none_or(|newest| newest < rev) {
            // A program was waited for: time must be looked at in between.
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE * 3, wait).await.expect("the history in time");
}

fn michub(admin: &str, data: &Path, postgres: &Postgres, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(args).arg("--data").arg(data).env("MICHUB_ADMIN__LISTEN", admin).env("MICHUB_HISTORY__URL", postgres.url());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Compares the history with the stored room, and counts what stands in it twice.
fn check(postgres: &Postgres, admin: &str, data: &Path) {
    let replay = michub(admin, data, postgres, &["replay", "r1"]);
    assert!(replay.contains("from rev 0") && replay.contains("nothing differs"), "{replay}");
    let twice =
        postgres.sql("SELECT count(*) FROM (SELECT rev FROM history_commits GROUP BY room, rev HAVING count(*) > 1) AS twice");
    assert_eq!(twice.unwrap(), "0");
}

#[tokio::test]
async fn a_kill_of_either_side_loses_nothing() {
    let (dir, bed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut postgres = Postgres::start(bed.path()).unwrap();
    let mut running = hub(dir.path(), &postgres);
    let mut own = running.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut rev = 0;
    for round in 0..4 {
        for step in 0..25 {
            own.ok("queue_join", json!({"op_id": format!("j{round}-{step}")})).await;
            rev = own.ok("queue_leave", json!({})).await["rev"].as_u64().unwrap();
            // In the middle of what is written.
            if step == 12 && round == 1 {
                postgres.kill();
            }
        }
        match round {
            0 => {
                arrived(&postgres, rev).await;
                check(&postgres, &running.admin, dir.path());
            }
            1 => {
                // Both are gone now, and the hub comes back first.
                running.kill();
                running = hub(dir.path(), &postgres);
                own = running.resume(&own.welcome, json!([{"room_id": "r1"}])).await;
                own.wait("room_snapshot").await;
            }
            2 => {
                postgres.restart().unwrap();
                running.kill();
                running = hub(dir.path(), &postgres);
                own = running.resume(&own.welcome, json!([{"room_id": "r1"}])).await;
                own.wait("room_snapshot").await;
            }
            _ => {}
        }
    }
    arrived(&postgres, rev).await;
    check(&postgres, &running.admin, dir.path());

    let (status, page) = running.get("/api/rooms/r1/history?user_id=own&limit=1000").await;
    assert_eq!((status, page["events"].as_array().unwrap().len() >= 200), (200, true));
    let joined =
        postgres.sql("SELECT count(*) FROM history_events WHERE event = 'queue_joined' AND fields ->> 'user_id' = 'own'");
    assert_eq!(joined.unwrap(), "100", "one row per event, for other tools");
    let seen = postgres.sql("SELECT last_online_ms > 0 FROM history_people WHERE user_id = 'own'").unwrap();
    assert_eq!(seen, "t");
    running.kill();
    // A port that no hub of another test can have by now.
    let admin = "127.0.0.1:1";
    check(&postgres, admin, dir.path());
    let why = michub(admin, dir.path(), &postgres, &["why", "r1", "own"]);
    assert!(why.contains("queue_left"), "{why}");
}

#[tokio::test]
async fn days_that_are_over_are_dropped() {
    let (dir, bed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let postgres = Postgres::start(bed.path()).unwrap();
    let first = hub(dir.path(), &postgres);
    let mut own = first.member("own").await;
    let ack = own.ok("queue_join", json!({})).await;
    arrived(&postgres, ack["rev"].as_u64().unwrap()).await;
    let today = postgres.sql("SELECT max(at_ms) FROM history_commits").unwrap().parse::<u64>().unwrap() / DAY_MS;
    for (ago, count) in [(31, 2), (30, 3)] {
        let day = today - ago;
        let (from, to) = (day * DAY_MS, (day + 1) * DAY_MS);
        let made = format!(
            "CREATE TABLE history_commits_d{day} PARTITION OF history_commits FOR VALUES FROM ({from}) TO ({to}); \
             INSERT INTO history_commits VALUES ('old', {count}, 1, 1, 1, {from}, '{{}}')"
        );
        postgres.sql(&made).unwrap();
    }
    drop(first);
    let second = hub(dir.path(), &postgres);
    let left = || postgres.sql("SELECT string_agg(rev::text, ',') FROM history_commits WHERE room = 'old'").unwrap();
    timeout(DEADLINE, async {
        while left() != "3" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("31 days ago is dropped, 30 days ago is kept");
    drop(second);
}

#[tokio::test]
async fn nodes_on_redis_write_one_history() {
    let (dir, bed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let postgres = Postgres::start(bed.path()).unwrap();
    let folder = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let redis = Redis::start(&folder("redis"), RedisOptions::default()).unwrap();
    let (one, two) = (folder("one"), folder("two"));
    let start = |data: &Path| {
        let (url, store) = (postgres.url(), redis.url());
        Hub::with(data, &[("HISTORY__URL", &url), ("STORE__KIND", "redis"), ("STORE__REDIS__URL", &store)])
    };
    let (mut first, second) = (start(&one), start(&two));
    let mut own = first.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut other = second.member("other").await;
    let mut rev = 0;
    for round in 0..3 {
        for _ in 0..20 {
            own.ok("queue_join", json!({})).await;
            other.ok("queue_join", json!({})).await;
            own.ok("queue_leave", json!({})).await;
            rev = other.ok("queue_leave", json!({})).await["rev"].as_u64().unwrap();
        }
        if round < 2 {
            first.kill();
            first = start(&one);
            own = first.resume(&own.welcome, json!([{"room_id": "r1"}])).await;
            own.wait("room_snapshot").await;
        }
    }
    arrived(&postgres, rev).await;
    let (url, store) = (postgres.url(), redis.url());
    let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(["replay", "r1", "--data"]).arg(&one).env("MICHUB_ADMIN__LISTEN", &first.admin);
    let command =
        command.env("MICHUB_HISTORY__URL", url).env("MICHUB_STORE__KIND", "redis").env("MICHUB_STORE__REDIS__URL", store);
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("from rev 0") && text.contains("nothing differs"), "{text}");
    let twice = postgres.sql("SELECT count(*) FROM (SELECT rev FROM history_commits GROUP BY rev HAVING count(*) > 1) AS twice");
    assert_eq!(twice.unwrap(), "0");
}
