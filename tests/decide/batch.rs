//! Several commands in one commit, and what would become of a command.
use super::table::Table;
use serde_json::{Value, json};

fn batch(ops: &Value) -> Value {
    json!({"type": "batch", "ops": ops})
}

fn leave(people: &[&str]) -> Value {
    json!({"type": "queue_remove", "target_user_ids": people})
}

fn before(person: &str, anchor: &str) -> Value {
    json!({"type": "queue_move", "target_user_id": person, "place": {"before": anchor}})
}

/// The guest seats are locked; these people wait. `hst` is a host, `adm` an admin.
fn waiting(people: &str) -> Table {
    let mut table = Table::new(&json!({}));
    table.ok("own", &json!({"type": "seat_lock", "seat_nos": "all", "on": true}));
    table.role("hst", "host");
    table.role("adm", "admin");
    table.queue(people);
    table
}

#[test]
fn operations_see_each_other_and_have_their_own_revs() {
    let mut table = waiting("a b c d");
    let rev = table.room().head.rev;
    let ack = table.ok("hst", &batch(&json!([before("d", "b"), leave(&["c"]), before("b", "d")])));
    assert_eq!(table.order(), "a b d");
    assert_eq!(ack["rev"], rev + 3);
    let results = ack["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["ok"], &results[0]["rev"], &results[0]["event"]),
        (&json!(true), &json!(rev + 1), &json!("queue_moved"))
    );
    let revs: Vec<&Value> = table.events.iter().map(|event| &event["rev"]).collect();
    assert_eq!(revs, [rev + 1, rev + 2, rev + 3], "one commit, a rev for each");
    assert!(table.events.iter().all(|event| event["by"] == "hst"));
}

#[test]
fn an_atomic_batch_is_all_or_nothing() {
    let mut table = waiting("a b c");
    let (name, details) = table.err("hst", &batch(&json!([leave(&["a"]), leave(&["a"]), leave(&["b"])])));
    assert_eq!((name.as_str(), &details["index"], &details["error"]["name"]), ("batch_failed", &json!(1), &json!("not_queued")));
    assert_eq!(details["error"]["details"], json!({"user_ids": ["a"]}), "the inner refusal is whole");
    assert!(table.events.is_empty());
    assert_eq!(table.order(), "a b c");
    let (_, details) = table.err("hst", &batch(&json!([leave(&["a"]), {"type": "queue_clear"}])));
    assert_eq!(details["error"]["name"], "forbidden", "each operation needs its own right");
    assert_eq!(table.err("hst", &batch(&json!([leave(&["adm"])]))).1["error"]["name"], "target_rank");
    // The ids that a failed batch gave out are free again: the log stays the same on every node.
    table.ok("adm", &batch(&json!([{"type": "queue_clear"}, {"type": "queue_resort"}])));
    assert_eq!(table.order(), "");
}

#[test]
fn operations_may_fail_for_themselves() {
    let mut table = waiting("a b c");
    let rev = table.room().head.rev;
    let each = json!({"type": "batch", "atomic": false, "ops": [leave(&["z"]), leave(&["b"]), before("a", "c"), {"type": "queue_clear"}]});
    let ack = table.ok("hst", &each);
    let lines: Vec<Value> =
        ack["results"].as_array().unwrap().iter().map(|line| json!([line["ok"], line["name"], line["noop"]])).collect();
    let told = json!([[false, "not_queued", null], [true, null, null], [true, null, true], [false, "forbidden", null]]);
    assert_eq!((json!(lines), &ack["rev"], &ack["noop"]), (told, &json!(rev + 1), &Value::Null));
    assert_eq!(table.order(), "a c");
    let none = json!({"type": "batch", "atomic": false, "op_id": "n", "ops": [leave(&["z"])]});
    for _ in 0..2 {
        let ack = table.ok("hst", &none);
        assert_eq!(
            (&ack["noop"], &ack["dup"], &ack["rev"]),
            (&json!(true), &Value::Null, &json!(rev + 1)),
            "nothing is remembered"
        );
    }
}

#[test]
fn a_repeat_is_answered_as_the_first_time() {
    let mut table = waiting("a b c d");
    let ops = json!([leave(&["z"]), leave(&["b", "y"]), before("d", "a")]);
    let frame = json!({"type": "batch", "op_id": "b", "atomic": false, "ops": ops});
    let mut first = table.ok("hst", &frame);
    assert!(table.events.iter().all(|event| event["op_id"] == "b"));
    let again = table.ok("hst", &frame);
    first["dup"] = json!(true);
    assert_eq!(again, first);
    assert!(table.events.is_empty());
    assert_eq!(table.order(), "d a c");
    let remove = json!({"type": "queue_remove", "op_id": "r", "target_user_ids": ["a", "z"]});
    let mut first = table.ok("hst", &remove);
    assert_eq!(
        first["results"],
        json!([{"user_id": "a", "ok": true}, {"user_id": "z", "ok": false, "code": 3004, "name": "not_queued"}])
    );
    first["dup"] = json!(true);
    assert_eq!(table.ok("hst", &remove), first, "with its results");
    let other = json!({"type": "batch", "op_id": "b", "ops": [leave(&["a"])]});
    assert_eq!(table.err("hst", &other).1["path"], "/op_id");
}

#[test]
fn who_is_put_out_is_out_for_what_follows() {
    let mut table = waiting("a b");
    let insert = json!({"type": "queue_insert", "target_user_id": "a", "place": "back"});
    let (_, details) = table.err("adm", &batch(&json!([{"type": "user_kick", "target_user_id": "a"}, insert])));
    assert_eq!(details["error"]["name"], "not_member");
    let close = json!({"type": "batch", "atomic": false, "ops": [{"type": "room_close"}, {"type": "queue_clear"}]});
    let ack = table.ok("own", &close);
    assert_eq!(ack["results"][1]["name"], "room_closed");
}

#[test]
fn a_position_guards_the_whole_batch() {
    let mut table = waiting("a b c");
    let rev = table.room().head.rev;
    let reorder = json!({"type": "queue_reorder", "user_ids": ["c", "a"]});
    assert_eq!(table.err("hst", &batch(&json!([reorder]))).1["error"]["name"], "rev_required");
    let mut guarded = batch(&json!([leave(&["b"]), reorder]));
    guarded["if_rev"] = json!(rev + 1);
    assert_eq!(table.name("hst", &guarded), "stale_rev");
    guarded["if_rev"] = json!(rev);
    table.ok("hst", &guarded);
    assert_eq!(table.order(), "c a");
}

#[test]
fn explaining_changes_nothing_and_says_all() {
    let rules = json!({"max_queue_len": 3, "roles": [{"role_id": "vip", "priority_level": 50}]});
    let mut table = Table::new(&rules);
    table.ok("own", &json!({"type": "seat_lock", "seat_nos": "all", "on": true}));
    table.queue("a b");
    table.role("v", "vip");
    table.role("hst", "host");
    let join = json!({"type": "explain", "command": {"type": "queue_join"}});
    let ack = table.ok("v", &join);
    let told = (&ack["would"], &ack["index"], &ack["eff_priority"], &ack["why"]);
    assert_eq!(told, (&json!("ok"), &json!(1), &json!(50), &json!(["role:vip priority 50", "stopped at on_deck"])));
    assert!(table.events.is_empty() && table.order() == "a b");
    let ack = table.ok("a", &join);
    let told = (&ack["would"], &ack["name"], &ack["code"], &ack["index"], &ack["eff_priority"]);
    assert_eq!(told, (&json!("error"), &json!("already_queued"), &json!(3003), &json!(0), &json!(0)));
    table.join("c");
    let ack = table.ok("v", &join);
    assert_eq!((&ack["name"], &ack["limit"], &ack["why"]), (&json!("queue_full"), &json!(3), &json!(["role:vip priority 50"])));
    let clear = json!({"type": "explain", "command": {"type": "queue_clear"}});
    assert_eq!(table.ok("a", &clear)["name"], "forbidden");
    assert_eq!(table.ok("own", &clear)["count"], 3);
    let unlock = json!({"type": "explain", "command": {"type": "seat_lock", "seat_nos": [1], "on": false}});
    assert_eq!(table.ok("own", &unlock)["noop"], true);
    let bad = json!({"type": "explain", "command": {"type": "rules_set", "rules": {"max_mic_count": 0}}});
    assert_eq!(table.ok("own", &bad)["path"], "/max_mic_count");
}

#[test]
fn who_may_explain_for_whom() {
    let mut table = waiting("a b");
    let of = |person: &str| json!({"type": "explain", "command": {"type": "queue_leave"}, "as_user_id": person});
    assert_eq!(table.ok("a", &of("a"))["would"], "ok");
    assert_eq!(table.name("a", &of("b")), "forbidden");
    assert_eq!(table.ok("hst", &of("b"))["would"], "ok");
    assert_eq!(table.ok("hst", &of("adm"))["name"], "not_queued", "also for somebody above");
    assert_eq!(table.ok("service", &of("b"))["would"], "ok");
    assert_eq!(table.ok("service", &json!({"type": "explain", "command": {"type": "queue_leave"}}))["name"], "forbidden");
    table.set_rules(&json!({"roles": [{"role_id": "dj", "level": 150, "perms": ["explain"]}]}));
    table.role("a", "dj");
    assert_eq!(table.ok("a", &of("b"))["would"], "ok");
}
