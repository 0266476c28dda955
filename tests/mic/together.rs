//! Two people at once: A B C D wait, X and Y both saw it.
use crate::table::{Table, id, refusal, rules};
use michub::hub::{
    command::Command,
    id::UserId,
    mode::Mode,
    queue::{OnMissing, Place},
};

/// `a b c d` wait; `adm` is X and `own` is Y.
fn table() -> Table {
    let mut table = Table::new(Mode::Apply, rules());
    table.join("a b c d");
    table
}

fn before(target: &str, anchor: &str, on_missing: OnMissing) -> Command {
    Command::QueueMove { target: id(target), place: Place::Before(id(anchor)), on_missing, force: false }
}

fn remove(target: &str) -> Command {
    Command::QueueRemove { targets: vec![id(target)], reason: None }
}

#[test]
fn both_moves_hold_in_either_order() {
    let (x, y) = (before("d", "a", OnMissing::Fail), before("c", "a", OnMissing::Fail));
    for (first, second, order) in [(&x, &y, "d c a b"), (&y, &x, "c d a b")] {
        let mut table = table();
        table.ask("adm", first.clone()).unwrap();
        table.ask("own", second.clone()).unwrap();
        assert_eq!(table.order(), order);
    }
}

#[test]
fn an_anchor_that_is_gone_has_neighbours() {
    let mut table = table();
    table.ask("adm", remove("a")).unwrap();
    assert_eq!(refusal(table.ask("own", before("d", "a", OnMissing::Fail))), "anchor_gone");
    table.ask("own", before("d", "a", OnMissing::Nearest)).unwrap();
    assert_eq!(table.order(), "d b c");
}

#[test]
fn both_press_next() {
    let mut table = Table::queue("a b c d");
    let next = || Command::TurnNext { expect: Some(table.turn_id("a")), seat_no: None };
    let (x, y) = (next(), next());
    table.ask("adm", x).unwrap();
    assert_eq!(refusal(table.ask("own", y)), format!("turn_changed {}", table.turn_id("c")));
    assert_eq!((table.seated(), table.order()), ("2:c 3:b".to_owned(), "d".to_owned()), "nobody is skipped");
}

#[test]
fn x_clears_and_y_moves() {
    let mut table = table();
    table.ask("adm", Command::QueueClear).unwrap();
    assert_eq!(refusal(table.ask("own", before("d", "a", OnMissing::Fail))), "not_queued");
    let undo_id = table.room().undo[0].undo_id.clone();
    table.ask("adm", Command::QueueRestore { undo_id }).unwrap();
    assert_eq!(table.order(), "a b c d");
}

#[test]
fn the_drag_of_a_stale_list_is_refused() {
    let users: Vec<UserId> = ["d", "c", "b", "a"].map(id).to_vec();
    let reorder = || Command::QueueReorder { users: users.clone() };
    let mut table = table();
    let seen = table.room().head.rev;
    table.ask("adm", remove("b")).unwrap();
    assert_eq!(refusal(table.ask_at(seen, "own", reorder())), "stale_rev");
    assert_eq!(refusal(table.ask("own", reorder())), "rev_required");
    assert_eq!(table.order(), "a c d");
}

#[test]
fn a_retry_has_the_first_outcome() {
    let mut table = table();
    let told = table.ask_again("adm", "op-1", remove("a")).unwrap();
    assert_eq!(told[0], "queue_left a removed");
    let rev = table.room().head.rev;
    table.join("a");
    assert_eq!(table.ask_again("adm", "op-1", remove("a")).unwrap(), [format!("dup {rev}")]);
    assert_eq!(table.order(), "b c d a");
    assert_eq!(refusal(table.ask_again("adm", "op-1", remove("b"))), "bad_argument /op_id");
    assert!(table.ask_again("own", "op-1", remove("b")).is_ok(), "an op_id belongs to its sender");
}
