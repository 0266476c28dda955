//! The reference model: the room's contract once more, plain and slow, over JSON frames. It shares no code with the hub.
//!
//! Ids of turns, applies and so on are the hub's to choose; the model takes them from what the hub said.
mod access;
mod ask;
mod batch;
mod hub;
mod media;
mod people;
mod queue;
mod rules;
mod seat;
pub mod show;
mod turn;

pub use rules::Rules;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Somebody waiting.
#[derive(Clone, Debug)]
pub struct Entry {
    pub user: String,
    pub seq: u64,
    pub prio: i64,
    pub skip: bool,
    pub want: Option<u64>,
    pub note: Option<String>,
    pub held: Option<u64>,
    pub pinned: bool,
    pub jumped: u64,
    pub joined: u64,
}

/// A seat and whoever sits there.
#[derive(Clone, Debug)]
pub struct Seat {
    pub no: u64,
    pub host: bool,
    pub closing: bool,
    pub locked: bool,
    pub admin_muted: bool,
    pub extra: String,
    pub extra_rev: u64,
    pub occ: Option<Occ>,
}

/// Somebody seated.
#[derive(Clone, Debug)]
pub struct Occ {
    pub user: String,
    pub since: u64,
    pub via: &'static str,
    pub self_muted: bool,
    pub held: Option<u64>,
    pub media: Media,
}

/// What is known of somebody's stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Media {
    None,
    Publishing,
    /// It stopped; the seat is kept until then.
    Lost(u64),
}

/// A turn that has not ended.
#[derive(Clone, Debug)]
pub struct Turn {
    pub id: String,
    pub user: String,
    pub started: u64,
    /// The time left at `since`; `None` = unlimited.
    pub left: Option<i64>,
    /// Since when `left` runs down, if nothing pauses it.
    pub since: u64,
    /// Paused by hand.
    pub hand: bool,
    pub extended: i64,
    pub length: u64,
    /// What paused it after the last step; empty = it runs.
    pub causes: Vec<&'static str>,
}

/// An application or an invitation, open or ended.
#[derive(Clone, Debug)]
pub struct Ask {
    pub id: String,
    pub user: String,
    pub by: String,
    pub seat: Option<u64>,
    pub until: u64,
    /// How it ended, by whom and when.
    pub ended: Option<(&'static str, String, u64)>,
}

/// What the room is.
#[derive(Clone, Debug)]
pub struct State {
    pub now: u64,
    pub rev: u64,
    pub closed: bool,
    pub owner: String,
    pub mode: String,
    pub mode_at: Option<u64>,
    pub promotion_from: u64,
    pub flags: BTreeMap<&'static str, bool>,
    pub rules: Rules,
    pub rules_rev: u64,
    pub seats: Vec<Seat>,
    pub queue: Vec<Entry>,
    pub last_seq: u64,
    pub turns: Vec<Turn>,
    pub applies: Vec<Ask>,
    pub invites: Vec<Ask>,
    /// Role and when a person said so.
    pub roles: BTreeMap<String, (Option<String>, Option<u64>)>,
    pub bans: BTreeMap<String, Option<u64>>,
    pub queue_bans: BTreeMap<String, u64>,
    pub cooldowns: BTreeMap<String, u64>,
    pub undo: Vec<(String, u64, Vec<Entry>)>,
    /// Who left the queue: at which rev, who stood in front (nearest first), who behind.
    pub slots: BTreeMap<String, (u64, Vec<String>, Vec<String>)>,
    pub live: Vec<String>,
    /// The least holds of those whose line the hub itself has ended.
    pub floors: BTreeMap<String, u64>,
    pub no_promotion_before: u64,
}

/// Why a command is refused. `details` holds what must be there at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub name: &'static str,
    pub details: Value,
}

/// The answer to an accepted command.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub rev: u64,
    pub dup: bool,
    pub noop: bool,
    /// The command's own event.
    pub own: Value,
    pub results: Option<Value>,
}

/// What a command found out: its own event, or that there was nothing to do.
pub enum Done {
    Own(usize),
    Noop,
}

pub type Outcome = Result<Done, Refusal>;

/// A remembered outcome.
#[derive(Clone, Debug)]
struct Known {
    op: String,
    body: Value,
    reply: Reply,
    at: u64,
}

/// The model: state, memory of outcomes, and what the current step did.
#[derive(Clone, Debug)]
pub struct Model {
    pub s: State,
    ops: BTreeMap<String, Vec<Known>>,
    /// The events of the current step.
    pub out: Vec<Value>,
    /// Whether a guest seat was free before the step.
    had_free: bool,
    results: Option<Value>,
    /// The revs that the command has made, with their events.
    pub steps: Vec<(u64, Vec<Value>)>,
    /// The ids that the hub gave in this step, per field name, in order.
    ids: BTreeMap<&'static str, Vec<String>>,
}

/// Makes a refusal without details.
pub fn no<T>(name: &'static str) -> Result<T, Refusal> {
    Err(Refusal { name, details: json!({}) })
}

/// Makes a refusal.
pub fn no_with<T>(name: &'static str, details: Value) -> Result<T, Refusal> {
    Err(Refusal { name, details })
}

/// Reads a text field.
pub fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or("")
}

impl Model {
    /// A new room.
    pub fn new(owner: &str, doc: &Value, now: u64) -> Self {
        let rules = Rules::parse(doc);
        let hosts = u64::from(rules.host_seat);
        let s = State {
            now,
            rev: 0,
            closed: false,
            owner: owner.to_owned(),
            mode: rules.queue_mode.clone(),
            mode_at: None,
            promotion_from: 0,
            flags: BTreeMap::from([("queue_open", true), ("floor_controlled", false), ("mute_all", false)]),
            rules_rev: 0,
            seats: (1..=rules.max_mic_count + hosts).map(|no| Seat::new(no, no <= hosts)).collect(),
            rules,
            queue: Vec::new(),
            last_seq: 0,
            turns: Vec::new(),
            applies: Vec::new(),
            invites: Vec::new(),
            roles: BTreeMap::new(),
            bans: BTreeMap::new(),
            queue_bans: BTreeMap::new(),
            cooldowns: BTreeMap::new(),
            undo: Vec::new(),
            slots: BTreeMap::new(),
            live: Vec::new(),
            floors: BTreeMap::new(),
            no_promotion_before: 0,
        };
        Self { s, ops: BTreeMap::new(), out: Vec::new(), had_free: true, results: None, steps: Vec::new(), ids: BTreeMap::new() }
    }

    /// Notes the ids that the hub's events of this step carry.
    pub fn hear_ids(&mut self, events: &[Value]) {
        self.ids.clear();
        for (event, field) in [
            ("turn_started", "turn_id"),
            ("apply_submitted", "apply_id"),
            ("invite_sent", "invite_id"),
            ("queue_cleared", "undo_id"),
        ] {
            let given = events.iter().filter(|e| e["event"] == event).map(|e| text(e, field).to_owned());
            self.ids.insert(field, given.collect());
        }
    }

    fn new_id(&mut self, field: &'static str) -> String {
        match self.ids.get_mut(field) {
            Some(ids) if !ids.is_empty() => ids.remove(0),
            _ => format!("{field} that the hub did not give"),
        }
    }

    /// Decides a command of a person or of the service.
    pub fn command(&mut self, actor: &str, frame: &Value) -> Result<Reply, Refusal> {
        self.out.clear();
        self.steps.clear();
        self.results = None;
        let mut body = frame.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "id" | "op_id" | "if_rev" | "room_id" | "user_id"));
        }
        let op = frame["op_id"].as_str();
        if let Some(op) = op {
            let known = self.ops.get(actor).and_then(|list| list.iter().rev().find(|k| k.op == op));
            if let Some(known) = known.filter(|known| self.s.now - known.at <= 600_000) {
                if known.body != body {
                    return no_with("bad_argument", json!({"path": "/op_id"}));
                }
                return Ok(Reply { dup: true, ..known.reply.clone() });
            }
        }
        self.check_admitted(actor)?;
        let stale = match &frame["if_rev"] {
            Value::Null => false,
            Value::String(cursor) => cursor != "current",
            rev => rev.as_u64() != Some(self.s.rev),
        };
        if stale {
            return no_with("stale_rev", json!({"rev": self.s.rev}));
        }
        let reply = match text(frame, "type") {
            "batch" => self.batch(actor, frame)?,
            "explain" => return self.explain(actor, frame),
            _ => self.one(actor, frame)?,
        };
        if let (Some(op), false) = (op, reply.noop) {
            let list = self.ops.entry(actor.to_owned()).or_default();
            list.push(Known { op: op.to_owned(), body, reply: reply.clone(), at: self.s.now });
            if list.len() > 64 {
                list.remove(0);
            }
        }
        Ok(reply)
    }

    /// The room is open, and the actor is in it.
    fn check_admitted(&self, actor: &str) -> Result<(), Refusal> {
        if self.s.closed {
            return no("room_closed");
        }
        if actor != "service" && !self.s.is_member(actor) { no("not_member") } else { Ok(()) }
    }

    /// Decides one command. A refusal or no-op leaves everything as it was.
    fn one(&mut self, actor: &str, frame: &Value) -> Result<Reply, Refusal> {
        self.out.clear();
        let saved = self.s.clone();
        let decided = self.check_admitted(actor).and_then(|()| self.decide(actor, frame));
        match decided {
            Ok(Some(own)) => {
                let own = self.out[own].clone();
                self.steps.push((self.s.rev, std::mem::take(&mut self.out)));
                Ok(Reply { rev: self.s.rev, dup: false, noop: false, own, results: self.results.take() })
            }
            Ok(None) => {
                self.s = saved;
                self.out.clear();
                Ok(Reply { rev: self.s.rev, dup: false, noop: true, own: Value::Null, results: None })
            }
            Err(refusal) => {
                self.s = saved;
                self.out.clear();
                Err(refusal)
            }
        }
    }

    /// Decides one command with its cascades; `None` = nothing to change.
    fn decide(&mut self, actor: &str, frame: &Value) -> Result<Option<usize>, Refusal> {
        self.check_allowed(actor, frame)?;
        let before = self.before();
        match self.run(actor, frame)? {
            Done::Own(own) => {
                self.after(&before);
                Ok(Some(own))
            }
            Done::Noop => Ok(None),
        }
    }

    fn run(&mut self, actor: &str, f: &Value) -> Outcome {
        match text(f, "type") {
            "queue_join" => self.queue_join(actor, f),
            "queue_leave" => self.queue_leave(actor),
            "queue_insert" => self.queue_insert(actor, f),
            "queue_remove" => self.queue_remove(actor, f),
            "queue_move" => self.queue_move(actor, f),
            "queue_reorder" => self.queue_reorder(actor, f),
            "queue_clear" => self.queue_clear(),
            "queue_restore" => self.queue_restore(f),
            "queue_resort" => self.queue_resort(),
            "apply_submit" => self.apply_submit(actor, f),
            "apply_cancel" => self.apply_cancel(actor, f),
            "apply_resolve" => self.apply_resolve(actor, f),
            "invite_send" => self.invite_send(actor, f),
            "invite_reply" => self.invite_reply(actor, f),
            "invite_cancel" => self.invite_cancel(actor, f),
            "seat_take" => self.seat_take(actor, f),
            "seat_leave" => self.seat_leave(actor),
            "seat_assign" => self.seat_assign(actor, f),
            "seat_move" => self.seat_move(actor, f),
            "seat_kick" => self.seat_kick(actor, f),
            "seat_lock" => self.seat_lock(actor, f),
            "seat_mute" => self.seat_mute(actor, f),
            "seat_extra" => self.seat_extra(f),
            "turn_next" => self.turn_next(actor, f),
            "turn_extend" => self.turn_extend(actor, f),
            "turn_pause" => self.turn_hand(actor, f, true),
            "turn_resume" => self.turn_hand(actor, f, false),
            "turn_yield" => self.turn_yield(actor, f),
            "mode_set" => self.mode_set(actor, f),
            "flag_set" => self.flag_set(f),
            "rules_set" => self.rules_set(actor, f),
            "role_set" => self.role_set(actor, f),
            "owner_transfer" => self.owner_transfer(actor, f),
            "user_kick" => self.user_kick(actor, f),
            "user_ban" => self.user_ban(actor, f),
            "user_unban" => self.user_unban(actor, f),
            "queue_ban" => self.queue_ban(actor, f),
            "room_close" => self.room_close(actor, f),
            other => panic!("the model has no command {other}"),
        }
    }

    /// Records an event.
    fn emit(&mut self, event: Value) {
        self.out.push(event);
    }

    /// Records the command's own event.
    fn own(&mut self, event: Value) -> Outcome {
        self.out.push(event);
        Ok(Done::Own(self.out.len() - 1))
    }

    /// Own event = the first one, if there is any.
    fn first_is_own(&self) -> Outcome {
        Ok(if self.out.is_empty() { Done::Noop } else { Done::Own(0) })
    }

    /// What must be known from before a command to find its cascades.
    fn before(&mut self) -> Vec<String> {
        self.had_free = self.s.free_guest(None).is_some();
        self.s.on_deck()
    }

    /// The cascades behind every step: promotion, who is newly on deck, the new rev.
    fn after(&mut self, on_deck: &[String]) {
        self.settle_pauses();
        self.promote_wanted();
        for user in self.s.on_deck() {
            if !on_deck.contains(&user) {
                self.emit(json!({"event": "queue_on_deck", "user_id": user}));
            }
        }
        self.s.rev += 1;
    }

    /// Promotes as far as the mode wants it.
    fn promote_wanted(&mut self) {
        let wanted = match self.s.mode.as_str() {
            "queue" => self.s.now >= self.s.promotion_from,
            "free" => !self.had_free,
            _ => false,
        };
        while let Some((user, want)) = self.s.next_in_line().filter(|_| wanted && !self.s.closed) {
            let Some(no) = self.s.free_guest(want) else { return };
            self.leave_queue(&user, "promoted");
            self.sit(&user, no, "promote");
        }
    }
}

impl State {
    /// Here, or away with a place.
    pub fn is_member(&self, user: &str) -> bool {
        self.is_live(user) || self.held(user).is_some()
    }

    pub fn is_live(&self, user: &str) -> bool {
        self.live.iter().any(|u| u == user)
    }

    pub fn seat_of(&self, user: &str) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.occ.as_ref().is_some_and(|occ| occ.user == user))
    }

    pub fn seat(&self, no: u64) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.no == no)
    }

    pub fn seat_mut(&mut self, no: u64) -> &mut Seat {
        self.seats.iter_mut().find(|seat| seat.no == no).expect("a seat that is there")
    }

    pub fn index_of(&self, user: &str) -> Option<usize> {
        self.queue.iter().position(|entry| entry.user == user)
    }

    pub fn held(&self, user: &str) -> Option<u64> {
        match self.seat_of(user) {
            Some(seat) => seat.occ.as_ref().and_then(|occ| occ.held),
            None => self.queue.iter().find(|entry| entry.user == user).and_then(|entry| entry.held),
        }
    }

    pub fn on_deck(&self) -> Vec<String> {
        self.queue.iter().take(self.rules.on_deck_size).map(|entry| entry.user.clone()).collect()
    }

    pub fn reserved(&self, no: u64) -> Option<&Ask> {
        self.invites.iter().find(|invite| invite.ended.is_none() && invite.seat == Some(no))
    }

    pub fn is_free(&self, seat: &Seat) -> bool {
        seat.occ.is_none() && !seat.locked && !seat.closing && self.reserved(seat.no).is_none()
    }

    /// The free guest seat to use: the wanted one if free, else the lowest.
    pub fn free_guest(&self, want: Option<u64>) -> Option<u64> {
        let free: Vec<u64> = self.seats.iter().filter(|seat| !seat.host && self.is_free(seat)).map(|seat| seat.no).collect();
        want.filter(|no| free.contains(no)).or(free.first().copied())
    }

    /// The first who waits and is here.
    pub fn first_waiting(&self) -> Option<(String, Option<u64>)> {
        let here = |entry: &&Entry| entry.held.is_none() && self.is_live(&entry.user) && self.check_banned(&entry.user).is_ok();
        self.queue.iter().find(here).map(|entry| (entry.user.clone(), entry.want))
    }

    /// Who is promoted next by itself: after a load, nobody overtakes somebody held.
    pub fn next_in_line(&self) -> Option<(String, Option<u64>)> {
        let (user, want) = self.first_waiting()?;
        let ahead = self.queue.iter().take_while(|entry| entry.user != user);
        let waits = self.now < self.no_promotion_before && ahead.into_iter().any(|entry| entry.held.is_some());
        (!waits).then_some((user, want))
    }
}

impl Seat {
    pub const fn new(no: u64, host: bool) -> Self {
        Self { no, host, closing: false, locked: false, admin_muted: false, extra: String::new(), extra_rev: 0, occ: None }
    }
}
