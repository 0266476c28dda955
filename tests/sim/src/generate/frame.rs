//! Any command with any arguments, by whoever.
use super::{PEOPLE, rules::new_rules};
use crate::{rng::Rng, run::START};
use serde_json::{Value, json};

pub(super) fn seat(rng: &mut Rng) -> Value {
    if rng.chance(40) { Value::Null } else { json!(1 + rng.below(6)) }
}

pub(super) fn seats(rng: &mut Rng) -> Value {
    if rng.chance(30) {
        return json!("all");
    }
    let count = 1 + rng.below(2);
    json!((0..count).map(|_| 1 + rng.below(5)).collect::<Vec<_>>())
}

pub(super) fn reason(rng: &mut Rng) -> Value {
    if rng.chance(30) { json!("why") } else { Value::Null }
}

fn people(rng: &mut Rng, most: u64) -> Value {
    let count = 1 + rng.below(most);
    json!((0..count).map(|_| *rng.pick(&PEOPLE)).collect::<Vec<_>>())
}

pub(super) fn place(rng: &mut Rng, steps: bool) -> Value {
    match rng.below(if steps { 6 } else { 4 }) {
        0 => json!({"before": rng.pick(&PEOPLE)}),
        1 => json!({"after": rng.pick(&PEOPLE)}),
        2 => json!("front"),
        3 => json!("back"),
        4 => json!({"up": 1 + rng.below(4)}),
        _ => json!({"down": 1 + rng.below(4)}),
    }
}

pub(super) fn drop_nulls(mut frame: Value) -> Value {
    if let Some(map) = frame.as_object_mut() {
        map.retain(|key, value| !value.is_null() || key == "role_id");
    }
    frame
}

pub(super) fn frame(rng: &mut Rng, who: &str) -> Value {
    let t = *rng.pick(&PEOPLE);
    let service = who == "service";
    drop_nulls(match rng.below(100) {
        // What a backend cannot do: it has no place of its own.
        0..=37 if service => frame(rng, who),
        0..=19 => {
            json!({"type": "queue_join", "want_seat": seat(rng), "note": if rng.chance(10) { json!("hi") } else { Value::Null }})
        }
        20..=22 => json!({"type": "queue_leave"}),
        23..=27 => json!({"type": "seat_take", "seat_no": seat(rng)}),
        28..=30 => json!({"type": "seat_leave"}),
        31..=34 => json!({"type": "apply_submit", "want_seat": seat(rng)}),
        35 => json!({"type": "apply_cancel", "apply_id": format!("@apply/{}", if rng.chance(70) { who } else { t })}),
        36 => {
            json!({"type": "invite_reply", "invite_id": format!("@invite/{}", if rng.chance(80) { who } else { t }), "accept": rng.chance(70)})
        }
        37 => {
            json!({"type": "turn_yield", "expect_turn_id": if rng.chance(40) { json!(format!("@turn/{who}")) } else { Value::Null }})
        }
        38..=42 => {
            json!({"type": "queue_insert", "target_user_id": t, "place": place(rng, false), "respect_rules": rng.chance(40)})
        }
        43..=44 => json!({"type": "queue_remove", "target_user_ids": people(rng, 3), "reason": reason(rng)}),
        45..=53 => json!({"type": "queue_move", "target_user_id": t, "place": place(rng, true),
            "on_missing": rng.pick(&["fail", "nearest"]), "force": rng.chance(20)}),
        54..=55 => {
            json!({"type": "queue_reorder", "user_ids": people(rng, 4), "if_rev": rng.pick(&["@rev", "@rev", "@rev", "@old_rev", "@cursor"])})
        }
        56 => json!({"type": "queue_clear"}),
        57..=58 => json!({"type": "queue_restore", "undo_id": format!("@undo/{}", rng.below(5) / 2)}),
        59 => json!({"type": "queue_resort"}),
        60..=62 => {
            json!({"type": "apply_resolve", "apply_id": format!("@apply/{t}"), "approve": rng.chance(70), "seat_no": seat(rng)})
        }
        63..=65 => {
            json!({"type": "invite_send", "target_user_id": t, "seat_no": seat(rng), "ttl_seconds": if rng.chance(30) { json!(5 + rng.below(30)) } else { Value::Null }})
        }
        66 => json!({"type": "invite_cancel", "invite_id": format!("@invite/{t}")}),
        67..=70 => json!({"type": "seat_assign", "target_user_id": t, "seat_no": seat(rng),
            "policy": rng.pick(&["fail", "replace"]), "requeue": rng.chance(50)}),
        71..=74 => json!({"type": "seat_move", "target_user_id": if rng.chance(40) && !service { Value::Null } else { json!(t) },
            "seat_no": 1 + rng.below(6), "policy": rng.pick(&["fail", "replace", "swap"])}),
        75 => json!({"type": "seat_kick", "target_user_id": t, "requeue": rng.chance(40), "cooldown_seconds": rng.pick(&[0, 3])}),
        76..=77 => json!({"type": "seat_lock", "seat_nos": seats(rng), "on": rng.chance(45), "evict": rng.chance(40)}),
        78..=79 => json!({"type": "seat_mute", "seat_nos": seats(rng), "on": rng.chance(60)}),
        80 => json!({"type": "seat_extra", "seat_no": 1 + rng.below(5), "extra": rng.pick(&["", "x", "yy"]),
            "if_extra_rev": if rng.chance(50) { json!(rng.below(3)) } else { Value::Null }}),
        81..=83 => {
            json!({"type": "turn_next", "expect_turn_id": if rng.chance(50) { json!(format!("@turn/{t}")) } else { Value::Null },
            "seat_no": if rng.chance(30) { json!(1 + rng.below(5)) } else { Value::Null }})
        }
        84 => json!({"type": "turn_extend", "expect_turn_id": format!("@turn/{t}"),
            "seconds": i64::try_from(rng.below(120)).unwrap_or(0) - 60}),
        85 => json!({"type": rng.pick(&["turn_pause", "turn_resume"]), "expect_turn_id": format!("@turn/{t}")}),
        86..=88 => json!({"type": "mode_set", "mode": rng.pick(&["queue", "queue", "free", "apply", "chair"])}),
        89..=90 => {
            json!({"type": "flag_set", "flag": rng.pick(&["queue_open", "floor_controlled", "mute_all"]), "on": rng.chance(60)})
        }
        91..=93 => json!({"type": "role_set", "target_user_id": t,
            "role_id": rng.pick(&[json!("admin"), json!("host"), json!("vip"), json!("member"), json!("dj"), json!("guest"), json!("ghost"), json!("owner"), Value::Null])}),
        94 => json!({"type": "owner_transfer", "target_user_id": t}),
        95..=96 => json!({"type": "user_kick", "target_user_id": t, "reason": reason(rng)}),
        97 => {
            json!({"type": "user_ban", "target_user_id": t, "until_ms": rng.pick(&[json!(START + 60_000), json!(START + 600_000), Value::Null]), "reason": reason(rng)})
        }
        98 => json!({"type": "user_unban", "target_user_id": t}),
        _ if rng.chance(8) => json!({"type": "room_close", "reason": reason(rng)}),
        _ if rng.chance(50) => new_rules(rng),
        _ => json!({"type": "queue_ban", "target_user_id": t, "until_ms": rng.pick(&[0, START + 30_000, START + 300_000])}),
    })
}
