//! The queue family, row by row: what each command does, says and refuses.
use super::table::Table;
use serde_json::{Value, json};

/// The guest seats are locked; these people wait. `hst` is a host, `adm` an admin.
fn waiting(rules: &Value, people: &str) -> Table {
    let mut table = Table::new(rules);
    table.ok("own", &json!({"type": "seat_lock", "seat_nos": "all", "on": true}));
    table.role("hst", "host");
    table.role("adm", "admin");
    table.queue(people);
    table
}

fn plain(people: &str) -> Table {
    waiting(&json!({}), people)
}

fn shift(person: &str, place: Value) -> Value {
    json!({"type": "queue_move", "target_user_id": person, "place": place})
}

fn nearest(person: &str, place: Value) -> Value {
    json!({"type": "queue_move", "target_user_id": person, "place": place, "on_missing": "nearest"})
}

fn insert(person: &str, place: Value) -> Value {
    json!({"type": "queue_insert", "target_user_id": person, "place": place})
}

fn leave(table: &mut Table, person: &str) {
    table.ok(person, &json!({"type": "queue_leave"}));
}

fn pinned(table: &Table) -> String {
    table.room().queue.entries.iter().filter(|entry| entry.pinned).map(|entry| entry.user.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn somebody_joins_and_leaves() {
    let mut table = plain("a");
    let ack = table.ok("b", &json!({"type": "queue_join", "want_seat": 3, "note": "a song"}));
    let told = (&ack["index"], &ack["eff_priority"], &ack["seq"], &ack["pinned"], &ack["why"]);
    assert_eq!(told, (&json!(1), &json!(0), &json!(2), &json!(false), &json!([])));
    let entry = &table.state()["queue"][1];
    let shown = (&entry["user_id"], &entry["want_seat"], &entry["note"], &entry["state"], &entry["on_deck"]);
    assert_eq!(shown, (&json!("b"), &json!(3), &json!("a song"), &json!("waiting"), &json!(false)));
    assert_eq!(table.err("b", &json!({"type": "queue_join"})), ("already_queued".to_owned(), json!({"index": 1})));
    table.ok("a", &json!({"type": "queue_leave"}));
    assert_eq!(table.told(), ["queue_left a self", "queue_on_deck b"]);
    assert_eq!(table.name("a", &json!({"type": "queue_leave"})), "not_queued");
    let long = json!({"type": "queue_join", "note": "x".repeat(201)});
    assert_eq!(table.err("c", &long).1["path"], "/note");
    assert_eq!(table.name("service", &json!({"type": "queue_join"})), "forbidden", "a backend is nobody who could wait");
}

#[test]
fn a_person_is_put_where_somebody_says() {
    let mut table = plain("a b c");
    let ack = table.ok("hst", &insert("x", json!({"before": "b"})));
    assert_eq!((&ack["index"], &ack["pinned"]), (&json!(1), &json!(true)));
    table.ok("hst", &insert("y", json!("front")));
    table.ok("hst", &insert("z", json!("back")));
    assert_eq!(
        (table.order().as_str(), pinned(&table).as_str()),
        ("a y x b c z", "y x z"),
        "in front is behind whoever is on deck"
    );
    table.ok("hst", &insert("w", json!({"before": "a"})));
    assert_eq!(table.order(), "w a y x b c z", "a named neighbour is obeyed, also on deck");
    assert_eq!(table.told(), ["queue_joined w", "queue_on_deck w"]);
    table.ok("hst", &insert("v", json!({"after": "w"})));
    assert_eq!(table.order(), "w v a y x b c z");
    assert!(table.room().queue.entries.iter().all(|entry| entry.jumped_by == 0), "only rules are counted");
}

#[test]
fn an_insert_is_refused_in_this_order() {
    let mut table = waiting(&json!({"access": "blacklist", "blacklist": ["bad", "sat"], "max_queue_len": 2}), "a b");
    assert_eq!(table.err("hst", &insert("x", json!({"up": 1}))).1["path"], "/place");
    assert_eq!(table.name("hst", &insert("adm", json!("back"))), "target_rank");
    table.line("gone", false);
    assert_eq!(
        table.err("hst", &insert("gone", json!("back"))),
        ("not_member".to_owned(), json!({"user_id": "gone", "held": false}))
    );
    table.ok("own", &json!({"type": "seat_lock", "seat_nos": [2], "on": false}));
    assert_eq!(table.seats(), "2:a");
    assert_eq!(table.name("hst", &insert("a", json!({"before": "a"}))), "already_seated");
    assert_eq!(table.err("hst", &insert("b", json!({"before": "b"}))), ("already_queued".to_owned(), json!({"index": 0})));
    assert_eq!(table.name("hst", &insert("bad", json!({"before": "bad"}))), "blacklisted");
    assert_eq!(table.name("hst", &insert("x", json!({"before": "x"}))), "self_anchor");
    let gone = ("anchor_gone".to_owned(), json!({"before": null, "after": null}));
    assert_eq!(table.err("hst", &insert("x", json!({"before": "y"}))), gone);
    table.ok("adm", &json!({"type": "flag_set", "flag": "queue_open", "on": false}));
    table.queue("adm");
    table.ok("hst", &insert("x", json!("back")));
    assert_eq!(table.order(), "b adm x", "closed and full are passed by");
    let mut strict = insert("y", json!("back"));
    strict["respect_rules"] = json!(true);
    assert_eq!(table.name("hst", &strict), "queue_closed");
    table.ok("adm", &json!({"type": "flag_set", "flag": "queue_open", "on": true}));
    assert_eq!(table.err("hst", &strict), ("queue_full".to_owned(), json!({"limit": 2})));
}

#[test]
fn people_are_taken_out() {
    let mut table = plain("a b c");
    let remove = |people: &[&str]| json!({"type": "queue_remove", "target_user_ids": people, "reason": "late"});
    let ack = table.ok("hst", &remove(&["b", "z", "a"]));
    let lines = json!([{"user_id": "b", "ok": true}, {"user_id": "z", "ok": false, "code": 3004, "name": "not_queued"}, {"user_id": "a", "ok": true}]);
    assert_eq!(ack["results"], lines);
    assert_eq!(table.told(), ["queue_left b removed", "queue_left a removed", "queue_on_deck c"]);
    assert_eq!(table.events[0]["note"], "late");
    assert_eq!(table.err("hst", &remove(&["a", "b"])), ("not_queued".to_owned(), json!({"user_ids": ["a", "b"]})));
    table.queue("adm");
    assert_eq!(table.name("hst", &remove(&["c", "adm"])), "target_rank", "one of them is enough");
    assert_eq!(table.err("hst", &remove(&[])).1["path"], "/target_user_ids");
    assert_eq!(table.order(), "c adm");
}

#[test]
fn a_move_says_from_where_to_where() {
    let mut table = plain("a b c d e");
    let ack = table.ok("hst", &shift("e", json!({"before": "c"})));
    assert_eq!((&ack["from"], &ack["to"], &ack["after_user_id"]), (&json!(4), &json!(2), &json!("b")));
    assert_eq!((table.order().as_str(), pinned(&table).as_str()), ("a b e c d", "e"));
    let ack = table.ok("hst", &shift("b", json!({"after": "c"})));
    assert_eq!((&ack["from"], &ack["to"], &ack["after_user_id"]), (&json!(1), &json!(3), &json!("c")));
    assert_eq!(table.order(), "a e c b d");
    let ack = table.ok("hst", &shift("d", json!({"before": "a"})));
    assert_eq!((&ack["to"], &ack["after_user_id"]), (&json!(0), &Value::Null));
    assert_eq!(table.told(), ["queue_moved d", "queue_on_deck d"]);
    for place in [json!("front"), json!({"before": "a"}), json!({"up": 5})] {
        let rev = table.room().head.rev;
        let ack = table.ok("hst", &shift("d", place));
        assert_eq!((&ack["noop"], &ack["rev"]), (&json!(true), &json!(rev)), "whoever is on deck stays");
    }
    for (place, order) in [
        (json!("back"), "d a e c b"),
        (json!("front"), "d b a e c"),
        (json!({"down": 2}), "d a e b c"),
        (json!({"up": 1}), "d a b e c"),
        (json!({"down": 99}), "d a e c b"),
        (json!({"up": 99}), "d b a e c"),
    ] {
        table.ok("hst", &shift("b", place));
        assert_eq!(table.order(), order);
    }
    let mut forced = shift("e", json!("front"));
    forced["force"] = json!(true);
    assert_eq!(table.name("hst", &forced), "forbidden");
    table.ok("adm", &forced);
    assert_eq!(table.order(), "e d b a c");
    table.ok("hst", &shift("e", json!({"down": 1})));
    assert_eq!(table.order(), "d e b a c", "out of the deck is always allowed");
    assert_eq!(table.name("hst", &shift("z", json!("front"))), "not_queued");
    assert_eq!(table.name("hst", &shift("a", json!({"after": "a"}))), "self_anchor");
}

#[test]
fn an_anchor_that_left_has_a_last_slot() {
    let mut table = plain("a b c d e");
    leave(&mut table, "c");
    let gone = ("anchor_gone".to_owned(), json!({"before": "b", "after": "d"}));
    assert_eq!(table.err("hst", &shift("e", json!({"before": "c"}))), gone);
    table.ok("hst", &nearest("e", json!({"before": "c"})));
    assert_eq!(table.order(), "a b e d", "in front of the nearest successor");
    leave(&mut table, "d");
    table.ok("hst", &nearest("a", json!({"after": "d"})));
    assert_eq!(table.order(), "b e a", "behind the nearest predecessor, where no successor waits");
    leave(&mut table, "b");
    leave(&mut table, "a");
    leave(&mut table, "e");
    table.queue("x y");
    let lost = ("anchor_gone".to_owned(), json!({"before": null, "after": null}));
    assert_eq!(table.err("hst", &nearest("x", json!({"before": "e"}))), lost, "no neighbour of his waits any more");
    assert_eq!(table.err("hst", &nearest("x", json!({"before": "never"}))), lost);
    leave(&mut table, "x");
    assert_eq!(table.err("hst", &nearest("y", json!({"before": "x"}))), lost, "the moved person is no neighbour");
}

#[test]
fn a_slot_is_remembered_for_64_revs() {
    for (revs, name) in [(63, "ok"), (64, "anchor_gone")] {
        let mut table = plain("a b c d");
        leave(&mut table, "b");
        for n in 0..revs {
            table.ok("own", &json!({"type": "seat_extra", "seat_no": 2, "extra": n.to_string()}));
        }
        assert_eq!(table.name("hst", &nearest("d", json!({"before": "b"}))), name, "after {revs}");
    }
}

#[test]
fn listed_people_change_places_among_themselves() {
    let mut table = plain("a b c d e");
    let reorder =
        |table: &Table, people: &[&str]| json!({"type": "queue_reorder", "user_ids": people, "if_rev": table.room().head.rev});
    let unguarded = json!({"type": "queue_reorder", "user_ids": ["b", "a"]});
    assert_eq!(table.name("hst", &unguarded), "rev_required");
    let frame = reorder(&table, &["e", "b"]);
    table.ok("hst", &frame);
    assert_eq!((table.order().as_str(), pinned(&table).as_str()), ("a e c d b", "e b"));
    assert_eq!(table.events[0]["order"], json!(["a", "e", "c", "d", "b"]), "the whole queue");
    assert_eq!(table.name("hst", &frame), "stale_rev");
    let frame = reorder(&table, &["c", "d"]);
    assert_eq!(table.ok("hst", &frame)["noop"], true);
    for (people, path) in [(vec!["a", "a"], "/user_ids"), (vec![], "/user_ids")] {
        let frame = reorder(&table, &people);
        assert_eq!(table.err("hst", &frame).1["path"], path);
    }
    let frame = reorder(&table, &["a", "z", "y"]);
    assert_eq!(table.err("hst", &frame), ("not_queued".to_owned(), json!({"user_ids": ["z", "y"]})));
    let frame = reorder(&table, &["b", "a"]);
    table.ok("hst", &frame);
    assert_eq!(table.told(), ["queue_reordered", "queue_on_deck b"], "also on deck: a drag of the list is exact");
}

#[test]
fn a_cleared_queue_comes_back() {
    let mut table = plain("a b c d e");
    table.ok("b", &json!({"type": "queue_leave"}));
    table.ok("b", &json!({"type": "queue_join", "want_seat": 4, "note": "song"}));
    let ack = table.ok("adm", &json!({"type": "queue_clear"}));
    let undo = ack["undo_id"].clone();
    assert_eq!((&ack["count"], table.order().as_str()), (&json!(5), ""));
    assert_eq!(table.state()["undo"], json!([{"undo_id": undo, "count": 5, "at_ms": table.now}]));
    assert_eq!(table.ok("adm", &json!({"type": "queue_clear"}))["noop"], true);
    table.queue("x y c");
    table.line("d", false);
    table.ok("adm", &json!({"type": "queue_ban", "target_user_id": "e", "until_ms": table.now + 1000}));
    let restore = json!({"type": "queue_restore", "undo_id": undo});
    assert_eq!(table.name("hst", &restore), "forbidden");
    table.ok("adm", &restore);
    assert_eq!(table.order(), "x a b y c", "behind the deck, in the old order, without who waits, is away or is refused");
    assert_eq!(pinned(&table), "a b");
    let entry = &table.state()["queue"][2];
    assert_eq!((&entry["want_seat"], &entry["note"], &entry["seq"]), (&json!(4), &json!("song"), &json!(11)));
    assert_eq!(table.name("adm", &restore), "snapshot_gone", "used up");
    assert_eq!(table.state()["undo"], json!([]));
}

#[test]
fn three_cleared_queues_are_kept_for_a_day() {
    let mut table = plain("");
    let mut undos = Vec::new();
    for _ in 0..4 {
        table.queue("a");
        undos.push(table.ok("adm", &json!({"type": "queue_clear"}))["undo_id"].clone());
    }
    let restore = |undo: &Value| json!({"type": "queue_restore", "undo_id": undo});
    assert_eq!(table.name("adm", &restore(&undos[0])), "snapshot_gone", "the oldest of four");
    table.line("a", false);
    let rev = table.room().head.rev;
    let ack = table.ok("adm", &restore(&undos[1]));
    assert_eq!((&ack["rev"], &ack["order"]), (&json!(rev + 1), &json!([])), "nobody can come back: one rev all the same");
    table.now += 24 * 3600 * 1000;
    table.line("a", true);
    table.ok("adm", &restore(&undos[2]));
    table.now += 1;
    assert_eq!(table.name("adm", &restore(&undos[3])), "snapshot_gone");
}

#[test]
fn a_resort_forgets_what_hands_have_done() {
    let rules = json!({"on_deck_size": 0, "max_jumped_by": 2, "roles": [{"role_id": "vip", "priority_level": 50}]});
    let mut table = waiting(&rules, "a b c");
    table.role("v", "vip");
    table.role("w", "vip");
    table.join("v");
    assert_eq!(table.order(), "v a b c");
    table.ok("hst", &shift("v", json!("back")));
    table.ok("hst", &shift("c", json!({"before": "a"})));
    assert_eq!(table.order(), "c a b v");
    table.set_rules(&json!({"on_deck_size": 0, "max_jumped_by": 2, "roles": [{"role_id": "vip", "priority_level": -50}]}));
    table.ok("adm", &json!({"type": "queue_resort"}));
    assert_eq!((table.order().as_str(), pinned(&table).as_str()), ("v a b c", ""), "by the numbers frozen when they joined");
    assert_eq!(table.events[0]["order"], json!(["v", "a", "b", "c"]));
    let jumped: Vec<u32> = table.room().queue.entries.iter().map(|entry| entry.jumped_by).collect();
    assert_eq!(jumped, [0, 1, 1, 1]);
    let seqs: Vec<u64> = table.room().queue.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [4, 1, 2, 3], "and the numbers of joining stay");
    assert_eq!(table.ok("adm", &json!({"type": "queue_resort"}))["noop"], true);
    assert_eq!(table.name("hst", &json!({"type": "queue_resort"})), "forbidden");
}
