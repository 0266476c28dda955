//! Turns: who speaks for how long, and what pauses him.
use super::{Done, Model, Outcome, Refusal, State, Turn, no, no_with, text};
use serde_json::{Value, json};

impl State {
    /// What pauses a turn now.
    pub fn causes(&self, turn: &Turn) -> Vec<&'static str> {
        let all = [("hand", turn.hand), ("floor", self.flags["floor_controlled"]), ("chair", self.mode == "chair")];
        all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
    }

    /// The time left; `None` = unlimited.
    pub fn left(&self, turn: &Turn) -> Option<i64> {
        let passed = if turn.causes.is_empty() { self.now.saturating_sub(turn.since) } else { 0 };
        Some(turn.left? - i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// When a running turn ends.
    pub fn ends_at(&self, turn: &Turn) -> Option<u64> {
        let left = turn.left.filter(|_| turn.causes.is_empty())?;
        Some(turn.since.saturating_add_signed(left))
    }

    fn turn_length(&self, user: &str) -> u64 {
        let role = self.rules.role(&self.role_of(user)).and_then(|role| role["timeout_seconds"].as_u64());
        let seconds = self.windows_scalar("timeout_seconds").or(role);
        seconds.map_or(self.rules.timeout, |seconds| seconds * 1000)
    }

    fn check_turn(&self, actor: &str, f: &Value) -> Result<usize, Refusal> {
        let id = text(f, "expect_turn_id");
        match self.turns.iter().position(|turn| turn.id == id) {
            Some(at) => self.check_rank(actor, &self.turns[at].user).map(|()| at),
            None => no("turn_changed"),
        }
    }
}

impl Model {
    /// In mode queue, whoever comes to a guest seat gets a turn, if he has none.
    pub(super) fn start_turn(&mut self, user: &str) {
        let seat = self.s.seat_of(user).expect("seated");
        let has = self.s.turns.iter().any(|turn| turn.user == user);
        if self.s.mode != "queue" || seat.host || has {
            return;
        }
        let number = seat.no;
        let length = self.s.turn_length(user);
        let left = (length > 0).then(|| i64::try_from(length).unwrap_or(i64::MAX));
        let id = self.new_id("turn_id");
        let (started, since) = (self.s.now, self.s.now);
        let mut turn =
            Turn { id, user: user.to_owned(), started, left, since, hand: false, extended: 0, length, causes: Vec::new() };
        turn.causes = self.s.causes(&turn);
        let event = json!({"event": "turn_started", "turn_id": turn.id, "user_id": user, "seat_no": number, "ends_at_ms": self.s.ends_at(&turn)});
        self.s.turns.push(turn);
        self.emit(event);
    }

    pub(super) fn end_turn(&mut self, user: &str, reason: &str) {
        if let Some(at) = self.s.turns.iter().position(|turn| turn.user == user) {
            let turn = self.s.turns.remove(at);
            self.emit(json!({"event": "turn_ended", "turn_id": turn.id, "reason": reason}));
        }
    }

    /// Ends a turn that is over: its person leaves the seat.
    pub(super) fn finish_turn(&mut self, user: &str, reason: &str) -> Outcome {
        let own = self.out.len();
        self.unsit(user, "turn_ended", reason, 0);
        Ok(Done::Own(own))
    }

    fn turn_updated(&self, turn: &Turn) -> Value {
        let mut event = json!({"event": "turn_updated", "turn_id": turn.id, "paused_by": turn.causes});
        if let (Some(left), false) = (turn.left, turn.causes.is_empty()) {
            event["paused_remaining_ms"] = json!(left);
        } else {
            event["ends_at_ms"] = json!(self.s.ends_at(turn));
        }
        event
    }

    /// Stops and starts clocks after anything that pauses or resumes.
    pub(super) fn settle_pauses(&mut self) {
        for at in 0..self.s.turns.len() {
            let mut turn = self.s.turns[at].clone();
            let causes = self.s.causes(&turn);
            if causes == turn.causes {
                continue;
            }
            turn.left = self.s.left(&turn);
            turn.since = self.s.now;
            turn.causes = causes;
            self.emit(self.turn_updated(&turn));
            self.s.turns[at] = turn;
        }
    }

    pub(super) fn turn_next(&mut self, actor: &str, f: &Value) -> Outcome {
        let number = f["seat_no"].as_u64();
        let on_seat = |s: &State, turn: &Turn| s.seat_of(&turn.user).map(|seat| seat.no);
        let candidates: Vec<Turn> =
            self.s.turns.iter().filter(|turn| number.is_none() || on_seat(&self.s, turn) == number).cloned().collect();
        if number.is_some_and(|number| self.s.seat(number).is_none()) {
            return no("seat_not_found");
        }
        if let Some(expected) = f["expect_turn_id"].as_str() {
            let Some(turn) = candidates.iter().find(|turn| turn.id == expected) else {
                return no("turn_changed");
            };
            return self.next(actor, Some(turn));
        }
        match candidates.as_slice() {
            [] => self.next(actor, None),
            [turn] => self.next(actor, Some(turn)),
            _ => no("bad_argument"),
        }
    }

    /// Ends that turn and promotes, whatever grace there is.
    fn next(&mut self, actor: &str, turn: Option<&Turn>) -> Outcome {
        if let Some(turn) = turn {
            self.s.check_rank(actor, &turn.user)?;
            self.finish_turn(&turn.user, "next")?;
        }
        if matches!(self.s.mode.as_str(), "queue" | "free") {
            while let Some((user, want)) = self.s.first_waiting() {
                let Some(no) = self.s.free_guest(want) else { break };
                self.leave_queue(&user, "promoted");
                self.sit(&user, no, "promote");
            }
        }
        self.first_is_own()
    }

    pub(super) fn turn_extend(&mut self, actor: &str, f: &Value) -> Outcome {
        let at = self.s.check_turn(actor, f)?;
        let seconds = f["seconds"].as_i64().unwrap_or(0);
        let mut turn = self.s.turns[at].clone();
        let Some(left) = turn.left.filter(|_| seconds != 0) else { return Ok(Done::Noop) };
        let more = seconds * 1000;
        turn.extended += more;
        let total = i64::try_from(turn.length).unwrap_or(i64::MAX) + turn.extended;
        let max = i64::try_from(self.s.rules.turn_max).unwrap_or(i64::MAX);
        if max > 0 && more > 0 && total > max {
            return no("turn_limit");
        }
        turn.left = Some(left + more);
        if self.s.left(&turn).is_some_and(|left| left <= 0) {
            return self.finish_turn(&turn.user, "timeout");
        }
        let event = self.turn_updated(&turn);
        self.s.turns[at] = turn;
        self.own(event)
    }

    pub(super) fn turn_hand(&mut self, actor: &str, f: &Value, on: bool) -> Outcome {
        let at = self.s.check_turn(actor, f)?;
        if self.s.turns[at].hand == on {
            return Ok(Done::Noop);
        }
        self.s.turns[at].hand = on;
        self.settle_pauses();
        Ok(Done::Own(0))
    }

    pub(super) fn turn_yield(&mut self, me: &str, f: &Value) -> Outcome {
        let mine = self.s.turns.iter().find(|turn| turn.user == me).map(|turn| turn.id.clone());
        match (mine, f["expect_turn_id"].as_str()) {
            (None, _) => no_with("turn_changed", json!({"turn_id": null})),
            (Some(id), Some(expected)) if id != expected => no_with("turn_changed", json!({"turn_id": id})),
            _ => self.finish_turn(me, "yield"),
        }
    }
}
