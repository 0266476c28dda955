//! Invitations, and what ends both them and applications.
use crate::table::{Table, id, refusal, rules};
use michub::hub::{
    actor::Actor,
    code::{Code, Reject},
    command::{Command, SeatPolicy, SeatSet},
    mode::Mode,
    rules::Rules,
    time::Millis,
};
use std::sync::Arc;

fn reply(invite_id: &str, accept: bool) -> Command {
    Command::InviteReply { invite_id: invite_id.to_owned(), accept }
}

fn cancel_invite(invite_id: &str) -> Command {
    Command::InviteCancel { invite_id: invite_id.to_owned() }
}

/// Something that ends what is open.
type End = fn(&mut Table) -> Vec<String>;

fn applying(people: &str) -> Table {
    let mut table = Table::new(Mode::Apply, rules());
    for person in people.split(' ') {
        table.apply(person).unwrap();
    }
    table
}

#[test]
fn an_invitation_keeps_its_seat() {
    let mut table = Table::new(Mode::Free, rules());
    assert_eq!(table.invite("hst", "a", None).unwrap(), ["invite_sent a 2"]);
    let kept = table.room().seats.list[1].reserved_for.clone().unwrap();
    assert_eq!((kept.user.as_str(), kept.until), ("a", table.now().plus(Millis(30_000))));
    assert_eq!(kept.invite_id, table.invite_id("a"));
    assert_eq!(table.room().next_deadline(), Some(kept.until));
    let take = |seat_no| Command::SeatTake { seat_no };
    assert_eq!(refusal(table.ask("b", take(Some(2)))), "seat_reserved");
    assert_eq!(refusal(table.ask("a", take(Some(2)))), "seat_reserved", "by the invitation only");
    assert_eq!(table.ask("b", take(None)).unwrap(), ["seat_taken 3 b take"]);
    assert_eq!(refusal(table.ask("c", take(None))), "no_seat");
    assert_eq!(table.ask("a", reply(&kept.invite_id, true)).unwrap(), ["invite_ended a 2 accepted", "seat_taken 2 a invite"]);
    assert!(table.room().seats.list[1].reserved_for.is_none());
}

#[test]
fn whoever_accepts_leaves_the_queue_and_gets_his_turn() {
    let mut table = Table::queue("a b c d");
    table.ask("a", Command::SeatLeave).unwrap();
    table.ask("c", Command::SeatLeave).unwrap();
    table.ask("own", Command::SeatTake { seat_no: Some(1) }).unwrap();
    table.join("e f");
    table.lock(2, true, true);
    table.lock(2, false, false);
    assert_eq!(table.seated(), "1:own 2:e 3:b");
    table.ask("e", Command::TurnYield { expect: None }).unwrap();
    assert_eq!(table.seated(), "1:own 2:f 3:b");
    table.join("a c");
    table.lock(2, true, true);
    table.lock(3, true, true);
    table.ask("own", Command::SeatLock { seats: SeatSet::Numbers(vec![2]), on: false, evict: false }).unwrap();
    assert_eq!((table.seated(), table.order()), ("1:own 2:a".to_owned(), "c".to_owned()));
    table.ask("own", Command::ModeSet { mode: Mode::Chair }).unwrap();
    table.lock(3, false, false);
    table.invite("hst", "c", Some(3)).unwrap();
    table.mode(Mode::Queue);
    assert_eq!(table.order(), "c", "the kept seat is not free");
    let told = table.ask("c", reply(&table.invite_id("c"), true)).unwrap();
    let start = format!("turn_started c 3 ends {}", table.now().0 + 180_000);
    assert_eq!(told, ["invite_ended c 3 accepted", "queue_left c seated", "seat_taken 3 c invite", &start]);
}

#[test]
fn a_kept_seat_that_is_free_again_is_filled() {
    let ends: [(&str, End); 3] = [
        ("declined", |table| table.ask("a", reply(&table.invite_id("a"), false)).unwrap()),
        ("cancelled", |table| table.ask("hst", cancel_invite(&table.invite_id("a"))).unwrap()),
        ("expired", |table| table.wait(30_000)),
    ];
    for (outcome, end) in ends {
        let mut table = Table::new(Mode::Queue, Rules { max_mic_count: 1, ..rules() });
        table.invite("hst", "a", None).unwrap();
        table.join("b");
        assert_eq!(table.order(), "b");
        let told = end(&mut table);
        assert_eq!(
            told[..3],
            [&format!("invite_ended a 2 {outcome}"), "queue_left b promoted", "seat_taken 2 b promote"],
            "{outcome}"
        );
    }
}

#[test]
fn an_invitation_may_have_its_own_time() {
    let mut table = Table::new(Mode::Free, rules());
    let ttl = Some(Millis::from_seconds(5));
    table.ask("hst", Command::InviteSend { target: id("a"), seat_no: None, ttl }).unwrap();
    assert!(table.wait(4_999).is_empty());
    assert_eq!(table.wait(1), ["invite_ended a 2 expired"]);
}

#[test]
fn invite_send_is_refused_in_this_order() {
    let mut table = Table::new(Mode::Queue, rules());
    assert_eq!(refusal(table.invite("a", "b", None)), "forbidden");
    assert_eq!(refusal(table.invite("hst", "hst2", None)), "target_rank");
    assert_eq!(refusal(table.invite("hst", "zed", None)), "not_member zed false");
    table.assign("hst", "a", 2).unwrap();
    table.lose("a");
    assert_eq!(refusal(table.invite("hst", "a", Some(9))), "already_seated");
    table.invite("hst", "b", Some(3)).unwrap();
    assert_eq!(refusal(table.invite("hst", "b", Some(9))), "invite_exists");
    table.ask("own", Command::SeatLock { seats: SeatSet::Numbers(vec![1]), on: true, evict: false }).unwrap();
    for (seat, expected) in
        [(Some(9), "seat_not_found"), (Some(1), "seat_locked"), (Some(2), "seat_taken"), (Some(3), "seat_reserved")]
    {
        assert_eq!(refusal(table.invite("hst", "c", seat)), expected, "{seat:?}");
    }
    assert_eq!(refusal(table.invite("hst", "c", None)), "no_seat");
    table.lock(1, false, false);
    assert_eq!(refusal(table.invite("hst", "c", Some(1))), "seat_reserved", "not for his level");
    table.join("d");
    table.lose("d");
    assert_eq!(refusal(table.invite("hst", "d", Some(1))), "not_member d true");
}

#[test]
fn an_invitation_is_answered_by_the_one_invited() {
    let mut table = Table::new(Mode::Apply, rules());
    table.invite("adm", "a", None).unwrap();
    let invite = table.invite_id("a");
    assert_eq!(table.room().asks.invites[0].by, Actor::User(id("adm")));
    assert_eq!(refusal(table.ask("b", reply(&invite, true))), "invite_not_found");
    assert_eq!(refusal(table.ask("a", reply("x", true))), "invite_not_found");
    assert_eq!(refusal(table.ask("service", reply(&invite, true))), "forbidden");
    assert_eq!(refusal(table.ask("hst", cancel_invite("x"))), "invite_not_found");
    table.ask("a", reply(&invite, false)).unwrap();
    for accept in [true, false] {
        assert_eq!(refusal(table.ask("a", reply(&invite, accept))), "invite_expired");
    }
    assert_eq!(refusal(table.ask("b", reply(&invite, true))), "invite_not_found", "nobody else's");
    assert_eq!(refusal(table.ask("hst", cancel_invite(&invite))), "invite_expired");
    table.wait(600_001);
    assert_eq!(refusal(table.ask("a", reply(&invite, true))), "invite_not_found", "forgotten");
}

#[test]
fn an_invitation_is_cancelled_over_lower_ranks() {
    let mut table = Table::new(Mode::Apply, rules());
    table.invite("own", "hst2", None).unwrap();
    let invite = table.invite_id("hst2");
    assert_eq!(refusal(table.ask("hst", cancel_invite(&invite))), "target_rank");
    assert_eq!(refusal(table.ask("a", cancel_invite(&invite))), "forbidden");
    assert_eq!(table.ask("adm", cancel_invite(&invite)).unwrap(), ["invite_ended hst2 2 cancelled"]);
    assert_eq!(refusal(table.ask("hst", cancel_invite(&invite))), "target_rank");
}

#[test]
fn an_accepted_invitation_looks_at_the_person() {
    let mut table = Table::new(Mode::Free, rules());
    table.invite("hst", "a", Some(2)).unwrap();
    let invite = table.invite_id("a");
    table.assign("hst", "a", 3).unwrap();
    assert_eq!(refusal(table.ask("a", reply(&invite, true))), "already_seated");
    assert_eq!(table.ask("a", reply(&invite, false)).unwrap(), ["invite_ended a 2 declined"]);
    table.invite("own", "hst", Some(1)).unwrap();
    table.role("hst", "member");
    assert_eq!(refusal(table.ask("hst", reply(&table.invite_id("hst"), true))), "seat_reserved");
}

#[test]
fn two_who_accept_cannot_collide() {
    let mut table = Table::new(Mode::Free, Rules { max_mic_count: 2, ..rules() });
    table.invite("hst", "a", None).unwrap();
    table.invite("hst2", "b", None).unwrap();
    assert_eq!(refusal(table.invite("hst2", "c", None)), "no_seat");
    table.ask("b", reply(&table.invite_id("b"), true)).unwrap();
    table.ask("a", reply(&table.invite_id("a"), true)).unwrap();
    assert_eq!(table.seated(), "2:a 3:b");
}

#[test]
fn locking_a_kept_seat_cancels_its_invitation() {
    let mut table = Table::new(Mode::Queue, rules());
    table.invite("hst", "a", Some(2)).unwrap();
    assert_eq!(table.lock(2, true, false), ["seat_updated 2 locked=true", "invite_ended a 2 cancelled"]);
    assert!(table.room().seats.list[1].reserved_for.is_none());
}

#[test]
fn closing_a_kept_seat_cancels_its_invitation() {
    let mut table = Table::new(Mode::Queue, rules());
    table.invite("hst", "a", Some(3)).unwrap();
    let fewer = Rules { max_mic_count: 1, queue_mode: Mode::Queue, ..rules() };
    let told = table.ask("own", Command::RulesSet { rules: Ok(Arc::new(fewer)), if_rules_rev: None }).unwrap();
    assert_eq!(told.last().unwrap(), "invite_ended a 3 cancelled", "{told:?}");
    assert!(table.room().seats.list.iter().all(|seat| seat.reserved_for.is_none()));
}

#[test]
fn whoever_is_gone_has_nothing_open() {
    let gone: [(&str, End); 4] = [
        ("kicked", |table| table.ask("adm", Command::UserKick { target: id("a"), reason: None }).unwrap()),
        ("banned", |table| table.ask("adm", Command::UserBan { target: id("a"), reason: None, until: None }).unwrap()),
        ("left", |table| table.leave("a")),
        ("closed", |table| table.ask("own", Command::RoomClose { reason: None }).unwrap()),
    ];
    for (name, go) in gone {
        let mut table = applying("a");
        table.invite("hst", "a", None).unwrap();
        let told = go(&mut table);
        let ends = &told[told.len() - 2..];
        assert_eq!(ends, ["apply_ended a cancelled", "invite_ended a 2 cancelled"], "{name}");
    }
}

#[test]
fn the_end_of_a_hold_ends_what_is_open() {
    let mut table = Table::new(Mode::Apply, Rules { hold_queue: Millis(10_000), ..rules() });
    table.join("a");
    table.apply("a").unwrap();
    table.invite("hst", "a", None).unwrap();
    table.lose("a");
    assert_eq!(table.wait(10_000), ["queue_left a hold_expired", "apply_ended a cancelled", "invite_ended a 2 cancelled"]);
}

#[test]
fn whoever_is_lost_keeps_what_is_open_until_its_time() {
    let mut table = applying("a");
    table.invite("hst", "a", None).unwrap();
    assert!(table.lose("a").is_empty());
    assert_eq!(table.wait(60_000), ["invite_ended a 2 expired", "apply_ended a expired"], "in the order of the deadlines");
}

#[test]
fn nobody_is_invited_by_replacing() {
    let mut table = Table::new(Mode::Free, rules());
    table.invite("hst", "a", Some(2)).unwrap();
    let assign = Command::SeatAssign { target: id("b"), seat_no: Some(2), policy: SeatPolicy::Replace, requeue: false };
    assert_eq!(table.ask("own", assign).unwrap_err(), Reject::Plain(Code::SeatReserved));
}
