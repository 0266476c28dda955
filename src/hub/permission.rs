//! Permissions: which role may use which command. What a command allows on whom is judged by the command itself.
use super::{actor::Actor, command::Command, roles, room::Room};

/// Writes the names and [`Command::name`] from one table, so that no command is missing from either.
macro_rules! names {
    ($($command:ident $name:literal)*; without: $($own:ident)*) => {
        /// What the rules may add to a role beyond its level's set: the names of the commands, and `history`, reading the audit.
        pub const NAMES: &[&str] = &[$($name,)* "history"];

        impl Command {
            /// Returns the name on the wire; `None` = the hub's own command, which has none.
            #[must_use]
            pub const fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$command { .. } => Some($name),)*
                    $(Self::$own { .. })|* => None,
                }
            }
        }
    };
}

names! {
    QueueJoin "queue_join"
    QueueLeave "queue_leave"
    QueueInsert "queue_insert"
    QueueRemove "queue_remove"
    QueueMove "queue_move"
    QueueReorder "queue_reorder"
    QueueClear "queue_clear"
    QueueRestore "queue_restore"
    QueueResort "queue_resort"
    ApplySubmit "apply_submit"
    ApplyCancel "apply_cancel"
    ApplyResolve "apply_resolve"
    InviteSend "invite_send"
    InviteReply "invite_reply"
    InviteCancel "invite_cancel"
    SeatTake "seat_take"
    SeatLeave "seat_leave"
    SeatAssign "seat_assign"
    SeatMove "seat_move"
    SeatKick "seat_kick"
    SeatLock "seat_lock"
    SeatMute "seat_mute"
    SeatExtra "seat_extra"
    TurnNext "turn_next"
    TurnExtend "turn_extend"
    TurnPause "turn_pause"
    TurnResume "turn_resume"
    TurnYield "turn_yield"
    ModeSet "mode_set"
    FlagSet "flag_set"
    RulesSet "rules_set"
    RoleSet "role_set"
    OwnerTransfer "owner_transfer"
    UserKick "user_kick"
    UserBan "user_ban"
    UserUnban "user_unban"
    QueueBan "queue_ban"
    RoomClose "room_close"
    TalkSet "talk_set"
    TalkMute "talk_mute"
    Batch "batch"
    Explain "explain"
    ;
    without: Lost Returned Left HoldExpired TurnOver ApplyOver InviteOver StreamStarted StreamStopped StreamOver TokenRole Promote
}

/// Returns the level that a command needs. Own seat and own mute are judged by the command itself.
#[must_use]
pub const fn level_for(command: &Command) -> u32 {
    match command {
        Command::QueueJoin { .. }
        | Command::QueueLeave
        | Command::SeatTake { .. }
        | Command::SeatLeave
        | Command::SeatMove { target: None, .. }
        | Command::SeatMute { .. }
        | Command::ApplySubmit { .. }
        | Command::ApplyCancel { .. }
        | Command::InviteReply { .. }
        | Command::TurnYield { .. }
        | Command::Batch { .. }
        | Command::Explain { .. } => 0,
        Command::QueueMove { force: true, .. } => roles::ADMIN,
        Command::QueueInsert { .. }
        | Command::QueueRemove { .. }
        | Command::QueueMove { .. }
        | Command::QueueReorder { .. }
        | Command::SeatAssign { .. }
        | Command::SeatMove { .. }
        | Command::SeatKick { .. }
        | Command::SeatLock { .. }
        | Command::SeatExtra { .. }
        | Command::ApplyResolve { .. }
        | Command::InviteSend { .. }
        | Command::InviteCancel { .. }
        | Command::TurnNext { .. }
        | Command::TurnExtend { .. }
        | Command::TurnPause { .. }
        | Command::TurnResume { .. } => roles::HOST,
        Command::QueueClear
        | Command::QueueRestore { .. }
        | Command::QueueResort
        | Command::ModeSet { .. }
        | Command::FlagSet { .. }
        | Command::RoleSet { .. }
        | Command::UserKick { .. }
        | Command::UserBan { .. }
        | Command::UserUnban { .. }
        | Command::QueueBan { .. }
        | Command::TalkSet { .. }
        | Command::TalkMute { .. } => roles::ADMIN,
        Command::RulesSet { .. } | Command::OwnerTransfer { .. } | Command::RoomClose { .. } => roles::OWNER,
        Command::Lost { .. }
        | Command::Returned { .. }
        | Command::Left { .. }
        | Command::HoldExpired { .. }
        | Command::TurnOver { .. }
        | Command::ApplyOver { .. }
        | Command::InviteOver { .. }
        | Command::StreamStarted { .. }
        | Command::StreamStopped { .. }
        | Command::StreamOver { .. }
        | Command::TokenRole { .. }
        | Command::Promote => u32::MAX,
    }
}

impl Room {
    /// Tells whether the rules add this command to the role of `actor`.
    #[must_use]
    pub fn is_granted(&self, actor: &Actor, name: &str) -> bool {
        let Actor::User(user) = actor else { return false };
        let rule = self.rules.role(self.role_of(user));
        rule.is_some_and(|rule| rule.perms.iter().any(|granted| granted == name))
    }

    /// Tells whether `actor` may use this command: by his level, or because the rules add it to his role.
    ///
    /// `force` in `queue_move` needs its level whatever the rules add. The hub's own commands are nobody else's.
    #[must_use]
    pub fn may(&self, actor: &Actor, command: &Command) -> bool {
        let needed = level_for(command);
        match (actor, command.name()) {
            (Actor::Hub, _) | (Actor::Service, Some(_)) => true,
            (Actor::User(user), Some(name)) => {
                let forced = matches!(command, Command::QueueMove { force: true, .. });
                let own = matches!(command, Command::SeatMove { target: Some(target), .. } if target == user);
                own || self.level_of(user) >= needed || (!forced && self.is_granted(actor, name))
            }
            (Actor::User(_) | Actor::Service, None) => false,
        }
    }
}
