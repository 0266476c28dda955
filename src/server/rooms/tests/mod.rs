//! Room tasks against a store in memory that can fail, and shards whose messages the test reads.
mod away;
mod commits;

use super::{RoomSettings, Rooms, entry::Entry};
use crate::hub::{
    actor::Actor,
    code::Code,
    command::{Command, Request},
    cursor::Cursor,
    id::{OpId, RoomId, SessionId, UserId, UserType},
    mode::{Flag, Mode},
    queue::Place,
    rules::Rules,
    time::Millis,
};
use crate::server::{
    clock::Clock,
    msg::{ConnId, EndedByHub, Frame, JoinReply, Joined, Member, Refusal, Reply, RoomMsg, RoomSet, ShardMsg, Shown, ShownStatus},
    net::shard::ShardHandle,
    presence::Presence,
    store::{CommitError, Later, Loaded, LogEntry, Store, StoreFault},
};
use crate::wire::client::Since;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
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
    /// Nothing can be read.
    away: AtomicBool,
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
            if self.away.load(Relaxed) {
                return Err(fault());
            }
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

    fn rooms_after<'a>(&'a self, _: Option<&'a str>, _: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>> {
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
        let (handle, shard) = ShardHandle::new(0);
        let store = Arc::new(Memory::default());
        let rooms = Rooms::new(vec![handle], store.clone(), Presence::new().0, Clock::new(), settings, None);
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
    let value: serde_json::Value = serde_json::from_slice(&frame.payload()).unwrap();
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

    /// Lets people in; what they hear of that is not looked at.
    async fn enter(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.join(name));
        self.out(names.len()).await;
    }

    fn join(&mut self, name: &str) {
        let reply = JoinReply::Ack(self.reply(name));
        self.send(RoomMsg::Join { member: Self::member(name), since: Since::default(), token_role: None, reply });
    }

    fn say(&mut self, name: &str, command: Command) {
        let request = Request { actor: Actor::User(user(name)), op_id: None, if_rev: None, command };
        let reply = self.reply(name);
        self.send(RoomMsg::Command { request, rated: true, reply });
    }

    fn lose(&self, name: &str) {
        self.send(RoomMsg::Lost { session: session(name), conn: Some(conn(name)), by_hub: None });
    }

    /// Joins again and waits until it is told how that went, as a resume does.
    async fn resume(&mut self, name: &str, cursor: Option<Cursor>) -> Joined {
        let (sender, mut outcome) = oneshot::channel::<Result<Joined, Refusal>>();
        let reply = JoinReply::Outcome(sender);
        self.send(RoomMsg::Join { member: Self::member(name), since: Since { cursor, messages: None }, token_role: None, reply });
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

    /// Returns the next frame for everybody.
    async fn frame(&mut self) -> Frame {
        match tokio::time::timeout(Duration::from_secs(5), self.shard.recv()).await.unwrap().unwrap() {
            ShardMsg::RoomFrame { frame, .. } => frame,
            other => panic!("{other:?}"),
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
