//! Who is admitted, in which order the rules are asked, and with which priority somebody joins.
use super::table::Table;
use serde_json::{Value, json};

/// Friday 1 May 2026, 20:00 in Shanghai.
const FRIDAY_EIGHT: u64 = 1_777_636_800_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn join() -> Value {
    json!({"type": "queue_join"})
}

/// A document whose guest seats never promote anybody away.
fn rules(mut more: Value) -> Value {
    let mut document = json!({"queue_mode": "chair", "rejoin_cooldown_seconds": 10});
    document.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    document
}

fn evening(mut more: Value) -> Value {
    let mut window = json!({"name": "evening", "start": "20:00", "end": "22:00", "tz": "Asia/Shanghai"});
    window.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    window
}

#[test]
fn the_lists_count_as_access_says() {
    for (access, black, listed, plain) in [
        ("open", "ok", "ok", "ok"),
        ("blacklist", "blacklisted", "ok", "ok"),
        ("whitelist", "blacklisted", "ok", "not_whitelisted"),
    ] {
        let mut table = Table::new(&rules(json!({"access": access, "blacklist": ["bad"], "whitelist": ["bad", "good"]})));
        let got = ["bad", "good", "plain", "own"].map(|who| table.name(who, &join()));
        assert_eq!(got, [black, listed, plain, "ok"], "{access}");
    }
}

#[test]
fn each_check_has_its_place_in_the_order() {
    // Everything stands against `a`; it is lifted one by one, first what must be told first.
    let window = evening(json!({"deny_roles": ["member"]}));
    let mut document =
        rules(json!({"access": "whitelist", "blacklist": ["a"], "time_based_rules": [window], "max_queue_len": 1}));
    let mut table = Table::at(FRIDAY_EIGHT, &document);
    table.join("own");
    table.ok("own", &json!({"type": "flag_set", "flag": "queue_open", "on": false}));
    table.ok("own", &json!({"type": "queue_ban", "target_user_id": "a", "until_ms": FRIDAY_EIGHT + HOUR}));
    assert_eq!(table.name("a", &join()), "queue_closed");
    table.ok("own", &json!({"type": "flag_set", "flag": "queue_open", "on": true}));
    assert_eq!(table.err("a", &join()), ("blacklisted".to_owned(), json!({"until_ms": FRIDAY_EIGHT + HOUR})));
    table.ok("own", &json!({"type": "queue_ban", "target_user_id": "a", "until_ms": 0}));
    assert_eq!(table.err("a", &join()), ("blacklisted".to_owned(), json!({"until_ms": null})));
    document["blacklist"] = json!([]);
    table.set_rules(&document);
    assert_eq!(table.err("a", &join()), ("window_closed".to_owned(), json!({"opens_at_ms": FRIDAY_EIGHT + 2 * HOUR})));
    document["time_based_rules"] = json!([]);
    table.set_rules(&document);
    assert_eq!(table.name("a", &join()), "not_whitelisted");
    document["whitelist"] = json!(["a"]);
    document["max_queue_len"] = json!(2);
    table.set_rules(&document);
    table.join("a");
    assert_eq!(table.err("a", &join()), ("already_queued".to_owned(), json!({"index": 1})));
    table.ok("a", &json!({"type": "queue_leave"}));
    document["max_queue_len"] = json!(1);
    table.set_rules(&document);
    assert_eq!(table.err("a", &join()), ("cooldown".to_owned(), json!({"until_ms": FRIDAY_EIGHT + 10_000})));
    table.now += 10_000;
    assert_eq!(table.err("a", &join()), ("queue_full".to_owned(), json!({"limit": 1})));
    document["max_queue_len"] = json!(2);
    table.set_rules(&document);
    assert_eq!(table.join("a")["index"], 1);
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "a"}));
    assert_eq!(table.name("a", &join()), "already_seated");
}

#[test]
fn hours_refuse_and_say_when_they_open() {
    for (window, refused, admitted) in [
        (json!({"deny_roles": ["member", "guest"]}), &["plain", "gue"][..], &["vi", "own"][..]),
        (json!({"only_roles": ["vip"]}), &["plain", "gue", "adm"], &["vi", "own"]),
        (json!({"only_roles": ["vip", "member"], "deny_roles": ["member"]}), &["plain", "gue"], &["vi"]),
        (json!({"only_roles": ["vip"], "days": ["sat"]}), &[], &["plain", "vi"]),
    ] {
        let mut table = Table::at(FRIDAY_EIGHT, &rules(json!({"time_based_rules": [evening(window.clone())]})));
        for (who, role) in [("vi", "vip"), ("gue", "guest"), ("adm", "admin")] {
            table.role(who, role);
        }
        for who in refused {
            let expected = ("window_closed".to_owned(), json!({"opens_at_ms": FRIDAY_EIGHT + 2 * HOUR}));
            assert_eq!(table.err(who, &join()), expected, "{who} {window}");
        }
        for who in admitted {
            assert_eq!(table.name(who, &join()), "ok", "{who} {window}");
        }
        table.now = FRIDAY_EIGHT + 2 * HOUR;
        for who in refused {
            assert_eq!(table.name(who, &join()), "ok", "{who} after {window}");
        }
    }
    let never = [json!({"start": "00:00", "end": "12:00"}), json!({"start": "12:00", "end": "00:00"})].map(|hours| {
        let mut window = evening(json!({"only_roles": ["vip"]}));
        window["start"] = hours["start"].clone();
        window["end"] = hours["end"].clone();
        window
    });
    let mut table = Table::at(FRIDAY_EIGHT, &rules(json!({"time_based_rules": never})));
    assert_eq!(table.err("plain", &join()), ("window_closed".to_owned(), json!({"opens_at_ms": null})));
}

#[test]
fn a_window_gives_the_length_of_the_queue() {
    let window = evening(json!({"max_queue_len": 2}));
    let mut table = Table::at(FRIDAY_EIGHT - 1, &rules(json!({"max_queue_len": 1, "time_based_rules": [window]})));
    table.join("a");
    assert_eq!(table.err("b", &join()).1, json!({"limit": 1}));
    table.now += 1;
    table.join("b");
    assert_eq!(table.err("c", &join()).1, json!({"limit": 2}));
    table.now += 2 * HOUR;
    assert_eq!(table.err("c", &join()).1, json!({"limit": 1}), "nobody is sent away");
    assert_eq!(table.order(), "a b");
}

#[test]
fn priority_and_why() {
    let windows = [
        evening(json!({"name": "VIP first", "boost": {"vip": 100}})),
        evening(json!({"name": "all", "boost": {"vip": 1, "member": -3}})),
    ];
    let document = rules(json!({
        "roles": [{"role_id": "vip", "priority_level": 50}, {"role_id": "dj", "level": 300, "can_skip_queue": true, "priority_level": 7}],
        "special_user_list": [
            {"user_id": "star", "priority_level": 90},
            {"user_id": "faded", "priority_level": 90, "until_ms": FRIDAY_EIGHT},
            {"user_id": "vi_low", "priority_level": 20}, {"user_id": "vi_high", "priority_level": 60, "until_ms": FRIDAY_EIGHT + 1}],
        "time_based_rules": windows,
        "on_deck_size": 0,
    }));
    for (now, who, number, skips, why) in [
        (FRIDAY_EIGHT - HOUR, "plain", 0, false, &[][..]),
        (FRIDAY_EIGHT - HOUR, "vi", 50, false, &["role:vip priority 50"]),
        (FRIDAY_EIGHT - HOUR, "star", 90, false, &["special priority 90"]),
        (FRIDAY_EIGHT - HOUR, "faded", 90, false, &["special priority 90"]),
        (FRIDAY_EIGHT, "faded", -3, false, &["window \"all\" boost -3"]),
        (FRIDAY_EIGHT, "vi", 151, false, &["role:vip priority 50", "window \"VIP first\" boost 100", "window \"all\" boost 1"]),
        (FRIDAY_EIGHT - HOUR, "vi_low", 50, false, &["role:vip priority 50"]),
        (
            FRIDAY_EIGHT,
            "vi_high",
            161,
            false,
            &["special priority 60", "window \"VIP first\" boost 100", "window \"all\" boost 1"],
        ),
        (FRIDAY_EIGHT, "disc", 7, true, &["role:dj priority 7", "skip_queue"]),
    ] {
        let mut table = Table::at(now, &document);
        for (user, role) in [("vi", "vip"), ("vi_low", "vip"), ("vi_high", "vip"), ("disc", "dj")] {
            table.role(user, role);
        }
        let ack = table.join(who);
        assert_eq!((&ack["eff_priority"], &ack["why"]), (&json!(number), &json!(why)), "{who} at {now}");
        assert_eq!(ack["skip_queue"], if skips { json!(true) } else { Value::Null }, "{who}");
    }
}

#[test]
fn an_insert_walks_past_lower_numbers_and_says_where_it_stopped() {
    let document = rules(json!({
        "roles": [{"role_id": "vip", "priority_level": 50}, {"role_id": "dj", "level": 300, "can_skip_queue": true}],
        "special_user_list": [{"user_id": "star", "priority_level": 90}], "on_deck_size": 1, "max_jumped_by": 2,
    }));
    let table = || {
        let mut table = Table::new(&document);
        for (user, role) in [("v1", "vip"), ("v2", "vip"), ("v3", "vip"), ("v4", "vip"), ("dj1", "dj"), ("dj2", "dj")] {
            table.role(user, role);
        }
        table
    };
    let mut t = table();
    t.queue("a b c");
    assert_eq!(t.join("v1")["why"], json!(["role:vip priority 50", "stopped at on_deck"]));
    assert_eq!(t.join("v2")["why"], json!(["role:vip priority 50"]), "an equal number is first come, first served");
    assert_eq!(t.order(), "a v1 v2 b c");
    assert_eq!(t.join("v3")["why"], json!(["role:vip priority 50", "stopped at max_jumped_by c"]));
    assert_eq!(t.order(), "a v1 v2 b c v3");
    let mut t = table();
    t.queue("a b c d");
    t.ok("own", &json!({"type": "queue_move", "target_user_id": "d", "place": {"after": "b"}}));
    assert_eq!(t.join("star")["why"], json!(["special priority 90", "stopped at pinned d"]));
    assert_eq!(t.order(), "a b d star c");
    let mut t = table();
    t.queue("a star b");
    assert_eq!(t.order(), "a star b");
    assert_eq!(t.join("dj1")["why"], json!(["skip_queue", "stopped at on_deck"]), "above every number");
    assert_eq!(t.join("dj2")["why"], json!(["skip_queue"]), "skippers are equals");
    assert_eq!(t.order(), "a dj1 dj2 star b");
    let jumped: Vec<u32> = t.room().queue.entries.iter().map(|entry| entry.jumped_by).collect();
    assert_eq!(jumped, [0, 0, 0, 2, 2]);
    assert_eq!(t.join("v1")["why"], json!(["role:vip priority 50", "stopped at max_jumped_by b"]));
}

#[test]
fn the_number_is_frozen_when_somebody_joins() {
    let vip = |priority: i64| rules(json!({"roles": [{"role_id": "vip", "priority_level": priority}], "on_deck_size": 0}));
    let mut table = Table::new(&vip(50));
    table.role("v", "vip");
    table.queue("a b v");
    assert_eq!(table.order(), "v a b");
    table.set_rules(&vip(-50));
    assert_eq!(table.told(), ["rules_changed"]);
    assert_eq!(table.order(), "v a b", "a change of the rules moves nobody");
    table.ok("own", &json!({"type": "role_set", "target_user_id": "v", "role_id": null}));
    assert_eq!(table.order(), "v a b", "nor does a change of the role");
    table.ok("own", &json!({"type": "queue_move", "target_user_id": "v", "place": "back"}));
    table.ok("own", &json!({"type": "queue_resort"}));
    assert_eq!(table.order(), "v a b", "resorting uses the number of then");
}

#[test]
fn who_is_placed_by_hand_has_a_number_too() {
    let mut table =
        Table::new(&rules(json!({"special_user_list": [{"user_id": "star", "priority_level": 90}], "on_deck_size": 0})));
    table.queue("a b");
    let ack = table.ok("own", &json!({"type": "queue_insert", "target_user_id": "star", "place": "back"}));
    assert_eq!((&ack["eff_priority"], &ack["pinned"], &ack["index"]), (&json!(90), &json!(true), &json!(2)));
    table.ok("own", &json!({"type": "queue_resort"}));
    assert_eq!(table.order(), "star a b");
}

#[test]
fn an_insert_skips_what_a_join_would_be_refused_for() {
    let window = evening(json!({"deny_roles": ["member"]}));
    let document = rules(json!({"access": "blacklist", "blacklist": ["bad"], "time_based_rules": [window], "max_queue_len": 1}));
    let mut table = Table::at(FRIDAY_EIGHT, &document);
    table.join("own");
    table.ok("own", &json!({"type": "flag_set", "flag": "queue_open", "on": false}));
    let insert = |who: &str, respect: bool| json!({"type": "queue_insert", "target_user_id": who, "place": "back", "respect_rules": respect});
    assert_eq!(table.name("own", &insert("bad", false)), "blacklisted");
    assert_eq!(table.name("own", &insert("a", true)), "queue_closed");
    table.ok("own", &json!({"type": "flag_set", "flag": "queue_open", "on": true}));
    assert_eq!(table.name("own", &insert("a", true)), "window_closed");
    table.now += 2 * HOUR;
    assert_eq!(table.name("own", &insert("a", true)), "queue_full");
    table.now = FRIDAY_EIGHT + 24 * HOUR;
    assert_eq!(table.name("own", &insert("a", false)), "ok");
    assert_eq!(table.err("own", &insert("a", false)), ("already_queued".to_owned(), json!({"index": 1})));
    let next_to = |who: &str, anchor: &str| json!({"type": "queue_insert", "target_user_id": who, "place": {"before": anchor}});
    assert_eq!(table.name("own", &next_to("bad", "bad")), "blacklisted");
    assert_eq!(table.name("own", &next_to("b", "b")), "self_anchor");
    assert_eq!(table.err("own", &next_to("b", "nobody")), ("anchor_gone".to_owned(), json!({"before": null, "after": null})));
    assert_eq!(table.err("own", &json!({"type": "queue_insert", "target_user_id": "b", "place": {"up": 1}})).1["path"], "/place");
    table.line("c", false);
    assert_eq!(table.err("own", &insert("c", false)), ("not_member".to_owned(), json!({"user_id": "c", "held": false})));
}

#[test]
fn the_owner_is_always_admitted() {
    let window = evening(json!({"only_roles": ["vip"], "deny_roles": ["owner"]}));
    let document = rules(json!({"access": "whitelist", "blacklist": ["own"], "time_based_rules": [window]}));
    let mut table = Table::at(FRIDAY_EIGHT, &document);
    table.join("own");
    table.ok("own", &json!({"type": "queue_leave"}));
    table.join("own");
}

#[test]
fn a_cooldown_begins_when_somebody_leaves() {
    let mut table = Table::new(&rules(json!({})));
    for (leave, who) in [
        (json!({"type": "queue_leave"}), "a"),
        (json!({"type": "queue_remove", "target_user_ids": ["b"]}), "own"),
        (json!({"type": "user_kick", "target_user_id": "c"}), "own"),
    ] {
        let left = if who == "own" { leave["target_user_id"].as_str().unwrap_or("b").to_owned() } else { who.to_owned() };
        table.join(&left);
        table.ok(who, &leave);
        assert_eq!(table.err(&left, &join()), ("cooldown".to_owned(), json!({"until_ms": table.now + 10_000})), "{leave}");
        table.now += 9_999;
        assert_eq!(table.name(&left, &join()), "cooldown");
        table.now += 1;
        assert_eq!(table.name(&left, &join()), "ok");
    }
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "a"}));
    table.ok("own", &json!({"type": "seat_kick", "target_user_id": "a", "cooldown_seconds": 60}));
    assert_eq!(table.err("a", &join()).1, json!({"until_ms": table.now + 60_000}), "the longer one counts");
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "b"}));
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "c", "seat_no": 2, "policy": "replace"}));
    assert_eq!(table.name("b", &join()), "ok", "who was replaced need not wait");
}
