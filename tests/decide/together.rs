//! `tests/vectors/together.json`: two people at once. Who sends what is written by hand, what comes of it is golden: other clients and
//! other implementations replay the same file. `MICHUB_BLESS=1 cargo test --test decide together` writes the outcomes anew; look at the difference.
use super::table::Table;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/together.json");

fn cases() -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

/// Plays a case. `role`, `wait_ms` and `who` with `frame` are what a step can be.
fn play(case: &Value) -> Value {
    let mut table = Table::new(&case["rules"]);
    let mut played = case.clone();
    for step in played["steps"].as_array_mut().unwrap() {
        if let Some(role) = step["role"].as_str() {
            table.role(step["who"].as_str().unwrap(), role);
            continue;
        }
        if let Some(ms) = step["wait_ms"].as_u64() {
            table.wait(ms);
        } else {
            let who = step["who"].as_str().unwrap();
            step["answer"] = table.ask(who, &step["frame"]).unwrap_or_else(|refusal| refusal);
        }
        step["events"] = json!(table.events);
    }
    played["order"] = json!(table.order());
    played["seats"] = json!(table.seats());
    played
}

#[test]
fn two_at_once_end_as_they_did() {
    let now: Vec<Value> = cases().iter().map(play).collect();
    if std::env::var_os("MICHUB_BLESS").is_some() {
        let steps =
            |case: &Value| case["steps"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(",\n  ");
        let line = |case: &Value| {
            let (name, rules, order, seats) = (&case["name"], &case["rules"], &case["order"], &case["seats"]);
            format!("{{\"name\":{name},\"rules\":{rules},\"order\":{order},\"seats\":{seats},\"steps\":[\n  {}]}}", steps(case))
        };
        std::fs::write(FILE, format!("[\n{}\n]\n", now.iter().map(line).collect::<Vec<_>>().join(",\n"))).unwrap();
    }
    let kept = cases();
    for (now, kept) in now.iter().zip(&kept) {
        assert_eq!(now, kept, "{}", kept["name"]);
    }
    let names: BTreeSet<&str> = kept.iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), kept.len(), "a name stands twice");
}

/// What the golden files hold must be what the rules say, whatever was blessed.
#[test]
fn two_at_once_end_as_they_should() {
    let ends = [
        ("both moves hold, D first", "d c a b"),
        ("both moves hold, C first", "c d a b"),
        ("the anchor is gone", "b c d"),
        ("the anchor is gone, nearest will do", "d b c"),
        ("both approve", ""),
        ("approve against reject", ""),
        ("both press next", "d"),
        ("X clears, Y moves, X restores", "a b c d"),
        ("the drag of a stale list", "a c d"),
        ("a retry after a lost reply", "b c d a"),
        ("timer, next, yield and leave at once", "c d"),
    ];
    let cases = cases();
    for (name, order) in ends {
        let case = cases.iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no case {name:?}"));
        assert_eq!(play(case)["order"], order, "{name}");
    }
    assert_eq!(cases.len(), ends.len());
    let answers = |name: &str| -> Vec<Value> {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        play(case)["steps"].as_array().unwrap().iter().map(|step| step["answer"].clone()).collect()
    };
    let last = |name: &str| answers(name).last().unwrap().clone();
    assert_eq!(last("the anchor is gone")["details"], json!({"before": null, "after": "b"}));
    assert_eq!((&last("both approve")["noop"], &last("both approve")["by"]), (&json!(true), &json!("x")));
    assert_eq!(last("approve against reject")["name"], "apply_resolved");
    assert_eq!(last("both press next")["name"], "turn_changed");
    assert_eq!(last("the drag of a stale list")["name"], "stale_rev");
    assert_eq!(last("a retry after a lost reply")["dup"], true);
    let names: Vec<Value> =
        answers("timer, next, yield and leave at once").into_iter().map(|answer| answer["name"].clone()).collect();
    assert_eq!(names[names.len() - 3..], ["turn_changed", "turn_changed", "not_seated"].map(|name| json!(name)));
}
