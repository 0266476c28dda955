//! The table of reply codes, and why a command is refused. Names are the contract; numbers are never reused.
use super::{
    id::UserId,
    time::{Millis, UnixMs},
};

macro_rules! codes {
    ($($name:ident $number:literal $wire:literal $temporary:literal $sentence:literal;)*) => {
        /// A reply code: what the client program branches on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $sentence] $name,)* }

        impl Code {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// Returns the name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// Tells whether the same request may succeed later without any change by the client.
            #[must_use]
            pub const fn temporary(self) -> bool {
                match self { $(Self::$name => $temporary,)* }
            }

            /// Returns one sentence for a person.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

codes! {
    BadRequest        1000 "bad_request"        false "The frame is not one valid JSON object with a type.";
    Unauthorized      1001 "unauthorized"       false "A valid token is needed.";
    RoomNotFound      1002 "room_not_found"     false "There is no such room.";
    RoomClosed        1003 "room_closed"        false "The room is closed.";
    NotMember         1004 "not_member"         false "The person is not in the room.";
    Forbidden         1005 "forbidden"          false "The role does not allow this.";
    TargetRank        1006 "target_rank"        false "The other person's level is not below yours.";
    BadArgument       1007 "bad_argument"       false "A field has a wrong type, range or form.";
    RateLimited       1008 "rate_limited"       true  "Too many requests; slow down.";
    StaleRev          1009 "stale_rev"          false "The room has moved on.";
    RevRequired       1010 "rev_required"       false "This command needs if_rev.";
    UnknownType       1011 "unknown_type"       false "The type of the frame is not known.";
    WrongMode         1012 "wrong_mode"         false "The room's mode does not allow this.";
    TooSoon           1013 "too_soon"           true  "This was done a moment ago.";
    BatchFailed       1014 "batch_failed"       false "One operation of the batch was refused, so none was done.";
    LastOwner         1015 "last_owner"         false "The room would lose its owner.";
    IdentityMismatch  1016 "identity_mismatch"  false "The sender named in the frame is somebody else.";
    Unavailable       1017 "unavailable"        true  "The store cannot be reached; try again.";
    TooMany           1018 "too_many"           false "A limit on rooms, watches or sessions is reached.";
    Busy              1019 "busy"               true  "The room has more waiting commands than it may; try again.";
    Internal          1020 "internal"           true  "The hub failed; the operator's log says why.";
    SeatNotFound      2001 "seat_not_found"     false "There is no such seat.";
    SeatLocked        2002 "seat_locked"        false "The seat is locked.";
    SeatTaken         2003 "seat_taken"         false "Somebody sits there.";
    AlreadySeated     2004 "already_seated"     false "The person is on a seat already.";
    NotSeated         2005 "not_seated"         false "The person is not on a seat.";
    NoSeat            2006 "no_seat"            false "No seat is free.";
    SeatReserved      2007 "seat_reserved"      false "The seat is reserved.";
    QueueClosed       3001 "queue_closed"       false "The queue is closed.";
    QueueFull         3002 "queue_full"         false "The queue is full.";
    AlreadyQueued     3003 "already_queued"     false "The person is in the queue already.";
    NotQueued         3004 "not_queued"         false "The person is not in the queue.";
    AnchorGone        3005 "anchor_gone"        false "The neighbour named is not in the queue any more.";
    SelfAnchor        3006 "self_anchor"        false "Nobody can stand before or after himself.";
    SnapshotGone      3007 "snapshot_gone"      false "That snapshot is used up or too old.";
    Cooldown          3008 "cooldown"           false "The person must wait before joining again.";
    TurnChanged       4001 "turn_changed"       false "Another turn runs by now.";
    TurnLimit         4002 "turn_limit"         false "The turn would become longer than allowed.";
    ApplyExists       5001 "apply_exists"       false "An application is open already.";
    ApplyResolved     5002 "apply_resolved"     false "The application was decided already.";
    ApplyNotFound     5003 "apply_not_found"    false "There is no such application.";
    InviteExists      5004 "invite_exists"      false "An invitation is open already.";
    InviteExpired     5005 "invite_expired"     false "The invitation has ended.";
    InviteNotFound    5006 "invite_not_found"   false "There is no such invitation.";
    Blacklisted       6001 "blacklisted"        false "The room's rules refuse this person.";
    NotWhitelisted    6002 "not_whitelisted"    false "The room admits listed people only.";
    WindowClosed      6003 "window_closed"      false "The room's hours do not admit this person now.";
    BadRules          6004 "bad_rules"          false "The rules document is not valid.";
    UserNotReachable  7001 "user_not_reachable" false "The receiver is not here.";
    MessageTooLarge   7002 "message_too_large"  false "The text is too long.";
}

/// Why a command is refused. The session lives on, and nothing has changed.
///
/// Each variant belongs to one row of [`Code`]; what it carries becomes the reply's `details`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.code().sentence())]
pub enum Reject {
    /// A refusal without details.
    Plain(Code),
    /// `bad_argument`: a JSON pointer to the field, and what is expected there.
    Argument { path: String, expected: &'static str },
    /// `stale_rev`: the room's current rev.
    StaleRev { rev: u64 },
    /// `not_member` about another person; `held` if he keeps a place while away.
    NotMember { user: UserId, held: bool },
    /// `already_queued`: the 0-based index where he stands.
    AlreadyQueued { index: usize },
    /// `not_queued` about several people.
    NotQueued { users: Vec<UserId> },
    /// `queue_full`: the limit.
    QueueFull { limit: usize },
    /// `anchor_gone`: the anchor's last neighbours who still wait.
    AnchorGone { before: Option<UserId>, after: Option<UserId> },
    /// `too_soon`: when it may be done, and how long that is from now.
    TooSoon { until: UnixMs, wait: Millis },
    /// A refusal that ends at a known time (`blacklisted`, `forbidden` by a ban, `cooldown`); `None` = no known end.
    Until { code: Code, until: Option<UnixMs> },
    /// `window_closed`: when it opens, if within 8 days.
    WindowClosed { opens_at: Option<UnixMs> },
    /// `turn_changed`: the turn that runs now.
    TurnChanged { turn_id: Option<String> },
    /// `apply_resolved`: how, and by whom.
    ApplyResolved { outcome: &'static str, by: String },
    /// `bad_rules`: a JSON pointer into the document and a sentence.
    BadRules { path: String, message: String },
    /// `batch_failed`: which operation, and why.
    BatchFailed { index: usize, error: Box<Reject> },
}

impl Reject {
    /// Returns the row of the code table.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Plain(code) | Self::Until { code, .. } => *code,
            Self::TooSoon { .. } => Code::TooSoon,
            Self::Argument { .. } => Code::BadArgument,
            Self::StaleRev { .. } => Code::StaleRev,
            Self::NotMember { .. } => Code::NotMember,
            Self::AlreadyQueued { .. } => Code::AlreadyQueued,
            Self::NotQueued { .. } => Code::NotQueued,
            Self::QueueFull { .. } => Code::QueueFull,
            Self::AnchorGone { .. } => Code::AnchorGone,
            Self::WindowClosed { .. } => Code::WindowClosed,
            Self::TurnChanged { .. } => Code::TurnChanged,
            Self::ApplyResolved { .. } => Code::ApplyResolved,
            Self::BadRules { .. } => Code::BadRules,
            Self::BatchFailed { .. } => Code::BatchFailed,
        }
    }

    /// Makes `too_soon`.
    #[must_use]
    pub const fn too_soon(until: UnixMs, now: UnixMs) -> Self {
        Self::TooSoon { until, wait: until.since(now) }
    }

    /// Returns after how long the same may succeed, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Millis> {
        match self {
            Self::TooSoon { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}
