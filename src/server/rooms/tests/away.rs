//! People who are away, rates, digests, and rooms that nobody needs.
use super::*;

#[test]
fn a_place_is_held_while_its_person_is_away() {
    let rules = Rules { max_mic_count: 1, hold_queue: Millis(100), ..Rules::default() };
    run(RoomSettings { rules: Arc::new(rules), ..RoomSettings::default() }, |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::ModeSet { mode: Mode::Apply });
        bench.say("b", Command::QueueJoin { want_seat: None, note: None });
        bench.out(3).await;
        bench.lose("b");
        assert_eq!(bench.out(1).await, ["all: update queue_held"]);
        bench.join("b");
        assert_eq!(bench.out(2).await, ["all: update queue_returned", "b in: ack 5 | room_snapshot"]);
        bench.send(RoomMsg::Lost { session: session("b"), conn: Some(conn("x")), by_hub: None });
        bench.say("b", Command::FlagSet { flag: Flag::MuteAll, on: true });
        assert_eq!(bench.out(1).await, ["b: error 6 forbidden -"], "the end of an older connection means nothing");
        bench.lose("b");
        assert_eq!(bench.out(2).await, ["all: update queue_held", "all: update queue_left"]);
    });
}

#[test]
fn an_unneeded_room_leaves_memory_and_comes_back() {
    run(RoomSettings { idle: Millis(20), ..settings() }, |mut bench| async move {
        bench.join("a");
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: true });
        bench.out(3).await;
        let reply = bench.reply("a");
        bench.send(RoomMsg::Leave { session: session("a"), reply: Some(reply) });
        assert_eq!(bench.out(1).await, ["a out: ack 3"]);
        while bench.rooms.loaded() > 0 {
            tokio::task::yield_now().await;
        }
        bench.join("b");
        assert_eq!(bench.out(1).await, ["b in: ack 4 | room_snapshot"]);
        assert_eq!(bench.store.commits(), 1);
    });
}

#[test]
fn a_full_mailbox_is_busy_and_a_missing_room_is_said_to_be() {
    run(RoomSettings { mailbox_max: 2, auto_create: false, ..settings() }, |mut bench| async move {
        let target = user("b");
        let command = Command::QueueMove { target, place: Place::Front, on_missing: Default::default(), force: false };
        bench.say("a", command.clone());
        bench.say("a", command.clone());
        let request = Request { actor: Actor::Service, op_id: None, if_rev: None, command };
        let refused = bench.rooms.send(&room(), RoomMsg::Command { request, rated: true, reply: Reply::Nobody }).unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        bench.join("a");
        let missing = ["a: error 1 room_not_found -", "a: error 2 room_not_found -", "a: error 3 room_not_found -"];
        assert_eq!(bench.out(3).await, missing);
        while bench.rooms.loaded() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

fn held_until(frame: &Frame) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(&frame.payload()).unwrap();
    value["events"][0]["held_until_ms"].as_u64().unwrap_or_else(|| panic!("{value}"))
}

fn no_hold() -> RoomSettings {
    let rules = Rules { max_mic_count: 1, hold_queue: Millis(0), hold_seat: Millis(0), ..Rules::default() };
    RoomSettings { rules: Arc::new(rules), handover: Millis(5_000), ..RoomSettings::default() }
}

fn lost(name: &str, by_hub: Option<EndedByHub>) -> RoomMsg {
    RoomMsg::Lost { session: session(name), conn: Some(conn(name)), by_hub }
}

#[test]
fn whom_the_hub_has_cut_off_keeps_his_place_for_the_handover() {
    run(no_hold(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        let before = Clock::new().now();
        bench.send(lost("a", Some(EndedByHub { retry_after: Millis(1_000), drained: false })));
        let frame = bench.frame().await;
        assert_eq!(short(&frame), "update seat_held");
        assert!(held_until(&frame) >= before.0 + 6_000, "retry_after and handover, although the rule says 0");
        bench.join("a");
        assert_eq!(bench.out(2).await, ["all: update seat_returned", "a in: ack 4 | room_snapshot"]);
        bench.send(lost("a", None));
        assert_eq!(bench.out(1).await, ["all: update seat_left"], "what the rule says, where the hub had no part in it");
    });
}

#[test]
fn a_drained_person_is_shown_held_only_later() {
    run(no_hold(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        bench.send(lost("a", Some(EndedByHub { retry_after: Millis(0), drained: true })));
        bench.say("b", Command::QueueLeave);
        assert_eq!(bench.out(1).await, ["b: error 4 not_queued -"], "nothing is shown at once");
        bench.join("a");
        assert_eq!(bench.out(1).await, ["a in: ack 5 | room_snapshot"], "whoever is back in time was never held");
    });
}

#[test]
fn a_loss_that_was_not_committed_is_noticed_again() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        bench.store.answers.lock().unwrap().push_back(Answer::NotDone);
        bench.lose("a");
        assert_eq!(bench.out(1).await, ["all: update seat_held"], "without anybody asking for anything");
    });
}

#[test]
fn the_end_of_a_session_that_has_come_back_means_nothing() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        bench.send(RoomMsg::Gone { user: user("a"), session: session("a"), conn: None });
        bench.say("a", Command::QueueLeave);
        assert_eq!(bench.out(1).await, ["a: error 3 not_queued -"]);
    });
}

#[test]
fn an_older_connection_ends_only_what_it_still_carries() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a", "b"]).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        let gone = |name: &str| RoomMsg::Gone { user: user("a"), session: session("a"), conn: Some(conn(name)) };
        bench.lose("a");
        assert_eq!(bench.out(1).await, ["all: update seat_held"]);
        bench.send(gone("x"));
        bench.join("a");
        bench.send(gone("x"));
        assert_eq!(bench.out(2).await, ["all: update seat_returned", "a in: ack 4 | room_snapshot"], "he was lost, not gone");
        bench.send(gone("a"));
        assert_eq!(bench.out(1).await, ["all: update seat_held"], "a line that was never entered again");
    });
}

#[test]
fn a_known_op_id_is_answered_whatever_the_rate() {
    run(RoomSettings { commands_per_second: 1, ..settings() }, |mut bench| async move {
        bench.enter(&["a"]).await;
        let command = Command::SeatTake { seat_no: Some(1) };
        let request = Request { actor: Actor::User(user("a")), op_id: OpId::parse("x").ok(), if_rev: None, command };
        for _ in 0..3 {
            let reply = bench.reply("a");
            bench.send(RoomMsg::Command { request: request.clone(), rated: true, reply });
        }
        bench.say("a", Command::QueueLeave);
        let answers = bench.out(5).await;
        assert_eq!(answers, ["a: ack 2", "a: ack 3", "a: ack 4", "a: error 5 rate_limited -", "all: update seat_taken"]);
        let reply = bench.reply("a");
        let free = Request { actor: Actor::User(user("a")), op_id: None, if_rev: None, command: Command::SeatLeave };
        bench.send(RoomMsg::Command { request: free, rated: false, reply });
        assert_eq!(bench.out(2).await, ["a: ack 6", "all: update seat_left"], "an API key has no rate");
    });
}

#[test]
fn a_batch_ends_at_its_bytes() {
    run(settings(), |mut bench| async move {
        bench.enter(&["a"]).await;
        for no in 0..100_u32 {
            let extra = format!("{no}{}", "x".repeat(1000));
            bench.say("a", Command::SeatExtra { seat_no: 1 + no % 2, extra, if_extra_rev: None });
        }
        let out = bench.out(102).await;
        let updates: Vec<usize> =
            out.iter().filter(|line| line.starts_with("all")).map(|line| line.matches("seat_updated").count()).collect();
        assert_eq!(updates.iter().sum::<usize>(), 100);
        assert!(updates.len() == 2 && updates[0] < 70, "{updates:?}");
    });
}

#[test]
fn a_large_room_hears_digests() {
    run(RoomSettings { presence_members_max: 2, coalesce: Millis(1), ..settings() }, |mut bench| async move {
        let clock = Clock::new();
        let (begun, mut frames) = (clock.mono(), Vec::new());
        for n in 0.. {
            let name = format!("p{n}");
            bench.join(&name);
            let status = ShownStatus::Online;
            let shown = Shown { user: user(&name), user_type: UserType::plain(), status, last_seen: 1 };
            bench.send(RoomMsg::Presence(vec![shown]));
            let deadline = clock.mono().plus(10);
            while let Ok(Some(message)) =
                tokio::time::timeout(Duration::from_millis(deadline.since(clock.mono())), bench.shard.recv()).await
            {
                match message {
                    ShardMsg::Run(work) => (work.0)(),
                    ShardMsg::RoomFrame { frame, .. } => {
                        frames.push(serde_json::from_slice::<serde_json::Value>(&frame.payload()).unwrap());
                    }
                    _ => {}
                }
            }
            if clock.mono().since(begun) > 1_400 {
                break;
            }
        }
        let frames: Vec<_> = frames.into_iter().filter(|frame| frame["online"].as_u64() > Some(2)).collect();
        assert!((2..=4).contains(&frames.len()), "{frames:?}");
        for pair in frames.windows(2) {
            assert_eq!(pair[1]["type"], "room_presence");
            assert!(pair[1]["online"].as_u64() > pair[0]["online"].as_u64(), "{pair:?}");
            assert_eq!(pair[1]["changes"], serde_json::json!([]), "whoever has neither place nor role is only counted");
        }
    });
}

#[test]
fn a_door_that_is_closed_for_now_is_tried_again() {
    run(settings(), |mut bench| async move {
        bench.store.away.store(true, Relaxed);
        let (person, kind, own, set) = (user("a"), UserType::plain(), session("a"), RoomSet::default());
        let rooms = bench.rooms.clone();
        let opens = tokio::task::spawn_local(async move {
            while let Some(message) = bench.shard.recv().await {
                if let ShardMsg::Run(work) = message {
                    (work.0)();
                }
            }
        });
        let entry = Entry {
            rooms: &rooms,
            max: 64,
            user: &person,
            user_type: &kind,
            session: &own,
            conn: Some(conn("a")),
            set: &set,
            claims: None,
        };
        let joined = entry.enter_all(vec![(room(), Since::default())]).await;
        assert_eq!(joined.iter().map(|joined| joined.error).collect::<Vec<_>>(), [Some("unavailable")]);
        assert_eq!(set.list(), [room()], "the next resume comes back to it");
        bench.store.away.store(false, Relaxed);
        let joined = entry.enter_all(entry.back_to(Vec::new(), &set.list())).await;
        assert_eq!(joined.iter().map(|joined| joined.error).collect::<Vec<_>>(), [None]);
        opens.abort();
    });
}
