//! Traces from seeds: people who do what people do, and what goes wrong around them.
use crate::{
    rng::Rng,
    run::{START, Trace},
};
use serde_json::{Value, json};

/// Everybody in these rooms.
pub const PEOPLE: [&str; 10] = ["own", "adm", "ad2", "hst", "vip", "a", "b", "c", "d", "e"];

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

/// What a room is mostly about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Any,
    Queue,
    Turns,
    Asks,
    Seats,
    People,
}

impl Mood {
    /// Changes the rules so that much of that happens.
    fn suit(self, rng: &mut Rng, rules: &mut Value) {
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

    fn frame(self, rng: &mut Rng, who: &str) -> Value {
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
const OWN: [&str; 10] = [
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

/// Makes the trace of a seed.
pub fn trace(seed: u64, steps: usize) -> Trace {
    let mut rng = Rng::new(seed);
    let mood = *rng.pick(&[Mood::Any, Mood::Any, Mood::Queue, Mood::Turns, Mood::Asks, Mood::Seats, Mood::People]);
    let mut rules = rules(&mut rng);
    mood.suit(&mut rng, &mut rules);
    let mut list: Vec<Value> = PEOPLE.iter().map(|who| json!({"do": "come", "who": who})).collect();
    for (who, role) in [("adm", "admin"), ("ad2", "admin"), ("hst", "host"), ("vip", "vip")] {
        list.push(json!({"do": "ask", "who": "own", "frame": {"type": "role_set", "target_user_id": who, "role_id": role}}));
    }
    if mood == Mood::Queue {
        list.extend(PEOPLE.iter().map(|who| json!({"do": "ask", "who": who, "frame": {"type": "queue_join"}})));
    }
    if mood == Mood::Seats {
        list.extend(PEOPLE.iter().map(|who| json!({"do": "ask", "who": who, "frame": {"type": "seat_take"}})));
    }
    for number in 0..steps {
        let step = step(&mut rng, number, mood);
        let all_gone = step["do"] == "restart" && rng.chance(70);
        list.push(step);
        if all_gone {
            list.extend((0..6).map(|_| json!({"do": "come", "who": format!("@away#{}", rng.below(8))})));
        }
    }
    Trace { rules, steps: list }
}

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
fn people_rules(rng: &mut Rng, doc: &mut Value) {
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
fn new_rules(rng: &mut Rng) -> Value {
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

fn step(rng: &mut Rng, number: usize, mood: Mood) -> Value {
    let who = *rng.pick(&PEOPLE);
    let mut step = match rng.below(100) {
        0..=3 => {
            // Some lines are ended by the hub itself, which keeps their places for longer.
            let floor = if rng.chance(25) { json!(45_000 + rng.below(5_000)) } else { Value::Null };
            drop_nulls(json!({"do": "drop", "who": who, "hub_ms": floor}))
        }
        4..=5 => {
            let ago = if rng.chance(60) { json!(rng.pick(&[0, 0, 500, 4_000, 90_000])) } else { Value::Null };
            drop_nulls(json!({"do": "stream", "who": streams(rng), "stopped_ms_ago": ago}))
        }
        6..=12 => come(rng, who),
        13..=14 => json!({"do": "leave", "who": who}),
        15..=16 => json!({"do": "wait", "ms": rng.below(3_000)}),
        17 if rng.chance(10) => json!({"do": "wait", "ms": rng.below(9 * 24 * 3_600_000)}),
        17 => json!({"do": "wait", "ms": rng.below(130_000)}),
        18 => json!({"do": "back", "ms": rng.below(2_000)}),
        19..=22 => json!({"do": "tick"}),
        23 if rng.chance(60) => json!({"do": "restart"}),
        24..=25 => json!({"do": "again", "who": who}),
        _ => {
            let who = if rng.chance(4) { "service" } else { who };
            // The owner changes the rules now and then.
            if rng.chance(2) {
                return json!({"do": "ask", "who": "own", "frame": new_rules(rng)});
            }
            let mut frame = asked(rng, who, mood);
            // Most of what needs a role is asked by somebody who has one.
            let own = OWN.iter().any(|name| frame["type"] == *name);
            let who =
                if !own && who != "service" && rng.chance(65) { *rng.pick(&["own", "own", "adm", "ad2", "hst"]) } else { who };
            if rng.chance(30) && who != "service" {
                let op = if rng.chance(15) { rng.below(3) } else { 1_000 + number as u64 };
                frame["op_id"] = json!(format!("op{op}"));
            }
            if frame["if_rev"].is_null() && rng.chance(6) {
                frame["if_rev"] = json!(rng.pick(&["@rev", "@old_rev", "@cursor"]));
            }
            json!({"do": "ask", "who": who, "frame": frame})
        }
    };
    if rng.chance(30) {
        step["node"] = json!(1);
    }
    if rng.chance(15) {
        step["lag"] = json!(true);
    }
    if rng.chance(5) && step["do"] != "leave" && step["do"] != "restart" {
        step["fault"] = json!(rng.pick(&["lost_reply", "lost"]));
    } else if rng.chance(2) && step["do"] == "ask" {
        step["fault"] = json!("not_done");
    }
    step
}

fn come(rng: &mut Rng, who: &str) -> Value {
    if !rng.chance(10) {
        let who = if rng.chance(80) { format!("@away#{}", rng.below(8)) } else { who.to_owned() };
        return json!({"do": "come", "who": who});
    }
    let role = rng.pick(&["admin", "host", "vip", "guest", "member", "owner"]);
    json!({"do": "come", "who": who, "role": role, "age_ms": rng.below(20_000)})
}

fn seat(rng: &mut Rng) -> Value {
    if rng.chance(40) { Value::Null } else { json!(1 + rng.below(6)) }
}

fn seats(rng: &mut Rng) -> Value {
    if rng.chance(30) {
        return json!("all");
    }
    let count = 1 + rng.below(2);
    json!((0..count).map(|_| 1 + rng.below(5)).collect::<Vec<_>>())
}

/// Somebody on a seat, as a rule: of nobody else a stream is a matter of the room.
fn streams(rng: &mut Rng) -> String {
    if rng.chance(80) { format!("@seat#{}", rng.below(8)) } else { (*rng.pick(&PEOPLE)).to_owned() }
}

fn reason(rng: &mut Rng) -> Value {
    if rng.chance(30) { json!("why") } else { Value::Null }
}

fn people(rng: &mut Rng, most: u64) -> Value {
    let count = 1 + rng.below(most);
    json!((0..count).map(|_| *rng.pick(&PEOPLE)).collect::<Vec<_>>())
}

fn place(rng: &mut Rng, steps: bool) -> Value {
    match rng.below(if steps { 6 } else { 4 }) {
        0 => json!({"before": rng.pick(&PEOPLE)}),
        1 => json!({"after": rng.pick(&PEOPLE)}),
        2 => json!("front"),
        3 => json!("back"),
        4 => json!({"up": 1 + rng.below(4)}),
        _ => json!({"down": 1 + rng.below(4)}),
    }
}

fn drop_nulls(mut frame: Value) -> Value {
    if let Some(map) = frame.as_object_mut() {
        map.retain(|key, value| !value.is_null() || key == "role_id");
    }
    frame
}

/// Somebody, and what he asks.
pub fn somebody_asks(rng: &mut Rng) -> (&'static str, Value) {
    let who = if rng.chance(10) { "service" } else { *rng.pick(&PEOPLE) };
    // Half of all commands come from whoever may everything: the others are refused too often to move the room.
    let who = if rng.chance(50) { "own" } else { who };
    let mood = *rng.pick(&[Mood::Any, Mood::Queue, Mood::Turns]);
    (who, mood.frame(rng, who))
}

/// A command, a batch of them, or one to be tried out.
fn asked(rng: &mut Rng, who: &str, mood: Mood) -> Value {
    let plain = |rng: &mut Rng| {
        let mut frame = mood.frame(rng, who);
        if let Some(fields) = frame.as_object_mut() {
            fields.remove("if_rev");
        }
        frame
    };
    match rng.below(100) {
        0..=4 => {
            let ops: Vec<Value> = (0..1 + rng.below(4)).map(|_| plain(rng)).collect();
            drop_nulls(json!({"type": "batch", "ops": ops, "atomic": rng.pick(&[json!(true), json!(false), Value::Null])}))
        }
        5..=7 => {
            let other = if rng.chance(40) { json!(rng.pick(&PEOPLE)) } else { Value::Null };
            drop_nulls(json!({"type": "explain", "command": plain(rng), "as_user_id": other}))
        }
        _ if rng.chance(60) => mood.frame(rng, who),
        _ => frame(rng, who),
    }
}

fn frame(rng: &mut Rng, who: &str) -> Value {
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
