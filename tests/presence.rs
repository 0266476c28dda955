//! What others see of a person over his sessions: tables of steps with their times, and a few cases of their own.
#![allow(clippy::unwrap_used)]
use michub::hub::{
    id::{RoomId, SessionId, UserId, UserType},
    presence::{Elsewhere, People, Status},
    time::{Millis, UnixMs},
};

const T: u64 = 60_000;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

#[derive(Clone, Copy)]
enum Do {
    /// A fresh session of user `u`.
    Open(&'static str),
    /// A resume of the first with its token; the second is the fresh id.
    Resume(&'static str, &'static str),
    Lost(&'static str),
    End(&'static str),
    Choose(Status),
    Seat(bool),
    Sleep(u64),
    /// Goes on without a connection.
    Poll(&'static str),
    /// Only time passes.
    Wait,
}

/// Runs steps at their times for the one user `u` and tells what others saw, in order.
fn seen(steps: &[(u64, Do)]) -> Vec<(u64, Status)> {
    let (u, kind, room) = (user("u"), UserType::plain(), RoomId::parse("r").unwrap());
    let mut people = People::new(Millis(T), true);
    let mut out = Vec::new();
    for (at, step) in steps {
        let now = UnixMs(*at);
        people.expire(now);
        match step {
            Do::Open(s) => assert!(!people.open(&u, &kind, None, session(s), now).resumed),
            Do::Resume(s, fresh) => {
                let opened = people.open(&u, &kind, Some(&session(s)), session(fresh), now);
                assert_eq!(opened.resumed, opened.session == session(s));
            }
            Do::Lost(s) => people.lost(&session(s), now),
            Do::End(s) => assert!(people.end(&session(s), now)),
            Do::Choose(status) => assert!(people.choose(&u, *status)),
            Do::Seat(on) => people.seat(&u, &room, *on),
            Do::Sleep(gap) => people.slept(Millis(*gap)),
            Do::Poll(s) => people.polls(&session(s), now),
            Do::Wait => {}
        }
        out.extend(people.take_changes().into_iter().map(|view| (*at, view.status)));
    }
    out
}

#[test]
fn others_see_transitions_only() {
    use Do::{Choose, End, Lost, Open, Poll, Resume, Seat, Sleep, Wait};
    use Status::{Away, Busy, Offline, Online};
    type Case = (&'static str, &'static [(u64, Do)], &'static [(u64, Status)]);
    let cases: &[Case] = &[
        ("comes and goes", &[(0, Open("a")), (5, End("a"))], &[(0, Online), (5, Offline)]),
        ("a lost line is not offline", &[(0, Open("a")), (5, Lost("a")), (5 + T - 1, Wait)], &[(0, Online)]),
        ("gone at the timeout", &[(0, Open("a")), (5, Lost("a")), (5 + T, Wait)], &[(0, Online), (5 + T, Offline)]),
        ("a resume shows nothing", &[(0, Open("a")), (5, Lost("a")), (9, Resume("a", "b")), (2 * T, Wait)], &[(0, Online)]),
        (
            "a return without token shows nothing",
            &[(0, Open("a")), (5, Lost("a")), (9, Open("b")), (2 * T, Wait)],
            &[(0, Online)],
        ),
        (
            "a replaced session ends with the new one",
            &[(0, Open("a")), (1, Lost("a")), (2, Open("b")), (3, End("b"))],
            &[(0, Online), (3, Offline)],
        ),
        ("too late a resume is a new session", &[(0, Open("a")), (1, Lost("a")), (1 + T, Resume("a", "b"))], &[(0, Online)]),
        (
            "two devices, one leaves",
            &[(0, Open("a")), (1, Open("b")), (2, End("a")), (3, End("b"))],
            &[(0, Online), (3, Offline)],
        ),
        ("two devices, one is lost", &[(0, Open("a")), (1, Open("b")), (2, Lost("a")), (3 + T, Wait)], &[(0, Online)]),
        (
            "the last one lost counts",
            &[(0, Open("a")), (1, Open("b")), (2, Lost("a")), (9, Lost("b")), (9 + T, Wait)],
            &[(0, Online), (9 + T, Offline)],
        ),
        (
            "a choice and its end",
            &[(0, Open("a")), (1, Choose(Busy)), (2, Choose(Busy)), (3, Choose(Away)), (4, Choose(Online))],
            &[(0, Online), (1, Busy), (3, Away), (4, Online)],
        ),
        (
            "hidden while connected",
            &[(0, Open("a")), (1, Choose(Offline)), (2, End("a")), (3, Open("b"))],
            &[(0, Online), (1, Offline), (3, Online)],
        ),
        (
            "the choice outlives a drop",
            &[(0, Open("a")), (1, Choose(Busy)), (2, Lost("a")), (3, Resume("a", "b")), (4, Wait)],
            &[(0, Online), (1, Busy)],
        ),
        (
            "and a replacement",
            &[(0, Open("a")), (1, Choose(Busy)), (2, Lost("a")), (3, Open("b")), (4, Wait)],
            &[(0, Online), (1, Busy)],
        ),
        (
            "but not offline",
            &[(0, Open("a")), (1, Choose(Busy)), (2, End("a")), (3, Open("b"))],
            &[(0, Online), (1, Busy), (2, Offline), (3, Online)],
        ),
        (
            "busy on a seat, and back",
            &[(0, Open("a")), (1, Seat(true)), (2, Choose(Away)), (3, Seat(false))],
            &[(0, Online), (1, Busy), (3, Away)],
        ),
        (
            "the seat outlives the person",
            &[(0, Open("a")), (1, Seat(true)), (2, End("a")), (3, Open("b"))],
            &[(0, Online), (1, Busy), (2, Offline), (3, Busy)],
        ),
        (
            "polling counts as being here, until it stops",
            &[(0, Open("a")), (0, Poll("a")), (T - 1, Poll("a")), (2 * T - 2, Wait), (2 * T - 1, Wait)],
            &[(0, Online), (2 * T - 1, Offline)],
        ),
        (
            "from a connection to polling and back shows nothing",
            &[(0, Open("a")), (1, Lost("a")), (2, Resume("a", "b")), (2, Poll("a")), (9, Resume("a", "b")), (9 * T, Wait)],
            &[(0, Online)],
        ),
        (
            "a second device does not replace one that polls",
            &[(0, Open("a")), (0, Poll("a")), (1, Open("b")), (2, End("b")), (T - 1, Wait), (T, Wait)],
            &[(0, Online), (T, Offline)],
        ),
        (
            "a pause of the process is nobody's fault",
            &[(0, Open("a")), (1, Lost("a")), (2, Sleep(T)), (2 + T, Wait), (1 + 2 * T, Wait)],
            &[(0, Online), (1 + 2 * T, Offline)],
        ),
    ];
    for (name, steps, expected) in cases {
        assert_eq!(seen(steps), *expected, "{name}");
    }
}

#[test]
fn somebody_elses_session_is_not_resumed() {
    let mut people = People::new(Millis(T), true);
    people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(0));
    people.lost(&session("s1"), UnixMs(1));
    let opened = people.open(&user("b"), &UserType::plain(), Some(&session("s1")), session("s2"), UnixMs(2));
    assert_eq!((opened.session, opened.resumed), (session("s2"), false));
    assert!(!people.is_live(&session("s1")), "the foreign session stays as it was");
    assert!(people.is_here(&user("a")));
}

#[test]
fn a_change_and_its_undoing_between_two_looks_is_not_told() {
    let mut people = People::new(Millis(T), true);
    people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(0));
    people.take_changes();
    people.choose(&user("a"), Status::Busy);
    people.choose(&user("a"), Status::Online);
    assert!(people.take_changes().is_empty());
}

#[test]
fn the_last_sign_of_life_is_known_afterwards() {
    let mut people = People::new(Millis(T), true);
    assert_eq!(people.view(&user("a")).last_seen, None);
    people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(1));
    people.lost(&session("s1"), UnixMs(5));
    assert_eq!(people.expire(UnixMs(5 + T)), [(user("a"), session("s1"))]);
    assert_eq!(people.next_deadline(), None);
    let view = people.view(&user("a"));
    assert_eq!((view.status, view.last_seen), (Status::Offline, Some(UnixMs(5))));
}

#[test]
fn a_stored_session_waits_for_its_person() {
    let mut people = People::new(Millis(T), true);
    people.restore(&user("a"), &UserType::plain(), session("s1"), Some(Status::Away), UnixMs(0));
    assert_eq!(people.view(&user("a")).status, Status::Away);
    assert!(people.open(&user("a"), &UserType::plain(), Some(&session("s1")), session("s2"), UnixMs(9)).resumed);
    assert!(people.expire(UnixMs(9 * T)).is_empty());
    assert_eq!(people.choice(&user("a")), Some(Status::Away));
}

#[test]
fn a_lost_session_that_is_taken_in_again_is_not_over_any_more() {
    let mut people = People::new(Millis(T), true);
    people.take_in(&user("a"), &UserType::plain(), session("s1"), UnixMs(0));
    people.lost(&session("s1"), UnixMs(1));
    people.take_in(&user("a"), &UserType::plain(), session("s1"), UnixMs(2));
    assert_eq!(people.next_deadline(), None);
    assert!(people.expire(UnixMs(9 * T)).is_empty());
}

#[test]
fn a_look_at_the_other_nodes_tells_what_was_chosen_there() {
    let mut people = People::new(Millis(T), true);
    people.open(&user("a"), &UserType::plain(), None, session("s1"), UnixMs(0));
    people.take_changes();
    let chosen = Elsewhere { here: true, known: true, choice: Some(Status::Busy), ..Elsewhere::default() };
    people.glance(&user("a"), Some(chosen));
    assert_eq!(people.view(&user("a")).status, Status::Busy);
    people.glance(&user("a"), None);
    assert_eq!(people.view(&user("a")).status, Status::Busy, "a choice is the person's, on whatever node he made it");
    assert!(people.take_changes().is_empty(), "nobody here watches him");
}
