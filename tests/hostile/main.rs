//! Hostile input: the fuzzer's corpus and its mutations, and rooms that are asked for anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod targets;
mod worst;

use proptest::prelude::*;
use std::path::Path;
use targets::TARGETS;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 10, "{} has next to nothing", dir.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What the fuzzer has found worth keeping, and each of it cut short and with bytes changed.
#[test]
fn the_corpus_and_its_neighbours_do_no_harm() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for (index, bytes) in corpus.iter().enumerate() {
            target(bytes);
            target(&bytes[..bytes.len() / 2]);
            let other = &corpus[(index * 7 + 1) % corpus.len()];
            target(&[&bytes[..bytes.len() / 3], &other[other.len() / 3..]].concat());
            for (at, with) in [(1, b'"'), (2, b'9'), (3, b'}'), (5, 0x80), (7, b'-')] {
                let mut bytes = bytes.clone();
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(length * at / 8) {
                    *byte = with;
                }
                target(&bytes);
            }
        }
    }
}

/// What `cargo xtask measure parse` counts: full frames, most of them read to their end.
#[test]
fn the_hardest_frames_do_no_harm() {
    let frames = worst::frames();
    for (name, text) in &frames {
        assert!((12_000..=16_384).contains(&text.len()), "{name}: {} bytes", text.len());
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "{name} is no JSON");
        let (_, read) = TARGETS.iter().find(|(name, _)| *name == "frame").unwrap();
        read(text.as_bytes());
    }
    let read = frames.iter().filter(|(_, text)| michub::wire::client::parse(text).is_ok()).count();
    assert!(read >= 8, "only {read} are whole frames");
}

/// Values that somebody who wants to do harm puts into a field.
fn hostile() -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "true",
        "-1",
        "0",
        "1",
        "1.5",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "4294967296",
        "[]",
        "{}",
        "\"\"",
        "\"all\"",
        "\"front\"",
        "\"a\"",
        "\"own\"",
        "\"\\u0000\"",
        "\"\\ud83d\"",
        "\"../../etc\"",
        "[\"a\",\"a\"]",
        "[2,2,2]",
        "{\"before\":\"a\"}",
        "{\"up\":4294967295}",
        "{\"after\":\"b\",\"before\":\"b\"}",
        "[[[[[[[[]]]]]]]]",
    ];
    prop_oneof![
        8 => prop::sample::select(odd.map(str::to_owned).to_vec()),
        1 => "[ -~]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => (0..70_000_usize).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// Frames that are mostly right, so that they get far.
fn ask() -> impl Strategy<Value = String> {
    let fields = [
        "target_user_id",
        "target_user_ids",
        "user_ids",
        "place",
        "on_missing",
        "force",
        "want_seat",
        "note",
        "seat_no",
        "seat_nos",
        "policy",
        "requeue",
        "cooldown_seconds",
        "on",
        "evict",
        "extra",
        "if_extra_rev",
        "mode",
        "flag",
        "apply_id",
        "approve",
        "invite_id",
        "accept",
        "ttl_seconds",
        "expect_turn_id",
        "seconds",
        "rules",
        "if_rules_rev",
        "role_id",
        "reason",
        "until_ms",
        "undo_id",
        "ops",
        "atomic",
        "command",
        "as_user_id",
        "op_id",
        "if_rev",
        "id",
        "respect_rules",
        "user_id",
    ];
    let right = |kind: &str| match kind {
        "queue_insert" | "queue_move" => r#""target_user_id":"a","place":"back""#,
        "queue_remove" => r#""target_user_ids":["a","b"]"#,
        "queue_reorder" => r#""user_ids":["b","a"],"if_rev":3"#,
        "seat_assign" | "invite_send" | "seat_kick" | "user_kick" | "user_ban" | "owner_transfer" => r#""target_user_id":"b""#,
        "seat_move" => r#""target_user_id":"a","seat_no":3"#,
        "seat_lock" | "seat_mute" => r#""seat_nos":"all","on":true"#,
        "seat_extra" => r#""seat_no":2,"extra":"x""#,
        "mode_set" => r#""mode":"free""#,
        "flag_set" => r#""flag":"mute_all","on":true"#,
        "role_set" => r#""target_user_id":"b","role_id":"admin""#,
        "rules_set" => r#""rules":{"max_mic_count":2}"#,
        "queue_ban" => r#""target_user_id":"b","until_ms":99999999"#,
        "batch" => r#""ops":[{"type":"queue_join"},{"type":"queue_leave"}]"#,
        "explain" => r#""command":{"type":"queue_join"}"#,
        _ => r#""x":1"#,
    };
    let kinds = michub::hub::permission::NAMES.to_vec();
    let who = prop::sample::select(vec!["own", "a", "b", "c", "service"]);
    let wrong = prop::option::weighted(0.6, (prop::sample::select(fields.to_vec()), hostile()));
    (who, prop::sample::select(kinds), wrong).prop_map(move |(who, kind, wrong)| {
        let wrong = wrong.map(|(field, value)| format!(",\"{field}\":{value}")).unwrap_or_default();
        format!("{who} {{\"type\":\"{kind}\",{}{wrong}}}", right(kind))
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => ask(),
        1 => prop::sample::select(vec!["+a", "+b", "+c", "-a", "-b", "-own", "+own"]).prop_map(str::to_owned),
        1 => (0_u32..400_000).prop_map(|ms| format!("={ms}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_room_bears_any_field(lines in prop::collection::vec(line(), 1..36)) {
        targets::room(format!("!{{\"max_mic_count\":2,\"timeout_seconds\":5}}\n+a\n+b\n{}", lines.join("\n")).as_bytes());
    }
}
