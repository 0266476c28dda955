//! What a room is mostly about, so that commands meet what they are about: a queue, turns, seats.
use super::{
    PEOPLE,
    frame::{drop_nulls, frame, place, reason, seat, seats},
    rules::people_rules,
};
use crate::{rng::Rng, run::START};
use serde_json::{Value, json};

/// What a room is mostly about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mood {
    Any,
    Queue,
    Turns,
    Asks,
    Seats,
    People,
}

impl Mood {
    /// Changes the rules so that much of that happens.
    pub(super) fn suit(self, rng: &mut Rng, rules: &mut Value) {
        let mut set = |key: &str, value: Value| rules[key] = value;
        match self {
            Self::Any | Self::People => return,
            Self::Queue => {
                set("max_mic_count", json!(1));
                set("queue_mode", json!(rng.pick(&["queue", "apply", "chair"])));
            }
            Self::Turns => {
                set("queue_mode", json!("queue"));
                set("timeout_seconds", json!(rng.pick(&[5, 60, 60])));
                set("turn_max_total_seconds", json!(rng.pick(&[0, 60, 90, 900])));
            }
            Self::Asks => set("queue_mode", json!("apply")),
            Self::Seats => {
                set("queue_mode", json!(rng.pick(&["free", "free", "queue", "chair"])));
                set("max_mic_count", json!(3 + rng.below(3)));
                set("hold_seconds_seat", json!(120));
            }
        }
        set("max_queue_len", json!(100));
        set("hold_seconds_queue", json!(120));
        set("access", json!("open"));
    }

    pub(super) fn frame(self, rng: &mut Rng, who: &str) -> Value {
        let made = self.mostly(rng, who);
        // A backend has no place of its own.
        let own = OWN.iter().any(|name| made["type"] == *name);
        if own && who == "service" { frame(rng, who) } else { made }
    }

    fn mostly(self, rng: &mut Rng, who: &str) -> Value {
        let t = *rng.pick(&PEOPLE);
        let some = |rng: &mut Rng, kind: &str| json!(format!("@{kind}#{}", rng.below(12)));
        let waiting = |rng: &mut Rng| if rng.chance(85) { some(rng, "queue") } else { json!(t) };
        let turn = |rng: &mut Rng| some(rng, "turn");
        let spot = |rng: &mut Rng| match rng.below(4) {
            0 => json!({"before": waiting(rng)}),
            1 => json!({"after": waiting(rng)}),
            _ => place(rng, true),
        };
        let roll = rng.below(100);
        drop_nulls(match (self, roll) {
            (Self::Queue, 0..=24) | (Self::Turns, 0..=29) => json!({"type": "queue_join", "want_seat": seat(rng)}),
            (Self::Queue, 25..=28) => json!({"type": "queue_leave"}),
            (Self::Queue, 29..=38) => {
                json!({"type": "queue_insert", "target_user_id": t, "place": place(rng, false), "respect_rules": rng.chance(20)})
            }
            (Self::Queue, 39..=44) => {
                json!({"type": "queue_remove", "target_user_ids": [waiting(rng), waiting(rng)], "reason": reason(rng)})
            }
            (Self::Queue, 45..=75) => json!({"type": "queue_move", "target_user_id": waiting(rng), "place": spot(rng),
                "on_missing": rng.pick(&["fail", "nearest", "nearest"]), "force": rng.chance(20)}),
            (Self::Queue, 76..=83) => {
                json!({"type": "queue_reorder", "user_ids": [waiting(rng), waiting(rng)], "if_rev": "@rev"})
            }
            (Self::Queue, 84..=86) => json!({"type": "queue_clear"}),
            (Self::Queue, 87..=92) => json!({"type": "queue_restore", "undo_id": format!("@undo/{}", rng.below(5) / 2)}),
            (Self::Queue, 93..=97) => json!({"type": "queue_resort"}),
            (Self::Turns, 30..=41) => {
                json!({"type": "turn_next", "expect_turn_id": if rng.chance(40) { turn(rng) } else { Value::Null },
                "seat_no": if rng.chance(60) { json!(1 + rng.below(5)) } else { Value::Null }})
            }
            (Self::Turns, 42..=64) => {
                let seconds = *rng.pick(&[-60, -30, -5, -1, 0, 1, 30, 30, 60, 840]);
                json!({"type": "turn_extend", "expect_turn_id": turn(rng), "seconds": seconds})
            }
            (Self::Turns, 65..=84) => json!({"type": rng.pick(&["turn_pause", "turn_resume"]), "expect_turn_id": turn(rng)}),
            (Self::Turns, 85..=88) => json!({"type": "turn_yield"}),
            (Self::Turns, 89..=94) => json!({"type": "flag_set", "flag": "floor_controlled", "on": rng.chance(60)}),
            (Self::Asks, 0..=24) => json!({"type": "apply_submit", "want_seat": seat(rng)}),
            (Self::Asks, 25..=44) => {
                json!({"type": "apply_resolve", "apply_id": some(rng, "apply"), "approve": rng.chance(60), "seat_no": seat(rng)})
            }
            (Self::Asks, 45..=49) => json!({"type": "apply_cancel", "apply_id": format!("@apply/{who}")}),
            (Self::Asks, 50..=64) => json!({"type": "invite_send", "target_user_id": t, "seat_no": seat(rng)}),
            (Self::Asks, 65..=79) => {
                json!({"type": "invite_reply", "invite_id": format!("@invite/{who}"), "accept": rng.chance(70)})
            }
            (Self::Asks, 80..=84) => json!({"type": "invite_cancel", "invite_id": some(rng, "invite")}),
            (Self::Seats, _) => seat_frame(rng, who, roll),
            (Self::People, _) => people_frame(rng, who, roll),
            _ => return frame(rng, who),
        })
    }
}

/// What is done to seats and those who sit there.
fn seat_frame(rng: &mut Rng, who: &str, roll: u64) -> Value {
    let sits = |rng: &mut Rng| if rng.chance(85) { json!(format!("@seat#{}", rng.below(8))) } else { json!(rng.pick(&PEOPLE)) };
    let t = *rng.pick(&PEOPLE);
    match roll {
        0..=14 => json!({"type": "seat_take", "seat_no": seat(rng)}),
        15..=24 => json!({"type": "seat_assign", "target_user_id": t, "seat_no": seat(rng),
            "policy": rng.pick(&["fail", "fail", "replace"]), "requeue": rng.chance(50)}),
        25..=44 => {
            json!({"type": "seat_move", "target_user_id": if who == "service" || rng.chance(70) { sits(rng) } else { Value::Null },
            "seat_no": 1 + rng.below(5), "policy": rng.pick(&["fail", "replace", "swap", "swap"])})
        }
        45..=49 => json!({"type": "seat_kick", "target_user_id": sits(rng), "requeue": rng.chance(50),
            "cooldown_seconds": rng.pick(&[json!(0), json!(3), Value::Null])}),
        50..=59 => json!({"type": "seat_lock", "seat_nos": seats(rng), "on": rng.chance(45), "evict": rng.chance(30)}),
        60..=74 => json!({"type": "seat_mute", "seat_nos": seats(rng), "on": rng.chance(60)}),
        75..=79 => json!({"type": "seat_extra", "seat_no": 1 + rng.below(5), "extra": rng.pick(&["", "x", "yy"])}),
        80..=84 => json!({"type": "invite_send", "target_user_id": t, "seat_no": seat(rng)}),
        85..=89 => json!({"type": "queue_join", "want_seat": seat(rng)}),
        90..=94 => json!({"type": "rules_set", "rules": {"host_seat": "@host_seat", "max_mic_count": 1 + rng.below(5)}}),
        _ => frame(rng, who),
    }
}

/// What is done to people: roles, bans, the lists.
fn people_frame(rng: &mut Rng, who: &str, roll: u64) -> Value {
    let t = *rng.pick(&PEOPLE);
    match roll {
        0..=19 => json!({"type": "role_set", "target_user_id": t,
            "role_id": rng.pick(&[json!("admin"), json!("host"), json!("vip"), json!("member"), json!("dj"), Value::Null])}),
        20..=27 => json!({"type": "user_ban", "target_user_id": t, "reason": reason(rng),
            "until_ms": rng.pick(&[json!(START + 60_000), json!(START + 600_000), Value::Null])}),
        28..=39 => json!({"type": "user_unban", "target_user_id": format!("@banned#{}", rng.below(5))}),
        40..=49 => {
            json!({"type": "queue_ban", "target_user_id": t, "until_ms": rng.pick(&[0, START + 30_000, START + 300_000])})
        }
        50..=54 => json!({"type": "owner_transfer", "target_user_id": t}),
        55..=74 => json!({"type": "queue_join"}),
        75..=79 => {
            let mut doc = json!({"host_seat": "@host_seat"});
            people_rules(rng, &mut doc);
            json!({"type": "rules_set", "rules": doc})
        }
        _ => frame(rng, who),
    }
}

/// What everybody may ask for himself.
pub(super) const OWN: [&str; 10] = [
    "queue_join",
    "queue_leave",
    "seat_take",
    "seat_leave",
    "apply_submit",
    "apply_cancel",
    "invite_reply",
    "turn_yield",
    "batch",
    "explain",
];
