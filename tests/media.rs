//! The join of media reports: named cases in all orders, and random histories, shuffled and repeated, against what really happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
use michub::hub::{
    media::{Births, EpochId, Fact, MediaSession, Phase, Publisher, Sighting, Space, StreamId, Told, changes},
    time::UnixMs,
};
use std::collections::BTreeMap;

const AT: UnixMs = UnixMs(1_000_000);

fn epoch(id: &str) -> EpochId {
    EpochId::new(id)
}

fn born(id: &str, birth: u64) -> Fact {
    Fact::EpochSeen { epoch: epoch(id), birth }
}

fn ended(id: &str) -> Fact {
    Fact::EpochEnded { epoch: epoch(id) }
}

/// A numbered change of stream `s1`: `change("A", 3, false, "S2")`.
fn change(id: &str, seq: u64, closed: bool, session: &str) -> Fact {
    let birth = if id == "A" { 100 } else { 500 };
    Fact::Numbered {
        epoch: epoch(id),
        stream: StreamId::new("s1"),
        seq,
        closed,
        birth,
        session: MediaSession::new(session),
        publisher: Publisher::new("u1"),
    }
}

/// A session of stream `s1`.
fn session(id: &str, session: &str, phase: Phase, birth: Option<u64>) -> Fact {
    of_stream(id, "s1", session, phase, birth, None)
}

fn of_stream(id: &str, stream: &str, session: &str, phase: Phase, birth: Option<u64>, parent: Option<&str>) -> Fact {
    Fact::Session {
        epoch: epoch(id),
        stream: StreamId::new(stream),
        session: MediaSession::new(session),
        phase,
        birth,
        publisher: Some(Publisher::new("u1")),
        parent: parent.map(MediaSession::new),
    }
}

fn sighting(stream: &str, session: Option<&str>, birth: Option<u64>) -> Sighting {
    Sighting { stream: StreamId::new(stream), session: session.map(MediaSession::new), publisher: None, birth }
}

fn joined<'a>(births: Births, facts: impl IntoIterator<Item = &'a Fact>) -> Space {
    let mut space = Space::new(births);
    for fact in facts {
        assert_eq!(space.join(fact, AT), Told::Joined);
    }
    space
}

fn live(space: &Space) -> Vec<(String, String)> {
    space.live().iter().map(|live| (live.stream.as_str().to_owned(), live.session.as_str().to_owned())).collect()
}

/// Calls `each` with every order of `facts`.
fn orders(facts: &mut Vec<Fact>, from: usize, each: &mut dyn FnMut(&[Fact])) {
    if from + 1 >= facts.len() {
        return each(facts);
    }
    for other in from..facts.len() {
        facts.swap(from, other);
        orders(facts, from + 1, each);
        facts.swap(from, other);
    }
}

/// Joins the facts in every order, each once and each twice, and wants the same picture every time.
fn always(births: Births, mut facts: Vec<Fact>, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    orders(&mut facts, 0, &mut |order| {
        assert_eq!(live(&joined(births, order)), expected, "{order:?}");
        let doubled = order.iter().chain(order);
        assert_eq!(live(&joined(births, doubled)), expected, "doubled {order:?}");
        let halves = order.split_at(order.len() / 2);
        let mut merged = joined(births, halves.1);
        merged.merge(&joined(births, halves.0));
        assert_eq!(live(&merged), expected, "merged {order:?}");
    });
}

#[test]
fn a_late_close_of_the_older_session_does_not_end_the_newer() {
    let facts = vec![change("A", 1, false, "S1"), change("A", 3, false, "S3"), change("A", 2, true, "S1")];
    always(Births::Times, facts, &[("s1", "S3")]);
}

#[test]
fn a_close_may_come_before_its_create() {
    always(Births::Times, vec![change("A", 2, true, "S1"), change("A", 1, false, "S1")], &[]);
}

#[test]
fn a_newer_life_of_the_room_hides_the_older() {
    let five =
        vec![change("A", 1, false, "S1"), change("A", 2, true, "S1"), ended("A"), born("B", 500), change("B", 1, false, "S9")];
    always(Births::Times, five, &[("s1", "S9")]);
    let late = vec![change("B", 1, false, "S9"), change("A", 5, false, "S5"), ended("A")];
    always(Births::Times, late, &[("s1", "S9")]);
    always(Births::Times, vec![ended("A"), born("A", 100), change("A", 1, false, "S1")], &[]);
}

#[test]
fn a_lost_close_leaves_no_ghost_behind_and_shows_as_a_hole() {
    let facts = vec![change("A", 1, false, "S1"), change("A", 3, false, "S2"), change("A", 4, true, "S2")];
    always(Births::Times, facts.clone(), &[]);
    assert_eq!(joined(Births::Times, &facts).hole(), Some(2));
    assert_eq!(joined(Births::Times, [&change("A", 2, true, "S1"), &facts[0], &facts[1], &facts[2]]).hole(), None);
}

#[test]
fn two_polls_in_a_row_end_what_nobody_closed() {
    let mut space = joined(Births::Times, [&change("A", 1, false, "S1")]);
    let at = |seconds: u64| UnixMs(AT.0 + seconds * 1000);
    assert_eq!(space.reconcile(&epoch("A"), &[], at(5)), [], "too fresh");
    assert_eq!(space.reconcile(&epoch("A"), &[], at(20)), [], "missing once");
    assert_eq!(space.reconcile(&epoch("A"), &[sighting("s1", None, Some(100))], at(30)), [], "seen again");
    assert_eq!(space.reconcile(&epoch("A"), &[], at(40)), []);
    assert_eq!(space.reconcile(&epoch("A"), &[], at(50)).len(), 1);
    assert_eq!(live(&space), []);
    space.join(&change("A", 3, false, "S3"), at(51));
    assert_eq!(live(&space).len(), 1, "a poll never beats a newer word");
}

#[test]
fn a_poll_finds_what_nobody_reported() {
    let mut space = joined(Births::Times, [&change("A", 1, false, "S1"), &change("A", 2, true, "S1")]);
    let later = UnixMs(AT.0 + 20_000);
    space.reconcile(&epoch("A"), &[sighting("s1", None, Some(200)), sighting("s2", None, Some(300))], later);
    assert_eq!(live(&space).len(), 2);
    space.join(&change("A", 3, true, "S1"), later);
    assert_eq!(live(&space), [("s2".to_owned(), "poll:300".to_owned())]);
}

#[test]
fn a_list_brings_back_what_was_wrongly_said_to_be_over() {
    let at = |seconds: u64| UnixMs(AT.0 + seconds * 1000);
    for births in [Births::Times, Births::Grants] {
        let mut space = joined(births, [&session("k", "c1", Phase::Open, Some(10))]);
        assert_eq!(space.end_all(at(0), at(1)), [], "heard of just now");
        assert_eq!(space.end_all(at(1), at(1)).len(), 1);
        let list = [sighting("s1", Some("c1"), None)];
        space.reconcile(&epoch("k"), &list, at(9));
        assert_eq!(live(&space), [], "the list may be older than the end");
        for later in [11, 12, 60] {
            space.reconcile(&epoch("k"), &list, at(later));
            let on_air = space.live();
            assert_eq!(on_air.len(), 1);
            assert_eq!((on_air[0].session.as_str(), on_air[0].session.at_the_server()), ("c1+1011000", "c1"));
        }
        for later in [80, 90] {
            space.reconcile(&epoch("k"), &[], at(later));
        }
        assert_eq!(live(&space), []);
        space.join(&session("k", "c2", Phase::Open, Some(20)), at(91));
        assert_eq!(live(&space), [("s1".to_owned(), "c2".to_owned())]);
    }
}

#[test]
fn two_nodes_count_the_lists_that_miss_something_together() {
    let at = |seconds: u64| UnixMs(AT.0 + seconds * 1000);
    let (mut one, mut other) = (joined(Births::Times, [&change("A", 1, false, "S1")]), Space::new(Births::Times));
    other.merge(&one);
    assert_eq!(one.reconcile(&epoch("A"), &[], at(20)), []);
    other.merge(&one);
    assert_eq!(other.reconcile(&epoch("A"), &[sighting("s1", None, Some(100))], at(30)), [], "seen again");
    assert_eq!(other.reconcile(&epoch("A"), &[], at(40)), []);
    one.merge(&other);
    assert_eq!(one.reconcile(&epoch("A"), &[], at(50)).len(), 1);
}

#[test]
fn without_numbers_the_sessions_decide() {
    let facts = vec![session("A", "S1", Phase::Open, Some(10)), session("A", "S2", Phase::Open, Some(20))];
    always(Births::Times, facts.clone(), &[("s1", "S2")]);
    let mut closed = facts;
    closed.push(session("A", "S2", Phase::Closed, None));
    always(Births::Times, closed, &[]);
    let mixed = vec![change("A", 1, false, "S1"), session("A", "S1", Phase::Closed, Some(100))];
    always(Births::Times, mixed, &[]);
}

#[test]
fn a_ticket_tells_which_publishing_ended() {
    let retried = vec![
        session("", "t1", Phase::Open, Some(1)),
        session("", "t1", Phase::Closed, Some(1)),
        session("", "t2", Phase::Open, Some(2)),
    ];
    always(Births::Grants, retried.clone(), &[("s1", "t2")]);
    let space = joined(Births::Grants, &retried);
    assert!(space.is_spent(&MediaSession::new("t1")) && !space.is_spent(&MediaSession::new("t2")));
}

#[test]
fn a_new_boot_of_the_server_ends_the_streams_of_the_old() {
    let facts = vec![
        born("01JB", 0),
        session("01JA", "t1", Phase::Open, Some(1)),
        of_stream("01JB", "s2", "t2", Phase::Open, Some(2), None),
    ];
    always(Births::Grants, facts, &[("s2", "t2")]);
}

#[test]
fn being_asked_is_no_proof_of_being_on_air() {
    let mut space =
        joined(Births::Times, [&session("k", "c1", Phase::Pending, Some(10)), &session("k", "c2", Phase::Pending, Some(20))]);
    space.reconcile(&epoch("k"), &[sighting("s1", Some("c1"), None)], AT);
    assert_eq!(live(&space), [("s1".to_owned(), "c1".to_owned())]);
    space.join(&session("k", "c2", Phase::Dropped, None), AT);
    assert_eq!(live(&space), [("s1".to_owned(), "c1".to_owned())]);
    let takeover = vec![
        session("k", "c1", Phase::Open, Some(10)),
        session("k", "c2", Phase::Pending, Some(20)),
        session("k", "c1", Phase::Closed, None),
    ];
    always(Births::Times, takeover, &[("s1", "c2")]);
}

#[test]
fn whoever_left_takes_his_tracks_along() {
    let facts = vec![
        of_stream("RM", "u1/TR_1", "TR_1", Phase::Open, Some(10), Some("PA_1")),
        Fact::ParentEnded { epoch: epoch("RM"), parent: MediaSession::new("PA_1") },
        of_stream("RM", "u1/TR_2", "TR_2", Phase::Open, Some(20), Some("PA_2")),
    ];
    always(Births::Times, facts, &[("u1/TR_2", "TR_2")]);
}

#[test]
fn a_cleared_channel_hides_what_was_born_before() {
    let facts = vec![
        Fact::Cleared { epoch: epoch(""), at: 150 },
        of_stream("", "10", "10", Phase::Open, Some(100), None),
        of_stream("", "11", "11", Phase::Open, Some(200), None),
    ];
    always(Births::Times, facts, &[("11", "11")]);
}

#[test]
fn what_is_over_is_forgotten_and_what_is_older_than_that_is_not_believed() {
    let mut space = joined(Births::Times, [&change("A", 1, false, "S1"), &change("A", 2, true, "S1")]);
    let later = UnixMs(AT.0 + 16 * 60 * 1000);
    let fresh = of_stream("A", "s2", "S2", Phase::Open, Some(AT.0 + 1000), None);
    space.join(&fresh, later);
    space.forget(later);
    assert_eq!(space.join(&change("A", 1, false, "S1"), later), Told::TooOld);
    assert_eq!(live(&space), [("s2".to_owned(), "S2".to_owned())]);
}

#[test]
fn changes_name_what_is_new_replaced_and_gone() {
    let before = joined(Births::Times, [&change("A", 1, false, "S1")]).live();
    let after = joined(Births::Times, [&change("A", 3, false, "S3")]).live();
    assert_eq!(changes(&before, &before), []);
    assert!(format!("{:?}", changes(&before, &after)).starts_with("[Replaced"));
    assert!(format!("{:?}", changes(&[], &after)).starts_with("[Added"));
    assert!(format!("{:?}", changes(&before, &[])).starts_with("[Removed"));
}

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            let other = usize::try_from(self.roll(at as u64 + 1)).unwrap();
            list.swap(at, other);
        }
    }
}

/// Plays a random room: its reports, and what is on air at the end.
fn history(dice: &mut Dice, numbered: bool) -> (Vec<Fact>, Vec<(String, String)>) {
    let mut facts = Vec::new();
    let mut on_air: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    let (mut life, mut seq, mut time, mut sessions) = (0, 0, 100, 0);
    let report = |stream: u64, session: &str, seq: u64, birth: u64, closed: bool, life: u64| {
        let (epoch, stream) = (epoch(&format!("e{life:03}")), StreamId::new(&format!("s{stream}")));
        let (session, publisher) = (MediaSession::new(session), Publisher::new("u"));
        if numbered {
            return Fact::Numbered { epoch, stream, seq, closed, birth, session, publisher };
        }
        let phase = if closed { Phase::Closed } else { Phase::Open };
        Fact::Session { epoch, stream, session, phase, birth: Some(birth), publisher: Some(publisher), parent: None }
    };
    facts.push(born("e000", 0));
    for _ in 0..3 + dice.roll(9) {
        time += 1 + dice.roll(50);
        if dice.roll(9) == 0 {
            facts.push(ended(&format!("e{life:03}")));
            (life, seq) = (life + 1, 0);
            on_air.clear();
            facts.push(born(&format!("e{life:03}"), time));
            continue;
        }
        let stream = dice.roll(2);
        seq += 1;
        match on_air.remove(&stream) {
            Some((session, birth)) => facts.push(report(stream, &session, seq, birth, true, life)),
            None => {
                sessions += 1;
                let session = format!("x{}{sessions}", dice.roll(10));
                facts.push(report(stream, &session, seq, time, false, life));
                on_air.insert(stream, (session, time));
            }
        }
    }
    let live = on_air.into_iter().map(|(stream, (session, _))| (format!("s{stream}"), session)).collect();
    (facts, live)
}

#[test]
fn every_shuffled_and_repeated_history_ends_right() {
    let mut dice = Dice(20_261_121);
    for case in 0..100_000 {
        let (facts, expected) = history(&mut dice, case % 2 == 0);
        let mut heard = facts.clone();
        for fact in &facts {
            if dice.roll(3) == 0 {
                heard.push(fact.clone());
            }
        }
        dice.shuffle(&mut heard);
        assert_eq!(live(&joined(Births::Times, &heard)), expected, "case {case}: {heard:?}");
    }
}

#[test]
fn two_copies_that_heard_different_halves_agree() {
    let mut dice = Dice(7);
    for case in 0..5_000 {
        let (mut facts, _) = history(&mut dice, case % 2 == 0);
        dice.shuffle(&mut facts);
        let thirds: Vec<Space> = facts.chunks(facts.len() / 3 + 1).map(|part| joined(Births::Times, part)).collect();
        let join = |order: &[usize]| {
            order.iter().filter_map(|at| thirds.get(*at)).fold(Space::new(Births::Times), |mut sum, part| {
                sum.merge(part);
                sum
            })
        };
        let (one, other) = (join(&[0, 1, 2]), join(&[2, 0, 1, 1]));
        assert_eq!(one, other, "case {case}");
        assert_eq!(one.live(), joined(Births::Times, &facts).live());
    }
}

#[test]
fn one_complete_poll_repairs_what_was_lost() {
    let mut dice = Dice(99);
    for case in 0..10_000 {
        let (facts, expected) = history(&mut dice, case % 2 == 0);
        let Some(last) = facts.iter().rev().find_map(|fact| match fact {
            Fact::EpochSeen { epoch, .. } => Some(epoch.clone()),
            _ => None,
        }) else {
            continue;
        };
        // Callbacks about streams get lost; that the room began anew is known from the poll itself.
        let lossy = |fact: &&Fact| matches!(fact, Fact::EpochSeen { .. } | Fact::EpochEnded { .. }) || dice.roll(5) > 0;
        let heard: Vec<&Fact> = facts.iter().filter(lossy).collect();
        let mut space = joined(Births::Times, heard);
        let birth = |session: &str| {
            facts.iter().find_map(|fact| match fact {
                Fact::Numbered { session: id, birth, .. } if id.as_str() == session => Some(*birth),
                Fact::Session { session: id, birth, .. } if id.as_str() == session => *birth,
                _ => None,
            })
        };
        let list: Vec<Sighting> = expected.iter().map(|(stream, session)| sighting(stream, None, birth(session))).collect();
        for poll in 2..4 {
            space.reconcile(&last, &list, UnixMs(AT.0 + poll * 30_000));
        }
        let streams: Vec<String> = live(&space).into_iter().map(|(stream, _)| stream).collect();
        let wanted: Vec<String> = expected.into_iter().map(|(stream, _)| stream).collect();
        assert_eq!(streams, wanted, "case {case}");
    }
}
