//! The rules document by table: what is read, what is written back, and which mistake is named where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::rules::Rules,
    wire::rules::{KEYS, RulesJson, parse},
};
use serde_json::{Value, json};
use std::sync::Arc;

fn written(rules: Rules) -> Value {
    serde_json::to_value(RulesJson(Arc::new(rules))).unwrap()
}

const EXAMPLE: &str = r#"{ "max_mic_count": 8, "host_seat": true, "max_queue_len": 100, "queue_mode": "queue", "timeout_seconds": 180, "turn_max_total_seconds": 900,
  "on_deck_size": 1, "max_jumped_by": 10, "hold_seconds_queue": 120, "hold_seconds_seat": 30,
  "apply_ttl_seconds": 60, "invite_ttl_seconds": 30, "rejoin_cooldown_seconds": 0, "stream_stop_grace_seconds": 5,
  "mode_grace_seconds": 3, "mode_min_interval_seconds": 2, "chair_min_level": 600, "access": "open", "blacklist": ["b1", "b2"], "whitelist": ["w"],
  "roles": [ { "role_id": "vip", "level": 200, "priority_level": 50, "can_skip_queue": false, "timeout_seconds": 300 },
             { "role_id": "dj", "level": 300, "priority_level": -5, "can_skip_queue": true, "perms": ["queue_move", "history"] } ],
  "special_user_list": [ { "user_id": "u_42", "priority_level": 90, "until_ms": 1798700000000 }, { "user_id": "u_43", "priority_level": -1 } ],
  "time_based_rules": [ { "name": "VIP first", "days": ["fri", "sat"], "start": "20:00", "end": "22:00", "tz": "Asia/Shanghai",
      "boost": { "vip": 100 }, "deny_roles": ["guest"], "only_roles": ["vip"], "timeout_seconds": 120, "max_queue_len": 200 } ] }"#;

#[test]
fn what_is_read_is_written_back() {
    assert_eq!(written(parse(EXAMPLE).unwrap()), serde_json::from_str::<Value>(EXAMPLE).unwrap());
    let all = written(Rules::default());
    assert_eq!(all.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().len(), KEYS.len());
    assert!(KEYS.iter().all(|key| all.get(key).is_some()), "every key is shown");
    assert_eq!(parse("{}").unwrap(), Rules::default());
    assert_eq!(parse(&all.to_string()).unwrap(), Rules::default());
}

#[test]
fn null_is_a_value_only_where_a_key_is_optional() {
    for key in KEYS {
        let refused = parse(&format!(r#"{{"{key}":null}}"#)).unwrap_err();
        assert_eq!(refused.path, format!("/{key}"));
    }
    let role = |key: &str| format!(r#"{{"roles":[{{"role_id":"dj","{key}":null}}]}}"#);
    assert_eq!(parse(&role("level")).unwrap_err().path, "/roles/0/level");
    assert!(parse(&role("timeout_seconds")).is_ok());
    assert!(parse(r#"{"special_user_list":[{"user_id":"a","until_ms":null}]}"#).is_ok());
}

#[test]
fn a_missing_key_takes_its_default() {
    let rules = written(parse(r#"{"max_mic_count":3,"roles":[{"role_id":"host"},{"role_id":"dj"}]}"#).unwrap());
    let mut expected = written(Rules::default());
    expected["max_mic_count"] = json!(3);
    expected["roles"] = json!([
        {"role_id": "host", "level": 600, "priority_level": 0, "can_skip_queue": false},
        {"role_id": "dj", "level": 100, "priority_level": 0, "can_skip_queue": false},
    ]);
    assert_eq!(rules, expected);
}

#[test]
fn ranges_end_where_they_say() {
    for (key, least, most) in [
        ("max_mic_count", 1, 64),
        ("max_queue_len", 0, 2000),
        ("timeout_seconds", 0, 86_400),
        ("turn_max_total_seconds", 0, 86_400),
        ("on_deck_size", 0, 10),
        ("max_jumped_by", 0, 1000),
        ("hold_seconds_queue", 0, 3600),
        ("hold_seconds_seat", 0, 3600),
        ("apply_ttl_seconds", 5, 3600),
        ("invite_ttl_seconds", 5, 3600),
        ("rejoin_cooldown_seconds", 0, 86_400),
        ("stream_stop_grace_seconds", 0, 300),
        ("mode_grace_seconds", 0, 60),
        ("mode_min_interval_seconds", 0, 60),
        ("chair_min_level", 0, 1000),
    ] {
        for good in [least, most] {
            let rules = parse(&format!(r#"{{"{key}":{good}}}"#)).unwrap();
            assert_eq!(written(rules)[key], json!(good), "{key}");
        }
        for bad in [(least - 1).to_string(), (most + 1).to_string(), "1.5".to_owned(), "\"7\"".to_owned(), "1e400".to_owned()] {
            assert_eq!(parse(&format!(r#"{{"{key}":{bad}}}"#)).unwrap_err().path, format!("/{key}"), "{bad}");
        }
    }
}

#[test]
fn mistakes_are_named_by_a_pointer() {
    let window = r#""name":"w","start":"20:00","end":"22:00","tz":"UTC""#;
    let with = |fields: &str| format!(r#"{{"time_based_rules":[{{{window}{fields}}}]}}"#);
    let many = |n: usize, one: fn(usize) -> String| (0..n).map(one).collect::<Vec<_>>().join(",");
    for (text, path) in [
        ("[]".to_owned(), ""),
        ("7".to_owned(), ""),
        (r#"{"max_mics":3}"#.to_owned(), "/max_mics"),
        (r#"{"a/b~c":3}"#.to_owned(), "/a~1b~0c"),
        (r#"{"host_seat":1}"#.to_owned(), "/host_seat"),
        (r#"{"queue_mode":"party"}"#.to_owned(), "/queue_mode"),
        (r#"{"access":"all"}"#.to_owned(), "/access"),
        (r#"{"blacklist":"x"}"#.to_owned(), "/blacklist"),
        (r#"{"blacklist":["a","b c"]}"#.to_owned(), "/blacklist/1"),
        (r#"{"whitelist":[7]}"#.to_owned(), "/whitelist/0"),
        (r#"{"roles":{}}"#.to_owned(), "/roles"),
        (r#"{"roles":[7]}"#.to_owned(), "/roles/0"),
        (r#"{"roles":[{"level":5}]}"#.to_owned(), "/roles/0/role_id"),
        (r#"{"roles":[{"role_id":"dj","level":1001}]}"#.to_owned(), "/roles/0/level"),
        (r#"{"roles":[{"role_id":"dj"},{"role_id":"x","priority_level":1001}]}"#.to_owned(), "/roles/1/priority_level"),
        (r#"{"roles":[{"role_id":"dj","priority_level":-1001}]}"#.to_owned(), "/roles/0/priority_level"),
        (r#"{"roles":[{"role_id":"dj","timeout_seconds":86401}]}"#.to_owned(), "/roles/0/timeout_seconds"),
        (r#"{"roles":[{"role_id":"dj","color":"red"}]}"#.to_owned(), "/roles/0/color"),
        (r#"{"roles":[{"role_id":"dj","perms":["queue_move","fly"]}]}"#.to_owned(), "/roles/0/perms/1"),
        (r#"{"roles":[{"role_id":"dj"},{"role_id":"dj"}]}"#.to_owned(), "/roles/1/role_id"),
        (r#"{"roles":[{"role_id":"owner","level":999}]}"#.to_owned(), "/roles/0/level"),
        (r#"{"special_user_list":[{"priority_level":5}]}"#.to_owned(), "/special_user_list/0/user_id"),
        (r#"{"special_user_list":[{"user_id":"a","until_ms":-1}]}"#.to_owned(), "/special_user_list/0/until_ms"),
        (r#"{"special_user_list":[{"user_id":"a"},{"user_id":"a"}]}"#.to_owned(), "/special_user_list/1/user_id"),
        (with(r#","when":"now""#), "/time_based_rules/0/when"),
        (with(r#","days":["fri","friday"]"#), "/time_based_rules/0/days/1"),
        (with(r#","boost":{"vip":1001}"#), "/time_based_rules/0/boost/vip"),
        (with(r#","boost":{"v p":1}"#), "/time_based_rules/0/boost/v p"),
        (with(r#","boost":[]"#), "/time_based_rules/0/boost"),
        (with(r#","deny_roles":["v p"]"#), "/time_based_rules/0/deny_roles/0"),
        (with(r#","only_roles":"vip""#), "/time_based_rules/0/only_roles"),
        (with(r#","max_queue_len":2001"#), "/time_based_rules/0/max_queue_len"),
        (with(r#","timeout_seconds":-1"#), "/time_based_rules/0/timeout_seconds"),
        (with("").replace("22:00", "20:00"), "/time_based_rules/0/end"),
        (with("").replace("22:00", "24:00"), "/time_based_rules/0/end"),
        (with("").replace("20:00", "8pm"), "/time_based_rules/0/start"),
        (with("").replace("20:00", "+1:00"), "/time_based_rules/0/start"),
        (with("").replace("UTC", "Mars/Olympus"), "/time_based_rules/0/tz"),
        (with("").replace(r#","tz":"UTC""#, ""), "/time_based_rules/0/tz"),
        (with("").replace(r#""name":"w","#, ""), "/time_based_rules/0/name"),
        (format!(r#"{{"blacklist":[{}]}}"#, many(1001, |i| format!("\"u{i}\""))), "/blacklist"),
        (format!(r#"{{"roles":[{}]}}"#, many(201, |i| format!(r#"{{"role_id":"r{i}"}}"#))), "/roles"),
        (format!(r#"{{"special_user_list":[{}]}}"#, many(1001, |i| format!(r#"{{"user_id":"u{i}"}}"#))), "/special_user_list"),
        (
            format!(
                r#"{{"time_based_rules":[{}]}}"#,
                many(51, |_| r#"{"name":"w","start":"20:00","end":"22:00","tz":"UTC"}"#.to_owned())
            ),
            "/time_based_rules",
        ),
    ] {
        let bad = parse(&text).expect_err(&text);
        assert_eq!(bad.path, path, "{text}");
        assert!(!bad.message.is_empty());
    }
    let full = format!(r#"{{"blacklist":[{}]}}"#, many(1000, |i| format!("\"u{i}\"")));
    assert_eq!(parse(&full).unwrap().blacklist.len(), 1000);
}
