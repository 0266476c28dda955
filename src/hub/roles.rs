//! The built-in roles and their levels.

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
