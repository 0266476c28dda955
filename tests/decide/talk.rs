//! Who may say what: the room's part of it.
use super::table::{Table, id};
use michub::hub::{actor::Actor, talk::Weight, time::UnixMs};
use serde_json::{Value, json};

fn may(table: &Table, actor: &Actor, weight: Weight, last: Option<u64>) -> Option<(&'static str, Value)> {
    let refused = table.room().check_talk(actor, weight, last.map(UnixMs), UnixMs(table.now)).err()?;
    Some((refused.code().name(), Value::Object(michub::wire::server::details(&refused))))
}

fn person(name: &str) -> Actor {
    Actor::User(id(name))
}

#[test]
fn levels_are_per_class() {
    let mut table = Table::new(&json!({}));
    table.role("hst", "host");
    table.role("adm", "admin");
    assert_eq!(table.name("hst", &json!({"type": "talk_set", "must_level": 600})), "forbidden");
    assert_eq!(may(&table, &person("a"), Weight::Must, None), None, "everybody everything at first");
    assert_eq!(table.state().get("talk"), None);
    let ack = table.ok("adm", &json!({"type": "talk_set", "must_level": 600, "droppable_level": 10}));
    assert_eq!((&ack["must_level"], &ack["normal_level"], &ack["slow_mode_seconds"]), (&json!(600), &json!(0), &json!(0)));
    assert_eq!(table.ok("adm", &json!({"type": "talk_set", "must_level": 600}))["noop"], true);
    assert_eq!(may(&table, &person("a"), Weight::Must, None), Some(("forbidden", json!({}))));
    assert_eq!(may(&table, &person("a"), Weight::Normal, None), None);
    assert_eq!(may(&table, &person("hst"), Weight::Must, None), None);
    assert_eq!(may(&table, &Actor::Service, Weight::Must, None), None);
    assert_eq!(table.state()["talk"]["must_level"], 600);
    table.ok("adm", &json!({"type": "talk_set", "slow_mode_seconds": 5}));
    assert_eq!(table.room().talk.levels.must, 600, "what is not named stays");
}

#[test]
fn slow_mode_counts_per_person() {
    let mut table = Table::new(&json!({}));
    table.role("hst", "host");
    table.role("adm", "admin");
    table.ok("own", &json!({"type": "talk_set", "slow_mode_seconds": 10}));
    let now = table.now;
    let soon = Some(("too_soon", json!({"until_ms": now + 1})));
    assert_eq!(may(&table, &person("a"), Weight::Normal, Some(now - 9_999)), soon);
    assert_eq!(may(&table, &person("hst"), Weight::Droppable, Some(now - 9_999)), soon);
    assert_eq!(may(&table, &person("a"), Weight::Normal, Some(now - 10_000)), None);
    assert_eq!(may(&table, &person("adm"), Weight::Normal, Some(now)), None, "admins need not wait");
    assert_eq!(may(&table, &Actor::Service, Weight::Normal, Some(now)), None);
}

#[test]
fn mutes_need_rank_and_end() {
    let mut table = Table::new(&json!({}));
    table.role("adm", "admin");
    table.role("two", "admin");
    let mute = |person: &str, until: Value| json!({"type": "talk_mute", "target_user_id": person, "until_ms": until});
    assert_eq!(table.name("a", &mute("b", Value::Null)), "forbidden");
    assert_eq!(table.name("adm", &mute("two", Value::Null)), "target_rank");
    assert_eq!(table.ok("adm", &mute("a", json!(0)))["noop"], true, "nothing to lift");
    let until = table.now + 1000;
    assert_eq!(table.ok("adm", &mute("a", json!(until)))["until_ms"], until);
    assert_eq!(table.ok("adm", &mute("a", json!(until)))["noop"], true);
    assert_eq!(may(&table, &person("a"), Weight::Droppable, None), Some(("forbidden", json!({"until_ms": until}))));
    table.now = until;
    assert_eq!(may(&table, &person("a"), Weight::Droppable, None), None, "it is over");
    table.ok("adm", &mute("a", Value::Null));
    assert_eq!(may(&table, &person("a"), Weight::Must, None), Some(("forbidden", json!({"until_ms": null}))));
    assert_eq!(table.state()["talk"]["mutes"], json!({"a": null}));
    table.ok("adm", &mute("a", json!(0)));
    assert_eq!(may(&table, &person("a"), Weight::Must, None), None);
    assert_eq!(table.state().get("talk"), None);
    table.ok("own", &json!({"type": "room_close"}));
    assert_eq!(may(&table, &Actor::Service, Weight::Must, None), Some(("room_closed", json!({}))));
}
