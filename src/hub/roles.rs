//! Roles: their levels, and which command needs which level.
use super::{
    command::Command,
    id::{RoleId, UserId},
    room::Room,
};

/// The level of the owner; nobody else has it.
pub const OWNER: u32 = 1000;
/// The level of an admin.
pub const ADMIN: u32 = 800;
/// The level of a host.
pub const HOST: u32 = 600;
/// The level of everybody who has no other; also of a role that the rules do not know any more.
pub const MEMBER: u32 = 100;

/// The built-in roles with their levels, highest first.
pub const BUILT_IN: &[(&str, u32)] =
    &[("owner", OWNER), ("admin", ADMIN), ("host", HOST), ("vip", 200), ("member", MEMBER), ("guest", 10)];

/// Returns the level of a built-in role.
#[must_use]
pub fn built_in(role: &str) -> Option<u32> {
    BUILT_IN.iter().find(|(name, _)| *name == role).map(|(_, level)| *level)
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
        Command::QueueMove { force: true, .. } => ADMIN,
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
        | Command::TurnResume { .. } => HOST,
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
        | Command::TalkMute { .. } => ADMIN,
        Command::RulesSet { .. } | Command::OwnerTransfer { .. } | Command::RoomClose { .. } => OWNER,
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
    /// Returns the role of `user`: the one given to him, else `member`.
    #[must_use]
    pub fn role_of<'a>(&'a self, user: &UserId) -> &'a str {
        if *user == self.owner {
            return "owner";
        }
        self.roles.get(user).and_then(|grant| grant.role.as_ref()).map_or("member", RoleId::as_str)
    }

    /// Returns the level of `user`'s role.
    #[must_use]
    pub fn level_of(&self, user: &UserId) -> u32 {
        self.rules.level_of_role(self.role_of(user)).unwrap_or(MEMBER)
    }
}
