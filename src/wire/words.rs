//! Words of which there is a closed set, as JSON: shown by frames, read in rules, kept in records.
use crate::hub::{
    mode::{Mode, Status},
    seats::{SeatKind, Via},
};
use serde::{Deserialize, Serialize};

macro_rules! mirror {
    ($(#[$doc:meta])* $json:ident = $hub:ident { $($variant:ident)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum $json { $($variant,)* }

        impl From<$hub> for $json {
            fn from(value: $hub) -> Self {
                match value { $($hub::$variant => Self::$variant,)* }
            }
        }

        impl From<$json> for $hub {
            fn from(value: $json) -> Self {
                match value { $($json::$variant => Self::$variant,)* }
            }
        }
    };
}

mirror! {
    /// A room's mode.
    ModeJson = Mode { Free Apply Queue Chair }
}
mirror! {
    /// How somebody came to his seat.
    ViaJson = Via { Take Apply Invite Promote Assign Move }
}
mirror! {
    /// What kind of seat.
    SeatKindJson = SeatKind { Guest Host }
}
mirror! {
    /// Open or closed.
    StatusJson = Status { Open Closed }
}
