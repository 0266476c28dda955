//! A room on a table: frames go in as clients send them, acks, errors and updates come out as clients see them.
use michub::{
    hub::{
        actor::Actor,
        command::{Command, Request},
        decide::{Draft, Members},
        id::{CommitId, RoleId, RoomId, UserId},
        room::Room,
        time::{Millis, UnixMs},
    },
    wire::{
        answer::decision_ack,
        client::{ClientFrame, parse_for_room},
        record::{decode_commit, decode_room, encode_commit, encode_room},
        rules,
        server::{ErrorJson, room_snapshot, room_update},
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

pub fn id(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// Everybody but these is live.
#[derive(Default)]
struct Away(BTreeSet<UserId>);

impl Members for Away {
    fn is_live(&self, user: &UserId) -> bool {
        !self.0.contains(user)
    }
}

/// A room with its log; `own` owns it.
pub struct Table {
    draft: Draft,
    replica: Room,
    away: Away,
    pub now: u64,
    commits: u64,
    /// The events of the last command.
    pub events: Vec<Value>,
}

impl Table {
    pub fn new(document: &Value) -> Self {
        Self::at(1_000_000, document)
    }

    pub fn at(now: u64, document: &Value) -> Self {
        let rules = rules::parse(&document.to_string()).unwrap();
        let room = Room::create(RoomId::parse("r").unwrap(), id("own"), Arc::new(rules), CommitId(0), UnixMs(now));
        Self { draft: Draft::new(&room), replica: room, away: Away::default(), now, commits: 0, events: Vec::new() }
    }

    pub fn room(&self) -> &Room {
        self.draft.room()
    }

    /// The state as a snapshot shows it.
    pub fn state(&self) -> Value {
        let frame: Value = serde_json::from_slice(&room_snapshot(self.room(), UnixMs(self.now))).unwrap();
        frame["state"].clone()
    }

    /// Decides a request as the room's task does, and holds what must always hold: a refusal leaves no trace, the log gives the same room.
    fn request(&mut self, request: &Request) -> Result<Value, Value> {
        self.commits += 1;
        self.draft.begin(CommitId(self.commits), UnixMs(self.now));
        let before = self.room().clone();
        let decision = self.draft.decide(request, &self.away);
        if decision.is_err() {
            assert_eq!(before, *self.room(), "a refusal left a trace: {request:?}");
        }
        self.events.clear();
        if let Some(commit) = self.draft.finish() {
            let commit = decode_commit(&encode_commit(&commit)).unwrap();
            self.replica.apply(&commit).unwrap();
            let update: Value = serde_json::from_slice(&room_update(&self.replica.id, &commit)).unwrap();
            self.events = update["events"].as_array().unwrap().clone();
        }
        assert_eq!(self.replica, *self.room(), "the log gives another room: {request:?}");
        assert_eq!(decode_room(&encode_room(&self.replica)).unwrap(), self.replica, "the record loses something");
        match decision {
            Ok(decision) => Ok(serde_json::from_slice(&decision_ack(None, &self.replica.id, &decision)).unwrap()),
            Err(reject) => Err(serde_json::to_value(ErrorJson::from_reject(None, &reject)).unwrap()),
        }
    }

    /// What `actor` gets for this frame; `service` = a backend.
    pub fn ask(&mut self, actor: &str, frame: &Value) -> Result<Value, Value> {
        let parsed = match parse_for_room(&frame.to_string(), &self.replica.id) {
            Ok(parsed) => parsed,
            Err(bad) => return Err(serde_json::to_value(ErrorJson::from_bad_frame(&bad)).unwrap()),
        };
        let ClientFrame::Room { command, .. } = parsed.frame else { panic!("not a command: {frame}") };
        let actor = if actor == "service" { Actor::Service } else { Actor::User(id(actor)) };
        self.request(&Request { actor, op_id: parsed.op_id, if_rev: parsed.if_rev, command })
    }

    /// The ack of a frame that must be accepted.
    pub fn ok(&mut self, actor: &str, frame: &Value) -> Value {
        self.ask(actor, frame).unwrap_or_else(|error| panic!("{actor}: {frame} is refused: {error}"))
    }

    /// The name and the details of the refusal of a frame that must be refused.
    pub fn err(&mut self, actor: &str, frame: &Value) -> (String, Value) {
        match self.ask(actor, frame) {
            Ok(ack) => panic!("{actor}: {frame} is accepted: {ack}"),
            Err(error) => (error["name"].as_str().unwrap().to_owned(), error["details"].clone()),
        }
    }

    /// The name of the refusal, or `ok`.
    pub fn name(&mut self, actor: &str, frame: &Value) -> String {
        match self.ask(actor, frame) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error["name"].as_str().unwrap().to_owned(),
        }
    }

    /// Gives somebody a role as his token would.
    pub fn role(&mut self, user: &str, role: &str) {
        let command = Command::TokenRole { user: id(user), role: RoleId::parse(role).unwrap(), issued_at: UnixMs(self.now) };
        self.request(&Request { actor: Actor::Hub, op_id: None, if_rev: None, command }).unwrap();
    }

    /// What the hub itself does: a media server has reported something.
    pub fn hub(&mut self, command: Command) {
        self.request(&Request { actor: Actor::Hub, op_id: None, if_rev: None, command }).unwrap();
    }

    /// Lets time pass; the hub does what is due by then.
    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.commits += 1;
        self.draft.begin(CommitId(self.commits), UnixMs(self.now));
        self.draft.due(&self.away);
        self.events.clear();
        if let Some(commit) = self.draft.finish() {
            self.replica.apply(&commit).unwrap();
            let update: Value = serde_json::from_slice(&room_update(&self.replica.id, &commit)).unwrap();
            self.events = update["events"].as_array().unwrap().clone();
        }
        assert_eq!(self.replica, *self.room(), "the log gives another room after waiting");
    }

    /// The process is started anew, and these are not back yet.
    pub fn load(&mut self, away: &[&str]) {
        self.away = Away(away.iter().map(|user| id(user)).collect());
        self.commits += 1;
        self.draft = Draft::new(&self.replica);
        self.draft.begin(CommitId(self.commits), UnixMs(self.now));
        self.draft.after_load(&self.away, Millis::from_seconds(45));
        if let Some(commit) = self.draft.finish() {
            self.replica.apply(&commit).unwrap();
        }
    }

    /// Somebody's line is gone, and the room has not dealt with that yet.
    pub fn vanish(&mut self, user: &str) {
        assert!(self.away.0.insert(id(user)), "{user}");
    }

    /// Somebody's line is gone, or he is back.
    pub fn line(&mut self, user: &str, live: bool) {
        let changed = if live { self.away.0.remove(&id(user)) } else { self.away.0.insert(id(user)) };
        assert!(changed, "{user}");
        self.commits += 1;
        self.draft.begin(CommitId(self.commits), UnixMs(self.now));
        self.draft.level(&self.away);
        if let Some(commit) = self.draft.finish() {
            self.replica.apply(&commit).unwrap();
        }
    }

    pub fn join(&mut self, user: &str) -> Value {
        self.ok(user, &json!({"type": "queue_join"}))
    }

    /// These join the queue in this order.
    pub fn queue(&mut self, people: &str) {
        for person in people.split_whitespace() {
            self.join(person);
        }
    }

    pub fn set_rules(&mut self, document: &Value) -> Value {
        self.ok("own", &json!({"type": "rules_set", "rules": document}))
    }

    /// Who waits, head first.
    pub fn order(&self) -> String {
        self.room().queue.entries.iter().map(|entry| entry.user.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Who sits on which seat.
    pub fn seats(&self) -> String {
        let seats = self.room().seats.list.iter();
        seats.filter_map(|seat| Some(format!("{}:{}", seat.no, seat.occupant.as_ref()?.user))).collect::<Vec<_>>().join(" ")
    }

    /// The last command's events, as `name person reason`.
    pub fn told(&self) -> Vec<String> {
        let text = |event: &Value, key: &str| event[key].as_str().map(|text| format!(" {text}")).unwrap_or_default();
        let line =
            |event: &Value| format!("{}{}{}", event["event"].as_str().unwrap(), text(event, "user_id"), text(event, "reason"));
        self.events.iter().map(line).collect()
    }
}
