//! Rules documents: any that may be, and now and then one that may not.
use super::PEOPLE;
use crate::{rng::Rng, run::START};
use serde_json::{Value, json};

/// What a role may be given beside its level's rights.
const PERMS: [&str; 16] = [
    "queue_move",
    "queue_insert",
    "queue_remove",
    "queue_reorder",
    "queue_restore",
    "queue_ban",
    "seat_mute",
    "seat_move",
    "seat_kick",
    "seat_lock",
    "turn_next",
    "turn_extend",
    "apply_resolve",
    "invite_send",
    "role_set",
    "rules_set",
];

/// A rules document.
pub fn rules(rng: &mut Rng) -> Value {
    let mut doc = json!({
        "max_mic_count": 1 + rng.below(4), "host_seat": rng.chance(60), "max_queue_len": rng.pick(&[0, 1, 3, 6, 100]),
        "queue_mode": rng.pick(&["queue", "queue", "free", "apply", "chair"]), "timeout_seconds": rng.pick(&[0, 5, 60]),
        "turn_max_total_seconds": rng.pick(&[0, 60, 900]), "on_deck_size": rng.below(3), "max_jumped_by": rng.below(4),
        "hold_seconds_queue": rng.pick(&[0, 1, 30, 120]), "hold_seconds_seat": rng.pick(&[0, 1, 30]),
        "apply_ttl_seconds": rng.pick(&[5, 60]), "invite_ttl_seconds": rng.pick(&[5, 30]),
        "rejoin_cooldown_seconds": rng.pick(&[0, 0, 5]), "mode_grace_seconds": rng.pick(&[0, 3]),
        "mode_min_interval_seconds": rng.pick(&[0, 2]), "stream_stop_grace_seconds": rng.pick(&[0, 5, 30]), "chair_min_level": rng.pick(&[200, 600, 800]),
    });
    if rng.chance(50) {
        people_rules(rng, &mut doc);
    }
    doc
}

/// Roles, priorities, lists and windows.
pub(super) fn people_rules(rng: &mut Rng, doc: &mut Value) {
    let number = |rng: &mut Rng, most: u64| i64::try_from(rng.below(most)).unwrap_or(0);
    let mut roles = Vec::new();
    for (id, level) in [("vip", 200), ("dj", 300), ("member", 100), ("admin", 800), ("guest", 10)] {
        if rng.chance(50) {
            let level = if rng.chance(10) { level + 20 } else { level };
            let mut role = json!({"role_id": id, "level": level, "priority_level": number(rng, 4) * 10 - 10, "can_skip_queue": rng.chance(15)});
            if rng.chance(30) {
                role["timeout_seconds"] = json!(rng.pick(&[0, 7, 90]));
            }
            if rng.chance(30) {
                role["perms"] = json!([*rng.pick(&PERMS)]);
            }
            roles.push(role);
        }
    }
    doc["roles"] = json!(roles);
    let mut specials = Vec::new();
    for who in ["a", "b", "vip"] {
        if rng.chance(25) {
            let mut special = json!({"user_id": who, "priority_level": number(rng, 5) * 10 - 10});
            if rng.chance(50) {
                special["until_ms"] = json!(START + rng.below(120_000));
            }
            specials.push(special);
        }
    }
    doc["special_user_list"] = json!(specials);
    doc["access"] = json!(rng.pick(&["open", "open", "blacklist", "whitelist"]));
    doc["blacklist"] = json!(listed(rng, 12));
    doc["whitelist"] = json!(listed(rng, 80));
    let windows = if rng.chance(40) { rng.below(3) } else { 0 };
    doc["time_based_rules"] = json!((0..windows).map(|_| window(rng)).collect::<Vec<_>>());
}

fn listed(rng: &mut Rng, percent: u64) -> Vec<&'static str> {
    PEOPLE.into_iter().filter(|_| rng.chance(percent)).collect()
}

fn window(rng: &mut Rng) -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<&str> = if rng.chance(40) { Vec::new() } else { days.into_iter().filter(|_| rng.chance(50)).collect() };
    let (from, to) = (rng.below(24), rng.below(24));
    let roles = |rng: &mut Rng, percent| -> Vec<&str> {
        ["admin", "guest", "host", "member", "vip"].into_iter().filter(|_| rng.chance(percent)).collect()
    };
    let mut window = json!({
        "name": "w", "days": days, "start": format!("{from:02}:00"), "end": format!("{to:02}:30"),
        "tz": rng.pick(&["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "America/New_York"]),
        "boost": {}, "deny_roles": roles(rng, 10), "only_roles": if rng.chance(20) { roles(rng, 60) } else { Vec::new() },
    });
    if rng.chance(50) {
        window["boost"] = json!({"vip": 20, "member": 5});
    }
    if rng.chance(20) {
        window["timeout_seconds"] = json!(9);
    }
    if rng.chance(20) {
        window["max_queue_len"] = json!(2);
    }
    window
}

/// A change of the rules: usually a whole new document for the room that has a host seat or not.
pub(super) fn new_rules(rng: &mut Rng) -> Value {
    let mut doc = rules(rng);
    doc["host_seat"] = json!("@host_seat");
    if rng.chance(5) {
        doc["bad_key"] = json!(1);
    }
    let mut frame = json!({"type": "rules_set", "rules": doc});
    if rng.chance(20) {
        frame["if_rules_rev"] = json!(rng.below(3));
    }
    frame
}
