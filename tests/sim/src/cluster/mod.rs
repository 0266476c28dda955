//! Three nodes, one Redis: what is acked stays, or its loss is noticed; nothing is done twice; everybody ends on one history.
mod node;
mod redis;

use crate::{
    generate,
    model::text,
    rng::Rng,
    run::{START, Trace},
    sut,
};
use michub::{
    hub::{
        actor::Actor,
        command::Request,
        cursor::Cursor,
        id::{CommitId, RoomId, UserId},
        room::Room,
        time::UnixMs,
    },
    wire::{
        client::{ClientFrame, parse_for_room},
        record::{decode_commit, encode_room},
        rules,
    },
};
use node::{Ended, Node};
use redis::{Fault, KEEP, Redis};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// How many nodes share the store.
const NODES: usize = 3;
/// By how much one node's clock is ahead of the next one's, in ms.
const APART: u64 = 700;

/// Makes the trace of a seed.
pub fn trace(seed: u64, steps: usize) -> Trace {
    let mut rng = Rng::new(seed);
    let rules = generate::rules(&mut rng);
    let mut list = Vec::new();
    for number in 0..steps {
        list.push(step(&mut rng, number));
    }
    Trace { rules, steps: list }
}

fn step(rng: &mut Rng, number: usize) -> Value {
    let node = rng.below(NODES as u64);
    let deaf: Vec<u64> = (0..NODES as u64).filter(|_| rng.chance(10)).collect();
    match rng.below(100) {
        0..=54 => {
            let (who, mut frame) = generate::somebody_asks(rng);
            if rng.chance(80) {
                frame["op_id"] = json!(format!("op{number}"));
            }
            let fault = |rng: &mut Rng| *rng.pick(&["none", "none", "none", "none", "none", "none", "lost_reply", "lost"]);
            json!({"do": "ask", "node": node, "who": who, "frame": frame, "deaf": deaf, "faults": [fault(rng), fault(rng)]})
        }
        55..=57 => {
            let mut step = generate::stream(rng);
            step["node"] = json!(node);
            step
        }
        58..=62 => json!({"do": "again", "node": node, "deaf": deaf}),
        63..=79 => json!({"do": "deliver", "node": node, "count": 1 + rng.below(6)}),
        80..=84 => json!({"do": "audit", "node": node}),
        85..=88 => json!({"do": "replicate"}),
        89..=90 => json!({"do": "fail_over"}),
        91 if rng.chance(50) => json!({"do": "wipe"}),
        91..=93 => json!({"do": "restart", "node": node}),
        94..=96 => json!({"do": "cut", "node": node, "on": rng.chance(60)}),
        _ => json!({"do": "wait", "ms": rng.below(4_000)}),
    }
}

struct Cluster {
    redis: Redis,
    nodes: Vec<Node>,
    ids: u64,
    now: u64,
    /// When each node was last where the store is, and how often the store had lost something then.
    fresh: [(u64, u64); NODES],
    /// How often each node had reset its clients.
    resets: [u64; NODES],
    /// What was acked, and where.
    acked: Vec<(String, usize, Cursor)>,
    /// The commits that were offered for one command each.
    offers: Vec<Vec<Cursor>>,
    /// The newest ask, for those who ask again.
    last: Option<Request>,
}

/// Runs a trace, heals everything, and looks. Returns the step that failed and why.
pub fn run(trace: &Trace) -> Option<(usize, String)> {
    let rules = rules::parse(&trace.rules.to_string()).expect("rules that are good");
    let owner = UserId::parse("own").expect("a user id");
    let room = Room::create(RoomId::parse("r1").expect("a room id"), owner, Arc::new(rules), CommitId(0), UnixMs(START));
    let redis = Redis::new(NODES, room.head, encode_room(&room).to_vec());
    let nodes = (0..NODES).map(|_| Node::load(&redis).expect("a room")).collect();
    let fresh = [(START, 0); NODES];
    let (acked, offers, resets) = (Vec::new(), Vec::new(), [0; NODES]);
    let mut cluster = Cluster { redis, nodes, ids: 0, now: START, fresh, resets, acked, offers, last: None };
    for (index, step) in trace.steps.iter().enumerate() {
        if let Err(why) = cluster.step(step).and_then(|()| cluster.judge_resets()) {
            return Some((index, why));
        }
    }
    cluster.heal().and_then(|()| cluster.judge_resets()).and_then(|()| cluster.check()).err().map(|why| (trace.steps.len(), why))
}

impl Cluster {
    fn step(&mut self, step: &Value) -> Result<(), String> {
        let at = usize::try_from(step["node"].as_u64().unwrap_or(0)).unwrap_or(0);
        match text(step, "do") {
            "ask" => match self.request(step) {
                Some(request) => self.ask(at, request, step),
                None => Ok(()),
            },
            "stream" => {
                let mut who = step["who"].clone();
                named(&mut who, &|kind, number| self.nth(kind, number));
                let stopped_at = step["stopped_ms_ago"].as_u64().map(|ago| self.now.saturating_sub(ago));
                let request = sut::stream(who.as_str().unwrap_or("a"), stopped_at);
                self.ask(at, request, step)
            }
            // A client that heard nothing, or too late, tries it at another node.
            "again" => match self.last.clone() {
                Some(request) => self.ask(at, request, step),
                None => Ok(()),
            },
            "deliver" => self.deliver(at, step["count"].as_u64().unwrap_or(1)),
            "audit" => self.nodes[at].resync(&mut self.redis).map(|_| ()),
            "replicate" => {
                self.redis.replicate();
                Ok(())
            }
            "fail_over" => {
                self.redis.fail_over();
                Ok(())
            }
            "wipe" => {
                self.redis.wipe();
                Ok(())
            }
            "restart" => {
                let Some(mut node) = Node::load(&self.redis) else { return Ok(()) };
                self.redis.drop_messages(at);
                node.welcome_back(&self.nodes[at], &self.redis);
                self.nodes[at] = node;
                Ok(())
            }
            "cut" => {
                self.nodes[at].cut = step["on"] == true;
                if self.nodes[at].cut {
                    self.redis.drop_messages(at);
                } else {
                    self.nodes[at].look = true;
                }
                Ok(())
            }
            "wait" => {
                self.now += step["ms"].as_u64().unwrap_or(0);
                Ok(())
            }
            other => Err(format!("no step is called {other:?}")),
        }
    }

    /// The one of that number, counted round and round, of those who wait, sit or are banned now.
    fn nth(&self, kind: &str, number: usize) -> Value {
        let room = &self.nodes[0].room;
        let list: Vec<&UserId> = match kind {
            "queue" => room.queue.entries.iter().map(|entry| &entry.user).collect(),
            "seat" => room.seats.list.iter().filter_map(|seat| Some(&seat.occupant.as_ref()?.user)).collect(),
            "banned" => room.bans.keys().collect(),
            "host_seat" => return json!(room.rules.host_seat),
            _ => return json!("none"),
        };
        json!(list.get(number % list.len().max(1)).map_or("a", |user| user.as_str()))
    }

    fn request(&self, step: &Value) -> Option<Request> {
        let mut frame = step["frame"].clone();
        named(&mut frame, &|kind, number| self.nth(kind, number));
        let parsed = parse_for_room(&frame.to_string(), &self.nodes[0].room.id).ok()?;
        let ClientFrame::Room { command, .. } = parsed.frame else { return None };
        let actor = match text(step, "who") {
            "service" => Actor::Service,
            name => Actor::User(UserId::parse(name).ok()?),
        };
        Some(Request { actor, op_id: parsed.op_id, if_rev: None, command })
    }

    fn ask(&mut self, at: usize, request: Request, step: &Value) -> Result<(), String> {
        let list = |key: &str| step[key].as_array().cloned().unwrap_or_default();
        let deaf: Vec<usize> = list("deaf").iter().filter_map(|node| usize::try_from(node.as_u64()?).ok()).collect();
        let fault = |word: &Value| match word.as_str() {
            Some("lost_reply") => Fault::LostReply,
            Some("lost") => Fault::LostOnTheWay,
            _ => Fault::None,
        };
        let faults: Vec<Fault> = list("faults").iter().map(fault).collect();
        // The clocks of nodes differ a little.
        let now = UnixMs(self.now + APART * at as u64);
        let ended = self.nodes[at].ask(&mut self.redis, &request, &mut self.ids, now, &deaf, &faults)?;
        self.offers.push(self.nodes[at].offers.clone());
        if let (Ended::Acked(cursor), Some(op)) = (&ended, &request.op_id) {
            self.acked.push((format!("{:?} {op}", request.actor), at, *cursor));
        }
        // Without an op_id nobody can ask again.
        self.last = Some(request).filter(|request| request.op_id.is_some());
        Ok(())
    }

    fn deliver(&mut self, at: usize, count: u64) -> Result<(), String> {
        for _ in 0..count {
            if let Some(entry) = self.redis.inbox[at].pop_front().filter(|_| !self.nodes[at].cut) {
                self.nodes[at].hear(&entry)?;
            }
        }
        if self.nodes[at].look {
            self.nodes[at].resync(&mut self.redis)?;
        }
        Ok(())
    }

    /// Whoever was away for less time than the log is kept goes on where he was, if nothing was lost.
    fn judge_resets(&mut self) -> Result<(), String> {
        for (at, node) in self.nodes.iter().enumerate() {
            let (since, losses) = self.fresh[at];
            let away = self.now - since;
            let briefly = self.redis.losses == losses && away + APART * (NODES as u64 - 1) < KEEP.span.0;
            let has = |from: Cursor| self.redis.history().iter().any(|entry| entry.link.prev == from);
            if node.resets > self.resets[at] && briefly && has(node.reset_from) {
                return Err(format!("node {at} has reset its clients, nothing was lost, and it was away for {away} ms only"));
            }
            self.resets[at] = node.resets;
            if Some(node.room.head) == self.redis.head() {
                self.fresh[at] = (self.now, self.redis.losses);
            }
        }
        Ok(())
    }

    /// Everything works again, and everybody audits.
    fn heal(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            node.cut = false;
        }
        for _ in 0..3 {
            for at in 0..NODES {
                self.deliver(at, 1_000)?;
                self.nodes[at].resync(&mut self.redis)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let head = self.redis.head().ok_or("the room is gone, and three nodes had it")?;
        for (at, node) in self.nodes.iter().enumerate() {
            if node.room != self.nodes[0].room || node.room.head != head {
                return Err(format!(
                    "I24: node {at} is at {}, node 0 at {}, the store at {head}",
                    node.room.head, self.nodes[0].room.head
                ));
            }
        }
        let loaded = Node::load(&self.redis).ok_or("the room cannot be loaded")?;
        if loaded.room != self.nodes[0].room {
            return Err("I24: the store's room is another one".to_owned());
        }
        let history = self.redis.history();
        for offers in &self.offers {
            let landed = offers.iter().filter(|offer| history.iter().any(|entry| entry.link.cursor == **offer));
            if landed.count() > 1 {
                return Err(format!("one command was decided twice: {offers:?}"));
            }
        }
        let mut done: BTreeMap<String, Cursor> = BTreeMap::new();
        for entry in &history {
            let commit = decode_commit(&entry.record).map_err(|error| error.to_string())?;
            for step in &commit.steps {
                let Some(op) = &step.op else { continue };
                // A batch is several revs of one commit.
                let name = format!("{:?} {}", step.by, op.id);
                if done.insert(name.clone(), commit.cursor).is_some_and(|first| first != commit.cursor) {
                    return Err(format!("{name} was done twice"));
                }
            }
        }
        let resets: u64 = self.nodes.iter().map(|node| node.resets).sum();
        for (name, at, cursor) in &self.acked {
            let there = done.contains_key(name);
            if !there && self.redis.losses == 0 {
                return Err(format!("{name} was acked by node {at} at {cursor}, and is nowhere"));
            }
            if !there && resets == 0 {
                return Err(format!("{name} was acked by node {at} at {cursor}, is lost, and nobody noticed"));
            }
        }
        Ok(())
    }
}

/// Puts people where the trace names them by their number; whatever else it names is not there.
fn named(frame: &mut Value, nth: &impl Fn(&str, usize) -> Value) {
    match frame {
        Value::String(word) => {
            let Some(name) = word.strip_prefix('@') else { return };
            let (kind, number) = name.split_once('#').unwrap_or((name, "0"));
            *frame = nth(kind, number.parse().unwrap_or(0));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| named(value, nth)),
        Value::Object(fields) => fields.values_mut().for_each(|value| named(value, nth)),
        _ => {}
    }
}
