//! One trace: every step against the hub and against the model, and what must hold after it.
use crate::{
    check,
    diff::{differences, has_events},
    model::{Model, text},
    store::Fault,
    sut::{self, Ask, Did, Seen, Sut},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When every trace begins: a Saturday in November 2026, UTC.
pub const START: u64 = 1_795_219_200_000;

/// A room's rules, its people and what they do.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The rules document; missing keys are defaults.
    pub rules: Value,
    /// What happens, each an object with `do`.
    pub steps: Vec<Value>,
}

/// How a trace ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Accepted, no-op and refused commands, by command and outcome.
    pub counts: BTreeMap<String, u64>,
    /// The step that failed, and why.
    pub failure: Option<(usize, String)>,
}

struct Runner {
    sut: Sut,
    model: Model,
    now: u64,
    last_event: u64,
    /// The newest id per kind and user.
    ids: BTreeMap<String, String>,
    undo: Vec<String>,
    /// The newest frame with an `op_id`, per user.
    sent: BTreeMap<String, Value>,
    counts: BTreeMap<String, u64>,
}

/// Runs a trace to its end or to the first thing that is wrong.
pub fn run(trace: &Trace) -> Report {
    let mut runner = Runner::new(trace);
    let mut failure = None;
    for (index, step) in trace.steps.iter().enumerate() {
        if let Err(why) = runner.step(step) {
            failure = Some((index, why));
            break;
        }
    }
    Report { failure, counts: runner.counts }
}

impl Runner {
    fn new(trace: &Trace) -> Self {
        let sut = Sut::new("own", &trace.rules, START);
        let model = Model::new("own", &trace.rules, START);
        Self {
            sut,
            model,
            now: START,
            last_event: START,
            ids: BTreeMap::new(),
            undo: Vec::new(),
            sent: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        let who = text(step, "who").to_owned();
        match text(step, "do") {
            "ask" => {
                let frame = self.resolve(&step["frame"]);
                if frame["op_id"].is_string() {
                    self.sent.insert(who.clone(), frame.clone());
                }
                self.ask(&who, &frame, step)
            }
            "again" => match self.sent.get(&who).cloned() {
                Some(frame) => self.ask(&who, &frame, step),
                None => Ok(()),
            },
            "wait" => {
                self.now += step["ms"].as_u64().unwrap_or(0);
                Ok(())
            }
            "back" => {
                self.now = self.now.saturating_sub(step["ms"].as_u64().unwrap_or(0));
                Ok(())
            }
            "tick" => {
                if let Some(at) = self.sut.next_deadline() {
                    self.now = self.now.max(at);
                }
                self.batch(&Ask::Nothing, step).and_then(|did| self.follow(&did, false, |_, _| Ok(())))
            }
            "drop" => {
                self.sut.live.0.remove(&sut::user(&who));
                self.model.s.live.retain(|user| *user != who);
                self.batch(&Ask::Nothing, step).and_then(|did| self.follow(&did, false, |_, _| Ok(())))
            }
            "come" => self.come(&who, step),
            "leave" => {
                self.sut.live.0.remove(&sut::user(&who));
                // What is due before it finds him gone already.
                self.model.s.live.retain(|user| *user != who);
                let did = self.batch(&sut::left(&who), step)?;
                self.follow(&did, false, |runner, own| {
                    let changed = runner.model.left(&who);
                    runner.same_steps(own, changed)
                })
            }
            "restart" => {
                self.sut.restart()?;
                self.model_time();
                self.model.restart();
                let did = self.batch(&Ask::Load, step)?;
                self.follow(&did, true, |_, _| Ok(()))
            }
            other => Err(format!("no step is called {other:?}")),
        }
    }

    fn come(&mut self, who: &str, step: &Value) -> Result<(), String> {
        self.model_time();
        if self.model.s.ban_of(who).is_some() || self.model.s.closed {
            return Ok(());
        }
        self.sut.live.0.insert(sut::user(who));
        if !self.model.s.is_live(who) {
            self.model.s.live.push(who.to_owned());
        }
        let Some(role) = step["role"].as_str() else {
            let did = self.batch(&Ask::Nothing, step)?;
            return self.follow(&did, false, |_, _| Ok(()));
        };
        let issued_at = self.now.saturating_sub(step["age_ms"].as_u64().unwrap_or(0));
        let did = self.batch(&sut::token_role(who, role, issued_at), step)?;
        self.follow(&did, false, |runner, own| {
            let changed = runner.model.token_role(who, role, issued_at);
            runner.same_steps(own, changed)
        })
    }

    fn model_time(&mut self) {
        self.model.s.now = self.now.max(self.last_event);
    }

    fn batch(&mut self, ask: &Ask, step: &Value) -> Result<Did, String> {
        let fault = match text(step, "fault") {
            "lost_reply" => Fault::LostReply,
            "lost" => Fault::LostOnTheWay,
            "not_done" => Fault::NotDone,
            _ => Fault::None,
        };
        let node = usize::from(step["node"] == 1);
        let did = self.sut.batch(ask, self.now, node, step["lag"] == true, fault)?;
        for event in did.due.iter().chain(&did.own).chain(&did.level).flat_map(|seen| &seen.events) {
            let user = text(event, "user_id");
            for (name, field) in [("turn_started", "turn"), ("apply_submitted", "apply"), ("invite_sent", "invite")] {
                if event["event"] == name {
                    self.ids.insert(format!("@{field}/{user}"), text(event, &format!("{field}_id")).to_owned());
                }
            }
            if event["event"] == "queue_cleared" {
                self.undo.push(text(event, "undo_id").to_owned());
            }
        }
        Ok(did)
    }

    /// Puts the ids of this run where the trace names them by their meaning.
    fn resolve(&self, frame: &Value) -> Value {
        let mut frame = frame.clone();
        if frame["rules"]["host_seat"] == "@host_seat" {
            frame["rules"]["host_seat"] = json!(self.model.s.rules.host_seat);
        }
        for (name, value) in frame.as_object_mut().into_iter().flatten() {
            let Some(word) = value.as_str().filter(|word| word.starts_with('@')) else { continue };
            *value = match word {
                "@rev" => json!(self.sut.room().head.rev),
                "@old_rev" => json!(self.sut.room().head.rev.saturating_sub(1)),
                "@cursor" => json!(self.sut.room().head.to_string()),
                _ if name == "undo_id" => {
                    let back = word.strip_prefix("@undo/").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
                    json!(self.undo.iter().rev().nth(back).map_or("none", String::as_str))
                }
                _ => json!(self.ids.get(word).map_or("none", String::as_str)),
            };
        }
        frame
    }

    fn ask(&mut self, who: &str, frame: &Value, step: &Value) -> Result<(), String> {
        let request = match self.sut.read(who, frame) {
            Ok(request) => request,
            Err(bad) if sut::is_unknown(&bad) => {
                self.count(frame, "unknown");
                return Ok(());
            }
            Err(bad) => return Err(format!("the frame is not understood: {}", sut::error_json(&bad))),
        };
        let cursor = self.sut.store.head().to_string();
        let mut told = frame.clone();
        if told["if_rev"].is_string() {
            told["if_rev"] = json!(if frame["if_rev"] == cursor { "current" } else { "stale" });
        }
        let did = self.batch(&Ask::Command(Box::new(request)), step)?;
        self.follow(&did, false, |runner, own| runner.compare_answer(who, &told, own, &did))
    }

    fn compare_answer(&mut self, who: &str, told: &Value, own: &[Seen], did: &Did) -> Result<(), String> {
        let mut told = told.clone();
        // The position may have moved by what was due.
        if told["if_rev"] == "current" && !did.due.is_empty() {
            told["if_rev"] = json!("stale");
        }
        let answer = &did.answer;
        let wanted = self.model.command(who, &told);
        match &wanted {
            Ok(reply) => {
                let changes = !reply.dup && !reply.noop;
                let outcome = if reply.dup {
                    "dup"
                } else if reply.noop {
                    "noop"
                } else {
                    "ok"
                };
                self.count(&told, outcome);
                if answer["type"] != "ack" {
                    return Err(format!("the model accepts ({outcome}), the hub says {answer}"));
                }
                if (answer["dup"] == true, answer["noop"] == true) != (reply.dup, reply.noop) || answer["rev"] != reply.rev {
                    return Err(format!("the model says {reply:?}, the hub {answer}"));
                }
                let mut fields = reply.own.clone();
                match fields.as_object_mut() {
                    Some(map) => drop(map.remove("event")),
                    None => fields = json!({}),
                }
                let lacking = differences(&fields, answer, "ack");
                let lacking: Vec<&String> = lacking.iter().filter(|line| !line.contains("unexpected")).collect();
                if !lacking.is_empty() {
                    return Err(format!("the ack differs: {lacking:?}"));
                }
                if let (Some(results), false) = (&reply.results, reply.dup) {
                    check_subset(results, &answer["results"])?;
                }
                self.same_steps(own, changes)?;
            }
            Err(refusal) => {
                self.count(&told, refusal.name);
                if answer["type"] != "error" || answer["name"] != refusal.name {
                    return Err(format!("the model refuses with {refusal:?}, the hub says {answer}"));
                }
                check_subset(&refusal.details, &answer["details"])?;
                self.same_steps(own, false)?;
            }
        }
        if answer["dup"] != true
            && own
                .iter()
                .flat_map(|seen| &seen.events)
                .any(|event| event["event"] == "member_kicked" || event["event"] == "member_banned")
        {
            let target = text(&told, "target_user_id").to_owned();
            self.model.s.live.retain(|user| *user != target);
        }
        Ok(())
    }

    /// Compares the step that the model has just made with what the hub made of the command.
    fn same_steps(&mut self, own: &[Seen], changed: bool) -> Result<(), String> {
        match (own, changed) {
            ([], false) => Ok(()),
            ([seen], true) => {
                has_events(&self.model.out, &seen.events)?;
                if seen.rev == self.model.s.rev { Ok(()) } else { Err(format!("I6: rev {} and {}", seen.rev, self.model.s.rev)) }
            }
            _ => Err(format!("I6: the hub made {} revs where the model {}", own.len(), u8::from(changed))),
        }
    }

    /// Lets the model follow a batch, then compares the states.
    fn follow(
        &mut self,
        did: &Did,
        loading: bool,
        command: impl FnOnce(&mut Self, &[Seen]) -> Result<(), String>,
    ) -> Result<(), String> {
        if did.nothing {
            return Ok(());
        }
        self.model_time();
        for seen in &did.due {
            self.hub_step(seen, loading)?;
        }
        let all: Vec<Value> = did.own.iter().flat_map(|seen| seen.events.clone()).collect();
        self.model.hear_ids(&all);
        command(self, &did.own)?;
        for seen in &did.level {
            self.hub_step(seen, loading)?;
        }
        if did.update.is_some() {
            self.last_event = did.at;
        }
        let overdue = self.model.overdue();
        if !overdue.is_empty() {
            return Err(format!("the hub forgot: {overdue:?}"));
        }
        let state = check::without_expired(&self.sut.state(did.at), did.at);
        let lines = differences(&self.model.shown(), &state, "state");
        if !lines.is_empty() {
            return Err(format!("the states differ: {lines:#?}"));
        }
        check::invariants(&state, did)
    }

    fn hub_step(&mut self, seen: &Seen, loading: bool) -> Result<(), String> {
        self.model.hear_ids(&seen.events);
        self.model.hub_step(&seen.events, loading).map_err(|why| format!("{why}: {:?}", seen.events))?;
        self.same_steps(std::slice::from_ref(seen), true).map_err(|why| format!("by the hub: {why}"))
    }

    fn count(&mut self, frame: &Value, outcome: &str) {
        *self.counts.entry(format!("{} {outcome}", text(frame, "type"))).or_default() += 1;
    }
}

fn check_subset(wanted: &Value, shown: &Value) -> Result<(), String> {
    let lines = differences(wanted, shown, "details");
    let lines: Vec<&String> = lines.iter().filter(|line| !line.contains("unexpected")).collect();
    if lines.is_empty() { Ok(()) } else { Err(format!("{lines:?}")) }
}
