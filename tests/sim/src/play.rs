//! The same traces against a running hub, over sockets: real time, real connections, real acks. Somebody who watches sees every update, and
//! the model follows. What a socket cannot do is left out: other clocks, lost commits, late timers, roles in tokens, backends.
use crate::{
    check,
    diff::differences,
    judge::{Head, Judge, Seen},
    line::Line,
    model::text,
    run::{START, Trace},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// A span that no run outlives, in seconds.
const LONG: u64 = 3600;

struct Player<'a> {
    address: &'a str,
    room: &'a str,
    judge: Judge,
    people: BTreeMap<String, Line>,
    tokens: BTreeMap<String, String>,
    watch: Line,
    head: Head,
    /// What the watcher saw and the model has not yet followed.
    seen: VecDeque<Seen>,
    /// The hub's time at the start.
    began: u64,
}

/// Plays a trace in a new room of that name. Returns the counts by outcome, or the step that failed and why.
pub fn play(address: &str, room: &str, trace: &Trace) -> Result<BTreeMap<String, u64>, String> {
    let trace = timeless(trace);
    let mut player = Player::new(address, room, &trace.rules)?;
    for (index, step) in trace.steps.iter().enumerate() {
        player.step(step).map_err(|why| format!("step {index} {step}: {why}"))?;
    }
    player.compare()?;
    Ok(player.judge.counts)
}

/// Takes out whatever depends on how fast the run is.
fn timeless(trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    let steps = std::mem::take(&mut trace.steps);
    trace.rules = slow(&trace.rules);
    let fits = |step: &Value| step["who"] != "service" && !matches!(text(step, "do"), "wait" | "back" | "tick" | "restart");
    trace.steps = steps.iter().filter(|step| fits(step)).map(slow_frame).collect();
    trace
}

fn slow_frame(step: &Value) -> Value {
    match step {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "rules" => Some((name.clone(), slow(value))),
                "ttl_seconds" => Some((name.clone(), json!(LONG))),
                "cooldown_seconds" => None,
                // Relative to when the run begins.
                "until_ms" if value.as_u64().is_some_and(|until| until > START) => Some((name.clone(), json!("@later"))),
                _ => Some((name.clone(), slow_frame(value))),
            };
            fields.iter().filter_map(field).collect()
        }
        Value::Array(list) => list.iter().map(slow_frame).collect(),
        other => other.clone(),
    }
}

fn slow(rules: &Value) -> Value {
    let mut rules = rules.clone();
    for key in ["hold_seconds_queue", "hold_seconds_seat", "apply_ttl_seconds", "invite_ttl_seconds"] {
        rules[key] = json!(LONG);
    }
    for key in ["rejoin_cooldown_seconds", "mode_grace_seconds", "mode_min_interval_seconds", "turn_max_total_seconds"] {
        rules[key] = json!(0);
    }
    rules["timeout_seconds"] = json!(if rules["timeout_seconds"] == 0 { 0 } else { LONG });
    rules["time_based_rules"] = json!([]);
    rules["host_seat"] = json!(true);
    rules["queue_mode"] = json!("queue");
    for role in rules.get_mut("roles").and_then(Value::as_array_mut).into_iter().flatten() {
        role.as_object_mut().expect("a role").remove("timeout_seconds");
    }
    for special in rules.get_mut("special_user_list").and_then(Value::as_array_mut).into_iter().flatten() {
        special.as_object_mut().expect("a special user").remove("until_ms");
    }
    rules
}

impl<'a> Player<'a> {
    fn new(address: &'a str, room: &'a str, rules: &Value) -> Result<Self, String> {
        let mut own = Line::open(address, "own", None)?;
        let join = json!({"type": "room_join"});
        let joined = own.ask(room, &join)?;
        if joined["role"] != "owner" {
            return Err(format!("the room {room} is not new: {joined}"));
        }
        let mut watch = Line::open(address, "watcher", None)?;
        watch.ask(room, &join)?;
        let snapshot = watch.until(|frame| frame["type"] == "room_snapshot")?;
        let head = Head { rev: 0, cursor: text(&snapshot, "cursor").to_owned() };
        let mut judge = Judge::new("own", &json!({}), 0);
        judge.own_clock = true;
        judge.model.s.live.push("own".to_owned());
        let people = BTreeMap::from([("own".to_owned(), own)]);
        let (tokens, seen) = (BTreeMap::new(), VecDeque::new());
        let mut player = Self { address, room, judge, people, tokens, watch, head, seen, began: 0 };
        player.ask("own", &json!({"type": "rules_set", "rules": rules}))?;
        player.began = player.judge.model.s.now;
        Ok(player)
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        let who = self.judge.who(step);
        let live = self.judge.model.s.is_live(&who);
        match text(step, "do") {
            "ask" | "again" if live => {
                let later = json!(self.began + 1000 * LONG);
                let head = self.head.clone();
                match self.judge.frame_of(step, &head) {
                    Some(frame) => self.ask(&who, &put_later(&frame, &later)),
                    None => Ok(()),
                }
            }
            "come" if !live => self.come(&who),
            // Whoever has no place vanishes without a trace, so nobody could wait for it.
            "drop" if live && self.judge.model.placed().contains(&who) => {
                self.hang_up(&who);
                self.settle()
            }
            "leave" | "drop" if live => self.leave(&who),
            _ => Ok(()),
        }
    }

    fn come(&mut self, who: &str) -> Result<(), String> {
        let s = &self.judge.model.s;
        if s.ban_of(who).is_some() || s.closed {
            return Ok(());
        }
        let mut line = Line::open(self.address, who, self.tokens.get(who))?;
        let answer = line.ask(self.room, &json!({"type": "room_join"}))?;
        if answer["type"] != "ack" {
            return Err(format!("{who} may not join: {answer}"));
        }
        self.people.insert(who.to_owned(), line);
        self.judge.model.s.live.push(who.to_owned());
        self.settle()
    }

    fn hang_up(&mut self, who: &str) {
        self.judge.model.s.live.retain(|user| user != who);
        if let Some(line) = self.people.remove(who) {
            self.tokens.insert(who.to_owned(), line.token);
        }
    }

    fn leave(&mut self, who: &str) -> Result<(), String> {
        let room = self.room;
        let answer = self.line(who)?.ask(room, &json!({"type": "room_leave"}))?;
        if answer["type"] != "ack" {
            return Err(format!("{who} may not leave: {answer}"));
        }
        self.hang_up(who);
        if !self.judge.model.clone().left(who) {
            return Ok(());
        }
        let seen = self.next_seen()?;
        self.note(&seen);
        let changed = self.judge.model.left(who);
        self.judge.same_steps(&[seen], changed)?;
        self.settle()
    }

    fn line(&mut self, who: &str) -> Result<&mut Line, String> {
        self.people.get_mut(who).ok_or_else(|| format!("{who} has no line"))
    }

    fn ask(&mut self, who: &str, frame: &Value) -> Result<(), String> {
        let room = self.room;
        let mut told = frame.clone();
        if told["if_rev"].is_string() {
            told["if_rev"] = json!(if frame["if_rev"] == self.head.cursor { "current" } else { "stale" });
        }
        let answer = self.line(who)?.ask(room, frame)?;
        let fresh = answer["type"] == "ack" && answer["dup"] != true && answer["noop"] != true && answer["would"].is_null();
        let mut own = Vec::new();
        while fresh && self.followed() < answer["rev"].as_u64().unwrap_or(0) {
            let seen = self.next_seen()?;
            self.note(&seen);
            if seen.events.iter().all(|event| event["by"] == "hub") {
                self.judge.hub_step(&seen, false)?;
            } else {
                own.push(seen);
                break;
            }
        }
        while fresh && own.last().is_some_and(|seen| Some(seen.rev) < answer["rev"].as_u64()) {
            own.push(self.next_seen()?);
        }
        let all: Vec<Value> = own.iter().flat_map(|seen| seen.events.clone()).collect();
        self.judge.hear(own.iter());
        self.judge.model.hear_ids(&all);
        self.judge.answer(who, &told, &own, &answer)?;
        let gone: Vec<String> = self.people.keys().filter(|who| !self.judge.model.s.is_live(who)).cloned().collect();
        gone.iter().for_each(|who| self.hang_up(who));
        self.settle()
    }

    /// The rev that the model has reached.
    fn followed(&self) -> u64 {
        self.judge.model.s.rev
    }

    /// Takes over the time and the ids of a rev.
    fn note(&mut self, seen: &Seen) {
        self.judge.model.s.now = seen.events.first().and_then(|event| event["at_ms"].as_u64()).unwrap_or(self.began);
        self.judge.hear(std::iter::once(seen));
        self.judge.model.hear_ids(&seen.events);
    }

    /// Waits for whatever the hub must do on its own by now.
    fn settle(&mut self) -> Result<(), String> {
        while !self.judge.model.overdue().is_empty() {
            let seen = self.next_seen().map_err(|why| format!("{:?}: {why}", self.judge.model.overdue()))?;
            self.note(&seen);
            self.judge.hub_step(&seen, false)?;
        }
        Ok(())
    }

    /// The next rev that the watcher sees. The chain must be unbroken.
    fn next_seen(&mut self) -> Result<Seen, String> {
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return Ok(seen);
            }
            let update = self.watch.until(|frame| frame["type"] == "room_update" || frame["type"] == "room_reset")?;
            if update["prev"] != self.head.cursor {
                return Err(format!("I22: behind {:?} comes {update}", self.head));
            }
            text(&update, "cursor").clone_into(&mut self.head.cursor);
            for event in update["events"].as_array().into_iter().flatten() {
                let rev = event["rev"].as_u64().unwrap_or(0);
                match self.seen.back_mut().filter(|seen| seen.rev == rev) {
                    Some(seen) => seen.events.push(event.clone()),
                    None => self.seen.push_back(Seen { rev, events: vec![event.clone()] }),
                }
                self.head.rev = rev;
            }
        }
    }

    /// Compares what a snapshot shows at the end.
    fn compare(&mut self) -> Result<(), String> {
        let room = self.room;
        self.watch.ask(room, &json!({"type": "room_sync", "cursor": ""}))?;
        let snapshot = self.watch.until(|frame| frame["type"] == "room_snapshot")?;
        if snapshot["cursor"] != self.head.cursor {
            return Err(format!("the snapshot is at {}, the updates at {:?}", snapshot["cursor"], self.head));
        }
        let state = check::without_expired(&snapshot["state"], self.judge.model.s.now);
        let lines = differences(&self.judge.model.shown(), &state, "state");
        if lines.is_empty() { Ok(()) } else { Err(format!("the states differ: {lines:#?}")) }
    }
}

/// Puts the time ahead where the frame asks for it.
fn put_later(frame: &Value, later: &Value) -> Value {
    match frame {
        Value::String(word) if word == "@later" => later.clone(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), put_later(value, later))).collect(),
        Value::Array(list) => list.iter().map(|value| put_later(value, later)).collect(),
        other => other.clone(),
    }
}
