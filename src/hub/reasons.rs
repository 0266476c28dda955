//! Why something ended, each reason with its name on the wire.

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $wire:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the wire name says it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }

            /// Finds the one with this name on the wire.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|known| known.name() == name).copied()
            }
        }
    };
}

reasons! {
    /// Why somebody is not in the queue any more.
    QueueLeftReason {
        OnHisOwn "self" Left "left" Removed "removed" Promoted "promoted" Seated "seated" Kicked "kicked" Banned "banned"
        QueueBanned "queue_banned" Blacklisted "blacklisted" HoldExpired "hold_expired" RoomClosed "room_closed"
    }
}

reasons! {
    /// Why somebody is not on his seat any more.
    SeatLeftReason {
        OnHisOwn "self" Left "left" TurnEnded "turn_ended" Kicked "kicked" Banned "banned" Replaced "replaced" Evicted "evicted"
        Role "role" Blacklisted "blacklisted" HoldExpired "hold_expired" StreamStopped "stream_stopped" RoomClosed "room_closed"
    }
}

reasons! {
    /// Why a turn ended.
    TurnEndedReason {
        Timeout "timeout" Next "next" Yield "yield" ModeChanged "mode_changed" Moved "moved" OnHisOwn "self" Left "left" Kicked "kicked"
        Banned "banned" Replaced "replaced" Evicted "evicted" Role "role" Blacklisted "blacklisted" HoldExpired "hold_expired"
        StreamStopped "stream_stopped" RoomClosed "room_closed"
    }
}

reasons! {
    /// How an application ended.
    ApplyOutcome { Approved "approved" Rejected "rejected" Cancelled "cancelled" Expired "expired" ModeChanged "mode_changed" }
}

reasons! {
    /// How an invitation ended.
    InviteOutcome { Accepted "accepted" Declined "declined" Cancelled "cancelled" Expired "expired" }
}

impl From<SeatLeftReason> for TurnEndedReason {
    fn from(reason: SeatLeftReason) -> Self {
        match reason {
            SeatLeftReason::OnHisOwn => Self::OnHisOwn,
            SeatLeftReason::Left => Self::Left,
            SeatLeftReason::TurnEnded => Self::Timeout,
            SeatLeftReason::Kicked => Self::Kicked,
            SeatLeftReason::Banned => Self::Banned,
            SeatLeftReason::Replaced => Self::Replaced,
            SeatLeftReason::Evicted => Self::Evicted,
            SeatLeftReason::Role => Self::Role,
            SeatLeftReason::Blacklisted => Self::Blacklisted,
            SeatLeftReason::HoldExpired => Self::HoldExpired,
            SeatLeftReason::StreamStopped => Self::StreamStopped,
            SeatLeftReason::RoomClosed => Self::RoomClosed,
        }
    }
}
