//! What the hub does by itself: lines lost and back, holds, people gone, streams stopped, restarts.
use crate::table::{Table, id, refusal, rules};
use michub::hub::{
    actor::Actor,
    command::{Command, SeatPolicy},
    mode::Mode,
    rules::Rules,
    time::{Millis, UnixMs},
};

fn free(people: &str) -> Table {
    let mut table = Table::new(Mode::Free, rules());
    for person in people.split(' ') {
        table.ask(person, Command::SeatTake { seat_no: None }).unwrap();
    }
    table
}

#[test]
fn a_lost_line_keeps_the_place_for_its_time() {
    let mut table = Table::queue("a b c d e");
    let now = table.now().0;
    assert_eq!(table.lose("d"), [format!("queue_held d {}", now + 120_000)]);
    assert_eq!(table.lose("a"), [format!("seat_held a {}", now + 30_000)], "with a turn");
    assert_eq!(free("a").lose("a"), [format!("seat_held a {}", now + 30_000)], "without one");
    assert!(Table::queue("a").lose("f").is_empty(), "no place, no hold");
    assert_eq!((table.order(), table.seated()), ("c d e".to_owned(), "2:a 3:b".to_owned()));
    assert_eq!(table.room().next_deadline(), Some(UnixMs(now + 30_000)));
}

#[test]
fn whoever_comes_back_has_lost_nothing() {
    let mut table = Table::queue("a b c d e");
    let shift = Command::QueueMove {
        target: id("e"),
        place: michub::hub::queue::Place::Up(1),
        on_missing: Default::default(),
        force: false,
    };
    table.ask("adm", shift).unwrap();
    let before = table.room().clone();
    table.lose("e");
    table.lose("a");
    table.wait(29_999);
    assert_eq!(table.back("e"), ["queue_returned e"]);
    assert_eq!(table.back("a"), ["seat_returned a"]);
    let after = table.room();
    assert_eq!((&after.queue.entries, &after.seats, &after.turns), (&before.queue.entries, &before.seats, &before.turns));
    assert!(table.wait(100_000).iter().all(|told| !told.contains("hold_expired")));
}

#[test]
fn the_end_of_a_hold_takes_the_place() {
    let mut table = Table::queue("a b c d e");
    table.lose("d");
    assert_eq!(table.wait(119_999), [""; 0]);
    assert_eq!(table.wait(1), ["queue_left d hold_expired"]);
    let mut table = free("a b");
    table.lose("a");
    assert_eq!(table.wait(29_999), [""; 0]);
    assert_eq!(table.wait(1), ["seat_left 2 a hold_expired"]);
    let mut table = Table::queue("a b c");
    table.lose("a");
    let told = table.wait(30_000);
    assert_eq!(told[..3], ["seat_left 2 a hold_expired", "turn_ended a 2 hold_expired", "queue_left c promoted"]);
}

#[test]
fn no_hold_means_leaving_at_once() {
    let mut table = Table::new(Mode::Queue, Rules { hold_queue: Millis(0), hold_seat: Millis(0), ..rules() });
    table.join("a b c d");
    assert_eq!(table.lose("d"), ["queue_left d hold_expired"]);
    assert_eq!(table.lose("a")[..2], ["seat_left 2 a hold_expired", "turn_ended a 2 hold_expired"]);
}

#[test]
fn a_line_that_the_hub_ended_holds_longer() {
    for (rule, floor, expected) in [(0, 45, 45), (30, 45, 45), (120, 45, 120)] {
        let [rule, floor, expected] = [rule, floor, expected].map(Millis::from_seconds);
        let mut table = Table::new(Mode::Queue, Rules { hold_queue: rule, hold_seat: rule, ..rules() });
        table.join("a b c");
        let until = table.now().plus(expected).0;
        assert_eq!(table.cut("c", floor), [format!("queue_held c {until}")], "{rule:?}");
        assert_eq!(table.cut("a", floor), [format!("seat_held a {until}")], "{rule:?}");
    }
}

#[test]
fn held_people_are_passed_over_and_keep_their_place() {
    let mut table = Table::queue("a b c d e");
    table.lose("c");
    table.ask("a", Command::SeatLeave).unwrap();
    assert_eq!((table.seated(), table.order()), ("2:d 3:b".to_owned(), "c e".to_owned()));
    table.back("c");
    table.ask("b", Command::SeatLeave).unwrap();
    assert_eq!((table.seated(), table.order()), ("2:d 3:c".to_owned(), "e".to_owned()));
}

#[test]
fn whoever_returns_to_a_free_seat_is_promoted() {
    let mut table = Table::queue("a b c");
    table.lose("c");
    table.ask("a", Command::SeatLeave).unwrap();
    assert_eq!(table.seated(), "3:b");
    let told = table.back("c");
    assert_eq!(told[..3], ["queue_returned c", "queue_left c promoted", "seat_taken 2 c promote"]);
}

#[test]
fn who_leaves_leaves_everything() {
    let mut table = Table::queue("a b c d");
    assert_eq!(table.leave("d"), ["queue_left d left"]);
    let told = table.leave("a");
    assert_eq!(told[..3], ["seat_left 2 a left", "turn_ended a 2 left", "queue_left c promoted"]);
    assert_eq!(free("a").leave("a"), ["seat_left 2 a left"]);
    assert_eq!(table.leave("f"), ["noop"]);
}

#[test]
fn a_stopped_stream_empties_the_seat_after_its_grace() {
    let stopped = |user: &str, stopped_at| Command::StreamStopped { user: id(user), stopped_at };
    let mut table = Table::queue("a b c");
    let then = table.now();
    assert_eq!(table.ask_as(Actor::Hub, stopped("c", then)).unwrap(), ["noop"], "nothing for those who wait");
    assert_eq!(table.ask_as(Actor::Hub, stopped("a", UnixMs(then.0 - 1))).unwrap(), ["noop"], "before he sat down");
    table.wait(5000);
    let told = table.ask_as(Actor::Hub, stopped("a", then)).unwrap();
    assert_eq!(told[..3], ["seat_left 2 a stream_stopped", "turn_ended a 2 stream_stopped", "queue_left c promoted"]);
}

#[test]
fn a_late_command_of_the_hub_is_dropped() {
    let mut table = Table::queue("a b c d");
    table.invite("own", "e", Some(1)).unwrap_err();
    let held_until = table.now().plus(Millis(120_000));
    table.lose("d");
    let expired = |held_until| Command::HoldExpired { user: id("d"), held_until };
    assert_eq!(table.ask_as(Actor::Hub, expired(UnixMs(held_until.0 - 1))).unwrap(), ["noop"], "another hold");
    assert_eq!(
        table.ask_as(Actor::Hub, Command::Lost { user: id("d"), hold_at_least: Millis(0) }).unwrap(),
        ["noop"],
        "held already"
    );
    table.back("d");
    assert_eq!(table.ask_as(Actor::Hub, expired(held_until)).unwrap(), ["noop"], "returned");
    assert_eq!(table.ask_as(Actor::Hub, Command::Returned { user: id("d") }).unwrap(), ["noop"], "not held");
    assert_eq!(table.ask_as(Actor::Hub, Command::Lost { user: id("d"), hold_at_least: Millis(0) }).unwrap(), ["noop"], "live");
    assert_eq!(table.ask_as(Actor::Hub, Command::ApplyOver { apply_id: "x".to_owned() }).unwrap(), ["noop"]);
    assert_eq!(table.ask_as(Actor::Hub, Command::InviteOver { invite_id: "x".to_owned() }).unwrap(), ["noop"]);
    table.invite("own", "hst", Some(1)).unwrap();
    let invite_id = table.invite_id("hst");
    assert_eq!(table.ask_as(Actor::Hub, Command::InviteOver { invite_id }).unwrap(), ["noop"], "not yet");
}

#[test]
fn after_a_restart_everybody_has_time_to_come_back() {
    let mut table = Table::new(Mode::Queue, Rules { timeout: Millis(0), ..rules() });
    table.join("a b c d");
    table.lose("d");
    table.restart_after(119_000);
    let now = table.now().0;
    let held = |person: &str| table.room().held_until(&id(person)).unwrap().0 - now;
    assert_eq!((held("a"), held("c"), held("d")), (45_000, 120_000, 60_000), "the hub ended a and c; d was away before");
    assert_eq!(table.order(), "c d");
    assert!(table.wait(44_999).is_empty());
    assert_eq!(table.wait(1)[..2], ["seat_left 2 a hold_expired", "turn_ended a 2 hold_expired"]);
}

#[test]
fn a_hold_that_ran_out_meanwhile_begins_again() {
    let mut table = Table::queue("a b c");
    table.lose("c");
    let told = table.restart_after(600_000);
    assert!(told.contains(&format!("queue_held c {}", table.now().0 + 60_000)), "{told:?}");
    assert!(told.contains(&"turn_ended a 2 timeout".to_owned()), "what was due is done at once: {told:?}");
    assert_eq!((table.seated(), table.order()), (String::new(), "c".to_owned()), "nobody away is promoted");
    table.wait(9_999);
    table.back("c");
    assert_eq!(table.seated(), "2:c", "nobody is in front of him");
}

#[test]
fn a_hold_begins_again_for_no_longer_than_the_rule() {
    let mut table = Table::new(Mode::Apply, Rules { hold_queue: Millis(20_000), ..rules() });
    table.join("a");
    table.lose("a");
    assert_eq!(table.restart_after(600_000), [format!("queue_held a {}", table.now().0 + 20_000)]);
}

#[test]
fn whoever_is_back_when_his_hold_ends_has_returned() {
    let mut table = Table::queue("a b c");
    table.lose("c");
    table.slip_in("c");
    let told = table.wait(120_000);
    assert_eq!(told[0], "queue_returned c", "{told:?}");
}

#[test]
fn whoever_is_still_held_is_not_promoted() {
    let mut table = Table::queue("a b c d");
    table.lose("c");
    table.slip_in("c");
    table.ask("a", Command::SeatLeave).unwrap();
    assert_eq!((table.seated(), table.order()), ("2:d 3:b".to_owned(), "c".to_owned()));
}

#[test]
fn after_a_restart_nobody_overtakes_for_a_while() {
    let waiting = || {
        let mut table = Table::new(Mode::Apply, Rules { mode_grace: Millis(0), ..rules() });
        table.join("a b c");
        table.mode(Mode::Chair);
        table
    };
    let mut table = waiting();
    table.restart_after(0);
    table.back("own");
    table.back("b");
    table.ask("own", Command::ModeSet { mode: Mode::Queue }).unwrap();
    assert_eq!(table.seated(), "", "a may still come back");
    table.back("a");
    assert_eq!(table.seated(), "2:a 3:b");
    let mut table = waiting();
    table.restart_after(0);
    table.back("own");
    table.back("b");
    table.ask("own", Command::ModeSet { mode: Mode::Queue }).unwrap();
    table.wait(9_999);
    assert_eq!(table.seated(), "");
    table.wait(1);
    assert_eq!((table.seated(), table.order()), ("2:b".to_owned(), "a c".to_owned()), "the grace is over");
}

#[test]
fn somebody_requeued_after_a_restart_lets_nobody_past_the_held() {
    let mut table = Table::new(Mode::Queue, Rules { on_deck_size: 0, ..rules() });
    table.join("a b c");
    table.restart_after(0);
    table.back("own");
    table.back("d");
    table.join("d");
    table.ask("own", Command::SeatKick { target: id("a"), requeue: true, cooldown_seconds: 0 }).unwrap();
    assert_eq!((table.seated(), table.order()), ("3:b".to_owned(), "a c d".to_owned()), "c may still come back");
}

#[test]
fn a_role_of_a_token_counts_until_a_person_says_otherwise() {
    let token = |user: &str, role: &str, issued_at| Command::TokenRole {
        user: id(user),
        role: michub::hub::id::RoleId::parse(role).unwrap(),
        issued_at: UnixMs(issued_at),
    };
    let mut table = Table::queue("a");
    let now = table.now().0;
    let level = |table: &Table, person: &str| table.room().level_of(&id(person));
    table.ask_as(Actor::Hub, token("a", "host", now - 9)).unwrap();
    assert_eq!(level(&table, "a"), 600);
    assert_eq!(table.ask_as(Actor::Hub, token("a", "host", now)).unwrap(), ["noop"]);
    table.ask_as(Actor::Hub, token("b", "owner", now)).unwrap();
    assert_eq!(level(&table, "b"), 800, "an owner by token is an admin");
    assert_eq!(table.ask_as(Actor::Hub, token("own", "guest", now)).unwrap(), ["noop"]);
    table.ask("own", Command::RoleSet { target: id("a"), role: None }).unwrap();
    assert_eq!(table.ask_as(Actor::Hub, token("a", "host", now)).unwrap(), ["noop"], "issued before the person's word");
    table.ask_as(Actor::Hub, token("a", "host", now + 1)).unwrap();
    assert_eq!(level(&table, "a"), 600);
}

#[test]
fn nobody_sits_down_somebody_away() {
    let mut table = Table::queue("a b c");
    table.lose("c");
    let assign = Command::SeatAssign { target: id("c"), seat_no: Some(2), policy: SeatPolicy::Replace, requeue: false };
    assert_eq!(refusal(table.ask("own", assign)), "not_member c true");
}
