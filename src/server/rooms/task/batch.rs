//! A batch: decided, committed, and tried again where another node was faster; then its answers. How it is decided and committed stands beside.
use super::{Fate, Settled, Task, follow::losses, unavailable};
use crate::hub::{
    code::Reject,
    decide::Draft,
    event::Commit,
    time::{Millis, UnixMs},
};
use crate::server::{
    msg::{Refusal, RoomMsg},
    telemetry::metrics,
};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// How often a batch is decided again when the store's log has moved on.
const ATTEMPTS: usize = 32;
/// From which attempt on there is a pause before the next one, so that nodes do not race in step; milliseconds, at most.
const PAUSE_FROM: usize = 3;
const PAUSE_MS: u64 = 8;
/// With every how many attempts the others are asked for a moment of quiet instead.
const QUIET_EVERY: usize = 4;
/// For how long after a lost race a node that wins lets others go first, and how long it waits then; milliseconds, at most.
const RACE_MS: u64 = 100;
const YIELD_MS: u64 = 3;
/// The wait before a deadline that could not be dealt with is tried again.
const RETRY: Millis = Millis(1_000);

/// What came of one attempt to settle a batch.
struct Tried {
    outcome: Settled,
    fates: Vec<Fate>,
    committed: Option<Commit>,
}

impl Task {
    /// Decides a batch, commits it, and only then answers.
    ///
    /// Returns the messages that did not fit into it.
    pub(super) async fn batch(&mut self, mut batch: Vec<RoomMsg>) -> Vec<RoomMsg> {
        let deps = self.home.rooms.deps();
        self.bucket.set_rate(deps.settings.load().commands_per_second, deps.clock.mono());
        let since = self.home.waiting.begin();
        self.mark_begin(since, batch.iter().filter(|message| message.is_counted()).count());
        if self.follow.is_some() && batch.iter().any(|message| self.is_ahead(message)) {
            self.resync().await;
        }
        self.keep_quiet().await;
        let mut rest = Vec::new();
        let Tried { outcome, fates, committed } = self.try_often(&mut batch, &mut rest).await;
        for _ in batch.iter().filter(|message| message.is_counted()) {
            self.home.waiting.taken();
        }
        self.mark_settled(&outcome);
        match outcome {
            Settled::Done => self.conclude(batch, fates, committed, since).await,
            Settled::Failed(refusal) => self.abandon(batch, &refusal).await,
            Settled::Moved => self.abandon(batch, &unavailable("none")).await,
        }
        self.mark_told();
        rest
    }

    /// Tries until the batch is settled, again after each commit of another node that came first. What does not fit goes to `rest`.
    async fn try_often(&mut self, batch: &mut Vec<RoomMsg>, rest: &mut Vec<RoomMsg>) -> Tried {
        let bucket = self.bucket.clone();
        // Whoever loses a place, or is held, is looked for on the other nodes once per batch.
        let mut looked = self.follow.is_none();
        self.members.begin();
        self.talking.begin();
        let mut tried = Tried { outcome: Settled::Moved, fates: Vec::new(), committed: None };
        let mut begun = self.home.rooms.deps().clock.mono();
        for attempt in 0..ATTEMPTS {
            let clock = self.home.rooms.deps().clock;
            if attempt >= PAUSE_FROM {
                if attempt % QUIET_EVERY == 0 {
                    self.ask_for_quiet(clock.mono().since(begun));
                } else {
                    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=PAUSE_MS))).await;
                }
                // Others have gone on meanwhile: what is decided on the old head is lost before it is offered.
                self.unsure = true;
            }
            begun = clock.mono();
            let lost_touch = self.unsure && !self.catch_up().await;
            if lost_touch || (attempt > 0 && self.standing != self.standing_now()) {
                tried.outcome = Settled::Failed(unavailable("none"));
                break;
            }
            self.bucket = bucket.clone();
            self.talking.rewind();
            tried = self.try_once(batch, rest, &mut looked).await;
            match &tried.outcome {
                Settled::Moved => self.members.rewind(),
                Settled::Done | Settled::Failed(_) => break,
            }
        }
        tried
    }

    async fn try_once(&mut self, batch: &mut Vec<RoomMsg>, rest: &mut Vec<RoomMsg>, looked: &mut bool) -> Tried {
        let mut fates = self.decide(batch, rest);
        let mut committed = self.draft.finish();
        let lost = committed.as_ref().filter(|_| !*looked).map(losses).unwrap_or_default();
        if !lost.is_empty() {
            *looked = true;
            self.members.rewind();
            let there = self.someone_is_there(&lost).await;
            self.members.begin();
            self.draft = self.fresh_draft();
            match there {
                Ok(false) => {
                    fates = self.decide(batch, rest);
                    committed = self.draft.finish();
                }
                Ok(true) => return Tried { outcome: Settled::Moved, fates, committed: None },
                Err(_) => return Tried { outcome: Settled::Failed(unavailable("none")), fates, committed: None },
            }
        }
        let outcome = match &committed {
            None => self.confirm(batch).await,
            Some(commit) => {
                self.mark_commit();
                let outcome = self.commit(commit).await;
                self.mark_committed();
                outcome
            }
        };
        if matches!(outcome, Settled::Moved) {
            self.raced_at = Some(self.home.rooms.deps().clock.mono());
        }
        Tried { outcome, fates, committed }
    }

    /// Tells what a settled batch has done; `since`: when its first message came, in microseconds.
    async fn conclude(&mut self, batch: Vec<RoomMsg>, fates: Vec<Fate>, committed: Option<Commit>, since: Option<u64>) {
        let now = self.now();
        // A deadline that is still due would make the task spin.
        let stuck = committed.is_none() && self.draft.next_deadline().is_some_and(|at| at <= now);
        self.retry_at = if stuck { now.plus(RETRY) } else { UnixMs(0) };
        for fate in &fates {
            if let Fate::Decided(decided) = fate {
                metrics::command(decided.as_ref().err().map(Reject::code));
            }
        }
        let changed = committed.is_some();
        // Before the answers: whoever was let in is counted when he hears of it.
        self.home.online.store(self.members.count(), Relaxed);
        self.publish(batch, fates, committed).await;
        if let Some(since) = since {
            let micros = self.home.rooms.deps().clock.micros().saturating_sub(since);
            metrics::message(metrics::Message::Command, micros);
        }
        self.settle_members();
        self.level_at = None;
        if changed {
            self.let_others_go_first().await;
        }
    }

    /// Turns everybody of a batch away that could not be settled, and looks again soon at who is here.
    async fn abandon(&mut self, batch: Vec<RoomMsg>, refused: &Refusal) {
        self.members.rewind();
        self.talking.rewind();
        self.draft = self.fresh_draft();
        let again = self.now().plus(RETRY);
        self.retry_at = again;
        self.turn_away(batch, refused).await;
        self.settle_members();
        self.level_at = Some(again);
    }

    /// Rests for a moment if other nodes want to change the room too: without that whoever has just won is first again, and the commands
    /// of the others wait for ever. What comes in meanwhile makes the next batch larger.
    async fn let_others_go_first(&mut self) {
        let now = self.home.rooms.deps().clock.mono();
        if self.raced_at.is_some_and(|at| now.since(at) < RACE_MS) {
            tokio::time::sleep(Duration::from_millis(rand::random_range(1..=YIELD_MS))).await;
        }
    }

    pub(super) fn fresh_draft(&self) -> Draft {
        let mut draft = Draft::new(&self.room);
        draft.hold_promotion(self.no_promotion_before);
        draft
    }

    /// Tells whether somebody names a position that this node has not reached.
    fn is_ahead(&self, message: &RoomMsg) -> bool {
        let cursor = match message {
            RoomMsg::Join { since, .. } => since.cursor,
            RoomMsg::Sync { cursor, .. } | RoomMsg::Updates { cursor, .. } => *cursor,
            _ => return false,
        };
        cursor.is_some_and(|cursor| cursor != self.room.head && cursor.rev >= self.room.head.rev)
    }
}
