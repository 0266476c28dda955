//! The turn family.
use crate::table::{Table, code, id, refusal, rules};
use michub::hub::{
    code::Code,
    command::{Command, SeatPolicy},
    id::RoleId,
    mode::{Flag, Mode},
    rules::{RoleRule, Rules},
    time::{Millis, UnixMs},
    turns::{Causes, Clock},
    windows::{WallTime, Window, Zone},
};
use std::collections::BTreeMap;

fn next(expect: Option<String>) -> Command {
    Command::TurnNext { expect, seat_no: None }
}

fn extend(expect: String, seconds: i64) -> Command {
    Command::TurnExtend { expect, seconds }
}

fn seat_move(person: &str, seat_no: u32, policy: SeatPolicy) -> Command {
    Command::SeatMove { target: Some(id(person)), seat_no, policy }
}

#[test]
fn whoever_comes_to_a_guest_seat_in_mode_queue_gets_a_turn() {
    let mut table = Table::new(Mode::Queue, rules());
    let until = table.now().0 + 180_000;
    let joined = table.ask("a", Command::QueueJoin { want_seat: Some(3), note: None }).unwrap();
    let expected =
        ["queue_joined a 0", "queue_left a promoted", "seat_taken 3 a promote", &format!("turn_started a 3 ends {until}")];
    assert_eq!(joined, expected);
    assert_eq!(table.assign("hst", "b", 2).unwrap(), ["seat_taken 2 b assign", &format!("turn_started b 2 ends {until}")]);
    assert_eq!(
        table.ask("hst", Command::SeatTake { seat_no: Some(1) }).unwrap(),
        ["seat_taken 1 hst take"],
        "not on the host seat"
    );
    let turn = table.turn("a");
    assert_eq!((turn.seat_no, turn.started_at, turn.length), (3, table.now(), Millis(180_000)));
    assert_ne!(turn.turn_id, table.turn_id("b"));
}

#[test]
fn other_modes_give_no_turns() {
    for mode in [Mode::Free, Mode::Apply, Mode::Chair] {
        let mut table = Table::new(mode, rules());
        assert_eq!(table.assign("own", "a", 2).unwrap(), ["seat_taken 2 a assign"], "{mode:?}");
    }
}

#[test]
fn a_turn_ends_at_its_deadline_and_not_before() {
    let mut table = Table::queue("a b c d");
    assert_eq!(table.room().next_deadline(), Some(table.now().plus(Millis(180_000))));
    assert!(table.wait(179_999).is_empty());
    let until = table.now().0 + 1 + 180_000;
    let told = table.wait(1);
    let expected = [
        "turn_ended a 2 timeout".to_owned(),
        "seat_left 2 a turn_ended".to_owned(),
        "queue_left c promoted".to_owned(),
        "seat_taken 2 c promote".to_owned(),
        format!("turn_started c 2 ends {until}"),
        "queue_on_deck d".to_owned(),
        "turn_ended b 3 timeout".to_owned(),
        "seat_left 3 b turn_ended".to_owned(),
        "queue_left d promoted".to_owned(),
        "seat_taken 3 d promote".to_owned(),
        format!("turn_started d 3 ends {until}"),
    ];
    assert_eq!(told, expected);
    assert!(table.wait(0).is_empty());
}

#[test]
fn the_length_is_that_of_the_window_else_the_role_else_the_rules() {
    let role = |timeout| RoleRule {
        id: RoleId::parse("vip").unwrap(),
        level: 200,
        priority: 0,
        can_skip_queue: false,
        timeout,
        perms: Vec::new(),
    };
    for (by_role, timeout, expected) in
        [(None, 180, Some(180)), (None, 0, None), (Some(300), 180, Some(300)), (Some(0), 180, None), (Some(60), 0, Some(60))]
    {
        let timeout = Millis::from_seconds(timeout);
        let roles = vec![role(by_role.map(Millis::from_seconds))];
        let mut table = Table::new(Mode::Queue, Rules { timeout, roles, ..rules() });
        table.role("a", "vip");
        table.join("a");
        assert_eq!(table.left("a"), expected, "{by_role:?} {timeout:?}");
    }
}

#[test]
fn an_open_window_says_how_long_a_turn_is() {
    let window = |timeout: Option<u64>| Window {
        name: "w".to_owned(),
        days: Vec::new(),
        start: WallTime::parse("00:00").unwrap(),
        end: WallTime::parse("12:00").unwrap(),
        zone: Zone::parse("UTC").unwrap(),
        boost: BTreeMap::new(),
        deny_roles: Vec::new(),
        only_roles: Vec::new(),
        timeout: timeout.map(Millis::from_seconds),
        max_queue_len: None,
    };
    for (windows, expected) in
        [(vec![Some(60)], 60), (vec![Some(60), Some(90)], 90), (vec![Some(60), None], 60), (vec![None], 180)]
    {
        let shown = format!("{windows:?}");
        let windows = windows.into_iter().map(window).collect();
        let mut table = Table::new(Mode::Queue, Rules { windows, ..rules() });
        table.join("a");
        assert_eq!(table.left("a"), Some(expected), "{shown}");
        table.wait(43_200_000);
        table.join("b");
        assert_eq!(table.left("b"), Some(180), "the windows are over");
    }
}

#[test]
fn next_ends_the_only_turn_and_promotes() {
    let mut table = Table::queue("a");
    table.join("b c d");
    table.ask("b", Command::SeatLeave).unwrap();
    table.lock(3, true, true);
    let told = table.ask("hst", next(None)).unwrap();
    let start = format!("turn_started d 2 ends {}", table.now().0 + 180_000);
    assert_eq!(
        told,
        ["turn_ended a 2 next", "seat_left 2 a turn_ended", "queue_left d promoted", "seat_taken 2 d promote", &start]
    );
    assert_eq!(table.seated(), "2:d");
}

#[test]
fn next_names_the_turn_when_several_run() {
    let mut table = Table::queue("a b c");
    assert_eq!(refusal(table.ask("hst", next(None))), "bad_argument /expect_turn_id");
    let gone = table.turn_id("a");
    table.ask("hst", next(Some(gone.clone()))).unwrap();
    assert_eq!(table.seated(), "2:c 3:b");
    assert_eq!(refusal(table.ask("hst2", next(Some(gone.clone())))), format!("turn_changed {}", table.turn_id("c")));
    let of_seat = |expect, seat_no| Command::TurnNext { expect, seat_no: Some(seat_no) };
    assert_eq!(refusal(table.ask("hst", of_seat(Some(gone), 3))), format!("turn_changed {}", table.turn_id("b")));
    assert_eq!(refusal(table.ask("hst", of_seat(None, 9))), "seat_not_found");
    table.ask("hst", of_seat(None, 3)).unwrap();
    assert_eq!(table.seated(), "2:c");
    assert_eq!(refusal(table.ask("hst", of_seat(Some("x".to_owned()), 3))), "turn_changed ");
    assert_eq!(table.ask("hst", of_seat(None, 3)).unwrap(), ["noop"]);
}

#[test]
fn next_without_a_turn_promotes_or_does_nothing() {
    let mut table = Table::queue("a");
    table.ask("a", Command::SeatLeave).unwrap();
    assert_eq!(table.ask("hst", next(None)).unwrap(), ["noop"]);
    assert_eq!(refusal(table.ask("hst", next(Some("x".to_owned())))), "turn_changed ");
    for (mode, seated) in [(Mode::Free, "2:a 3:b"), (Mode::Queue, "2:a 3:b"), (Mode::Apply, ""), (Mode::Chair, "")] {
        let mut table = Table::new(Mode::Apply, Rules { mode_grace: Millis(3000), ..rules() });
        table.join("a b c");
        table.mode(mode);
        let told = table.ask("hst", next(None)).unwrap();
        assert_eq!(table.seated(), seated, "{mode:?}");
        assert_eq!(told == ["noop"], seated.is_empty(), "{mode:?} {told:?}");
    }
}

#[test]
fn next_in_mode_chair_ends_a_paused_turn_and_promotes_nobody() {
    let mut table = Table::queue("a b c");
    table.mode(Mode::Chair);
    let turn = table.turn_id("a");
    assert_eq!(table.ask("hst", next(Some(turn))).unwrap(), ["turn_ended a 2 next", "seat_left 2 a turn_ended"]);
}

#[test]
fn extend_moves_the_end_within_the_limit() {
    let mut table = Table::queue("a");
    let end = table.now().0 + 180_000;
    let turn = table.turn_id("a");
    assert_eq!(table.ask("hst", extend(turn.clone(), 720)).unwrap(), [format!("turn_updated ends {} []", end + 720_000)]);
    assert_eq!(refusal(table.ask("hst", extend(turn.clone(), 1))), "turn_limit");
    table.wait(100_000);
    assert_eq!(refusal(table.ask("hst", extend(turn.clone(), 1))), "turn_limit", "what has passed counts");
    assert_eq!(table.ask("hst", extend(turn.clone(), -20)).unwrap(), [format!("turn_updated ends {} []", end + 700_000)]);
    assert_eq!((table.turn("a").extended, table.turn("a").total()), (700_000, Millis(880_000)));
    assert_eq!(table.ask("hst", extend(turn, 0)).unwrap(), ["noop"]);
    assert_eq!(refusal(table.ask("hst", extend("x".to_owned(), 1))), format!("turn_changed {}", table.turn_id("a")));
}

#[test]
fn a_turn_beyond_the_limit_can_be_shortened() {
    let mut table = Table::new(Mode::Queue, Rules { timeout: Millis::from_seconds(1000), ..rules() });
    table.join("a");
    let turn = table.turn_id("a");
    assert_eq!(refusal(table.ask("hst", extend(turn.clone(), 1))), "turn_limit");
    table.ask("hst", extend(turn, -10)).unwrap();
    assert_eq!(table.left("a"), Some(990));
}

#[test]
fn extend_below_now_ends_the_turn() {
    for seconds in [-80, -81, -86_400] {
        let mut table = Table::queue("a b c");
        let turn = table.turn_id("a");
        table.wait(100_000);
        let told = table.ask("hst", extend(turn, seconds)).unwrap();
        assert_eq!(told[..3], ["turn_ended a 2 timeout", "seat_left 2 a turn_ended", "queue_left c promoted"], "{seconds}");
    }
    let mut table = Table::queue("a");
    let turn = table.turn_id("a");
    table.wait(100_000);
    table.ask("hst", extend(turn, -79)).unwrap();
    assert_eq!(table.left("a"), Some(1));
}

#[test]
fn extend_of_an_unlimited_turn_is_nothing_and_no_limit_is_no_limit() {
    let mut table = Table::new(Mode::Queue, Rules { timeout: Millis(0), ..rules() });
    table.join("a");
    let turn = table.turn_id("a");
    assert_eq!(table.ask("hst", extend(turn, 86_400)).unwrap(), ["noop"]);
    let mut table = Table::new(Mode::Queue, Rules { turn_max_total: Millis(0), ..rules() });
    table.join("a");
    let turn = table.turn_id("a");
    table.ask("hst", extend(turn, 86_400)).unwrap();
    assert_eq!(table.left("a"), Some(86_580));
}

#[test]
fn pause_stops_the_clock_and_resume_gives_the_rest() {
    let mut table = Table::queue("a");
    let turn = table.turn_id("a");
    let pause = || Command::TurnPause { expect: turn.clone() };
    let resume = || Command::TurnResume { expect: turn.clone() };
    assert_eq!(table.ask("hst", resume()).unwrap(), ["noop"]);
    table.wait(80_000);
    assert_eq!(table.ask("hst", pause()).unwrap(), ["turn_updated stands 100000 [hand]"]);
    assert_eq!(table.ask("hst", pause()).unwrap(), ["noop"]);
    assert!(table.wait(1_000_000).is_empty());
    assert_eq!(table.ask("hst", extend(turn.clone(), 30)).unwrap(), ["turn_updated stands 130000 [hand]"]);
    let end = table.now().0 + 130_000;
    assert_eq!(table.ask("hst", resume()).unwrap(), [format!("turn_updated ends {end} []")]);
    assert!(table.wait(129_999).is_empty());
    assert_eq!(table.wait(1), ["turn_ended a 2 timeout", "seat_left 2 a turn_ended"]);
    assert_eq!(refusal(table.ask("hst", pause())), "turn_changed ");
    assert_eq!(refusal(table.ask("hst", resume())), "turn_changed ");
}

#[test]
fn a_paused_turn_can_be_shortened_to_its_end() {
    let mut table = Table::queue("a");
    let turn = table.turn_id("a");
    table.ask("hst", Command::TurnPause { expect: turn.clone() }).unwrap();
    assert_eq!(table.ask("hst", extend(turn, -180)).unwrap(), ["turn_ended a 2 timeout", "seat_left 2 a turn_ended"]);
}

#[test]
fn resume_lifts_only_the_hand() {
    let mut table = Table::queue("a");
    let turn = table.turn_id("a");
    assert_eq!(table.flag(Flag::FloorControlled, true), ["flags_changed", "turn_updated stands 180000 [floor]"]);
    assert_eq!(table.ask("hst", Command::TurnResume { expect: turn.clone() }).unwrap(), ["noop"]);
    let both = table.ask("hst", Command::TurnPause { expect: turn.clone() }).unwrap();
    assert_eq!(both, ["turn_updated stands 180000 [hand floor]"], "the set of causes has changed");
    assert_eq!(table.flag(Flag::FloorControlled, false), ["flags_changed", "turn_updated stands 180000 [hand]"]);
    let end = table.now().0 + 180_000;
    assert_eq!(table.ask("hst", Command::TurnResume { expect: turn }).unwrap(), [format!("turn_updated ends {end} []")]);
}

#[test]
fn a_turn_that_starts_under_a_cause_starts_paused() {
    let mut table = Table::new(Mode::Queue, rules());
    table.flag(Flag::FloorControlled, true);
    let told = table.ask("a", Command::QueueJoin { want_seat: None, note: None }).unwrap();
    assert_eq!(told.last().unwrap(), "turn_started a 2 stands 180000");
    assert_eq!(table.turn("a").paused_by, Causes { floor: true, ..Causes::default() });
    let end = table.now().0 + 180_000;
    assert_eq!(table.flag(Flag::FloorControlled, false), ["flags_changed", &format!("turn_updated ends {end} []")]);
}

#[test]
fn an_unlimited_turn_can_be_paused() {
    let mut table = Table::new(Mode::Queue, Rules { timeout: Millis(0), ..rules() });
    table.join("a");
    let turn = table.turn_id("a");
    assert_eq!(table.ask("hst", Command::TurnPause { expect: turn }).unwrap(), ["turn_updated unlimited [hand]"]);
    assert_eq!(table.turn("a").clock, Clock::Unlimited);
}

#[test]
fn yield_ends_the_own_turn() {
    let mut table = Table::queue("a b c");
    let give = |expect| Command::TurnYield { expect };
    assert_eq!(refusal(table.ask("c", give(None))), "turn_changed ");
    assert_eq!(refusal(table.ask("c", give(Some(table.turn_id("a"))))), "turn_changed ");
    let (mine, his) = (table.turn_id("a"), table.turn_id("b"));
    assert_eq!(refusal(table.ask("a", give(Some(his)))), format!("turn_changed {mine}"));
    let told = table.ask("a", give(Some(mine))).unwrap();
    assert_eq!(told[..3], ["turn_ended a 2 yield", "seat_left 2 a turn_ended", "queue_left c promoted"]);
    let told = table.ask("b", give(None)).unwrap();
    assert_eq!(told, ["turn_ended b 3 yield", "seat_left 3 b turn_ended"]);
    assert_eq!(refusal(table.ask("service", give(None))), "forbidden");
}

#[test]
fn a_turn_that_ends_brings_no_cooldown() {
    let rules = Rules { rejoin_cooldown: Millis(60_000), ..rules() };
    let mut table = Table::new(Mode::Queue, rules);
    table.join("a b");
    table.ask("a", Command::TurnYield { expect: None }).unwrap();
    table.join("a");
    table.ask("b", Command::SeatLeave).unwrap();
    assert_eq!(code(table.ask("b", Command::QueueJoin { want_seat: None, note: None })), Code::Cooldown);
}

#[test]
fn turns_are_for_hosts_over_lower_ranks() {
    let mut table = Table::queue("hst2 a");
    let (host, member) = (table.turn_id("hst2"), table.turn_id("a"));
    let all = |turn: &String| {
        [
            next(Some(turn.clone())),
            extend(turn.clone(), 10),
            Command::TurnPause { expect: turn.clone() },
            Command::TurnResume { expect: turn.clone() },
        ]
    };
    for command in all(&member) {
        assert_eq!(code(table.ask("b", command)), Code::Forbidden);
    }
    for command in all(&host) {
        assert_eq!(code(table.ask("hst", command.clone())), Code::TargetRank, "{command:?}");
    }
    for command in all(&host).into_iter().rev() {
        assert!(table.ask("adm", command.clone()).is_ok(), "{command:?}");
    }
    for command in all(&member).into_iter().rev() {
        assert!(table.ask("service", command.clone()).is_ok(), "{command:?}");
    }
}

#[test]
fn a_turn_follows_its_person() {
    let mut table = Table::queue("a");
    table.wait(60_000);
    assert_eq!(table.ask("hst", seat_move("a", 3, SeatPolicy::Fail)).unwrap(), ["seat_moved a 2 3"]);
    assert_eq!((table.turn("a").seat_no, table.left("a")), (3, Some(120)));
}

#[test]
fn a_turn_ends_on_the_host_seat_and_begins_behind_it() {
    let mut table = Table::queue("hst2 b c");
    let told = table.ask("own", seat_move("hst2", 1, SeatPolicy::Fail)).unwrap();
    assert_eq!(told[..4], ["seat_moved hst2 2 1", "turn_ended hst2 1 moved", "queue_left c promoted", "seat_taken 2 c promote"]);
    table.ask("own", Command::SeatKick { target: id("c"), requeue: false, cooldown_seconds: 0 }).unwrap();
    let told = table.ask("own", seat_move("hst2", 2, SeatPolicy::Fail)).unwrap();
    assert_eq!(told, ["seat_moved hst2 1 2", &format!("turn_started hst2 2 ends {}", table.now().0 + 180_000)]);
}

#[test]
fn a_swap_keeps_both_turns() {
    let mut table = Table::queue("a b");
    table.wait(1000);
    let (first, second) = (table.turn_id("a"), table.turn_id("b"));
    assert_eq!(table.ask("hst", seat_move("a", 3, SeatPolicy::Swap)).unwrap(), ["seat_moved a 2 3", "seat_moved b 3 2"]);
    assert_eq!((table.turn("a").seat_no, table.turn("b").seat_no), (3, 2));
    assert_eq!((table.turn_id("a"), table.turn_id("b")), (first, second));
}

#[test]
fn a_swap_with_the_host_seat_ends_one_turn_and_begins_another() {
    let mut table = Table::queue("hst");
    table.ask("hst2", Command::SeatTake { seat_no: Some(1) }).unwrap();
    let told = table.ask("own", seat_move("hst2", 2, SeatPolicy::Swap)).unwrap();
    let start = format!("turn_started hst2 2 ends {}", table.now().0 + 180_000);
    assert_eq!(told, ["seat_moved hst2 1 2", "seat_moved hst 2 1", &start, "turn_ended hst 1 moved"]);
}

#[test]
fn a_turn_ends_with_the_reason_of_the_seat() {
    let mut table = Table::queue("a b c d e f");
    let kick = |person| Command::SeatKick { target: id(person), requeue: false, cooldown_seconds: 0 };
    assert_eq!(table.ask("a", Command::SeatLeave).unwrap()[..2], ["seat_left 2 a self", "turn_ended a 2 self"]);
    assert_eq!(table.ask("hst", kick("b")).unwrap()[..2], ["seat_left 3 b kicked", "turn_ended b 3 kicked"]);
    assert_eq!(table.leave("c")[..2], ["seat_left 2 c left", "turn_ended c 2 left"]);
    let ban = Command::UserBan { target: id("d"), reason: None, until: None };
    assert_eq!(table.ask("adm", ban).unwrap()[..3], ["member_banned d", "seat_left 3 d banned", "turn_ended d 3 banned"]);
    assert_eq!(table.lock(2, true, true), ["seat_updated 2 locked=true", "seat_left 2 e evicted", "turn_ended e 2 evicted"]);
    let assign = Command::SeatAssign { target: id("a"), seat_no: Some(3), policy: SeatPolicy::Replace, requeue: false };
    let start = format!("turn_started a 3 ends {}", table.now().0 + 180_000);
    let told = table.ask("hst", assign).unwrap();
    assert_eq!(told, ["seat_left 3 f replaced", "turn_ended f 3 replaced", "seat_taken 3 a assign", &start]);
    let told = table.ask("own", Command::RoomClose { reason: None }).unwrap();
    assert_eq!(told, ["room_closed", "seat_left 3 a room_closed", "turn_ended a 3 room_closed"]);
}

#[test]
fn a_turn_runs_on_while_its_person_is_away() {
    let mut table = Table::queue("a");
    table.wait(170_000);
    assert_eq!(table.lose("a"), [format!("seat_held a {}", table.now().0 + 30_000)]);
    table.wait(5_000);
    assert_eq!(table.back("a"), ["seat_returned a"]);
    assert_eq!(table.left("a"), Some(5));
    table.lose("a");
    assert_eq!(table.wait(5_000), ["turn_ended a 2 timeout", "seat_left 2 a turn_ended"]);
    assert!(table.wait(60_000).is_empty(), "the hold ended with the seat");
}

#[test]
fn of_several_ends_in_one_millisecond_one_counts() {
    let mut table = Table::queue("a b c");
    let turn = table.turn_id("a");
    table.wait(179_999);
    table.lock(3, true, true);
    table.wait(1);
    assert_eq!(table.seated(), "2:c", "the timer was first");
    assert_eq!(refusal(table.ask("hst", next(Some(turn.clone())))), format!("turn_changed {}", table.turn_id("c")));
    assert_eq!(refusal(table.ask("a", Command::TurnYield { expect: Some(turn) })), "turn_changed ");
    assert_eq!(refusal(table.ask("a", Command::SeatLeave)), "not_seated");
    assert_eq!(table.seated(), "2:c");
}

#[test]
fn a_late_timer_names_its_turn() {
    let mut table = Table::queue("a");
    let over = Command::TurnOver { turn_id: table.turn_id("a") };
    let hub = michub::hub::actor::Actor::Hub;
    assert_eq!(table.ask_as(hub.clone(), over.clone()).unwrap(), ["noop"], "not yet");
    table.ask("a", Command::TurnYield { expect: None }).unwrap();
    table.join("b");
    table.wait(180_000);
    assert_eq!(table.ask_as(hub, over).unwrap(), ["noop"], "another turn by now");
    assert!(table.now() > UnixMs(0));
}
