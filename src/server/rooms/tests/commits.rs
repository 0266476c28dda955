//! Batches, commits that fail, and positions.
use super::*;

#[test]
fn what_is_asked_behind_a_join_comes_behind_its_snapshot() {
    run(settings(), |mut bench| async move {
        bench.join("a");
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        let expected = ["a in: ack 1 | room_snapshot", "a: ack 2", "all: update seat_taken"];
        assert_eq!(bench.out(3).await, expected);
    });
}

#[test]
fn what_waits_together_is_one_commit_and_one_frame() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: true });
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: true });
        bench.say("a", Command::QueueLeave);
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: false });
        let expected = ["a: ack 2", "a: ack 3", "a: error 4 not_queued -", "a: ack 5", "all: update flags_changed flags_changed"];
        assert_eq!(bench.out(5).await, expected);
        assert_eq!(bench.store.commits(), 1);
    });
}

#[test]
fn a_store_that_refuses_leaves_the_room_as_it_was() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        bench.store.answers.lock().unwrap().push_back(Answer::NotDone);
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.say("a", Command::QueueLeave);
        let nothing = ["a: error 2 unavailable none", "a: error 3 unavailable none"];
        assert_eq!(bench.out(2).await, nothing, "a refusal, too, may stand on what was not committed");
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        assert_eq!(bench.out(2).await, ["a: ack 4", "all: update seat_taken"]);
    });
}

#[test]
fn a_lost_reply_is_asked_for_again_with_the_same_commit() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        bench.store.answers.lock().unwrap().push_back(Answer::LostReply);
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        assert_eq!(bench.out(2).await, ["a: ack 2", "all: update seat_taken"]);
        assert_eq!(bench.store.commits(), 1);
    });
}

#[test]
fn an_unknown_outcome_is_looked_up_before_the_next_batch() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        let command = Command::SeatTake { seat_no: Some(1) };
        let request = Request { actor: Actor::User(user("a")), op_id: OpId::parse("x").ok(), if_rev: None, command };
        // The first offer lands, but neither answer arrives.
        bench.store.answers.lock().unwrap().extend([Answer::LostReply, Answer::Dead]);
        let reply = bench.reply("a");
        bench.send(RoomMsg::Command { request: request.clone(), rated: true, reply });
        assert_eq!(bench.out(1).await, ["a: error 2 unavailable unknown"]);
        let reply = bench.reply("a");
        bench.send(RoomMsg::Command { request, rated: true, reply });
        assert_eq!(
            bench.out(2).await,
            ["all: update seat_taken", "a: ack 3"],
            "everybody hears what had landed; the repeat is a dup"
        );
        assert_eq!(bench.store.commits(), 1);
    });
}

#[test]
fn a_log_that_has_moved_on_is_caught_up_with() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        // The store has lost the commit: the history is not the one that everybody has seen.
        bench.store.room.lock().unwrap().as_mut().unwrap().2.clear();
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: true });
        let expected = ["a: room_reset", "a: room_snapshot", "a: ack 3", "all: update flags_changed"];
        assert_eq!(bench.out(4).await, expected);
    });
}

#[test]
fn a_kicked_person_sees_his_kick_and_nothing_more() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::UserKick { target: user("b"), reason: None });
        bench.say("b", Command::QueueLeave);
        let expected = ["a: ack 3", "b: error 4 not_member -", "b out: update member_kicked", "all: update member_kicked"];
        assert_eq!(bench.out(4).await, expected);
    });
}

#[test]
fn a_kick_that_was_not_committed_did_not_happen() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.store.answers.lock().unwrap().push_back(Answer::NotDone);
        bench.say("a", Command::UserKick { target: user("b"), reason: None });
        assert_eq!(bench.out(1).await, ["a: error 3 unavailable none"]);
        bench.say("b", Command::QueueLeave);
        assert_eq!(bench.out(1).await, ["b: error 4 not_queued -"]);
    });
}

#[test]
fn a_cursor_is_continued_and_anything_else_is_a_snapshot() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        let before = bench.resume("b", None).await;
        assert!(!before.recovered);
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        let here = bench.resume("b", Some(before.cursor)).await;
        assert!(here.recovered && here.cursor.rev == 1);
        let foreign = Cursor { rev: 1, ..before.cursor };
        assert!(!bench.resume("b", Some(foreign)).await.recovered, "the same rev of another history");
        let reply = bench.reply("b");
        bench.send(RoomMsg::Sync { session: session("b"), cursor: Some(before.cursor), reply });
        assert_eq!(bench.out(1).await, ["b in: ack 3 | update seat_taken"]);
    });
}
