//! The room under test: the real `Draft` and `Room` on several nodes over one store, driven as a room's task drives them.
use crate::{
    judge::Seen,
    store::{Fault, Said, Store},
};
use michub::{
    hub::{
        actor::Actor,
        code::Code,
        command::{Command, Request},
        decide::{Decision, Draft, Members},
        event::{Commit, Event, Part},
        id::{CommitId, OpId, RoleId, RoomId, UserId},
        room::Room,
        time::{Millis, UnixMs},
    },
    wire::{
        answer::decision_ack,
        client::{ClientFrame, parse_for_room},
        fields::BadFrame,
        rules,
        server::{ErrorJson, room_snapshot, room_update},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many nodes share the store.
pub const NODES: usize = 2;

/// Who is in the room.
#[derive(Clone, Debug, Default)]
pub struct Live {
    here: BTreeSet<UserId>,
    /// The least holds of those whose line the hub itself has ended.
    floors: BTreeMap<UserId, Millis>,
}

impl Live {
    /// Somebody has a line.
    pub fn come(&mut self, name: &str) {
        self.floors.remove(&user(name));
        self.here.insert(user(name));
    }

    /// Somebody's last line is gone; with a floor it was the hub that ended it.
    pub fn go(&mut self, name: &str, floor: Option<u64>) {
        self.here.remove(&user(name));
        if let Some(floor) = floor {
            self.floors.insert(user(name), Millis(floor));
        }
    }

    fn clear(&mut self) {
        self.here.clear();
        self.floors.clear();
    }
}

impl Members for Live {
    fn is_live(&self, user: &UserId) -> bool {
        self.here.contains(user)
    }

    fn hold_at_least(&self, user: &UserId) -> Millis {
        self.floors.get(user).copied().unwrap_or(Millis(0))
    }
}

/// What a batch did: the hub's own steps before, the command, the hub's own steps behind it.
#[derive(Clone, Debug, Default)]
pub struct Did {
    pub due: Vec<Seen>,
    pub own: Vec<Seen>,
    pub level: Vec<Seen>,
    /// The ack or error of the command; null = none.
    pub answer: Value,
    /// The `room_update`, if anything was committed.
    pub update: Option<Value>,
    /// The store did not take it: nothing happened.
    pub nothing: bool,
    /// The time of the batch.
    pub at: u64,
}

/// What a batch is about.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Only timers and people.
    Nothing,
    /// The first batch after a load.
    Load,
    Command(Box<Request>),
}

struct Node {
    room: Room,
    draft: Draft,
}

/// The nodes, the store and the people.
pub struct Sut {
    pub id: RoomId,
    nodes: Vec<Node>,
    pub store: Store,
    pub live: Live,
    commits: u64,
    no_promotion_before: UnixMs,
}

/// Makes a user id.
pub fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a user id")
}

fn by_hub(command: Command) -> Request {
    Request { actor: Actor::Hub, op_id: None, if_rev: None, command }
}

/// The hub's own command of somebody leaving.
pub fn left(name: &str) -> Ask {
    Ask::Command(Box::new(by_hub(Command::Left { user: user(name) })))
}

/// The hub's own command of a role in a token.
pub fn token_role(name: &str, role: &str, issued_at: u64) -> Ask {
    let role = RoleId::parse(role).expect("a role id");
    Ask::Command(Box::new(by_hub(Command::TokenRole { user: user(name), role, issued_at: UnixMs(issued_at) })))
}

/// The hub's own command about somebody's media stream; with a time, it stopped then.
pub fn stream(name: &str, stopped_at: Option<u64>) -> Request {
    let user = user(name);
    by_hub(match stopped_at {
        None => Command::StreamStarted { user },
        Some(at) => Command::StreamStopped { user, stopped_at: UnixMs(at) },
    })
}

impl Sut {
    /// A new room with everybody in it.
    pub fn new(owner: &str, doc: &Value, now: u64) -> Self {
        let id = RoomId::parse("r1").expect("a room id");
        let rules = rules::parse(&doc.to_string()).expect("rules that are good");
        let room = Room::create(id.clone(), user(owner), Arc::new(rules), CommitId(0), UnixMs(now));
        let store = Store::new(&room);
        let nodes = (0..NODES).map(|_| Node { draft: Draft::new(&room), room: room.clone() }).collect();
        Self { id, nodes, store, live: Live::default(), commits: 0, no_promotion_before: UnixMs(0) }
    }

    /// Reads a frame as the HTTP route does, which needs no `room_id`.
    pub fn read(&self, actor: &str, frame: &Value) -> Result<Request, BadFrame> {
        let parsed = parse_for_room(&frame.to_string(), &self.id)?;
        let ClientFrame::Room { command, .. } = parsed.frame else { panic!("{frame} is no room command") };
        let actor = if actor == "service" { Actor::Service } else { Actor::User(user(actor)) };
        Ok(Request { actor, op_id: parsed.op_id.map(|op: OpId| op), if_rev: parsed.if_rev, command })
    }

    /// The room as the newest node has it.
    pub fn room(&self) -> &Room {
        let newest = self.nodes.iter().find(|node| node.room.head == self.store.head());
        &newest.expect("some node is at the head").room
    }

    /// The state document of a snapshot.
    pub fn state(&self, now: u64) -> Value {
        let frame: Value = serde_json::from_slice(&room_snapshot(self.room(), UnixMs(now))).expect("a snapshot is JSON");
        frame["state"].clone()
    }

    /// When the hub must come back.
    pub fn next_deadline(&self) -> Option<u64> {
        let newest = self.nodes.iter().find(|node| node.room.head == self.store.head());
        newest.and_then(|node| node.draft.next_deadline()).map(|at| at.0)
    }

    /// Everything dies and is loaded again.
    pub fn restart(&mut self) -> Result<(), String> {
        self.live.clear();
        let room = self.store.load()?;
        if room != *self.room() {
            return Err("I8: what was loaded is not what was there".to_owned());
        }
        self.nodes = (0..NODES).map(|_| Node { draft: Draft::new(&room), room: room.clone() }).collect();
        Ok(())
    }

    fn follow(&mut self, at: usize) -> Result<(), String> {
        let missed = self.store.since(self.nodes[at].room.head);
        let node = &mut self.nodes[at];
        match missed {
            None if node.room.head == self.store.head() => return Ok(()),
            None => node.room = self.store.load()?,
            Some(missed) if missed.is_empty() => return Ok(()),
            Some(missed) => {
                for commit in missed {
                    node.room.apply(&commit).map_err(|error| error.to_string())?;
                }
            }
        }
        node.draft = Draft::new(&node.room);
        Ok(())
    }

    /// Runs one batch on a node. A node that lags decides on its old replica first, is refused, and decides again.
    pub fn batch(&mut self, ask: &Ask, now: u64, node: usize, lag: bool, fault: Fault) -> Result<Did, String> {
        if !lag {
            self.follow(node)?;
        }
        for _ in 0..3 {
            if let Some(did) = self.attempt(ask, UnixMs(now), node, fault)? {
                self.check_nodes()?;
                return Ok(did);
            }
            self.follow(node)?;
        }
        Err("a batch is refused again and again".to_owned())
    }

    fn attempt(&mut self, ask: &Ask, now: UnixMs, at: usize, fault: Fault) -> Result<Option<Did>, String> {
        self.commits += 1;
        let people = self.live.clone();
        let node = &mut self.nodes[at];
        let draft = &mut node.draft;
        draft.begin(CommitId(self.commits), now);
        draft.hold_promotion(self.no_promotion_before);
        let time = now.max(node.room.last_event);
        if matches!(ask, Ask::Load) {
            self.no_promotion_before = time.plus(Millis(10_000));
            draft.after_load(&people, Millis(45_000));
        }
        draft.due(&people);
        let rev_due = draft.room().head.rev;
        let mut answer = Value::Null;
        let mut live = people;
        if let Ask::Command(request) = ask {
            let before = draft.room().clone();
            let decision = draft.decide(request, &live);
            let same = before == *draft.room();
            let changes = match &decision {
                Ok(Decision::Accepted { dup, .. }) => !dup,
                Ok(Decision::Batch { dup, parts, .. }) => !dup && parts.iter().any(|part| matches!(part, Part::Done { .. })),
                Ok(Decision::Noop { .. } | Decision::Explained(_)) | Err(_) => false,
            };
            if changes == same {
                return Err(format!("I14: {request:?} got {decision:?}, and the room changed: {}", !same));
            }
            for event in draft.steps().iter().filter(|step| step.rev > rev_due).flat_map(|step| &step.events) {
                if let Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. } = event {
                    live.here.remove(user);
                }
            }
            let bytes = match &decision {
                Ok(decision) => decision_ack(None, &self.id, decision),
                Err(reject) => michub::wire::server::json(&ErrorJson::from_reject(None, reject)),
            };
            answer = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        }
        let rev_own = draft.room().head.rev;
        draft.level(&live);
        let mut did = Did { answer, at: time.0, ..Did::default() };
        if draft.steps().is_empty() && node.room.head != self.store.head() {
            // Refusals and no-ops are confirmed too.
            return Ok(None);
        }
        if let Some(commit) = draft.finish() {
            let mut said = self.store.commit(&commit, draft.room(), fault);
            if said == Said::Nothing {
                said = self.store.commit(&commit, draft.room(), Fault::None);
                if said == (Said::Mismatch { mine: true }) {
                    said = Said::Done;
                }
            }
            match said {
                Said::Done => {}
                Said::Mismatch { mine } if !mine => {
                    node.draft = Draft::new(&node.room);
                    return Ok(None);
                }
                Said::NotDone => {
                    node.draft = Draft::new(&node.room);
                    return Ok(Some(Did { nothing: true, ..did }));
                }
                Said::Mismatch { .. } | Said::Nothing => return Err(format!("the store said {said:?}")),
            }
            let update = self.settle(&commit, at, rev_due, rev_own, &mut did)?;
            did.update = Some(update);
        }
        self.live = live;
        Ok(Some(did))
    }

    fn settle(&mut self, commit: &Commit, at: usize, rev_due: u64, rev_own: u64, did: &mut Did) -> Result<Value, String> {
        let node = &mut self.nodes[at];
        node.room.apply(commit).map_err(|error| error.to_string())?;
        if node.room != *node.draft.room() {
            return Err(format!("I8: the draft is not the replica: {:?} / {:?}", node.draft.room(), node.room));
        }
        let update: Value = serde_json::from_slice(&room_update(&self.id, commit)).map_err(|error| error.to_string())?;
        for step in &commit.steps {
            let events: Vec<Value> =
                update["events"].as_array().into_iter().flatten().filter(|e| e["rev"] == step.rev).cloned().collect();
            let list = match step.rev {
                rev if rev <= rev_due => &mut did.due,
                rev if rev <= rev_own => &mut did.own,
                _ => &mut did.level,
            };
            list.push(Seen { rev: step.rev, events });
        }
        Ok(update)
    }

    /// I24: whoever is at the head has the same room, and the store's records are that room.
    fn check_nodes(&self) -> Result<(), String> {
        let head = self.room();
        if self.nodes.iter().any(|node| node.room.head == head.head && node.room != *head) {
            return Err("I24: two nodes differ".to_owned());
        }
        if self.commits.is_multiple_of(8) && self.store.load()? != *head {
            return Err("I24: the store's room is another one".to_owned());
        }
        Ok(())
    }
}

/// Tells whether this version does not know a command at all.
pub fn is_unknown(bad: &BadFrame) -> bool {
    bad.code == Code::UnknownType
}

/// Writes an error as JSON.
pub fn error_json(bad: &BadFrame) -> Value {
    serde_json::to_value(ErrorJson::from_bad_frame(bad)).unwrap_or_else(|_| json!({}))
}
