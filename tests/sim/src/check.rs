//! Invariants that need no model: what must hold of any state that a client can see.
use crate::{
    model::{show::DAY, text},
    sut::Did,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Leaves out bans, queue bans, cooldowns and undos whose end has passed: the hub may still list them.
pub fn without_expired(state: &Value, now: u64) -> Value {
    let mut state = state.clone();
    for key in ["bans", "queue_bans", "cooldowns"] {
        if let Some(map) = state[key].as_object_mut() {
            map.retain(|_, until| until.as_u64().is_none_or(|until| until > now));
        }
    }
    if let Some(undo) = state["undo"].as_array_mut() {
        undo.retain(|undo| undo["at_ms"].as_u64().is_none_or(|at| at + DAY >= now));
    }
    state
}

fn list<'a>(state: &'a Value, key: &str) -> &'a [Value] {
    state[key].as_array().map_or(&[], Vec::as_slice)
}

/// Checks one state and the batch that led to it.
pub fn invariants(state: &Value, did: &Did) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {state}"));
    let (queue, seats, turns) = (list(state, "queue"), list(state, "seats"), list(state, "turns"));
    let seated: Vec<(&str, &Value)> =
        seats.iter().filter(|seat| !seat["occupant"].is_null()).map(|seat| (text(&seat["occupant"], "user_id"), seat)).collect();
    let placed: Vec<&str> =
        queue.iter().map(|entry| text(entry, "user_id")).chain(seated.iter().map(|(user, _)| *user)).collect();
    if placed.iter().collect::<BTreeSet<_>>().len() != placed.len() {
        return fail("I1: somebody is placed twice");
    }
    let numbers: Vec<u64> = seats.iter().filter_map(|seat| seat["no"].as_u64()).collect();
    if !numbers.is_sorted_by(|a, b| a < b) {
        return fail("I3: the seats' numbers do not rise");
    }
    for (index, turn) in turns.iter().enumerate() {
        let sits = seated
            .iter()
            .any(|(user, seat)| *user == text(turn, "user_id") && seat["no"] == turn["seat_no"] && seat["kind"] == "guest");
        if !sits || turns[..index].iter().any(|other| other["user_id"] == turn["user_id"]) {
            return fail("I4, I5: a turn without its person on its seat");
        }
        if state["mode"] == "free" || state["mode"] == "apply" {
            return fail("a turn in a mode without turns");
        }
    }
    let own = || did.own.iter().flat_map(|seen| &seen.events);
    let by_rule = own().find(|event| event["event"] == "queue_joined" && event["pinned"] == false);
    if let Some(joined) = by_rule.filter(|_| own().all(|event| event["event"] != "rules_changed")) {
        let most = state["rules"]["max_jumped_by"].as_u64().unwrap_or(0);
        let passed = queue.iter().skip_while(|entry| entry["user_id"] != joined["user_id"]).skip(1);
        if passed.into_iter().any(|entry| entry["jumped_by"].as_u64() > Some(most)) {
            return fail("I12: somebody was overtaken too often");
        }
    }
    for user in &placed {
        let owner = state["owner_user_id"] == *user;
        let blacklisted = state["rules"]["access"].as_str().is_some_and(|access| access != "open")
            && state["rules"]["blacklist"].as_array().is_some_and(|list| list.iter().any(|u| u == user));
        if !owner && (state["bans"].get(*user).is_some() || blacklisted) {
            return fail("I16: somebody banned has a place");
        }
    }
    for pair in queue.windows(2) {
        let plain = |entry: &Value| entry["pinned"] == false && entry["skip_queue"] != true;
        let by_seq = pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64();
        if plain(&pair[0]) && plain(&pair[1]) && pair[0]["eff_priority"] == pair[1]["eff_priority"] && !by_seq {
            return fail("I10: equals are not in the order of their seq");
        }
    }
    let mut ended = BTreeSet::new();
    let mut revs = Vec::new();
    for event in did.update.iter().flat_map(|update| list(update, "events")) {
        if event["event"] == "turn_ended" && !ended.insert(text(event, "turn_id")) {
            return fail("I18: a turn ended twice");
        }
        revs.push(event["rev"].as_u64().unwrap_or(0));
    }
    if !revs.is_sorted() || revs.windows(2).any(|pair| pair[1] > pair[0] + 1) {
        return fail("I6: revs do not rise by one");
    }
    Ok(())
}
