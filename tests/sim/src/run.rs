//! One trace: every step against the hub and against the model, and what must hold after it.
use crate::{
    check,
    diff::differences,
    judge::{Head, Judge, Seen},
    model::text,
    store::Fault,
    sut::{self, Ask, Did, Sut},
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
    judge: Judge,
    now: u64,
    last_event: u64,
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
    Report { failure, counts: runner.judge.counts }
}

impl Runner {
    fn new(trace: &Trace) -> Self {
        let sut = Sut::new("own", &trace.rules, START);
        Self { sut, judge: Judge::new("own", &trace.rules, START), now: START, last_event: START }
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        let who = self.judge.who(step);
        match text(step, "do") {
            "ask" | "again" => {
                let head = self.sut.room().head;
                let head = Head { rev: head.rev, cursor: head.to_string() };
                self.judge.frame_of(step, &head).map_or(Ok(()), |frame| self.ask(&who, &frame, step))
            }
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
                let floor = step["hub_ms"].as_u64().filter(|_| self.judge.model.s.is_live(&who));
                self.sut.live.go(&who, floor);
                self.judge.model.s.floors.extend(floor.map(|floor| (who.clone(), floor)));
                self.judge.model.s.live.retain(|user| *user != who);
                self.batch(&Ask::Nothing, step).and_then(|did| self.follow(&did, false, |_, _| Ok(())))
            }
            "come" => self.come(&who, step),
            "stream" => self.stream(&who, step),
            "leave" => {
                self.sut.live.go(&who, None);
                // What is due before it finds him gone already.
                self.judge.model.s.live.retain(|user| *user != who);
                let did = self.batch(&sut::left(&who), step)?;
                self.follow(&did, false, |runner, own| {
                    let changed = runner.judge.model.left(&who);
                    runner.judge.same_steps(own, changed)
                })
            }
            "restart" => {
                self.sut.restart()?;
                self.model_time();
                self.judge.model.restart();
                let did = self.batch(&Ask::Load, step)?;
                self.follow(&did, true, |_, _| Ok(()))
            }
            other => Err(format!("no step is called {other:?}")),
        }
    }

    fn come(&mut self, who: &str, step: &Value) -> Result<(), String> {
        self.model_time();
        if self.judge.model.s.ban_of(who).is_some() || self.judge.model.s.closed {
            return Ok(());
        }
        self.sut.live.come(who);
        self.judge.model.s.floors.remove(who);
        if !self.judge.model.s.is_live(who) {
            self.judge.model.s.live.push(who.to_owned());
        }
        let Some(role) = step["role"].as_str() else {
            let did = self.batch(&Ask::Nothing, step)?;
            return self.follow(&did, false, |_, _| Ok(()));
        };
        let issued_at = self.now.saturating_sub(step["age_ms"].as_u64().unwrap_or(0));
        let did = self.batch(&sut::token_role(who, role, issued_at), step)?;
        self.follow(&did, false, |runner, own| {
            let changed = runner.judge.model.token_role(who, role, issued_at);
            runner.judge.same_steps(own, changed)
        })
    }

    fn stream(&mut self, who: &str, step: &Value) -> Result<(), String> {
        let stopped_at = step["stopped_ms_ago"].as_u64().map(|ago| self.now.saturating_sub(ago));
        let did = self.batch(&Ask::Command(Box::new(sut::stream(who, stopped_at))), step)?;
        self.follow(&did, false, |runner, own| {
            let model = &mut runner.judge.model;
            let changed = match stopped_at {
                None => model.stream_started(who),
                Some(at) => model.stream_stopped(who, at),
            };
            let what = if stopped_at.is_some() { "stream_stopped" } else { "stream_started" };
            runner.judge.count(&json!({"type": what}), if changed { "ok" } else { "noop" });
            runner.judge.same_steps(own, changed)
        })
    }

    fn model_time(&mut self) {
        self.judge.model.s.now = self.now.max(self.last_event);
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
        self.judge.hear(did.due.iter().chain(&did.own).chain(&did.level));
        Ok(did)
    }

    fn ask(&mut self, who: &str, frame: &Value, step: &Value) -> Result<(), String> {
        let request = match self.sut.read(who, frame) {
            Ok(request) => request,
            Err(bad) if sut::is_unknown(&bad) => {
                self.judge.count(frame, "unknown");
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
        // The position may have moved by what was due.
        if told["if_rev"] == "current" && !did.due.is_empty() {
            told["if_rev"] = json!("stale");
        }
        self.follow(&did, false, |runner, own| runner.judge.answer(who, &told, own, &did.answer))
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
            self.judge.hub_step(seen, loading)?;
        }
        let all: Vec<Value> = did.own.iter().flat_map(|seen| seen.events.clone()).collect();
        self.judge.model.hear_ids(&all);
        command(self, &did.own)?;
        for seen in &did.level {
            self.judge.hub_step(seen, loading)?;
        }
        if did.update.is_some() {
            self.last_event = did.at;
        }
        let overdue = self.judge.model.overdue();
        if !overdue.is_empty() {
            return Err(format!("the hub forgot: {overdue:?}"));
        }
        let state = check::without_expired(&self.sut.state(did.at), did.at);
        let lines = differences(&self.judge.model.shown(), &state, "state");
        if !lines.is_empty() {
            return Err(format!("the states differ: {lines:#?}"));
        }
        check::invariants(&state, did)
    }
}
