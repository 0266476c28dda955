//! The seat family.
use crate::table::{Table, code, id, refusal, rules};
use michub::hub::{
    code::{Code, Reject},
    command::{Command, SeatPolicy, SeatSet},
    mode::{Flag, Mode},
    rules::Rules,
    time::{Millis, UnixMs},
};

fn take(seat_no: u32) -> Command {
    Command::SeatTake { seat_no: Some(seat_no) }
}

fn assign(person: &str, seat_no: Option<u32>, policy: SeatPolicy, requeue: bool) -> Command {
    Command::SeatAssign { target: id(person), seat_no, policy, requeue }
}

fn shift(person: &str, seat_no: u32, policy: SeatPolicy) -> Command {
    Command::SeatMove { target: Some(id(person)), seat_no, policy }
}

fn kick(person: &str, requeue: bool, cooldown_seconds: u64) -> Command {
    Command::SeatKick { target: id(person), requeue, cooldown_seconds }
}

fn mute(seat_no: u32, on: bool) -> Command {
    Command::SeatMute { seats: SeatSet::Numbers(vec![seat_no]), on }
}

fn lock(seats: &[u32], on: bool, evict: bool) -> Command {
    Command::SeatLock { seats: SeatSet::Numbers(seats.to_vec()), on, evict }
}

fn join() -> Command {
    Command::QueueJoin { want_seat: None, note: None }
}

#[test]
fn a_seat_is_taken_and_left() {
    let mut table = Table::new(Mode::Free, rules());
    table.join("a");
    assert_eq!(table.ask("a", take(3)).unwrap(), ["queue_left a seated", "seat_taken 3 a take"]);
    assert_eq!(table.ask("b", Command::SeatTake { seat_no: None }).unwrap(), ["seat_taken 2 b take"], "the lowest free one");
    assert_eq!(table.ask("a", Command::SeatLeave).unwrap(), ["seat_left 3 a self"]);
    assert_eq!(refusal(table.ask("a", Command::SeatLeave)), "not_seated");
}

#[test]
fn seat_take_is_refused_in_this_order() {
    let mut table = Table::new(Mode::Free, Rules { max_mic_count: 4, ..rules() });
    table.lock(3, true, false);
    table.ask("b", take(2)).unwrap();
    table.invite("own", "c", Some(4)).unwrap();
    for (seat, expected) in
        [(9, "seat_not_found"), (3, "seat_locked"), (2, "seat_taken"), (4, "seat_reserved"), (1, "seat_reserved")]
    {
        assert_eq!(refusal(table.ask("a", take(seat))), expected, "{seat}");
        assert_eq!(refusal(table.ask("b", take(seat))), expected, "before already_seated: {seat}");
    }
    assert_eq!(refusal(table.ask("b", take(5))), "already_seated");
    table.ask("d", take(5)).unwrap();
    assert_eq!(refusal(table.ask("a", Command::SeatTake { seat_no: None })), "no_seat");
    table.mode(Mode::Queue);
    assert_eq!(refusal(table.ask("a", take(9))), "wrong_mode");
    table.lock(2, true, false);
    assert_eq!(refusal(table.ask("hst", take(2))), "seat_locked", "locked and occupied");
}

#[test]
fn mode_free_checks_access_like_a_join() {
    let mut table = Table::new(Mode::Free, rules());
    table.ask("own", Command::QueueBan { target: id("c"), until: UnixMs(9_000_000) }).unwrap();
    assert_eq!(refusal(table.ask("c", take(9))), "blacklisted");
    table.ask("a", take(2)).unwrap();
    table.ask("own", kick("a", false, 60)).unwrap();
    assert_eq!(code(table.ask("a", take(9))), Code::Cooldown);
    table.wait(60_000);
    table.flag(Flag::QueueOpen, false);
    table.ask("a", take(2)).unwrap();
}

#[test]
fn the_host_seat_is_for_hosts() {
    for mode in [Mode::Free, Mode::Apply, Mode::Queue, Mode::Chair] {
        let mut table = Table::new(mode, rules());
        assert_eq!(table.ask("hst", take(1)).unwrap(), ["seat_taken 1 hst take"], "{mode:?}");
    }
    let mut table = Table::new(Mode::Free, rules());
    assert_eq!(refusal(table.assign("own", "a", 1)), "seat_reserved");
    table.assign("own", "a", 2).unwrap();
    assert_eq!(refusal(table.ask("own", shift("a", 1, SeatPolicy::Fail))), "seat_reserved");
    table.ask("hst", take(1)).unwrap();
    assert_eq!(refusal(table.ask("own", shift("hst", 2, SeatPolicy::Swap))), "seat_reserved");
    let told = table.ask("own", Command::RoleSet { target: id("hst"), role: None }).unwrap();
    assert_eq!(told, ["role_changed hst", "seat_left 1 hst role"]);
}

#[test]
fn somebody_is_sat_down() {
    let mut table = Table::new(Mode::Chair, rules());
    table.join("a b");
    let told = table.ask("hst", assign("a", None, SeatPolicy::Fail, false)).unwrap();
    assert_eq!(told, ["queue_left a seated", "seat_taken 2 a assign", "queue_on_deck b"]);
    assert_eq!(refusal(table.assign("a", "b", 3)), "forbidden");
    assert_eq!(refusal(table.assign("hst", "adm", 3)), "target_rank");
    assert_eq!(refusal(table.assign("hst", "a", 9)), "already_seated", "first of all");
    assert_eq!(refusal(table.assign("hst", "zed", 9)), "not_member zed false");
    table.lose("b");
    assert_eq!(refusal(table.assign("hst", "b", 9)), "not_member b true");
    table.ask("own", Command::QueueBan { target: id("c"), until: UnixMs(9_000_000) }).unwrap();
    assert_eq!(refusal(table.assign("hst", "c", 9)), "blacklisted");
    assert_eq!(refusal(table.assign("hst", "d", 9)), "seat_not_found");
    assert_eq!(refusal(table.assign("hst", "d", 2)), "seat_taken");
    assert_eq!(refusal(table.ask("hst", assign("d", Some(3), SeatPolicy::Swap, false))), "bad_argument /policy");
    table.lock(3, true, false);
    assert_eq!(refusal(table.assign("hst", "d", 3)), "seat_locked");
    assert_eq!(refusal(table.ask("hst", assign("d", None, SeatPolicy::Fail, false))), "no_seat");
    table.ask("own", lock(&[3], false, false)).unwrap();
    table.invite("hst", "e", Some(3)).unwrap();
    assert_eq!(refusal(table.assign("hst", "d", 3)), "seat_reserved");
}

#[test]
fn whoever_is_replaced_may_wait_in_front() {
    let mut table = Table::queue("a b c d");
    let told = table.ask("hst", assign("d", Some(2), SeatPolicy::Replace, true)).unwrap();
    let start = format!("turn_started d 2 ends {}", table.now().0 + 180_000);
    assert_eq!(
        told,
        [
            "seat_left 2 a replaced",
            "turn_ended a 2 replaced",
            "queue_left d seated",
            "seat_taken 2 d assign",
            &start,
            "queue_joined a 1 pinned"
        ],
        "behind the one on deck"
    );
    assert_eq!(table.order(), "c a");
    table.ask("hst", assign("e", Some(3), SeatPolicy::Replace, false)).unwrap();
    assert_eq!(table.order(), "c a");
    table.ask("own", assign("hst2", Some(3), SeatPolicy::Replace, false)).unwrap();
    assert_eq!(refusal(table.ask("hst", assign("f", Some(3), SeatPolicy::Replace, false))), "target_rank", "who would give way");
}

#[test]
fn somebody_is_moved() {
    let mut table = Table::new(Mode::Apply, Rules { max_mic_count: 3, ..rules() });
    table.assign("own", "a", 2).unwrap();
    table.assign("own", "b", 3).unwrap();
    assert_eq!(refusal(table.ask("a", Command::SeatMove { target: None, seat_no: 9, policy: SeatPolicy::Fail })), "wrong_mode");
    assert_eq!(refusal(table.ask("a", shift("b", 4, SeatPolicy::Fail))), "forbidden");
    assert_eq!(table.ask("hst", shift("a", 4, SeatPolicy::Fail)).unwrap(), ["seat_moved a 2 4"]);
    assert_eq!(table.ask("hst", shift("a", 4, SeatPolicy::Fail)).unwrap(), ["noop"]);
    assert_eq!(refusal(table.ask("hst", shift("a", 3, SeatPolicy::Fail))), "seat_taken");
    assert_eq!(refusal(table.ask("hst", shift("a", 9, SeatPolicy::Fail))), "seat_not_found");
    assert_eq!(refusal(table.ask("hst", shift("c", 9, SeatPolicy::Fail))), "not_seated");
    assert_eq!(table.ask("hst", shift("a", 3, SeatPolicy::Swap)).unwrap(), ["seat_moved a 4 3", "seat_moved b 3 4"]);
    assert_eq!(table.ask("hst", shift("a", 4, SeatPolicy::Replace)).unwrap(), ["seat_left 4 b replaced", "seat_moved a 3 4"]);
    assert_eq!(table.seated(), "4:a");
    table.ask("own", lock(&[3], true, false)).unwrap();
    assert_eq!(refusal(table.ask("hst", shift("a", 3, SeatPolicy::Swap))), "seat_locked");
    table.invite("own", "b", Some(2)).unwrap();
    assert_eq!(refusal(table.ask("hst", shift("a", 2, SeatPolicy::Fail))), "seat_reserved");
    table.mode(Mode::Free);
    table.ask("own", lock(&[3], false, false)).unwrap();
    let own = Command::SeatMove { target: None, seat_no: 3, policy: SeatPolicy::Fail };
    assert_eq!(table.ask("a", own).unwrap(), ["seat_moved a 4 3"], "himself, in mode free");
}

#[test]
fn nobody_swaps_onto_a_locked_seat() {
    let mut table = Table::new(Mode::Free, rules());
    table.assign("own", "a", 2).unwrap();
    table.assign("own", "b", 3).unwrap();
    table.lock(2, true, false);
    assert_eq!(refusal(table.ask("own", shift("a", 3, SeatPolicy::Swap))), "seat_locked", "b would come to seat 2");
    assert_eq!(refusal(table.ask("own", shift("b", 2, SeatPolicy::Swap))), "seat_locked");
    assert_eq!(refusal(table.ask("own", shift("b", 2, SeatPolicy::Replace))), "seat_locked");
}

#[test]
fn two_who_swap_are_both_targets() {
    let mut table = Table::new(Mode::Free, rules());
    table.assign("own", "a", 2).unwrap();
    table.assign("own", "hst2", 3).unwrap();
    for policy in [SeatPolicy::Swap, SeatPolicy::Replace] {
        assert_eq!(refusal(table.ask("hst", shift("a", 3, policy))), "target_rank", "{policy:?}");
    }
    assert_eq!(refusal(table.ask("hst", shift("a", 3, SeatPolicy::Fail))), "seat_taken");
}

#[test]
fn a_kick_frees_the_seat() {
    let mut table = Table::queue("a b c d");
    let told = table.ask("hst", kick("a", false, 90)).unwrap();
    assert_eq!(told[..4], ["seat_left 2 a kicked", "turn_ended a 2 kicked", "queue_left c promoted", "seat_taken 2 c promote"]);
    let until = Some(table.now().plus(Millis(90_000)));
    assert_eq!(table.ask("a", join()).unwrap_err(), Reject::Until { code: Code::Cooldown, until });
    let told = table.ask("hst", kick("b", true, 0)).unwrap();
    assert_eq!(told[told.len() - 2..], ["queue_joined b 0 pinned", "queue_on_deck b"]);
    assert_eq!((table.seated(), table.order()), ("2:c 3:d".to_owned(), "b".to_owned()), "others first, then he in front");
    assert_eq!(refusal(table.ask("hst", kick("b", false, 0))), "not_seated");
    assert_eq!(refusal(table.ask("e", kick("c", false, 0))), "forbidden");
    assert_eq!(refusal(table.ask("hst", kick("hst2", false, 0))), "target_rank");
}

#[test]
fn which_ends_bring_a_cooldown() {
    let rules = Rules { rejoin_cooldown: Millis(60_000), ..rules() };
    type End = fn(&mut Table) -> Vec<String>;
    let ends: [(bool, &str, End); 8] = [
        (true, "left the seat", |t| t.ask("a", Command::SeatLeave).unwrap()),
        (true, "kicked", |t| t.ask("own", kick("a", false, 0)).unwrap()),
        (true, "evicted", |t| t.ask("own", lock(&[2], true, true)).unwrap()),
        (true, "left the queue", |t| t.ask("e", Command::QueueLeave).unwrap()),
        (true, "removed", |t| t.ask("own", Command::QueueRemove { targets: vec![id("e")], reason: None }).unwrap()),
        (false, "replaced", |t| t.ask("own", assign("d", Some(2), SeatPolicy::Replace, false)).unwrap()),
        (false, "turn over", |t| t.ask("a", Command::TurnYield { expect: None }).unwrap()),
        (false, "seated", |t| t.ask("own", assign("e", Some(2), SeatPolicy::Replace, false)).unwrap()),
    ];
    for (brings, name, end) in ends {
        let mut table = Table::new(Mode::Queue, rules.clone());
        table.join("a b c e");
        end(&mut table);
        let cooling = !table.room().cooldowns.is_empty();
        assert_eq!(cooling, brings, "{name}");
    }
}

#[test]
fn a_cooldown_that_runs_is_never_shortened() {
    let mut table = Table::new(Mode::Queue, Rules { rejoin_cooldown: Millis(5_000), ..rules() });
    table.join("a");
    table.ask("own", kick("a", false, 600)).unwrap();
    let first = table.room().cooldowns.clone();
    for end in [Command::SeatLeave, kick("a", false, 3)] {
        table.ask("own", assign("a", Some(2), SeatPolicy::Fail, false)).unwrap();
        let who = if matches!(end, Command::SeatLeave) { "a" } else { "own" };
        table.ask(who, end).unwrap();
        assert_eq!(table.room().cooldowns, first, "{who}");
    }
}

#[test]
fn a_lock_keeps_others_away() {
    let mut table = Table::queue("a");
    assert_eq!(
        table.ask("hst", lock(&[3, 2, 3], true, false)).unwrap(),
        ["seat_updated 2 locked=true", "seat_updated 3 locked=true"]
    );
    assert_eq!(table.ask("hst", lock(&[2, 3], true, false)).unwrap(), ["noop"]);
    table.join("b");
    assert_eq!((table.seated(), table.order()), ("2:a".to_owned(), "b".to_owned()), "an occupant stays");
    let told = table.ask("hst", lock(&[2, 3], false, false)).unwrap();
    assert_eq!(told[2..4], ["queue_left b promoted", "seat_taken 3 b promote"]);
    let all = |on, evict| Command::SeatLock { seats: SeatSet::All, on, evict };
    table.ask("hst", take(1)).unwrap();
    let told = table.ask("hst2", all(true, true)).unwrap();
    let expected = [
        "seat_updated 2 locked=true",
        "seat_left 2 a evicted",
        "turn_ended a 2 evicted",
        "seat_updated 3 locked=true",
        "seat_left 3 b evicted",
        "turn_ended b 3 evicted",
    ];
    assert_eq!(told, expected, "all = the guest seats");
    assert_eq!(refusal(table.ask("hst", lock(&[2, 9], false, false))), "seat_not_found");
    assert_eq!(refusal(table.ask("hst2", lock(&[1], true, true))), "target_rank");
    assert_eq!(table.ask("hst2", lock(&[1], true, false)).unwrap(), ["seat_updated 1 locked=true"]);
    assert_eq!(refusal(table.ask("a", lock(&[2], false, false))), "forbidden");
}

#[test]
fn everybody_mutes_himself_and_hosts_mute_others() {
    let mut table = Table::queue("a b");
    assert_eq!(table.ask("a", mute(2, true)).unwrap(), ["seat_updated 2 admin_muted=false self_muted=true"]);
    assert_eq!(table.ask("a", mute(2, true)).unwrap(), ["noop"]);
    assert_eq!(refusal(table.ask("a", mute(3, true))), "forbidden");
    assert_eq!(refusal(table.ask("a", Command::SeatMute { seats: SeatSet::All, on: true })), "forbidden");
    assert_eq!(table.ask("hst", mute(2, true)).unwrap(), ["seat_updated 2 admin_muted=true self_muted=true"]);
    assert_eq!(table.ask("a", mute(2, false)).unwrap(), ["seat_updated 2 admin_muted=true self_muted=false"]);
    assert!(table.room().seats.list[1].admin_muted, "he cannot lift it");
    assert_eq!(table.ask("a", mute(2, false)).unwrap(), ["noop"]);
    assert_eq!(table.ask("hst", mute(1, true)).unwrap(), ["noop"], "an empty seat");
    table.ask("hst2", take(1)).unwrap();
    assert_eq!(refusal(table.ask("hst", mute(1, true))), "target_rank");
    let all = Command::SeatMute { seats: SeatSet::All, on: true };
    assert_eq!(
        table.ask("hst", all).unwrap(),
        ["seat_updated 3 admin_muted=true self_muted=false"],
        "only what changes, only guest seats"
    );
    assert_eq!(refusal(table.ask("hst", mute(9, true))), "seat_not_found");
}

#[test]
fn mutes_go_with_the_person() {
    let muted = |table: &Table, seat: usize| {
        let seat = &table.room().seats.list[seat - 1];
        (seat.admin_muted, seat.occupant.as_ref().is_some_and(|occupant| occupant.self_muted))
    };
    let mut table = Table::new(Mode::Free, rules());
    table.assign("own", "a", 2).unwrap();
    table.ask("hst", mute(2, true)).unwrap();
    table.ask("a", mute(2, true)).unwrap();
    table.ask("hst", shift("a", 3, SeatPolicy::Fail)).unwrap();
    assert_eq!((muted(&table, 2), muted(&table, 3)), ((false, false), (true, true)));
    table.assign("own", "b", 2).unwrap();
    table.ask("hst", shift("a", 2, SeatPolicy::Swap)).unwrap();
    assert_eq!((muted(&table, 2), muted(&table, 3)), ((true, true), (false, false)));
    table.lose("a");
    table.back("a");
    assert_eq!(muted(&table, 2), (true, true));
    table.ask("a", Command::SeatLeave).unwrap();
    table.assign("own", "c", 2).unwrap();
    assert_eq!(muted(&table, 2), (false, false), "it ends when he leaves");
}

#[test]
fn a_seat_carries_a_text() {
    let mut table = Table::new(Mode::Free, rules());
    let extra = |text: &str, if_extra_rev| Command::SeatExtra { seat_no: 2, extra: text.to_owned(), if_extra_rev };
    assert_eq!(table.ask("hst", extra("x", Some(0))).unwrap(), ["seat_updated 2 extra=x 1"]);
    assert_eq!(refusal(table.ask("hst", extra("y", Some(0)))), "stale_rev");
    assert_eq!(table.ask("hst", extra("x", None)).unwrap(), ["noop"]);
    assert_eq!(table.ask("hst", extra("", Some(1))).unwrap(), ["seat_updated 2 extra= 2"]);
    assert_eq!(refusal(table.ask("a", extra("y", None))), "forbidden");
    let nowhere = Command::SeatExtra { seat_no: 9, extra: String::new(), if_extra_rev: None };
    assert_eq!(refusal(table.ask("hst", nowhere)), "seat_not_found");
}

#[test]
fn numbers_begin_with_the_host_seat() {
    for (host_seat, seats) in [(true, "1:Host 2:Guest 3:Guest"), (false, "1:Guest 2:Guest")] {
        let table = Table::new(Mode::Free, Rules { host_seat, ..rules() });
        let shown: Vec<String> = table.room().seats.list.iter().map(|seat| format!("{}:{:?}", seat.no, seat.kind)).collect();
        assert_eq!(shown.join(" "), seats);
    }
}

#[test]
fn a_wished_seat_is_given_when_free() {
    for (want, expected) in [(Some(3), "3:a"), (Some(1), "2:a"), (Some(9), "2:a"), (None, "2:a")] {
        let mut table = Table::new(Mode::Queue, rules());
        table.ask("a", Command::QueueJoin { want_seat: want, note: None }).unwrap();
        assert_eq!(table.seated(), expected, "{want:?}");
    }
}
