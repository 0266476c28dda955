//! A change of the rules: one commit, its effects in the same rev, and all that it must leave alone.
use super::table::Table;
use serde_json::{Value, json};

fn set(document: &Value) -> Value {
    json!({"type": "rules_set", "rules": document})
}

#[test]
fn the_whole_document_is_checked_in_its_turn() {
    let mut table = Table::new(&json!({}));
    let bad = json!({"max_mic_count": 0});
    table.role("adm", "admin");
    assert_eq!(table.name("adm", &set(&bad)), "forbidden", "who may not, hears that first");
    let (name, details) = table.err("own", &set(&bad));
    assert_eq!(
        (name.as_str(), &details["path"], &details["message"]),
        ("bad_rules", &json!("/max_mic_count"), &json!("1 to 64 seats"))
    );
    assert_eq!(table.err("own", &set(&json!([]))).1["path"], "");
    assert_eq!(
        table.err("own", &json!({"type": "rules_set"})),
        ("bad_argument".to_owned(), json!({"path": "/rules", "expected": "a rules document"}))
    );
    let guarded = |rev: u64, document: &Value| json!({"type": "rules_set", "rules": document, "if_rules_rev": rev});
    assert_eq!(table.name("own", &guarded(7, &bad)), "bad_rules", "before stale_rev");
    assert_eq!(table.err("own", &guarded(7, &json!({}))), ("stale_rev".to_owned(), json!({"rev": 0})));
    let stale = json!({"type": "rules_set", "rules": bad, "if_rev": 77});
    assert_eq!(table.name("own", &stale), "stale_rev", "the room's own position comes first");
    let (name, details) = table.err("own", &set(&json!({"host_seat": false})));
    assert_eq!((name.as_str(), &details["path"]), ("bad_rules", &json!("/host_seat")));
    assert_eq!(table.ok("own", &guarded(0, &json!({"timeout_seconds": 9})))["rules_rev"], 1);
    assert_eq!(table.name("own", &guarded(0, &json!({"timeout_seconds": 8}))), "stale_rev");
}

#[test]
fn a_change_is_one_commit_and_says_everything() {
    let mut table = Table::new(&json!({"max_queue_len": 7}));
    let rev = table.room().head.rev;
    let ack = table.set_rules(&json!({"timeout_seconds": 60}));
    assert_eq!((&ack["rev"], &ack["rules_rev"]), (&json!(rev + 1), &json!(1)));
    assert_eq!(table.events.len(), 1);
    let rules = &table.events[0]["rules"];
    assert_eq!(
        (&rules["timeout_seconds"], &rules["max_queue_len"]),
        (&json!(60), &json!(100)),
        "what is missing is the default again"
    );
    let state = table.state();
    assert_eq!((&state["rules"], &state["rules_rev"]), (rules, &json!(1)));
    let again = table.set_rules(&json!({"timeout_seconds": 60}));
    assert_eq!((&again["noop"], &again["rev"]), (&json!(true), &json!(rev + 1)));
}

#[test]
fn who_is_newly_blacklisted_leaves_at_once() {
    let base = json!({"max_mic_count": 2, "rejoin_cooldown_seconds": 10});
    let mut table = Table::new(&base);
    table.queue("s1 s2 a b c");
    table.role("adm", "admin");
    table.ok("own", &json!({"type": "seat_take", "seat_no": 1}));
    let rev = table.room().head.rev;
    let mut document = base.clone();
    document["access"] = json!("open");
    document["blacklist"] = json!(["b"]);
    table.set_rules(&document);
    assert_eq!(table.told(), ["rules_changed"], "access open uses no list");
    document["access"] = json!("blacklist");
    document["blacklist"] = json!(["b", "s1", "own", "stranger", "b"]);
    table.set_rules(&document);
    let reasons: Vec<String> = table.told();
    assert_eq!(
        reasons,
        [
            "rules_changed",
            "seat_left s1 blacklisted",
            "turn_ended s1 blacklisted",
            "queue_left b blacklisted",
            "queue_left a promoted",
            "seat_taken a",
            "turn_started a",
            "queue_on_deck c",
        ]
    );
    assert!(table.events.iter().all(|event| event["rev"] == json!(rev + 2)), "one rev");
    assert_eq!((table.seats().as_str(), table.order().as_str()), ("1:own 2:a 3:s2", "c"), "the owner stays");
    document["access"] = json!("whitelist");
    document["blacklist"] = json!([]);
    table.set_rules(&document);
    assert_eq!(table.told(), ["rules_changed"], "the whitelist acts on the next join");
    document["access"] = json!("open");
    table.set_rules(&document);
    assert_eq!(table.name("b", &json!({"type": "queue_join"})), "cooldown");
}

#[test]
fn a_blacklisting_ends_applications_and_invitations() {
    let base = json!({"queue_mode": "apply", "max_mic_count": 2});
    let mut table = Table::new(&base);
    table.ok("a", &json!({"type": "apply_submit"}));
    table.ok("b", &json!({"type": "apply_submit"}));
    table.ok("own", &json!({"type": "invite_send", "target_user_id": "c"}));
    table.set_rules(&json!({"queue_mode": "apply", "max_mic_count": 2, "access": "blacklist", "blacklist": ["a", "c"]}));
    assert_eq!(table.told(), ["rules_changed", "apply_ended a", "invite_ended c"]);
    assert_eq!(table.events[1]["outcome"], "cancelled");
    assert_eq!(table.name("a", &json!({"type": "apply_submit"})), "blacklisted");
    assert_eq!(table.room().asks.applies.len(), 1);
}

#[test]
fn surplus_seats_close_and_go_when_they_empty() {
    let rules = |seats: u32| json!({"max_mic_count": seats, "queue_mode": "chair"});
    let mut table = Table::new(&rules(5));
    for (who, seat) in [("a", 2), ("b", 4), ("c", 5)] {
        table.ok("own", &json!({"type": "seat_assign", "target_user_id": who, "seat_no": seat}));
    }
    table.ok("own", &json!({"type": "invite_send", "target_user_id": "i", "seat_no": 6}));
    table.set_rules(&rules(2));
    assert_eq!(table.told(), ["rules_changed", "invite_ended i"], "nobody loses his seat");
    let shown = |table: &Table| -> Vec<(u64, bool)> {
        let state = table.state();
        let seats = state["seats"].as_array().unwrap();
        seats.iter().map(|seat| (seat["no"].as_u64().unwrap(), seat["closing"].as_bool().unwrap())).collect()
    };
    assert_eq!(shown(&table), [(1, false), (2, false), (3, false), (4, true), (5, true)]);
    let take = |who: &str, seat: u64, policy: &str| json!({"type": "seat_assign", "target_user_id": who, "seat_no": seat, "policy": policy});
    assert_eq!(table.name("own", &take("d", 4, "replace")), "seat_locked");
    assert_eq!(table.name("own", &take("d", 6, "fail")), "seat_not_found");
    let swap = |who: &str, seat: u64| json!({"type": "seat_move", "target_user_id": who, "seat_no": seat, "policy": "swap"});
    assert_eq!(table.name("own", &swap("b", 2)), "seat_locked", "nobody comes to a closing seat");
    table.ok("b", &json!({"type": "seat_leave"}));
    assert_eq!(shown(&table), [(1, false), (2, false), (3, false), (5, true)]);
    table.ok("own", &json!({"type": "seat_move", "target_user_id": "c", "seat_no": 3}));
    assert_eq!(shown(&table), [(1, false), (2, false), (3, false)]);
    table.set_rules(&rules(1));
    assert_eq!(shown(&table), [(1, false), (2, false), (3, true)]);
    table.set_rules(&rules(3));
    assert_eq!(shown(&table), [(1, false), (2, false), (3, false), (4, false)], "a closing seat may stay after all");
    assert_eq!(table.seats(), "2:a 3:c");
}

#[test]
fn added_seats_are_filled_in_the_same_rev() {
    for (mode, filled) in [("queue", true), ("free", true), ("apply", false), ("chair", false)] {
        let rules = |seats: u32| json!({"max_mic_count": seats, "queue_mode": mode});
        let mut table = Table::new(&rules(1));
        table.ok("own", &json!({"type": "seat_assign", "target_user_id": "s"}));
        table.queue("a b c");
        table.line("a", false);
        table.set_rules(&rules(2));
        let seats = if filled { "2:s 3:b" } else { "2:s" };
        assert_eq!(table.seats(), seats, "mode {mode}; a held person is passed over");
    }
    let mut table = Table::new(&json!({"max_mic_count": 2, "queue_mode": "free"}));
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "s"}));
    table.queue("a");
    table.set_rules(&json!({"max_mic_count": 3, "queue_mode": "free"}));
    assert_eq!(table.seats(), "2:s", "in mode free a seat was free before");
}

#[test]
fn nothing_that_runs_is_changed() {
    let base = json!({"max_mic_count": 1, "hold_seconds_queue": 100, "hold_seconds_seat": 100, "mode_grace_seconds": 5, "mode_min_interval_seconds": 0});
    let mut table = Table::new(&base);
    table.queue("s a b c");
    table.line("s", false);
    table.line("b", false);
    let running = |table: &Table| {
        let state = table.state();
        (state["seats"].clone(), state["queue"].clone(), state["turns"].clone(), table.room().next_deadline())
    };
    let before = running(&table);
    let mut other = json!({"max_mic_count": 1, "hold_seconds_queue": 0, "hold_seconds_seat": 0, "timeout_seconds": 1, "max_queue_len": 0,
        "on_deck_size": 1, "max_jumped_by": 0, "turn_max_total_seconds": 1, "roles": [{"role_id": "member", "level": 0, "priority_level": 9}]});
    table.set_rules(&other);
    assert_eq!(running(&table), before);
    assert_eq!(table.name("d", &json!({"type": "queue_join"})), "queue_full", "a shorter queue only refuses new joins");
    other["on_deck_size"] = json!(2);
    table.set_rules(&other);
    assert_eq!(table.told(), ["rules_changed", "queue_on_deck b"]);
    let mut table = Table::new(&base);
    table.ok("own", &json!({"type": "mode_set", "mode": "free"}));
    table.ok("own", &json!({"type": "mode_set", "mode": "queue"}));
    table.queue("a");
    let due = table.room().next_deadline();
    assert_eq!(due.map(|at| at.0), Some(table.now + 5_000));
    table.set_rules(&json!({"max_mic_count": 1, "mode_grace_seconds": 60}));
    assert_eq!(table.room().next_deadline(), due, "a grace that runs keeps its end");
}

#[test]
fn the_mode_stays() {
    let mut table = Table::new(&json!({"queue_mode": "free"}));
    table.set_rules(&json!({"queue_mode": "chair"}));
    assert_eq!(table.state()["mode"], "free");
    assert_eq!(table.state()["rules"]["queue_mode"], "chair");
}

#[test]
fn a_role_may_be_allowed_more() {
    let rules = json!({"roles": [{"role_id": "dj", "level": 300, "perms": ["rules_set", "queue_move"]}], "queue_mode": "chair", "on_deck_size": 1});
    let mut table = Table::new(&rules);
    table.role("disc", "dj");
    table.queue("a b c own");
    let to_front =
        |who: &str, force: bool| json!({"type": "queue_move", "target_user_id": who, "place": "front", "force": force});
    assert_eq!(table.name("a", &to_front("c", false)), "forbidden");
    assert_eq!(table.name("disc", &to_front("c", false)), "ok");
    assert_eq!(table.name("disc", &to_front("c", true)), "forbidden", "force needs its level");
    assert_eq!(table.name("disc", &to_front("own", false)), "target_rank", "rank stays rank");
    assert_eq!(table.name("disc", &json!({"type": "queue_remove", "target_user_ids": ["a"]})), "forbidden");
    assert_eq!(table.name("disc", &json!({"type": "rules_set", "rules": rules, "if_rules_rev": 9})), "stale_rev");
}
