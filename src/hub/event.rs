//! What happened in a room: results, never wishes. Every event carries each new value that the rules cannot derive.
use super::{
    actor::Actor,
    code::Code,
    cursor::Cursor,
    id::{OpId, RoleId, UserId},
    mode::{Flags, Mode},
    queue::Entry,
    reasons::{ApplyOutcome, InviteOutcome, QueueLeftReason, SeatLeftReason, TurnEndedReason},
    rules::Rules,
    seats::{Media, Via},
    talk::Levels,
    time::{Millis, UnixMs},
    turns::{Causes, Clock},
};
use std::sync::Arc;

/// One thing that happened. Wire names are the same words in snake_case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those that PROTOCOL.md lists under the same names")]
pub enum Event {
    /// `pinned` = placed by a person: nobody was walked past. Otherwise everybody behind `index` got `jumped_by + 1`.
    QueueJoined {
        user: UserId,
        index: usize,
        eff_priority: i64,
        skip_queue: bool,
        seq: u64,
        pinned: bool,
        want_seat: Option<u32>,
        note: Option<String>,
        why: Vec<String>,
    },
    QueueLeft {
        user: UserId,
        reason: QueueLeftReason,
        note: Option<String>,
    },
    QueueMoved {
        user: UserId,
        from: usize,
        to: usize,
        after: Option<UserId>,
    },
    /// `resort`: pins are cleared and `jumped_by` becomes what is listed (absent = 0); otherwise whoever changed his slot is pinned.
    QueueReordered {
        order: Vec<UserId>,
        resort: bool,
        jumped_by: Vec<(UserId, u32)>,
    },
    QueueCleared {
        undo_id: String,
        count: usize,
    },
    /// `order` is the whole queue; `entries` are those who came back.
    QueueRestored {
        undo_id: String,
        order: Vec<UserId>,
        entries: Vec<Entry>,
    },
    QueueHeld {
        user: UserId,
        held_until: UnixMs,
    },
    QueueReturned {
        user: UserId,
    },
    QueueOnDeck {
        user: UserId,
    },
    SeatTaken {
        seat_no: u32,
        user: UserId,
        via: Via,
    },
    SeatLeft {
        seat_no: u32,
        user: UserId,
        reason: SeatLeftReason,
        cooldown_until: Option<UnixMs>,
    },
    SeatMoved {
        user: UserId,
        from: u32,
        to: u32,
    },
    /// Only what changed is `Some`.
    SeatUpdated {
        seat_no: u32,
        locked: Option<bool>,
        admin_muted: Option<bool>,
        self_muted: Option<bool>,
        extra: Option<(String, u64)>,
        media: Option<Media>,
    },
    SeatHeld {
        seat_no: u32,
        user: UserId,
        held_until: UnixMs,
    },
    SeatReturned {
        seat_no: u32,
        user: UserId,
    },
    ApplySubmitted {
        apply_id: String,
        user: UserId,
        want_seat: Option<u32>,
        seq: u64,
        expires_at: UnixMs,
    },
    ApplyEnded {
        apply_id: String,
        user: UserId,
        outcome: ApplyOutcome,
    },
    InviteSent {
        invite_id: String,
        user: UserId,
        seat_no: u32,
        expires_at: UnixMs,
    },
    InviteEnded {
        invite_id: String,
        user: UserId,
        seat_no: u32,
        outcome: InviteOutcome,
    },
    TurnStarted {
        turn_id: String,
        user: UserId,
        seat_no: u32,
        clock: Clock,
        paused_by: Causes,
    },
    TurnUpdated {
        turn_id: String,
        clock: Clock,
        paused_by: Causes,
        extended: i64,
    },
    TurnEnded {
        turn_id: String,
        user: UserId,
        seat_no: u32,
        reason: TurnEndedReason,
    },
    ModeChanged {
        mode: Mode,
        from: Mode,
    },
    FlagsChanged {
        flags: Flags,
    },
    RulesChanged {
        rules_rev: u64,
        rules: Arc<Rules>,
    },
    /// `role = None`: back to the default. `by_token`: a person's later word wins over it.
    RoleChanged {
        user: UserId,
        role: Option<RoleId>,
        from: RoleId,
        by_token: bool,
    },
    MemberKicked {
        user: UserId,
        reason: Option<String>,
    },
    MemberBanned {
        user: UserId,
        until: Option<UnixMs>,
        reason: Option<String>,
    },
    MemberUnbanned {
        user: UserId,
    },
    QueueBanned {
        user: UserId,
        until: UnixMs,
    },
    RoomClosed {
        reason: Option<String>,
    },
    TalkChanged {
        slow_mode: Millis,
        levels: Levels,
    },
    /// A time that has passed: he may speak again.
    TalkMuted {
        user: UserId,
        until: Option<UnixMs>,
    },
}

/// What one accepted command did: one rev.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rev that this step makes.
    pub rev: u64,
    /// Who did it.
    pub by: Actor,
    /// The idempotency key and the fingerprint of the command it belongs to.
    pub op: Option<Op>,
    /// The index of the command's own event in `events`; what stands before it had to happen first.
    pub own: usize,
    /// What happened, in causal order, never empty.
    pub events: Vec<Event>,
}

/// An idempotency key as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The key.
    pub id: OpId,
    /// Tells one command from another: the same key on another command is a mistake of the client.
    pub fingerprint: u64,
    /// What a repeat is answered.
    pub answer: Answer,
}

/// What the answer to a command shows, beside its rev and the fields of its own event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Plain,
    /// A line per person, where it names several: why he was not acted upon, if he was not.
    Each(Vec<(UserId, Option<Code>)>),
    /// The step belongs to a batch whose last step is still to come.
    Later,
    /// The step ends a batch: a line per operation.
    Batch(Vec<Part>),
}

/// What became of one operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It changed the room.
    Done {
        /// Its rev.
        rev: u64,
        /// Its own event.
        event: Event,
    },
    /// There was nothing to change.
    Noop,
    /// It was refused; nothing of it happened.
    Refused(Code),
}

/// One atomic addition to a room's log: all steps or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The position on which it builds.
    pub prev: Cursor,
    /// The position to which it leads.
    pub cursor: Cursor,
    /// The hub time of every event in it; never before that of the commit before.
    pub at: UnixMs,
    /// One per accepted changing command, revs rising by one; never empty.
    pub steps: Vec<Step>,
}
