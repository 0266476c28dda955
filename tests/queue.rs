//! The queue family by table: who asks what, and the order that follows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::hub::{
    actor::Actor,
    code::{Code, Reject},
    command::{Command, Request},
    decide::{Decision, Draft, Members},
    id::{CommitId, RoomId, UserId},
    queue::{OnMissing, Place},
    room::Room,
    rules::Rules,
    time::UnixMs,
};
use std::sync::Arc;

struct Everybody;

impl Members for Everybody {
    fn is_live(&self, _: &UserId) -> bool {
        true
    }
}

fn id(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A room whose only guest seat is taken, with these people waiting.
struct Table {
    draft: Draft,
}

impl Table {
    fn queue(people: &str, on_deck_size: usize) -> Self {
        let rules = Rules { max_mic_count: 1, host_seat: false, on_deck_size, ..Rules::default() };
        let room = Room::create(RoomId::parse("r").unwrap(), id("own"), Arc::new(rules), CommitId(0), UnixMs(0));
        let mut table = Self { draft: Draft::new(&room) };
        table.draft.begin(CommitId(1), UnixMs(1));
        for person in std::iter::once("sitting").chain(people.split(' ')) {
            table.ask(person, Command::QueueJoin { want_seat: None, note: None }).unwrap();
        }
        table
    }

    fn ask(&mut self, actor: &str, command: Command) -> Result<Decision, Reject> {
        let request = Request { actor: Actor::User(id(actor)), op_id: None, if_rev: None, command };
        self.draft.decide(&request, &Everybody)
    }

    fn moves(&mut self, target: &str, place: Place) -> Result<Decision, Reject> {
        self.ask("own", Command::QueueMove { target: id(target), place, on_missing: OnMissing::Fail, force: false })
    }

    fn order(&self) -> String {
        self.draft.room().queue.order().iter().map(UserId::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_move_names_a_neighbour() {
    for (on_deck, target, place, expected) in [
        (0, "D", Place::Before(id("A")), "D A B C"),
        (0, "A", Place::After(id("C")), "B C A D"),
        (0, "D", Place::Front, "D A B C"),
        (1, "D", Place::Front, "A D B C"),
        (1, "A", Place::Front, "A B C D"),
        (1, "A", Place::Back, "B C D A"),
        (1, "D", Place::Up(9), "A D B C"),
        (1, "B", Place::Down(1), "A C B D"),
        (1, "B", Place::Down(9), "A C D B"),
        (1, "C", Place::Before(id("A")), "C A B D"),
    ] {
        let mut table = Table::queue("A B C D", on_deck);
        table.moves(target, place.clone()).unwrap();
        assert_eq!(table.order(), expected, "{target} {place:?} with {on_deck} on deck");
    }
}

#[test]
fn two_at_once_and_the_anchor_is_gone() {
    let mut table = Table::queue("A B C D", 0);
    table.ask("own", Command::QueueRemove { targets: vec![id("A")], reason: None }).unwrap();
    let refused = table.moves("D", Place::Before(id("A"))).unwrap_err();
    assert_eq!(refused, Reject::AnchorGone { before: None, after: Some(id("B")) });
    let nearest =
        Command::QueueMove { target: id("D"), place: Place::Before(id("A")), on_missing: OnMissing::Nearest, force: false };
    table.ask("own", nearest).unwrap();
    assert_eq!(table.order(), "D B C");
}

#[test]
fn refusals_have_their_names() {
    let mut table = Table::queue("A B", 1);
    assert_eq!(table.moves("A", Place::Before(id("A"))).unwrap_err().code(), Code::SelfAnchor);
    assert_eq!(table.moves("zed", Place::Back).unwrap_err().code(), Code::NotQueued);
    assert_eq!(table.ask("A", Command::QueueClear).unwrap_err().code(), Code::Forbidden);
    let join = Command::QueueJoin { want_seat: None, note: None };
    assert_eq!(table.ask("A", join.clone()).unwrap_err(), Reject::AlreadyQueued { index: 0 });
    assert_eq!(table.ask("sitting", join).unwrap_err().code(), Code::AlreadySeated);
    assert_eq!(table.ask("A", Command::SeatTake { seat_no: None }).unwrap_err().code(), Code::WrongMode);
    let clear = table.ask("own", Command::QueueClear).unwrap();
    assert!(matches!(clear, Decision::Accepted { .. }));
    assert_eq!(table.ask("own", Command::QueueClear).unwrap(), Decision::Noop { rev: table.draft.room().head.rev, by: None });
    let undo_id = table.draft.room().undo[0].undo_id.clone();
    table.ask("own", Command::QueueRestore { undo_id: undo_id.clone() }).unwrap();
    assert_eq!(table.order(), "A B");
    assert_eq!(table.ask("own", Command::QueueRestore { undo_id }).unwrap_err().code(), Code::SnapshotGone);
}

#[test]
fn a_free_seat_promotes_the_head_in_the_same_rev() {
    let mut table = Table::queue("A B", 1);
    let rev = table.draft.room().head.rev;
    table.ask("sitting", Command::SeatLeave).unwrap();
    let room = table.draft.room();
    assert_eq!(room.head.rev, rev + 1);
    assert!(room.seats.of(&id("A")).is_some());
    assert_eq!(table.order(), "B");
}
