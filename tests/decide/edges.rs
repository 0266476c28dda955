//! The last moment at which something still holds, and the first at which it does not; and who is passed over on the way.
use super::table::Table;
use serde_json::{Value, json};

const DAY: u64 = 24 * 3_600_000;

fn before(target: &str, anchor: &str) -> Value {
    json!({"type": "queue_move", "target_user_id": target, "place": {"before": anchor}, "on_missing": "nearest"})
}

#[test]
fn a_slot_is_remembered_for_64_revs() {
    for (revs, found) in [(63, true), (64, false)] {
        let mut table = Table::new(&json!({"queue_mode": "apply"}));
        table.queue("a b c");
        table.ok("a", &json!({"type": "queue_leave"}));
        for on in (0..revs).map(|n| n % 2 == 0) {
            table.ok("own", &json!({"type": "flag_set", "flag": "mute_all", "on": on}));
        }
        let said = table.name("own", &before("c", "a"));
        assert_eq!((said.as_str(), table.order().as_str()), if found { ("ok", "c b") } else { ("anchor_gone", "b c") }, "{revs}");
    }
}

#[test]
fn whoever_leaves_again_has_one_slot() {
    let mut table = Table::new(&json!({"queue_mode": "apply"}));
    table.queue("a b c");
    for _ in 0..3 {
        table.ok("b", &json!({"type": "queue_leave"}));
        table.join("b");
    }
    table.ok("b", &json!({"type": "queue_leave"}));
    assert_eq!(table.room().queue.slots.len(), 1);
    table.ok("own", &json!({"type": "queue_insert", "target_user_id": "b", "place": "back"}));
    table.ok("a", &json!({"type": "queue_leave"}));
    assert_eq!(table.room().queue.slots.len(), 2, "the slot of somebody who is back is kept for the next time");
}

#[test]
fn a_cleared_queue_remembers_its_slots() {
    let mut table = Table::new(&json!({"queue_mode": "apply"}));
    table.queue("a b c d");
    table.ok("own", &json!({"type": "queue_clear"}));
    let undo_id = table.room().undo[0].undo_id.clone();
    table.ok("own", &json!({"type": "user_ban", "target_user_id": "b"}));
    table.ok("own", &json!({"type": "queue_restore", "undo_id": undo_id}));
    table.ok("own", &before("d", "b"));
    assert_eq!(table.order(), "a d c");
}

#[test]
fn one_out_of_rank_comes_before_a_seat_that_does_not_exist() {
    let mut table = Table::new(&json!({"queue_mode": "free"}));
    table.ok("own", &json!({"type": "role_set", "target_user_id": "h", "role_id": "host"}));
    table.ok("own", &json!({"type": "seat_take", "seat_no": 2}));
    for command in [
        json!({"type": "seat_mute", "seat_nos": [40, 2], "on": true}),
        json!({"type": "seat_lock", "seat_nos": [40, 2], "on": true, "evict": true}),
    ] {
        assert_eq!(table.name("h", &command), "target_rank", "{command}");
        assert_eq!(table.name("own", &command), "seat_not_found", "{command}");
    }
}

#[test]
fn all_seats_are_the_guests_seats_for_ranks_too() {
    let mut table = Table::new(&json!({"queue_mode": "free"}));
    table.ok("own", &json!({"type": "role_set", "target_user_id": "h", "role_id": "host"}));
    table.ok("own", &json!({"type": "seat_take", "seat_no": 1}));
    table.ok("a", &json!({"type": "seat_take", "seat_no": 2}));
    table.ok("h", &json!({"type": "seat_mute", "seat_nos": "all", "on": true}));
    table.ok("h", &json!({"type": "seat_lock", "seat_nos": "all", "on": true, "evict": true}));
    assert_eq!(table.name("h", &json!({"type": "seat_mute", "seat_nos": [1], "on": true})), "target_rank");
}

#[test]
fn slots_are_bounded() {
    use michub::hub::queue::{CLEARED_NEIGHBOURS, SLOTS_MAX};
    let people: Vec<String> = (0..SLOTS_MAX + 20).map(|n| format!("p{n}")).collect();
    let mut table = Table::new(&json!({"queue_mode": "apply", "max_queue_len": 2000}));
    table.queue(&people.join(" "));
    for hundred in people.chunks(100) {
        table.ok("own", &json!({"type": "queue_remove", "target_user_ids": hundred}));
    }
    assert_eq!(table.room().queue.slots.len(), SLOTS_MAX);
    assert_eq!(table.room().queue.slots[0].user.as_str(), "p20", "the oldest are forgotten first");
    table.queue(&people.join(" "));
    table.ok("own", &json!({"type": "queue_clear"}));
    let slots = &table.room().queue.slots;
    assert_eq!((slots.len(), slots[SLOTS_MAX - 1].user.as_str()), (SLOTS_MAX, "p0"), "of a cleared queue the head stays");
    assert!(slots.iter().all(|slot| slot.ahead.len().max(slot.behind.len()) <= CLEARED_NEIGHBOURS));
}

#[test]
fn an_undo_lives_for_a_day() {
    for (waited, said) in [(DAY, "ok"), (DAY + 1, "snapshot_gone")] {
        let mut table = Table::new(&json!({"queue_mode": "apply"}));
        table.queue("a b");
        let undo_id = table.ok("own", &json!({"type": "queue_clear"}))["undo_id"].clone();
        table.wait(waited);
        assert_eq!(table.name("own", &json!({"type": "queue_restore", "undo_id": undo_id})), said);
    }
}

#[test]
fn a_restore_passes_over_whoever_cannot_come_back() {
    let mut table = Table::new(&json!({"queue_mode": "apply", "on_deck_size": 1}));
    table.queue("a b c d e f");
    let undo_id = table.ok("own", &json!({"type": "queue_clear"}))["undo_id"].clone();
    table.join("x");
    table.join("y");
    table.join("b");
    table.ok("own", &json!({"type": "seat_assign", "target_user_id": "c"}));
    table.line("d", false);
    table.ok("own", &json!({"type": "queue_ban", "target_user_id": "e", "until_ms": 9_000_000}));
    table.ok("own", &json!({"type": "queue_restore", "undo_id": undo_id}));
    assert_eq!(table.order(), "x a f y b", "behind those on deck, in front of the others");
    let entries = &table.room().queue.entries;
    assert!(entries[1].pinned && entries[2].pinned && !entries[3].pinned);
    assert_eq!((entries[1].seq, entries[2].seq), (10, 11), "new numbers");
}

#[test]
fn a_special_user_is_special_until_his_time_is_over() {
    for (until, priority) in [(1_000_001, 90), (1_000_000, 0)] {
        let special = json!({"user_id": "a", "priority_level": 90, "until_ms": until});
        let mut table = Table::at(1_000_000, &json!({"queue_mode": "apply", "special_user_list": [special]}));
        assert_eq!(table.join("a")["eff_priority"], priority);
    }
}

#[test]
fn a_resort_counts_again_who_was_overtaken() {
    let roles = json!([{"role_id": "vip", "priority_level": 50}, {"role_id": "dj", "level": 300, "can_skip_queue": true}]);
    let mut table = Table::new(&json!({"queue_mode": "apply", "on_deck_size": 0, "max_jumped_by": 2, "roles": roles}));
    table.role("v", "vip");
    table.role("w", "vip");
    table.role("s", "dj");
    table.queue("a b v w s");
    assert_eq!(table.order(), "v w a b s", "a and b were overtaken twice, so nobody passes them any more");
    table.ok("own", &json!({"type": "queue_move", "target_user_id": "b", "place": "front"}));
    assert_eq!(table.order(), "b v w a s");
    table.ok("own", &json!({"type": "queue_resort"}));
    assert_eq!(table.order(), "v w a b s");
    let counted: Vec<u32> = table.room().queue.entries.iter().map(|entry| entry.jumped_by).collect();
    assert_eq!(counted, [0, 0, 2, 2, 0]);
    assert!(table.room().queue.entries.iter().all(|entry| !entry.pinned));
    let ack = table.ok("own", &json!({"type": "queue_resort"}));
    assert_eq!(ack["noop"], true, "{ack}");
}

#[test]
fn who_skips_the_queue_passes_every_number() {
    let roles = json!([{"role_id": "vip", "priority_level": 900}, {"role_id": "dj", "level": 300, "can_skip_queue": true, "priority_level": -5}]);
    let mut table = Table::new(&json!({"queue_mode": "apply", "on_deck_size": 0, "roles": roles}));
    for (who, role) in [("v", "vip"), ("s", "dj"), ("t", "dj")] {
        table.role(who, role);
    }
    table.queue("a v s t b");
    assert_eq!(table.order(), "s t v a b", "skippers among each other are equals");
    let state = table.state();
    assert_eq!((&state["queue"][0]["eff_priority"], &state["queue"][0]["skip_queue"]), (&json!(-5), &json!(true)));
}

#[test]
fn a_neighbour_is_found_on_both_sides() {
    let mut table = Table::new(&json!({"queue_mode": "apply", "on_deck_size": 0}));
    table.queue("a b c d e");
    let moved = |table: &mut Table, target: &str, place: Value| {
        table.ok("own", &json!({"type": "queue_move", "target_user_id": target, "place": place}));
        table.order()
    };
    assert_eq!(moved(&mut table, "a", json!({"after": "c"})), "b c a d e");
    assert_eq!(moved(&mut table, "e", json!({"after": "b"})), "b e c a d");
    assert_eq!(moved(&mut table, "b", json!({"before": "d"})), "e c a b d");
    assert_eq!(moved(&mut table, "d", json!({"before": "e"})), "d e c a b");
    // The last slot: in front of the nearest successor who waits, else behind the nearest predecessor; the mover is no neighbour.
    table.ok("b", &json!({"type": "queue_leave"}));
    table.ok("own", &before("e", "b"));
    assert_eq!(table.order(), "d c a e");
    table.ok("d", &json!({"type": "queue_leave"}));
    let ack = table.ok("own", &before("c", "d"));
    assert_eq!((&ack["noop"], table.order().as_str()), (&json!(true), "c a e"), "behind d stood e, then c: he goes where he is");
    table.ok("own", &before("e", "d"));
    assert_eq!(table.order(), "e c a");
    let (name, details) = table.err("own", &json!({"type": "queue_move", "target_user_id": "c", "place": {"after": "d"}}));
    assert_eq!((name.as_str(), details), ("anchor_gone", json!({"before": null, "after": "a"})), "c himself is no neighbour");
}

#[test]
fn after_a_load_nobody_overtakes_somebody_held_for_ten_seconds() {
    let loaded = || {
        let mut table = Table::new(&json!({"max_mic_count": 1}));
        table.ok("own", &json!({"type": "seat_lock", "seat_nos": "all", "on": true}));
        table.queue("a b");
        table.load(&["a", "b"]);
        table.line("b", true);
        table.ok("own", &json!({"type": "seat_lock", "seat_nos": "all", "on": false}));
        assert_eq!((table.order().as_str(), table.seats().as_str()), ("a b", ""), "a may still come back");
        table
    };
    let mut table = loaded();
    table.wait(9_999);
    assert_eq!(table.seats(), "");
    table.wait(1);
    assert_eq!((table.order().as_str(), table.seats().as_str()), ("a", "2:b"));
    let mut table = loaded();
    table.line("a", true);
    assert_eq!((table.order().as_str(), table.seats().as_str()), ("b", "2:a"), "once he is back, nobody waits for anything");
}

#[test]
fn whoever_has_just_vanished_is_not_promoted() {
    let mut table = Table::new(&json!({"max_mic_count": 1}));
    table.queue("a b c");
    table.vanish("b");
    table.ok("own", &json!({"type": "turn_next"}));
    assert_eq!((table.order().as_str(), table.seats().as_str()), ("b", "2:c"));
}

#[test]
fn next_may_name_both_the_seat_and_its_turn() {
    let mut table = Table::new(&json!({"max_mic_count": 2}));
    table.queue("a b");
    let turn = |table: &Table, who: &str| table.room().turns.of(&super::table::id(who)).unwrap().turn_id.clone();
    let (a, b) = (turn(&table, "a"), turn(&table, "b"));
    let next = |turn: &str, seat_no: u32| json!({"type": "turn_next", "expect_turn_id": turn, "seat_no": seat_no});
    assert_eq!(table.err("own", &next(&b, 2)), ("turn_changed".to_owned(), json!({"turn_id": a})));
    table.ok("own", &next(&a, 2));
    assert_eq!(table.seats(), "3:b");
}
