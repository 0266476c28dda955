//! All that a room can be asked, by a person, a backend or the hub itself (a passed deadline is a command too).
use super::{
    actor::Actor,
    cursor::Cursor,
    id::{OpId, RoleId, UserId},
    mode::{Flag, Mode},
    queue::{OnMissing, Place},
    rules::{BadRules, Rules},
    time::{Millis, UnixMs},
};
use std::sync::Arc;

/// A command with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// The idempotency key, if the client gave one.
    pub op_id: Option<OpId>,
    /// The position at which the command is meant, if the client gave one.
    pub if_rev: Option<IfRev>,
    /// What is asked.
    pub command: Command,
}

/// The precondition `if_rev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfRev {
    /// A bare rev.
    Rev(u64),
    /// A rev with the identity of its commit.
    Cursor(Cursor),
}

/// What to do when the wanted seat has an occupant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SeatPolicy {
    /// Refuse with `seat_taken`.
    #[default]
    Fail,
    /// The occupant leaves.
    Replace,
    /// The two change places (`seat_move` only).
    Swap,
}

/// The seats that a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SeatSet {
    /// All guest seats.
    All,
    /// These seats.
    Numbers(Vec<u32>),
}

/// All that can be asked of a room. Wire names are the same words in snake_case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields are the arguments that PROTOCOL.md lists under the same names")]
pub enum Command {
    QueueJoin {
        want_seat: Option<u32>,
        note: Option<String>,
    },
    QueueLeave,
    QueueInsert {
        target: UserId,
        place: Place,
        respect_rules: bool,
    },
    QueueRemove {
        targets: Vec<UserId>,
        reason: Option<String>,
    },
    QueueMove {
        target: UserId,
        place: Place,
        on_missing: OnMissing,
        force: bool,
    },
    QueueReorder {
        users: Vec<UserId>,
    },
    QueueClear,
    QueueRestore {
        undo_id: String,
    },
    QueueResort,
    SeatTake {
        seat_no: Option<u32>,
    },
    SeatLeave,
    SeatAssign {
        target: UserId,
        seat_no: Option<u32>,
        policy: SeatPolicy,
        requeue: bool,
    },
    SeatMove {
        target: Option<UserId>,
        seat_no: u32,
        policy: SeatPolicy,
    },
    SeatKick {
        target: UserId,
        requeue: bool,
        cooldown_seconds: u64,
    },
    SeatLock {
        seats: SeatSet,
        on: bool,
        evict: bool,
    },
    SeatMute {
        seats: SeatSet,
        on: bool,
    },
    SeatExtra {
        seat_no: u32,
        extra: String,
        if_extra_rev: Option<u64>,
    },
    ModeSet {
        mode: Mode,
    },
    FlagSet {
        flag: Flag,
        on: bool,
    },
    ApplySubmit {
        want_seat: Option<u32>,
    },
    ApplyCancel {
        apply_id: String,
    },
    ApplyResolve {
        apply_id: String,
        approve: bool,
        seat_no: Option<u32>,
    },
    InviteSend {
        target: UserId,
        seat_no: Option<u32>,
        ttl: Option<Millis>,
    },
    InviteReply {
        invite_id: String,
        accept: bool,
    },
    InviteCancel {
        invite_id: String,
    },
    TurnNext {
        expect: Option<String>,
        seat_no: Option<u32>,
    },
    TurnExtend {
        expect: String,
        seconds: i64,
    },
    TurnPause {
        expect: String,
    },
    TurnResume {
        expect: String,
    },
    TurnYield {
        expect: Option<String>,
    },
    /// A document that cannot be read is refused like any other command, in its turn.
    RulesSet {
        rules: Result<Arc<Rules>, BadRules>,
        if_rules_rev: Option<u64>,
    },
    RoleSet {
        target: UserId,
        role: Option<RoleId>,
    },
    OwnerTransfer {
        target: UserId,
    },
    UserKick {
        target: UserId,
        reason: Option<String>,
    },
    UserBan {
        target: UserId,
        reason: Option<String>,
        until: Option<UnixMs>,
    },
    UserUnban {
        target: UserId,
    },
    QueueBan {
        target: UserId,
        until: UnixMs,
    },
    RoomClose {
        reason: Option<String>,
    },
    TalkSet {
        slow_mode: Option<Millis>,
        must_level: Option<u32>,
        normal_level: Option<u32>,
        droppable_level: Option<u32>,
    },
    TalkMute {
        target: UserId,
        until: Option<UnixMs>,
    },
    /// Several commands, one after the other, in one commit; `atomic`: all or none.
    Batch {
        ops: Vec<Self>,
        atomic: bool,
    },
    /// What would become of a command, of one's own or of somebody else's; nothing happens.
    Explain {
        command: Box<Self>,
        as_user: Option<UserId>,
    },
    /// By the hub: the person's last live session in the room is gone, and he did not say goodbye.
    Lost {
        user: UserId,
        hold_at_least: Millis,
    },
    /// By the hub: somebody held is live again.
    Returned {
        user: UserId,
    },
    /// By the hub: the person left the room on purpose.
    Left {
        user: UserId,
    },
    /// By the hub: a hold that ends at `held_until` has ended.
    HoldExpired {
        user: UserId,
        held_until: UnixMs,
    },
    /// By the hub: the time of a turn is over.
    TurnOver {
        turn_id: String,
    },
    /// By the hub: nobody decided on an application in time.
    ApplyOver {
        apply_id: String,
    },
    /// By the hub: somebody invited did not answer in time.
    InviteOver {
        invite_id: String,
    },
    /// By the hub: a media server says that the person is on air.
    StreamStarted {
        user: UserId,
    },
    /// By the hub: the person's newest media stream stopped then, and none has come since.
    StreamStopped {
        user: UserId,
        stopped_at: UnixMs,
    },
    /// By the hub: the grace for a stopped stream has passed.
    StreamOver {
        user: UserId,
        lost_until: UnixMs,
    },
    /// By the hub: the person's token gives him this role here.
    TokenRole {
        user: UserId,
        role: RoleId,
        issued_at: UnixMs,
    },
    /// By the hub: a grace has passed, so promotion may begin (or go on).
    Promote,
}
