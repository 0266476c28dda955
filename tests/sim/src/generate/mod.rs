//! Traces from seeds: people who do what people do, and what goes wrong around them.
mod frame;
mod mood;
mod rules;

pub use rules::rules;

use self::{
    frame::{drop_nulls, frame},
    mood::{Mood, OWN},
    rules::new_rules,
};
use crate::{rng::Rng, run::Trace};
use serde_json::{Value, json};

/// Everybody in these rooms.
pub const PEOPLE: [&str; 10] = ["own", "adm", "ad2", "hst", "vip", "a", "b", "c", "d", "e"];

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

fn step(rng: &mut Rng, number: usize, mood: Mood) -> Value {
    let who = *rng.pick(&PEOPLE);
    let mut step = match rng.below(100) {
        0..=3 => {
            // Some lines are ended by the hub itself, which keeps their places for longer.
            let floor = if rng.chance(25) { json!(45_000 + rng.below(5_000)) } else { Value::Null };
            drop_nulls(json!({"do": "drop", "who": who, "hub_ms": floor}))
        }
        4..=5 => stream(rng),
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

/// Somebody on a seat, as a rule: of nobody else a stream is a matter of the room.
fn streams(rng: &mut Rng) -> String {
    if rng.chance(80) { format!("@seat#{}", rng.below(8)) } else { (*rng.pick(&PEOPLE)).to_owned() }
}

/// Somebody, and what he asks.
pub fn somebody_asks(rng: &mut Rng) -> (&'static str, Value) {
    let who = if rng.chance(10) { "service" } else { *rng.pick(&PEOPLE) };
    // Half of all commands come from whoever may everything: the others are refused too often to move the room.
    let who = if rng.chance(50) { "own" } else { who };
    let mood = *rng.pick(&[Mood::Any, Mood::Queue, Mood::Turns, Mood::Seats, Mood::People]);
    (who, mood.frame(rng, who))
}

/// What a media server tells of somebody: that he is on air, or since when he is not.
pub fn stream(rng: &mut Rng) -> Value {
    let ago = if rng.chance(60) { json!(rng.pick(&[0, 0, 500, 4_000, 90_000])) } else { Value::Null };
    drop_nulls(json!({"do": "stream", "who": streams(rng), "stopped_ms_ago": ago}))
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
