//! Modes and flags, and what they do.
use crate::table::{Table, code, id, refusal, rules};
use michub::hub::{
    code::{Code, Reject},
    command::{Command, SeatSet},
    mode::{Flag, Mode},
    rules::Rules,
    time::{Millis, UnixMs},
};

#[test]
fn a_new_mode_takes_its_effect_on_turns() {
    for (mode, expected) in [
        (Mode::Free, vec!["mode_changed free", "turn_ended a 2 mode_changed", "turn_ended b 3 mode_changed"]),
        (Mode::Apply, vec!["mode_changed apply", "turn_ended a 2 mode_changed", "turn_ended b 3 mode_changed"]),
        (Mode::Chair, vec!["mode_changed chair", "turn_updated stands 180000 [chair]", "turn_updated stands 180000 [chair]"]),
    ] {
        let mut table = Table::queue("a b c");
        assert_eq!(table.mode(mode), expected, "{mode:?}");
        assert_eq!((table.seated(), table.order()), ("2:a 3:b".to_owned(), "c".to_owned()), "{mode:?}");
    }
}

#[test]
fn mode_queue_gives_turns_and_promotes_after_its_grace() {
    for from in [Mode::Free, Mode::Apply, Mode::Chair] {
        let mut table = Table::new(from, Rules { mode_grace: Millis(3000), ..rules() });
        table.assign("own", "a", 2).unwrap();
        table.ask("hst", Command::SeatTake { seat_no: Some(1) }).unwrap();
        table.join("b");
        let told = table.mode(Mode::Queue);
        assert_eq!(told, ["mode_changed queue", &format!("turn_started a 2 ends {}", table.now().0 + 180_000)], "{from:?}");
        assert_eq!(table.room().next_deadline(), Some(table.now().plus(Millis(3000))));
        assert!(table.wait(2999).is_empty());
        assert_eq!(table.wait(1)[..2], ["queue_left b promoted", "seat_taken 3 b promote"]);
    }
}

#[test]
fn without_grace_promotion_is_part_of_the_change() {
    let mut table = Table::new(Mode::Chair, rules());
    table.join("a");
    let told = table.mode(Mode::Queue);
    let start = format!("turn_started a 2 ends {}", table.now().0 + 180_000);
    assert_eq!(told, ["mode_changed queue", "queue_left a promoted", "seat_taken 2 a promote", &start]);
}

#[test]
fn from_chair_paused_turns_go_on_with_their_rest() {
    let mut table = Table::queue("a b");
    table.wait(80_000);
    table.ask("b", Command::SeatLeave).unwrap();
    table.mode(Mode::Chair);
    table.assign("own", "c", 3).unwrap();
    assert!(table.wait(1_000_000).is_empty());
    let (rest, whole) = (table.now().0 + 100_000, table.now().0 + 180_000);
    let told = table.mode(Mode::Queue);
    assert_eq!(told, ["mode_changed queue", &format!("turn_updated ends {rest} []"), &format!("turn_started c 3 ends {whole}")]);
}

#[test]
fn applications_end_or_are_appended() {
    let mut table = Table::new(Mode::Apply, rules());
    table.join("d");
    for person in ["a", "b", "c", "d", "e"] {
        table.apply(person).unwrap();
    }
    assert_eq!(table.would_mode(Mode::Chair), ["mode_changed chair"], "they stay in mode chair");
    let ended = ["a", "b", "c", "d", "e"].map(|person| format!("apply_ended {person} mode_changed"));
    assert_eq!(table.would_mode(Mode::Free)[1..], ended);
    table.lose("b");
    table.assign("own", "c", 2).unwrap();
    table.assign("own", "f", 3).unwrap();
    let before = table.room().queue.last_seq;
    let told = table.mode(Mode::Queue);
    assert_eq!(told[1..6], ended);
    assert_eq!(told[6..8], ["queue_joined a 1", "queue_joined e 2"], "present, unseated, not there yet, in order");
    assert_eq!(table.order(), "d a e");
    let entries = &table.room().queue.entries;
    assert!(entries[1].seq > before && entries[2].seq == entries[1].seq + 1 && !entries[1].pinned);
    assert_eq!(entries[0].jumped_by, 0);
}

#[test]
fn an_applicant_refused_meanwhile_is_not_appended() {
    let mut table = Table::new(Mode::Apply, Rules { rejoin_cooldown: Millis(0), ..rules() });
    table.assign("own", "e", 2).unwrap();
    table.assign("own", "f", 3).unwrap();
    table.apply("a").unwrap();
    table.apply("b").unwrap();
    table.ask("own", Command::QueueBan { target: id("a"), until: UnixMs(9_000_000) }).unwrap();
    table.mode(Mode::Queue);
    assert_eq!(table.order(), "b");
}

#[test]
fn an_applicant_who_must_wait_is_not_appended() {
    let mut table = Table::new(Mode::Apply, rules());
    table.apply("a").unwrap();
    table.apply("b").unwrap();
    table.assign("own", "a", 2).unwrap();
    table.ask("own", Command::SeatKick { target: id("a"), requeue: false, cooldown_seconds: 60 }).unwrap();
    table.lock(2, true, false);
    table.lock(3, true, false);
    table.mode(Mode::Queue);
    assert_eq!(table.order(), "b");
}

#[test]
fn the_same_mode_again_is_nothing_and_twice_at_once_is_too_soon() {
    let mut table = Table::new(Mode::Queue, Rules { mode_min_interval: Millis(2000), ..rules() });
    let set = |mode| Command::ModeSet { mode };
    assert_eq!(table.ask("adm", set(Mode::Queue)).unwrap(), ["noop"]);
    table.ask("adm", set(Mode::Free)).unwrap();
    assert_eq!(table.ask("adm", set(Mode::Free)).unwrap(), ["noop"]);
    let until = table.now().plus(Millis(2000));
    table.wait(700);
    assert_eq!(table.ask("adm", set(Mode::Queue)).unwrap_err(), Reject::TooSoon { until, wait: Millis(1300) });
    table.wait(1300);
    table.ask("adm", set(Mode::Queue)).unwrap();
    assert_eq!(code(table.ask("hst", set(Mode::Free))), Code::Forbidden);
}

#[test]
fn how_one_comes_to_an_empty_seat() {
    let take = || Command::SeatTake { seat_no: None };
    for (mode, expected) in [(Mode::Apply, "wrong_mode"), (Mode::Queue, "wrong_mode"), (Mode::Chair, "wrong_mode")] {
        let mut table = Table::new(mode, rules());
        assert_eq!(refusal(table.ask("a", take())), expected, "{mode:?}");
        assert!(table.ask("hst", take()).is_ok(), "modes bind levels below host");
        table.join("a");
        assert_eq!(table.seated().contains(":a"), mode == Mode::Queue, "{mode:?}");
    }
    let mut table = Table::new(Mode::Free, rules());
    assert_eq!(table.ask("a", take()).unwrap(), ["seat_taken 2 a take"]);
}

#[test]
fn mode_free_promotes_only_when_every_seat_was_full() {
    let mut table = Table::new(Mode::Free, rules());
    table.join("a b c");
    assert_eq!((table.seated(), table.order()), (String::new(), "a b c".to_owned()));
    table.assign("own", "d", 2).unwrap();
    table.ask("d", Command::SeatLeave).unwrap();
    assert_eq!(table.order(), "a b c", "a seat was free before");
    table.assign("own", "d", 2).unwrap();
    table.assign("own", "e", 3).unwrap();
    let told = table.ask("d", Command::SeatLeave).unwrap();
    assert_eq!(told, ["seat_left 2 d self", "queue_left a promoted", "seat_taken 2 a promote", "queue_on_deck b"]);
    let all = Command::SeatLock { seats: SeatSet::All, on: true, evict: true };
    table.ask("own", all).unwrap();
    let told = table.ask("own", Command::SeatLock { seats: SeatSet::All, on: false, evict: false }).unwrap();
    assert_eq!(told[2..], ["queue_left b promoted", "seat_taken 2 b promote", "queue_left c promoted", "seat_taken 3 c promote"]);
}

#[test]
fn floor_control_stops_every_clock() {
    let mut table = Table::queue("a b");
    table.wait(1000);
    let stands = "turn_updated stands 179000 [floor]";
    assert_eq!(table.flag(Flag::FloorControlled, true), ["flags_changed", stands, stands]);
    assert_eq!(table.flag(Flag::FloorControlled, true), ["noop"]);
    assert_eq!(table.mode(Mode::Chair).last().unwrap(), "turn_updated stands 179000 [floor chair]");
    let stands = "turn_updated stands 179000 [chair]";
    assert_eq!(table.flag(Flag::FloorControlled, false), ["flags_changed", stands, stands]);
    assert_eq!(table.flag(Flag::MuteAll, true), ["flags_changed"]);
    assert_eq!(code(table.ask("hst", Command::FlagSet { flag: Flag::MuteAll, on: false })), Code::Forbidden);
}

#[test]
fn a_closed_queue_is_closed_below_admin() {
    let mut table = Table::queue("a b");
    table.flag(Flag::QueueOpen, false);
    let join = || Command::QueueJoin { want_seat: None, note: None };
    assert_eq!(code(table.ask("c", join())), Code::QueueClosed);
    assert_eq!(code(table.ask("hst", join())), Code::QueueClosed);
    assert!(table.ask("adm", join()).is_ok());
}

#[test]
fn who_is_silenced() {
    let silenced = |table: &Table| {
        let room = table.room();
        let seats = room.seats.list.iter().filter(|seat| room.is_silenced(seat));
        seats.map(|seat| seat.occupant.as_ref().unwrap().user.to_string()).collect::<Vec<_>>().join(" ")
    };
    let seated = || {
        let mut table = Table::queue("a adm");
        table.ask("hst", Command::SeatTake { seat_no: Some(1) }).unwrap();
        table
    };
    let mut table = seated();
    assert_eq!(silenced(&table), "");
    table.flag(Flag::MuteAll, true);
    assert_eq!(silenced(&table), "hst a", "below admin");
    let mut table = seated();
    table.flag(Flag::FloorControlled, true);
    assert_eq!(silenced(&table), "a adm", "whoever has a turn");
    let mut table = seated();
    table.mode(Mode::Chair);
    assert_eq!(silenced(&table), "a", "below the chair's level");
    let mut table = seated();
    let mute = |seat| Command::SeatMute { seats: SeatSet::Numbers(vec![seat]), on: true };
    table.ask("a", mute(2)).unwrap();
    table.ask("own", mute(1)).unwrap();
    assert_eq!(silenced(&table), "hst a");
    let mut table = Table::new(Mode::Chair, Rules { chair_min_level: 100, ..rules() });
    table.assign("own", "a", 2).unwrap();
    assert_eq!(silenced(&table), "");
}
