//! Room tasks against a store in memory that can fail, and shards whose messages the test reads.
use super::{
    clock::Clock,
    msg::{ConnId, Frame, JoinReply, Joined, Member, Refusal, Reply, RoomMsg, RoomSet, ShardMsg},
    presence::Presence,
    room_log::payload,
    rooms::{RoomSettings, Rooms},
    shard::ShardHandle,
    store::{CommitError, Later, Loaded, LogEntry, Store, StoreFault},
};
use crate::hub::{
    code::Code,
    command::{Actor, Command, Place, Request},
    cursor::Cursor,
    id::{OpId, RoomId, SessionId, UserId, UserType},
    room::{Flag, Mode},
    rules::Rules,
    time::Millis,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How the store answers the next commit.
enum Answer {
    /// Refused for certain.
    NotDone,
    /// Written, but the answer is lost.
    LostReply,
    /// Neither written nor answered.
    Dead,
}

#[derive(Default)]
struct Memory {
    room: Mutex<Option<(Cursor, Bytes, Vec<LogEntry>)>>,
    answers: Mutex<VecDeque<Answer>>,
}

fn fault() -> StoreFault {
    StoreFault::Engine("a test".into())
}

impl Memory {
    fn write(&self, entry: LogEntry) -> Result<(), CommitError> {
        let mut room = self.room.lock().unwrap();
        let (at, _, log) = room.as_mut().unwrap();
        let head = log.last().map_or(*at, |last| last.cursor);
        if head != entry.prev {
            let from = log.iter().position(|known| known.prev == entry.prev);
            return Err(CommitError::Mismatch { since: from.map(|from| log[from..].to_vec()) });
        }
        log.push(entry);
        Ok(())
    }

    fn commits(&self) -> usize {
        self.room.lock().unwrap().as_ref().map_or(0, |(.., log)| log.len())
    }
}

impl Store for Memory {
    fn create<'a>(&'a self, _: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            let mut room = self.room.lock().unwrap();
            let absent = room.is_none();
            room.get_or_insert((at, snapshot, Vec::new()));
            Ok(absent)
        })
    }

    fn load<'a>(&'a self, _: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move {
            let room = self.room.lock().unwrap();
            Ok(room.as_ref().map(|(at, snapshot, log)| Loaded {
                at: *at,
                snapshot: snapshot.clone(),
                log: log.clone(),
                before: Vec::new(),
            }))
        })
    }

    fn commit<'a>(&'a self, _: &'a RoomId, entry: LogEntry, _: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            match self.answers.lock().unwrap().pop_front() {
                None => self.write(entry),
                Some(Answer::NotDone) => Err(CommitError::NotDone(fault())),
                Some(Answer::LostReply) => self.write(entry).and(Err(CommitError::Unknown(fault()))),
                Some(Answer::Dead) => Err(CommitError::Unknown(fault())),
            }
        })
    }

    fn rooms(&self) -> Later<'_, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn put_session<'a>(&'a self, _: &'a str, _: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(async { Ok(()) })
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn healthy(&self) -> bool {
        true
    }
}

/// One room, one shard, and what goes out through it.
struct Bench {
    rooms: Rooms,
    store: Arc<Memory>,
    shard: mpsc::Receiver<ShardMsg>,
    next_id: i64,
}

fn settings() -> RoomSettings {
    let rules = Rules { max_mic_count: 2, ..Rules::default() };
    RoomSettings { rules: Arc::new(rules), ..RoomSettings::default() }
}

fn run<F: Future<Output = ()>>(settings: RoomSettings, test: impl FnOnce(Bench) -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let (handle, shard) = ShardHandle::for_test(0);
        let store = Arc::new(Memory::default());
        let rooms = Rooms::new(vec![handle], store.clone(), Presence::new().0, Clock::new(), settings);
        test(Bench { rooms, store, shard, next_id: 0 }).await;
    });
}

fn room() -> RoomId {
    RoomId::parse("r").unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("s-{name}")).unwrap()
}

/// Everybody has one connection, in the slot of his first letter.
fn conn(name: &str) -> ConnId {
    ConnId { shard: 0, slot: name.as_bytes()[0].into(), generation: 0 }
}

fn name_of(conn: ConnId) -> char {
    char::from(u8::try_from(conn.slot).unwrap())
}

/// A short form of a frame: what a test compares.
fn short(frame: &Frame) -> String {
    let value: serde_json::Value = serde_json::from_slice(&payload(frame)).unwrap();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match value["type"].as_str().unwrap() {
        "ack" => format!("ack {}", value["id"]),
        "error" => format!("error {} {} {}", value["id"], text("name"), value["details"]["outcome"].as_str().unwrap_or("-")),
        "room_update" => {
            let events = value["events"].as_array().unwrap();
            let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
            format!("update {}", names.join(" "))
        }
        other => other.to_owned(),
    }
}

fn shorts(frames: &[Frame]) -> String {
    frames.iter().map(short).collect::<Vec<_>>().join(" | ")
}

impl Bench {
    fn member(name: &str) -> Member {
        let (session, conn) = (session(name), Some(conn(name)));
        Member { user: user(name), user_type: UserType::plain(), session, conn, rooms: RoomSet::default() }
    }

    fn reply(&mut self, name: &str) -> Reply {
        self.next_id += 1;
        Reply::Conn { to: conn(name), id: Some(self.next_id) }
    }

    fn send(&self, message: RoomMsg) {
        self.rooms.send(&room(), message).unwrap();
    }

    fn join(&mut self, name: &str) {
        let reply = JoinReply::Ack(self.reply(name));
        self.send(RoomMsg::Join { member: Self::member(name), cursor: None, token_role: None, reply });
    }

    fn say(&mut self, name: &str, command: Command) {
        let request = Request { actor: Actor::User(user(name)), op_id: None, if_rev: None, command };
        let reply = self.reply(name);
        self.send(RoomMsg::Command { request, reply });
    }

    fn lose(&self, name: &str) {
        self.send(RoomMsg::Lost { session: session(name), conn: Some(conn(name)) });
    }

    /// Joins again and waits until it is told how that went, as a resume does.
    async fn resume(&mut self, name: &str, cursor: Option<Cursor>) -> Joined {
        let (sender, mut outcome) = oneshot::channel::<Result<Joined, Refusal>>();
        let reply = JoinReply::Outcome(sender);
        self.send(RoomMsg::Join { member: Self::member(name), cursor, token_role: None, reply });
        loop {
            // What the room has sent before the outcome is taken out first.
            tokio::select! {
                biased;
                Some(message) = self.shard.recv() => {
                    if let ShardMsg::Run(work) = message { (work.0)() }
                }
                joined = &mut outcome => return joined.unwrap().unwrap(),
            }
        }
    }

    /// Returns the next `count` things that go out, starting tasks on the way.
    async fn out(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            let message = tokio::time::timeout(Duration::from_secs(5), self.shard.recv()).await;
            lines.push(match message.unwrap_or_else(|_| panic!("only {lines:?}")).unwrap() {
                ShardMsg::Run(work) => {
                    (work.0)();
                    continue;
                }
                ShardMsg::Deliver { to, frame, .. } => format!("{}: {}", name_of(to), short(&frame)),
                ShardMsg::RoomJoined { conn, first, .. } => format!("{} in: {}", name_of(conn), shorts(&first)),
                ShardMsg::RoomLeft { conn, last, .. } => format!("{} out: {}", name_of(conn), shorts(&last)),
                ShardMsg::RoomFrame { frame, .. } => format!("all: {}", short(&frame)),
                other => panic!("{other:?}"),
            });
        }
        lines
    }
}

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
        bench.join("a");
        bench.out(1).await;
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
        bench.join("a");
        bench.out(1).await;
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
        bench.join("a");
        bench.out(1).await;
        bench.store.answers.lock().unwrap().push_back(Answer::LostReply);
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        assert_eq!(bench.out(2).await, ["a: ack 2", "all: update seat_taken"]);
        assert_eq!(bench.store.commits(), 1);
    });
}

#[test]
fn an_unknown_outcome_is_looked_up_before_the_next_batch() {
    run(settings(), |mut bench| async move {
        bench.join("a");
        bench.out(1).await;
        let command = Command::SeatTake { seat_no: Some(1) };
        let request = Request { actor: Actor::User(user("a")), op_id: OpId::parse("x").ok(), if_rev: None, command };
        // The first offer lands, but neither answer arrives.
        bench.store.answers.lock().unwrap().extend([Answer::LostReply, Answer::Dead]);
        let reply = bench.reply("a");
        bench.send(RoomMsg::Command { request: request.clone(), reply });
        assert_eq!(bench.out(1).await, ["a: error 2 unavailable unknown"]);
        let reply = bench.reply("a");
        bench.send(RoomMsg::Command { request, reply });
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
        bench.join("a");
        bench.out(1).await;
        bench.say("a", Command::SeatTake { seat_no: Some(1) });
        bench.out(2).await;
        // The store has lost the commit: the history is not the one that everybody has seen.
        bench.store.room.lock().unwrap().as_mut().unwrap().2.clear();
        bench.say("a", Command::FlagSet { flag: Flag::MuteAll, on: true });
        let expected = ["all: room_reset", "all: room_snapshot", "a: ack 3", "all: update flags_changed"];
        assert_eq!(bench.out(4).await, expected);
    });
}

#[test]
fn a_kicked_person_sees_his_kick_and_nothing_more() {
    run(settings(), |mut bench| async move {
        bench.join("a");
        bench.join("b");
        bench.out(2).await;
        bench.say("a", Command::UserKick { target: user("b"), reason: None });
        bench.say("b", Command::QueueLeave);
        let expected = ["a: ack 3", "b: error 4 not_member -", "b out: update member_kicked", "all: update member_kicked"];
        assert_eq!(bench.out(4).await, expected);
    });
}

#[test]
fn a_kick_that_was_not_committed_did_not_happen() {
    run(settings(), |mut bench| async move {
        bench.join("a");
        bench.join("b");
        bench.out(2).await;
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
        bench.join("a");
        bench.out(1).await;
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

#[test]
fn a_place_is_held_while_its_person_is_away() {
    let rules = Rules { max_mic_count: 1, hold_queue: Millis(100), ..Rules::default() };
    run(RoomSettings { rules: Arc::new(rules), ..RoomSettings::default() }, |mut bench| async move {
        bench.join("a");
        bench.join("b");
        bench.out(2).await;
        bench.say("a", Command::ModeSet { mode: Mode::Apply });
        bench.say("b", Command::QueueJoin { want_seat: None, note: None });
        bench.out(3).await;
        bench.lose("b");
        assert_eq!(bench.out(1).await, ["all: update queue_held"]);
        bench.join("b");
        assert_eq!(bench.out(2).await, ["all: update queue_returned", "b in: ack 5 | room_snapshot"]);
        bench.send(RoomMsg::Lost { session: session("b"), conn: Some(conn("x")) });
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
        let refused = bench.rooms.send(&room(), RoomMsg::Command { request, reply: Reply::Nobody }).unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        bench.join("a");
        let missing = ["a: error 1 room_not_found -", "a: error 2 room_not_found -", "a: error 3 room_not_found -"];
        assert_eq!(bench.out(3).await, missing);
        while bench.rooms.loaded() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
