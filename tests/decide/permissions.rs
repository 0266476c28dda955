//! `docs/PERMISSIONS.md`, cell by cell: every role, every command, asked of a real room.
use super::table::Table;
use michub::hub::permission::NAMES;
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Row {
    command: String,
    special: String,
    /// Role and whether it may.
    cells: Vec<(String, bool)>,
}

fn matrix() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PERMISSIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cells =
        |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    let mut lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let head = lines.next().unwrap();
    let row = |line: Vec<String>| {
        assert_eq!(line.len(), head.len(), "{line:?}");
        let (command, special) = line[0].split_once(' ').unwrap_or((&line[0], ""));
        let may = |cell: &String| match cell.as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("{other} in the row {}", line[0]),
        };
        let cells = head.iter().zip(&line).skip(1).map(|(role, cell)| (role.clone(), may(cell))).collect();
        Row { command: command.to_owned(), special: special.to_owned(), cells }
    };
    lines.skip(1).map(row).collect()
}

/// A frame of this command that any reader understands. `t` is the target, a guest on no seat.
fn frame(command: &str, special: &str) -> Value {
    let mut frame = match command {
        "queue_insert" => json!({"target_user_id": "t", "place": "back"}),
        "queue_remove" => json!({"target_user_ids": ["t"]}),
        "queue_move" => json!({"target_user_id": "t", "place": "back", "force": special == "force"}),
        "queue_reorder" => json!({"user_ids": ["t"]}),
        "queue_restore" => json!({"undo_id": "u"}),
        "apply_cancel" => json!({"apply_id": "x"}),
        "apply_resolve" => json!({"apply_id": "x", "approve": true}),
        "invite_reply" => json!({"invite_id": "x", "accept": true}),
        "invite_cancel" => json!({"invite_id": "x"}),
        "seat_move" if special == "self" => json!({"seat_no": 3}),
        "seat_move" => json!({"target_user_id": "t", "seat_no": 3}),
        "seat_lock" => json!({"seat_nos": [3], "on": true}),
        "seat_mute" if special == "self" => json!({"seat_nos": [2], "on": true}),
        "seat_mute" => json!({"seat_nos": [3], "on": true}),
        "seat_extra" => json!({"seat_no": 3, "extra": "x"}),
        "turn_extend" => json!({"expect_turn_id": "x", "seconds": 1}),
        "turn_pause" | "turn_resume" => json!({"expect_turn_id": "x"}),
        "mode_set" => json!({"mode": "chair"}),
        "flag_set" => json!({"flag": "mute_all", "on": true}),
        "rules_set" => json!({"rules": {"max_mic_count": 5}}),
        "role_set" => json!({"target_user_id": "t", "role_id": if special.is_empty() { "vip" } else { special }}),
        "queue_ban" => json!({"target_user_id": "t", "until_ms": 9_000_000}),
        "batch" => json!({"ops": [{"type": "turn_yield"}], "atomic": false}),
        "explain" if special.is_empty() => json!({"command": {"type": "turn_yield"}}),
        "explain" => json!({"command": {"type": "turn_yield"}, "as_user_id": "t"}),
        "invite_send" | "seat_assign" | "seat_kick" | "owner_transfer" | "user_kick" | "user_ban" | "user_unban" => {
            json!({"target_user_id": "t"})
        }
        _ => json!({}),
    };
    frame["type"] = command.into();
    frame
}

/// A room in which `me` has this role, and sits on seat 2 if the row is about his own.
fn room(role: &str, special: &str, document: &Value) -> (Table, &'static str) {
    let mut table = Table::new(document);
    table.role("t", "guest");
    let me = match role {
        "owner" => "own",
        "service" => "service",
        _ => "me",
    };
    if me == "me" && role != "member" {
        table.role("me", role);
    }
    if special == "self" {
        table.ok(
            "service",
            &json!({"type": "seat_assign", "target_user_id": if me == "service" { "x" } else { me }, "seat_no": 2}),
        );
    }
    (table, me)
}

#[test]
fn every_role_may_what_its_cell_says() {
    for Row { command, special, cells } in matrix() {
        for (role, may) in cells {
            let (mut table, me) = room(&role, &special, &json!({}));
            let said = table.name(me, &frame(&command, &special));
            assert_eq!(said != "forbidden", may, "{role}: {command} {special} says {said}");
            assert!(
                !["bad_argument", "bad_request", "unknown_type"].contains(&said.as_str()),
                "{command} {special} is not understood: {said}"
            );
        }
    }
}

#[test]
fn every_command_has_a_row_and_every_row_a_command() {
    let rows: BTreeSet<String> = matrix().into_iter().map(|row| row.command).collect();
    let names: BTreeSet<String> = NAMES.iter().filter(|name| **name != "history").map(|name| (*name).to_owned()).collect();
    assert_eq!(rows, names);
}

#[test]
fn perms_add_a_command_to_a_role_and_nothing_else() {
    for Row { command, special, .. } in matrix() {
        let document = json!({"roles": [{"role_id": "dj", "level": 300, "perms": [command]}]});
        let (mut table, me) = room("dj", &special, &document);
        let said = table.name(me, &frame(&command, &special));
        // A role's level still bounds the roles that it gives.
        let bounded = (command.as_str(), special.as_str()) == ("queue_move", "force") || special == "admin";
        assert_eq!(said == "forbidden", bounded, "dj with {command} {special}: {said}");
        let (mut table, me) = room("dj", "", &document);
        let other = if command == "queue_clear" { "queue_resort" } else { "queue_clear" };
        assert_eq!(table.name(me, &frame(other, "")), "forbidden", "dj with {command}: {other}");
    }
}
