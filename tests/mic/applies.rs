//! Applications.
use crate::table::{Table, code, id, refusal, rules};
use michub::hub::{
    actor::Actor,
    code::Code,
    command::Command,
    mode::Mode,
    rules::{Access, Rules},
    time::{Millis, UnixMs},
};

fn resolve(apply_id: &str, approve: bool) -> Command {
    Command::ApplyResolve { apply_id: apply_id.to_owned(), approve, seat_no: None }
}

fn approve_to(apply_id: &str, seat_no: u32) -> Command {
    Command::ApplyResolve { apply_id: apply_id.to_owned(), approve: true, seat_no: Some(seat_no) }
}

fn reply(invite_id: &str, accept: bool) -> Command {
    Command::InviteReply { invite_id: invite_id.to_owned(), accept }
}

fn cancel_apply(apply_id: &str) -> Command {
    Command::ApplyCancel { apply_id: apply_id.to_owned() }
}

fn applying(people: &str) -> Table {
    let mut table = Table::new(Mode::Apply, rules());
    for person in people.split(' ') {
        table.apply(person).unwrap();
    }
    table
}

#[test]
fn an_application_is_open_for_its_time() {
    let mut table = Table::new(Mode::Apply, rules());
    assert_eq!(table.ask("a", Command::ApplySubmit { want_seat: Some(3) }).unwrap(), ["apply_submitted a"]);
    let apply = table.room().asks.applies[0].clone();
    assert_eq!((apply.user.as_str(), apply.want_seat, apply.expires_at), ("a", Some(3), table.now().plus(Millis(60_000))));
    assert_eq!(table.room().next_deadline(), Some(apply.expires_at));
    assert!(table.wait(59_999).is_empty());
    assert_eq!(table.wait(1), ["apply_ended a expired"]);
    assert_eq!(refusal(table.ask("hst", resolve(&apply.apply_id, true))), "apply_resolved expired hub");
    assert_eq!(refusal(table.ask("a", cancel_apply(&apply.apply_id))), "apply_resolved expired hub");
    table.wait(600_001);
    assert_eq!(refusal(table.ask("hst", resolve(&apply.apply_id, true))), "apply_not_found", "forgotten");
}

#[test]
fn apply_submit_is_refused_in_this_order() {
    for mode in [Mode::Free, Mode::Queue, Mode::Chair] {
        let mut table = Table::new(mode, rules());
        table.assign("own", "a", 2).unwrap();
        assert_eq!(refusal(table.apply("a")), "wrong_mode", "{mode:?}");
    }
    let mut table = applying("a");
    table.assign("own", "a", 2).unwrap();
    table.ask("own", Command::QueueBan { target: id("b"), until: UnixMs(9_000_000) }).unwrap();
    assert_eq!(refusal(table.apply("a")), "already_seated");
    assert_eq!(refusal(table.apply("b")), "blacklisted");
    table.apply("c").unwrap();
    assert_eq!(refusal(table.apply("c")), "apply_exists");
    assert_eq!(refusal(table.apply("service")), "forbidden");
    let kick = Command::SeatKick { target: id("a"), requeue: false, cooldown_seconds: 5 };
    table.ask("own", kick).unwrap();
    table.ask("own", resolve(&table.apply_id("a"), false)).unwrap();
    assert_eq!(refusal(table.apply("a")), "cooldown");
}

#[test]
fn the_lists_count_for_an_application_as_for_a_join() {
    for (access, expected) in [
        (Access::Open, ["", ""]),
        (Access::Blacklist, ["blacklisted", ""]),
        (Access::Whitelist, ["blacklisted", "not_whitelisted"]),
    ] {
        let lists = Rules { access, blacklist: vec![id("a")], whitelist: vec![id("a"), id("c")], ..rules() };
        for (person, expected) in ["a", "b"].into_iter().zip(expected) {
            let told = Table::new(Mode::Apply, lists.clone()).apply(person);
            assert_eq!(told.is_ok(), expected.is_empty(), "{access:?} {person}");
            let taken = Table::new(Mode::Free, lists.clone()).ask(person, Command::SeatTake { seat_no: Some(9) });
            assert_eq!(refusal(taken), if expected.is_empty() { "seat_not_found" } else { expected }, "{access:?} {person}");
            if !expected.is_empty() {
                assert_eq!(refusal(told), expected, "{access:?} {person}");
            }
        }
    }
}

#[test]
fn a_closed_or_full_queue_is_no_matter() {
    let mut table = Table::new(Mode::Apply, Rules { max_queue_len: 0, ..rules() });
    table.flag(michub::hub::mode::Flag::QueueOpen, false);
    assert_eq!(table.apply("a").unwrap(), ["apply_submitted a"]);
}

#[test]
fn only_the_applicant_cancels() {
    let mut table = applying("a");
    let apply = table.apply_id("a");
    assert_eq!(refusal(table.ask("own", cancel_apply(&apply))), "apply_not_found");
    assert_eq!(refusal(table.ask("service", cancel_apply(&apply))), "forbidden");
    assert_eq!(refusal(table.ask("a", cancel_apply("x"))), "apply_not_found");
    assert_eq!(table.ask("a", cancel_apply(&apply)).unwrap(), ["apply_ended a cancelled"]);
    assert_eq!(refusal(table.ask("a", cancel_apply(&apply))), "apply_resolved cancelled a");
    assert_eq!(refusal(table.ask("b", cancel_apply(&apply))), "apply_not_found");
    assert_eq!(refusal(table.ask("hst", resolve(&apply, true))), "apply_resolved cancelled a");
}

#[test]
fn an_approval_seats_the_applicant() {
    let mut table = applying("a b c");
    table.join("a");
    let told = table.ask("hst", resolve(&table.apply_id("a"), true)).unwrap();
    assert_eq!(told, ["apply_ended a approved", "queue_left a seated", "seat_taken 2 a apply"]);
    assert_eq!(
        table.ask("hst", approve_to(&table.apply_id("b"), 3)).unwrap(),
        ["apply_ended b approved", "seat_taken 3 b apply"]
    );
    assert_eq!(refusal(table.ask("hst", resolve(&table.apply_id("c"), true))), "no_seat");
    assert_eq!(table.room().asks.applies.len(), 1, "it stays");
    assert_eq!(table.ask("hst", resolve(&table.apply_id("c"), false)).unwrap(), ["apply_ended c rejected"]);
}

#[test]
fn an_approval_honours_the_wish_where_it_can() {
    for (want, taken, expected) in [(Some(3), 9, "3:a"), (None, 9, "2:a"), (Some(3), 3, "2:a 3:b"), (Some(1), 9, "2:a")] {
        let mut table = Table::new(Mode::Apply, rules());
        if taken == 3 {
            table.assign("own", "b", 3).unwrap();
        }
        table.ask("a", Command::ApplySubmit { want_seat: want }).unwrap();
        table.ask("hst", resolve(&table.apply_id("a"), true)).unwrap();
        assert_eq!(table.seated(), expected, "{want:?}");
    }
}

#[test]
fn an_approval_looks_at_the_seat_and_the_person() {
    let mut table = applying("a hst2");
    let apply = table.apply_id("a");
    table.lock(2, true, false);
    for (seat, expected) in [(9, "seat_not_found"), (2, "seat_locked"), (1, "seat_reserved")] {
        assert_eq!(refusal(table.ask("hst", approve_to(&apply, seat))), expected, "{seat}");
    }
    table.assign("own", "b", 3).unwrap();
    assert_eq!(refusal(table.ask("hst", approve_to(&apply, 3))), "seat_taken");
    table.lock(2, false, false);
    table.invite("own", "c", Some(2)).unwrap();
    assert_eq!(refusal(table.ask("hst", approve_to(&apply, 2))), "seat_reserved");
    table.ask("c", reply(&table.invite_id("c"), false)).unwrap();
    assert_eq!(refusal(table.ask("hst", resolve(&table.apply_id("hst2"), true))), "target_rank");
    table.ask("own", approve_to(&table.apply_id("hst2"), 1)).unwrap();
    table.lose("a");
    assert_eq!(refusal(table.ask("hst", resolve(&apply, true))), "not_member a false", "lost, and his application stays");
    table.back("a");
    table.assign("own", "a", 2).unwrap();
    assert_eq!(refusal(table.ask("hst", resolve(&apply, true))), "already_seated");
    assert_eq!(table.room().asks.applies.len(), 1);
    assert_eq!(code(table.ask("b", resolve(&apply, true))), Code::Forbidden);
    assert_eq!(refusal(table.ask("hst", resolve("x", true))), "apply_not_found");
}

#[test]
fn a_held_applicant_is_not_seated() {
    let mut table = applying("a");
    table.join("a");
    table.lose("a");
    assert_eq!(refusal(table.ask("hst", resolve(&table.apply_id("a"), true))), "not_member a true");
}

#[test]
fn a_refused_applicant_is_not_seated() {
    let mut table = Table::new(Mode::Apply, rules());
    table.ask("own", Command::QueueBan { target: id("a"), until: UnixMs(table.now().0 + 10_000) }).unwrap();
    table.wait(10_000);
    table.apply("a").unwrap();
    let apply = table.apply_id("a");
    let told = table.ask("own", Command::QueueBan { target: id("a"), until: UnixMs(9_000_000) }).unwrap();
    assert_eq!(told, ["queue_banned a", "apply_ended a cancelled"]);
    assert_eq!(refusal(table.ask("hst", resolve(&apply, true))), "apply_resolved cancelled own");
    table.invite("hst", "a", None).unwrap();
    assert_eq!(refusal(table.ask("a", reply(&table.invite_id("a"), true))), "blacklisted");
}

#[test]
fn the_second_who_decides_hears_what_the_first_did() {
    let mut table = applying("a b");
    let (first, second) = (table.apply_id("a"), table.apply_id("b"));
    table.ask("hst", resolve(&first, true)).unwrap();
    table.ask("hst", resolve(&second, false)).unwrap();
    let by = format!("noop by {:?}", Actor::User(id("hst")));
    assert_eq!(table.ask("adm", resolve(&first, true)).unwrap(), std::slice::from_ref(&by));
    assert_eq!(table.ask("adm", resolve(&second, false)).unwrap(), [by]);
    assert_eq!(refusal(table.ask("adm", resolve(&first, false))), "apply_resolved approved hst");
    assert_eq!(refusal(table.ask("adm", resolve(&second, true))), "apply_resolved rejected hst");
    table.apply("c").unwrap();
    let third = table.apply_id("c");
    table.ask("service", resolve(&third, false)).unwrap();
    assert_eq!(refusal(table.ask("adm", resolve(&third, true))), "apply_resolved rejected service");
}

#[test]
fn approving_works_in_mode_chair_too() {
    let mut table = applying("a");
    table.mode(Mode::Chair);
    assert_eq!(
        table.ask("hst", resolve(&table.apply_id("a"), true)).unwrap(),
        ["apply_ended a approved", "seat_taken 2 a apply"]
    );
}

#[test]
fn a_person_has_so_many_endings() {
    let mut table = Table::new(Mode::Apply, rules());
    let mut first = String::new();
    for n in 0..65 {
        table.apply("a").unwrap();
        let apply = table.apply_id("a");
        table.ask("a", cancel_apply(&apply)).unwrap();
        if n == 0 {
            first = apply;
        }
    }
    assert_eq!(refusal(table.ask("a", cancel_apply(&first))), "apply_not_found");
    assert_eq!(table.room().asks.ended.len(), 64);
}
