//! A batch: decided on the draft, committed once, and decided again where the log has moved on.
use super::{Fate, SNAPSHOT_EVERY, Settled, Task, follow::losses, unavailable};
use crate::server::{
    msg::{EndedByHub, Member, Refusal, RoomMsg, TokenRole},
    rooms::members::Handover,
    store::{CommitError, LogEntry},
    telemetry::metrics,
};
use crate::{
    hub::{
        actor::Actor,
        chain::{self, Offered},
        code::{Code, Reject},
        command::{Command, Request},
        decide::{Decision, Draft},
        event::{Commit, Event},
        id::CommitId,
        mode::Status,
        time::{Millis, UnixMs},
    },
    wire::{
        event::weight,
        record::{encode_commit, encode_room},
    },
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
/// For how long after a load nobody is promoted past somebody held.
const LOAD_GRACE: Millis = Millis(10_000);
/// At how many bytes of events a batch ends.
const BATCH_BYTES: usize = 64 * 1024;
/// How long somebody whom a hub going down has sent away may take, from when he may be back, until he is shown held.
const DRAINED: Millis = Millis(5_000);
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

    /// On many nodes a refusal counts only if the room is still where it was when it was decided.
    async fn confirm(&mut self, batch: &[RoomMsg]) -> Settled {
        let told = |message: &RoomMsg| matches!(message, RoomMsg::Command { .. });
        if self.follow.is_none() || !batch.iter().any(told) {
            return Settled::Done;
        }
        let rooms = self.home.rooms.clone();
        match rooms.deps().store.confirm(&self.home.id, self.room.head).await {
            Ok(()) => Settled::Done,
            Err(CommitError::Mismatch { since }) => self.moved(since).await,
            Err(CommitError::NotDone(_) | CommitError::Unknown(_)) => Settled::Failed(unavailable("none")),
        }
    }

    /// The log has moved on: takes over what it holds, or looks closer before the next attempt.
    async fn moved(&mut self, since: Option<Vec<LogEntry>>) -> Settled {
        self.members.rewind();
        self.members.begin();
        self.unsure = match since {
            Some(entries) if self.follow.is_some() => !self.apply_all(&entries).await,
            _ => true,
        };
        self.members.begin();
        self.draft = self.fresh_draft();
        metrics::commit(metrics::Commit::Moved);
        ::metrics::counter!("michub_room_races_total").increment(1);
        Settled::Moved
    }

    /// Decides as much as makes one commit; what does not fit goes to the front of `rest`.
    fn decide(&mut self, batch: &mut Vec<RoomMsg>, rest: &mut Vec<RoomMsg>) -> Vec<Fate> {
        let now = self.now();
        self.kicked.clear();
        self.members.at(now);
        if self.follow.is_some() && self.held_at_load {
            self.members.expect(self.room.placed().into_iter().map(|(user, _)| user));
        }
        self.draft.begin(CommitId(rand::random()), now);
        if !self.held_at_load {
            self.no_promotion_before = now.plus(LOAD_GRACE);
            let handover = self.home.rooms.deps().settings.load().handover;
            self.draft.after_load(&self.members, handover);
        }
        if self.is_in_time() {
            self.draft.due(&self.members);
        }
        let mut fates = Vec::with_capacity(batch.len());
        let (mut steps, mut bytes) = (0, 0);
        for message in &*batch {
            fates.push(self.decide_one(message, now));
            if batch.len() > 1 {
                bytes += self.draft.steps().get(steps..).map_or(0, weight);
                steps = self.draft.steps().len();
            }
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        rest.splice(0..0, batch.split_off(fates.len()));
        self.draft.level(&self.members);
        fates
    }

    fn decide_one(&mut self, message: &RoomMsg, now: UnixMs) -> Fate {
        match message {
            RoomMsg::Command { request, rated, .. } => Fate::Decided(self.command(request, *rated)),
            RoomMsg::Say { from, saying, rated, .. } => Fate::Said(self.plan(from, saying, *rated, now)),
            RoomMsg::Join { member, token_role, .. } => Fate::Entered(self.enter(member, token_role.as_ref(), now)),
            RoomMsg::Leave { session, .. } => match self.members.leave(session) {
                None => Fate::Left(None),
                Some((user, conn, last)) => {
                    if last {
                        self.by_hub(Command::Left { user });
                    }
                    Fate::Left(conn)
                }
            },
            RoomMsg::Lost { .. } | RoomMsg::Gone { .. } => {
                self.drop_line(message);
                Fate::Read
            }
            RoomMsg::Hub(command) => {
                self.by_hub(command.clone());
                Fate::Read
            }
            RoomMsg::Look => {
                self.look();
                Fate::Read
            }
            RoomMsg::Settle(_)
            | RoomMsg::Presence(_)
            | RoomMsg::Sync { .. }
            | RoomMsg::Members { .. }
            | RoomMsg::Refused { .. }
            | RoomMsg::Seat { .. }
            | RoomMsg::Snapshot { .. }
            | RoomMsg::Messages { .. }
            | RoomMsg::Create { .. }
            | RoomMsg::Updates { .. } => Fate::Read,
        }
    }

    pub(super) fn drop_line(&mut self, message: &RoomMsg) {
        match message {
            RoomMsg::Lost { session, conn, by_hub } => {
                let handover = by_hub.map(|ended| self.handover(ended));
                self.members.lost(session, *conn, handover);
            }
            RoomMsg::Gone { user, session } => self.members.gone(user, session),
            _ => {}
        }
    }

    fn handover(&self, ended: EndedByHub) -> Handover {
        let hold = ended.retry_after.plus(self.home.rooms.deps().settings.load().handover);
        let drained = ended.drained.then(|| self.now().plus(ended.retry_after.plus(DRAINED)));
        Handover { hold, shown_from: drained.unwrap_or(UnixMs(0)) }
    }

    fn command(&mut self, request: &Request, rated: bool) -> Result<Decision, Reject> {
        let rated = rated && !self.draft.is_known(request);
        let cost = if let Command::Batch { ops, .. } = &request.command { ops.len() as u64 } else { 1 };
        if rated && !self.bucket.take_many(cost, self.home.rooms.deps().clock.mono()) {
            return Err(Reject::Plain(Code::RateLimited));
        }
        let before = self.draft.steps().len();
        let decision = self.draft.decide(request, &self.members)?;
        for event in self.draft.steps().iter().skip(before).flat_map(|step| &step.events) {
            if let Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. } = event {
                self.kicked.extend(self.members.put_out(user));
            }
        }
        Ok(decision)
    }

    fn enter(&mut self, member: &Member, token_role: Option<&TokenRole>, now: UnixMs) -> Result<(), Reject> {
        let room = self.draft.room();
        if room.status == Status::Closed {
            return Err(Reject::Plain(Code::RoomClosed));
        }
        if let Some(until) = room.ban_of(&member.user, now) {
            return Err(Reject::Until { code: Code::Forbidden, until });
        }
        self.members.join(member);
        if let Some(TokenRole { role, issued_at }) = token_role.cloned() {
            self.by_hub(Command::TokenRole { user: member.user.clone(), role, issued_at });
        }
        Ok(())
    }

    fn by_hub(&mut self, command: Command) {
        let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command };
        if let Err(reject) = self.draft.decide(&request, &self.members) {
            tracing::error!(room = %self.home.id, ?request, %reject, "the hub's own command is refused");
        }
    }

    /// Hands the commit to the store. After a success the room stands at its head.
    async fn commit(&mut self, commit: &Commit) -> Settled {
        let entry = LogEntry { prev: commit.prev, cursor: commit.cursor, at: commit.at, record: encode_commit(commit) };
        // On many nodes whoever crosses a multiple writes the snapshot: they count the same revs, not the same commits.
        let crosses = self.follow.is_some() && commit.prev.rev / SNAPSHOT_EVERY != commit.cursor.rev / SNAPSHOT_EVERY;
        let due = if self.follow.is_some() { crosses } else { self.commits >= SNAPSHOT_EVERY };
        let snapshot = due.then(|| encode_room(self.draft.room()));
        let written_snapshot = snapshot.is_some();
        let rooms = self.home.rooms.clone();
        let store = &rooms.deps().store;
        let begin = rooms.deps().clock.micros();
        let mut result = store.commit(&self.home.id, entry.clone(), snapshot.clone()).await;
        let uncertain = matches!(result, Err(CommitError::Unknown(_)));
        if uncertain {
            result = store.commit(&self.home.id, entry.clone(), snapshot).await;
        }
        metrics::COMMIT_SECONDS.record(metrics::seconds(rooms.deps().clock.micros().saturating_sub(begin)));
        match result {
            Ok(()) => {}
            Err(CommitError::Mismatch { since }) => {
                let links: Option<Vec<chain::Link>> = since.as_ref().map(|entries| entries.iter().map(LogEntry::link).collect());
                match chain::offered(commit.cursor, links.as_deref(), uncertain) {
                    // Nobody else writes to this store: what is in its log then is read before anything is said.
                    Offered::Race if uncertain && self.follow.is_none() => return self.unsure("the log has moved on"),
                    Offered::Landed => {}
                    Offered::Race | Offered::Lost => return self.moved(since).await,
                    Offered::Unknown => return self.unsure("the log has moved on"),
                }
            }
            Err(CommitError::NotDone(fault)) if !uncertain => {
                metrics::commit(metrics::Commit::Refused);
                tracing::error!(room = %self.home.id, %fault, "a commit was not written");
                return Settled::Failed(unavailable("none"));
            }
            Err(error) => return self.unsure(&error.to_string()),
        }
        if self.room.apply(commit).is_err() {
            // The draft was made from this room, so this cannot be; if it were, the log is right.
            return self.unsure("the room is not at the commit's position");
        }
        self.committed(entry);
        self.commits = if written_snapshot { 1 } else { self.commits + 1 };
        self.held_at_load = true;
        metrics::commit(metrics::Commit::Ok);
        Settled::Done
    }

    fn unsure(&mut self, why: &str) -> Settled {
        metrics::commit(metrics::Commit::Unknown);
        tracing::error!(room = %self.home.id, why, "it is not known whether a commit was written");
        self.unsure = true;
        Settled::Failed(unavailable("unknown"))
    }

    /// Reads the log again, and tells everybody what was missed. Returns whether the room is known again.
    async fn catch_up(&mut self) -> bool {
        if self.follow.is_some() { self.resync().await } else { self.reload().await }
    }
}
