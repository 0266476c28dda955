//! Who asks something of a room.
use super::id::UserId;

/// Who asks. It comes from the verified token or key, never from the frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A person, with the level his role gives.
    User(UserId),
    /// A backend with an API key: everything, no level check.
    Service,
    /// The hub: timers, lost lines, token roles.
    Hub,
}
