//! Roles, ownership, kicks and bans: who may do it to whom, and what follows in the same rev.
use super::table::Table;
use serde_json::{Value, json};

fn role(target: &str, role: Option<&str>) -> Value {
    json!({"type": "role_set", "target_user_id": target, "role_id": role})
}

/// A room with an admin, a host and a vip, in mode queue with one guest seat.
fn table() -> Table {
    let mut table = Table::new(&json!({"max_mic_count": 1}));
    for (user, role) in [("adm", "admin"), ("adm2", "admin"), ("hst", "host"), ("vi", "vip")] {
        table.role(user, role);
    }
    table
}

#[test]
fn roles_are_given_below_ones_own_level() {
    let mut t = table();
    for (actor, target, given, expected) in [
        ("adm", "a", Some("host"), "ok"),
        ("adm", "a", Some("admin"), "forbidden"),
        ("adm", "own", Some("admin"), "forbidden"),
        ("adm", "own", Some("vip"), "target_rank"),
        ("adm", "adm2", Some("vip"), "target_rank"),
        ("adm", "adm2", Some("pilot"), "target_rank"),
        ("adm", "a", Some("pilot"), "bad_argument"),
        ("own", "a", Some("admin"), "ok"),
        ("own", "a", Some("owner"), "forbidden"),
        ("service", "a", Some("owner"), "forbidden"),
        ("own", "own", None, "last_owner"),
        ("service", "own", Some("vip"), "last_owner"),
        ("hst", "b", Some("vip"), "forbidden"),
        ("adm2", "adm2", Some("vip"), "ok"),
        ("adm", "stranger", Some("vip"), "ok"),
    ] {
        assert_eq!(t.name(actor, &role(target, given)), expected, "{actor} makes {target} {given:?}");
    }
    t.ok("own", &role("b", Some("vip")));
    assert_eq!((&t.events[0]["role_id"], &t.events[0]["from"]), (&json!("vip"), &json!("member")));
    assert_eq!(t.ok("own", &role("b", Some("vip")))["noop"], true);
    t.ok("own", &role("b", None));
    assert_eq!((&t.events[0]["role_id"], &t.events[0]["from"]), (&Value::Null, &json!("vip")));
    assert_eq!(t.state()["roles"].get("b"), None);
    let gone = t.err("own", &json!({"type": "role_set", "target_user_id": "b"}));
    assert_eq!(gone.1["path"], "/role_id");
}

#[test]
fn a_persons_word_outlives_older_tokens() {
    let mut t = table();
    assert_eq!(t.state()["roles"], json!({"own": "owner", "adm": "admin", "adm2": "admin", "hst": "host", "vi": "vip"}));
    let issued = t.now;
    t.now += 1;
    t.ok("own", &role("adm", None));
    t.ok("own", &role("later", None));
    let now = t.now;
    t.now = issued;
    t.role("adm", "admin");
    t.role("later", "admin");
    assert_eq!((t.state()["roles"].get("adm"), t.state()["roles"].get("later")), (None, None), "null, too, also before he came");
    t.now = now + 1;
    t.role("adm", "admin");
    assert_eq!((&t.events[0]["event"], &t.events[0]["by"]), (&json!("role_changed"), &json!("hub")));
    t.role("boss", "owner");
    assert_eq!(t.state()["roles"]["boss"], "admin", "owner counts as admin");
    t.role("gue", "guest");
    assert_eq!(t.state()["roles"]["gue"], "guest");
    for nothing in ["member", "pilot"] {
        t.role("x", nothing);
        assert_eq!(t.events.len(), 0, "{nothing}");
    }
    t.role("own", "vip");
    assert_eq!(t.state()["owner_user_id"], "own");
    assert_eq!(t.events.len(), 0, "the owner keeps his role");
}

#[test]
fn roles_of_the_document_work_like_built_in_ones() {
    let rules = |level: u32| json!({"roles": [{"role_id": "dj", "level": level, "timeout_seconds": 7}, {"role_id": "vip", "level": 900}], "max_mic_count": 1});
    let mut t = Table::new(&rules(650));
    for (user, role) in [("disc", "dj"), ("vi", "vip"), ("hst", "host")] {
        t.role(user, role);
    }
    assert_eq!(t.state()["roles"]["disc"], "dj");
    t.ok("disc", &json!({"type": "seat_take", "seat_no": 1}));
    assert_eq!(t.name("hst", &json!({"type": "seat_kick", "target_user_id": "disc"})), "target_rank");
    assert_eq!(t.name("vi", &json!({"type": "queue_clear"})), "ok", "a level that the document changes");
    t.set_rules(&rules(100));
    assert_eq!(t.told(), ["rules_changed"], "a seat that he may not have any more stays his");
    assert_eq!(t.name("hst", &json!({"type": "seat_kick", "target_user_id": "disc"})), "ok");
    t.join("disc");
    let started = t.events.iter().find(|event| event["event"] == "turn_started").unwrap();
    assert_eq!(started["ends_at_ms"], t.now + 7_000, "the role's length of a turn");
    t.set_rules(&json!({"max_mic_count": 1}));
    assert_eq!(t.name("disc", &json!({"type": "queue_clear"})), "forbidden");
    assert_eq!(
        t.name("hst", &json!({"type": "seat_kick", "target_user_id": "disc"})),
        "ok",
        "a role that is gone counts as member"
    );
}

#[test]
fn whoever_loses_the_level_leaves_the_host_seat() {
    let mut t = table();
    t.ok("hst", &json!({"type": "seat_take", "seat_no": 1}));
    t.ok("own", &role("hst", Some("admin")));
    assert_eq!(t.told(), ["role_changed hst"]);
    t.ok("own", &role("hst", Some("vip")));
    assert_eq!(t.told(), ["role_changed hst", "seat_left hst role"]);
    assert_eq!(t.seats(), "");
}

#[test]
fn ownership_moves_to_a_member() {
    let mut t = table();
    let give = |target: &str| json!({"type": "owner_transfer", "target_user_id": target});
    t.line("gone", false);
    t.join("a");
    t.join("b");
    t.line("b", false);
    assert_eq!(t.name("adm", &give("a")), "forbidden");
    assert_eq!(t.err("own", &give("gone")), ("not_member".to_owned(), json!({"user_id": "gone", "held": false})));
    assert_eq!(t.ok("own", &give("own"))["noop"], true);
    t.ok("own", &give("a"));
    assert_eq!(t.told(), ["role_changed a", "role_changed own"]);
    assert_eq!(
        (&t.events[0]["role_id"], &t.events[1]["role_id"], &t.events[1]["from"]),
        (&json!("owner"), &json!("admin"), &json!("owner"))
    );
    assert_eq!(t.events[0]["rev"], t.events[1]["rev"]);
    let state = t.state();
    assert_eq!(
        (&state["owner_user_id"], &state["roles"]["a"], &state["roles"]["own"]),
        (&json!("a"), &json!("owner"), &json!("admin"))
    );
    assert_eq!(t.name("own", &give("own")), "forbidden");
    assert_eq!(t.name("a", &give("b")), "ok", "somebody away whose place is held is a member");
}

#[test]
fn an_old_owner_is_judged_like_anybody() {
    let document =
        json!({"access": "blacklist", "blacklist": ["own"], "max_mic_count": 2, "roles": [{"role_id": "admin", "level": 500}]});
    let mut t = Table::new(&document);
    t.join("own");
    t.join("a");
    t.ok("own", &json!({"type": "owner_transfer", "target_user_id": "a"}));
    assert_eq!(t.told(), ["role_changed a", "role_changed own", "seat_left own blacklisted", "turn_ended own blacklisted"]);
    let mut t = Table::new(&json!({"roles": [{"role_id": "admin", "level": 500}]}));
    t.ok("own", &json!({"type": "seat_take", "seat_no": 1}));
    t.ok("own", &json!({"type": "owner_transfer", "target_user_id": "a"}));
    assert_eq!(t.told(), ["role_changed a", "role_changed own", "seat_left own role"]);
}

#[test]
fn kicks_and_bans_need_rank_and_free_every_place() {
    for (command, event, reason) in [
        (json!({"type": "user_kick"}), "member_kicked", "kicked"),
        (json!({"type": "user_ban", "reason": "spam"}), "member_banned", "banned"),
    ] {
        let mut t = table();
        let at = |target: &str| {
            let mut command = command.clone();
            command["target_user_id"] = json!(target);
            command
        };
        for (actor, target, expected) in
            [("hst", "a", "forbidden"), ("adm", "adm2", "target_rank"), ("adm", "own", "target_rank"), ("adm", "hst", "ok")]
        {
            assert_eq!(t.name(actor, &at(target)), expected, "{actor} {command} {target}");
        }
        t.queue("s a b");
        t.ok("adm", &at("a"));
        assert_eq!(
            t.told(),
            [
                format!("{event} a{}", if reason == "banned" { " spam" } else { "" }),
                format!("queue_left a {reason}"),
                "queue_on_deck b".to_owned()
            ]
        );
        t.ok("adm", &at("s"));
        assert_eq!(
            t.told()[1..],
            [
                format!("seat_left s {reason}"),
                format!("turn_ended s {reason}"),
                "queue_left b promoted".into(),
                "seat_taken b".into(),
                "turn_started b".into()
            ]
        );
        let mut t = Table::new(&json!({"queue_mode": "apply"}));
        t.ok("a", &json!({"type": "apply_submit"}));
        t.ok("own", &json!({"type": "invite_send", "target_user_id": "a"}));
        t.ok("own", &at("a"));
        assert_eq!(t.told()[1..], ["apply_ended a", "invite_ended a"]);
    }
    let mut t = table();
    t.line("gone", false);
    assert_eq!(
        t.err("adm", &json!({"type": "user_kick", "target_user_id": "gone"})),
        ("not_member".to_owned(), json!({"user_id": "gone", "held": false}))
    );
    t.queue("s a");
    t.line("a", false);
    assert_eq!(t.name("adm", &json!({"type": "user_kick", "target_user_id": "a"})), "ok", "somebody held is a member");
}

#[test]
fn bans_end_and_are_lifted() {
    let mut t = table();
    let ban = |target: &str, until: Option<u64>| json!({"type": "user_ban", "target_user_id": target, "until_ms": until});
    let unban = |target: &str| json!({"type": "user_unban", "target_user_id": target});
    t.ok("adm", &ban("stranger", None));
    assert_eq!((&t.state()["bans"], &t.events[0]["until_ms"]), (&json!({"stranger": null}), &Value::Null));
    assert_eq!(t.ok("adm", &ban("stranger", None))["noop"], true);
    let until = t.now + 10;
    t.ok("adm", &ban("stranger", Some(until)));
    assert_eq!(t.err("adm", &ban("b", Some(t.now))).1["path"], "/until_ms");
    assert_eq!(t.err("stranger", &json!({"type": "queue_join"})), ("blacklisted".to_owned(), json!({"until_ms": until})));
    assert_eq!(t.name("adm", &json!({"type": "seat_assign", "target_user_id": "stranger"})), "blacklisted");
    assert_eq!(t.name("own", &ban("own", None)), "last_owner");
    assert_eq!(t.name("hst", &unban("stranger")), "forbidden");
    t.ok("own", &ban("adm2", None));
    assert_eq!(t.name("adm", &unban("adm2")), "target_rank");
    t.ok("adm", &unban("stranger"));
    assert_eq!(t.told(), ["member_unbanned stranger"]);
    assert_eq!(t.ok("adm", &unban("stranger"))["noop"], true);
    t.ok("adm", &ban("stranger", Some(t.now + 10)));
    t.ok("adm", &json!({"type": "queue_ban", "target_user_id": "b", "until_ms": t.now + 10}));
    t.ok("adm", &json!({"type": "talk_mute", "target_user_id": "b", "until_ms": t.now + 10}));
    let shown = |t: &Table| [&t.state()["bans"], &t.state()["queue_bans"], &t.state()["talk"]].map(|part| part.to_string());
    t.now += 9;
    assert!(shown(&t).iter().zip(["stranger", "b", "b"]).all(|(part, user)| part.contains(user)), "{:?}", shown(&t));
    t.now += 1;
    assert_eq!(shown(&t), [r#"{"adm2":null}"#, "{}", "null"], "what is over is not shown any more");
    assert_eq!(t.name("stranger", &json!({"type": "queue_join"})), "ok", "a ban ends by itself");
    assert_eq!(t.ok("adm", &unban("stranger"))["noop"], true);
    for i in 0..1000 {
        t.name("own", &ban(&format!("x{i}"), None));
    }
    assert_eq!(t.name("own", &ban("one_more", None)), "too_many");
    assert_eq!(t.name("own", &ban("x7", Some(t.now + 5))), "ok", "one who is banned already may be banned otherwise");
}

#[test]
fn a_queue_ban_ends_waiting_and_applying_but_not_sitting() {
    let mut t = table();
    let ban = |target: &str, until: u64| json!({"type": "queue_ban", "target_user_id": target, "until_ms": until});
    let until = t.now + 1000;
    t.queue("s a b");
    t.ok("adm", &ban("a", until));
    assert_eq!(t.told(), ["queue_banned a", "queue_left a queue_banned", "queue_on_deck b"]);
    t.ok("adm", &ban("s", until));
    assert_eq!(t.told(), ["queue_banned s"]);
    assert_eq!(t.seats(), "2:s");
    assert_eq!(t.state()["queue_bans"], json!({"a": until, "s": until}));
    let refused = ("blacklisted".to_owned(), json!({"until_ms": until}));
    assert_eq!(t.err("a", &json!({"type": "queue_join"})), refused);
    assert_eq!(t.err("adm", &json!({"type": "queue_insert", "target_user_id": "a", "place": "back"})), refused);
    assert_eq!(t.err("adm", &json!({"type": "seat_assign", "target_user_id": "a"})), refused);
    t.ok("own", &ban("hst", until));
    assert_eq!(t.err("hst", &json!({"type": "seat_take", "seat_no": 1})), refused);
    assert_eq!(t.ok("adm", &ban("a", until))["noop"], true);
    assert_eq!(t.name("adm", &ban("adm2", until)), "target_rank");
    assert_eq!(t.name("adm", &json!({"type": "queue_ban", "target_user_id": "a"})), "bad_argument");
    t.ok("adm", &ban("a", 0));
    assert_eq!(t.events[0]["until_ms"], 0);
    assert_eq!(t.name("a", &json!({"type": "queue_join"})), "ok");
    assert_eq!(t.ok("adm", &ban("a", 0))["noop"], true);
    t.now = until;
    assert_eq!(t.name("hst", &json!({"type": "seat_take", "seat_no": 1})), "ok", "it ends by itself");
    let mut t = Table::new(&json!({"queue_mode": "apply"}));
    t.ok("a", &json!({"type": "apply_submit"}));
    t.ok("own", &ban("a", t.now + 1));
    assert_eq!(t.told(), ["queue_banned a", "apply_ended a"]);
    assert_eq!(t.name("a", &json!({"type": "apply_submit"})), "blacklisted");
}

#[test]
fn a_closed_room_is_over() {
    let mut t = table();
    t.queue("s a");
    assert_eq!(t.name("adm", &json!({"type": "room_close"})), "forbidden");
    t.ok("own", &json!({"type": "room_close", "reason": "night"}));
    assert_eq!(
        t.told(),
        ["room_closed night", "seat_left s room_closed", "turn_ended s room_closed", "queue_left a room_closed"]
    );
    for who in ["own", "a", "service"] {
        assert_eq!(t.name(who, &json!({"type": "queue_join"})), "room_closed");
        assert_eq!(t.name(who, &json!({"type": "rules_set", "rules": {}})), "room_closed");
    }
    assert_eq!(t.state()["status"], "closed");
}
