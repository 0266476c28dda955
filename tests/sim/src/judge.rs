//! The model beside a hub, whichever it is: what the hub says is compared with what the model says.
use crate::{
    diff::{differences, has_events},
    generate::PEOPLE,
    model::{Ask, Model, text},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One rev: its number and its events as a client sees them.
#[derive(Clone, Debug)]
pub struct Seen {
    pub rev: u64,
    pub events: Vec<Value>,
}

/// Where the room is by now.
#[derive(Clone, Debug)]
pub struct Head {
    pub rev: u64,
    pub cursor: String,
}

/// The model, and what it must remember of the hub's words.
pub struct Judge {
    pub model: Model,
    /// The newest id per kind and user.
    ids: BTreeMap<String, String>,
    undo: Vec<String>,
    /// The newest frame with an `op_id`, per user.
    sent: BTreeMap<String, Value>,
    /// The hub has a clock of its own, and an answer without an event does not show it.
    pub own_clock: bool,
    /// Commands by their outcome.
    pub counts: BTreeMap<String, u64>,
}

impl Judge {
    /// Begins with a new room.
    pub fn new(owner: &str, rules: &Value, now: u64) -> Self {
        let model = Model::new(owner, rules, now);
        Self { model, ids: BTreeMap::new(), undo: Vec::new(), sent: BTreeMap::new(), own_clock: false, counts: BTreeMap::new() }
    }

    /// Whom a step is about.
    pub fn who(&self, step: &Value) -> String {
        match text(step, "who") {
            word if word.contains('#') => self.nth(word),
            name => name.to_owned(),
        }
    }

    /// The frame of a step, with the ids of this run; `None` = there is nothing to repeat.
    pub fn frame_of(&mut self, step: &Value, head: &Head) -> Option<Value> {
        let who = text(step, "who");
        if step["do"] == "again" {
            return self.sent.get(who).cloned();
        }
        let frame = self.resolve(&step["frame"], head);
        if frame["op_id"].is_string() {
            self.sent.insert(who.to_owned(), frame.clone());
        }
        Some(frame)
    }

    /// Notes the ids that the hub gave.
    pub fn hear<'a>(&mut self, seen: impl Iterator<Item = &'a Seen>) {
        for event in seen.flat_map(|seen| &seen.events) {
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
    }

    /// Puts the ids of this run where the trace names them by their meaning.
    fn resolve(&self, frame: &Value, head: &Head) -> Value {
        match frame {
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.resolve_field(name, value, head))).collect()
            }
            Value::Array(list) => list.iter().map(|value| self.resolve_field("", value, head)).collect(),
            other => other.clone(),
        }
    }

    /// `@queue#3`, `@turn#3`: the one of that number, counted round and round, of those that there are now.
    fn nth(&self, word: &str) -> String {
        let s = &self.model.s;
        let (kind, number) = word.split_once('#').unwrap_or((word, "0"));
        let open = |asks: &[Ask]| asks.iter().filter(|ask| ask.ended.is_none()).map(|ask| ask.id.clone()).collect::<Vec<_>>();
        let list: Vec<String> = match kind {
            "@queue" => s.queue.iter().map(|entry| entry.user.clone()).collect(),
            "@turn" => s.turns.iter().map(|turn| turn.id.clone()).collect(),
            "@away" => PEOPLE.iter().filter(|who| !s.is_live(who)).map(|who| (*who).to_owned()).collect(),
            "@banned" => s.bans.keys().cloned().collect(),
            "@seat" => s.seats.iter().filter_map(|seat| Some(seat.occ.as_ref()?.user.clone())).collect(),
            "@apply" => open(&s.applies),
            _ => open(&s.invites),
        };
        let number: usize = number.parse().unwrap_or(0);
        list.get(number % list.len().max(1)).cloned().unwrap_or_else(|| "a".to_owned())
    }

    fn resolve_field(&self, name: &str, value: &Value, head: &Head) -> Value {
        let Some(word) = value.as_str().filter(|word| word.starts_with('@')) else { return self.resolve(value, head) };
        match word {
            "@later" => json!(word),
            _ if word.contains('#') => json!(self.nth(word)),
            "@host_seat" => json!(self.model.s.rules.host_seat),
            "@rev" => json!(head.rev),
            "@old_rev" => json!(head.rev.saturating_sub(1)),
            "@cursor" => json!(head.cursor),
            _ if name == "undo_id" => {
                let back = word.strip_prefix("@undo/").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
                json!(self.undo.iter().rev().nth(back).map_or("none", String::as_str))
            }
            _ => json!(self.ids.get(word).map_or("none", String::as_str)),
        }
    }

    /// Lets the model decide a command, and compares answer and events.
    pub fn answer(&mut self, who: &str, told: &Value, own: &[Seen], answer: &Value) -> Result<(), String> {
        let wanted = self.model.command(who, told);
        match &wanted {
            Ok(reply) => {
                let changes = !reply.dup && !reply.noop && told["type"] != "explain";
                let outcome = if reply.dup {
                    "dup"
                } else if reply.noop {
                    "noop"
                } else {
                    "ok"
                };
                self.count(told, outcome);
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
                if let Some(map) = fields.as_object_mut().filter(|_| self.own_clock && told["type"] == "explain") {
                    map.retain(|name, _| !name.ends_with("_ms"));
                }
                let lacking = differences(&fields, answer, "ack");
                let lacking: Vec<&String> = lacking.iter().filter(|line| !line.contains("unexpected")).collect();
                if !lacking.is_empty() {
                    return Err(format!("the ack differs: {lacking:?}"));
                }
                if let (Some(results), false) = (&reply.results, reply.dup) {
                    check_subset(results, &answer["results"])?;
                }
                let wanted = if changes { std::mem::take(&mut self.model.steps) } else { Vec::new() };
                same(&wanted, own)?;
            }
            Err(refusal) => {
                self.count(told, refusal.name);
                if answer["type"] != "error" || answer["name"] != refusal.name {
                    return Err(format!("the model refuses with {refusal:?}, the hub says {answer}"));
                }
                check_subset(&refusal.details, &answer["details"])?;
                same(&[], own)?;
            }
        }
        for event in own.iter().flat_map(|seen| &seen.events).filter(|event| is_out(event)) {
            self.model.s.live.retain(|user| user != text(event, "user_id"));
        }
        Ok(())
    }

    /// Compares the step that the model has just made with what the hub made of the command.
    pub fn same_steps(&mut self, own: &[Seen], changed: bool) -> Result<(), String> {
        let wanted = [(self.model.s.rev, self.model.out.clone())];
        same(if changed { &wanted } else { &[] }, own)
    }

    /// Follows something that the hub did on its own.
    pub fn hub_step(&mut self, seen: &Seen, loading: bool) -> Result<(), String> {
        self.model.hear_ids(&seen.events);
        self.model.hub_step(&seen.events, loading).map_err(|why| format!("{why}: {:?}", seen.events))?;
        self.same_steps(std::slice::from_ref(seen), true).map_err(|why| format!("by the hub: {why}"))
    }

    /// Counts an outcome.
    pub fn count(&mut self, frame: &Value, outcome: &str) {
        *self.counts.entry(format!("{} {outcome}", text(frame, "type"))).or_default() += 1;
    }
}

/// Somebody is put out of the room.
fn is_out(event: &Value) -> bool {
    event["event"] == "member_kicked" || event["event"] == "member_banned"
}

/// Compares revs and their events.
fn same(wanted: &[(u64, Vec<Value>)], own: &[Seen]) -> Result<(), String> {
    if wanted.len() != own.len() {
        return Err(format!("I6: the hub made {} revs where the model {}", own.len(), wanted.len()));
    }
    for ((rev, events), seen) in wanted.iter().zip(own) {
        has_events(events, &seen.events)?;
        if seen.rev != *rev {
            return Err(format!("I6: rev {} and {rev}", seen.rev));
        }
    }
    Ok(())
}

fn check_subset(wanted: &Value, shown: &Value) -> Result<(), String> {
    let lines = differences(wanted, shown, "details");
    let lines: Vec<&String> = lines.iter().filter(|line| !line.contains("unexpected")).collect();
    if lines.is_empty() { Ok(()) } else { Err(format!("{lines:?}")) }
}
