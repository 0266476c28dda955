//! Permissions: which role may use which command. What a command allows on whom is judged by the command itself.
use super::{actor::Actor, command::Command, roles, room::Room};

/// What the rules may add to a role beyond its level's set: the names of the commands, and `history`, reading the audit.
pub const NAMES: &[&str] = &[
    "queue_join",
    "queue_leave",
    "queue_insert",
    "queue_remove",
    "queue_move",
    "queue_reorder",
    "queue_clear",
    "queue_restore",
    "queue_resort",
    "apply_submit",
    "apply_cancel",
    "apply_resolve",
    "invite_send",
    "invite_reply",
    "invite_cancel",
    "seat_take",
    "seat_leave",
    "seat_assign",
    "seat_move",
    "seat_kick",
    "seat_lock",
    "seat_mute",
    "seat_extra",
    "turn_next",
    "turn_extend",
    "turn_pause",
    "turn_resume",
    "turn_yield",
    "mode_set",
    "flag_set",
    "rules_set",
    "role_set",
    "owner_transfer",
    "user_kick",
    "user_ban",
    "user_unban",
    "queue_ban",
    "room_close",
    "talk_set",
    "talk_mute",
    "batch",
    "explain",
    "history",
];

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

impl Command {
    /// Returns the name on the wire; `None` = the hub's own command, which has none.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::QueueJoin { .. } => "queue_join",
            Self::QueueLeave => "queue_leave",
            Self::QueueInsert { .. } => "queue_insert",
            Self::QueueRemove { .. } => "queue_remove",
            Self::QueueMove { .. } => "queue_move",
            Self::QueueReorder { .. } => "queue_reorder",
            Self::QueueClear => "queue_clear",
            Self::QueueRestore { .. } => "queue_restore",
            Self::QueueResort => "queue_resort",
            Self::SeatTake { .. } => "seat_take",
            Self::SeatLeave => "seat_leave",
            Self::SeatAssign { .. } => "seat_assign",
            Self::SeatMove { .. } => "seat_move",
            Self::SeatKick { .. } => "seat_kick",
            Self::SeatLock { .. } => "seat_lock",
            Self::SeatMute { .. } => "seat_mute",
            Self::SeatExtra { .. } => "seat_extra",
            Self::ApplySubmit { .. } => "apply_submit",
            Self::ApplyCancel { .. } => "apply_cancel",
            Self::ApplyResolve { .. } => "apply_resolve",
            Self::InviteSend { .. } => "invite_send",
            Self::InviteReply { .. } => "invite_reply",
            Self::InviteCancel { .. } => "invite_cancel",
            Self::TurnNext { .. } => "turn_next",
            Self::TurnExtend { .. } => "turn_extend",
            Self::TurnPause { .. } => "turn_pause",
            Self::TurnResume { .. } => "turn_resume",
            Self::TurnYield { .. } => "turn_yield",
            Self::ModeSet { .. } => "mode_set",
            Self::FlagSet { .. } => "flag_set",
            Self::RulesSet { .. } => "rules_set",
            Self::RoleSet { .. } => "role_set",
            Self::OwnerTransfer { .. } => "owner_transfer",
            Self::UserKick { .. } => "user_kick",
            Self::UserBan { .. } => "user_ban",
            Self::UserUnban { .. } => "user_unban",
            Self::QueueBan { .. } => "queue_ban",
            Self::RoomClose { .. } => "room_close",
            Self::TalkSet { .. } => "talk_set",
            Self::TalkMute { .. } => "talk_mute",
            Self::Batch { .. } => "batch",
            Self::Explain { .. } => "explain",
            Self::Lost { .. }
            | Self::Returned { .. }
            | Self::Left { .. }
            | Self::HoldExpired { .. }
            | Self::TurnOver { .. }
            | Self::ApplyOver { .. }
            | Self::InviteOver { .. }
            | Self::StreamStarted { .. }
            | Self::StreamStopped { .. }
            | Self::StreamOver { .. }
            | Self::TokenRole { .. }
            | Self::Promote => return None,
        })
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
