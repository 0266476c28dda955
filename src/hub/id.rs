//! Ids as parsed newtypes: whoever holds one need not check it again.
use std::{borrow::Borrow, fmt, sync::Arc};

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// Says why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than [`MAX_ID_BYTES`].
    #[error("an id has 1 to 64 bytes")]
    Length,
    /// A byte that ids do not have.
    #[error("an id consists of A-Z a-z 0-9 _ . : @ -")]
    Character,
}

fn check_length(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_ID_BYTES { Err(IdError::Length) } else { Ok(()) }
}

/// The bytes that ids have: a table, because ids are looked at in every frame.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'@' | b'-');
        byte += 1;
    }
    table
};

fn check_name(text: &str) -> Result<(), IdError> {
    check_length(text)?;
    if text.bytes().all(|byte| IN_NAMES[usize::from(byte)]) { Ok(()) } else { Err(IdError::Character) }
}

/// Tells whether `text` has the form of an id of people, rooms, sessions and roles. No allocation.
#[must_use]
pub fn is_name(text: &str) -> bool {
    check_name(text).is_ok()
}

/// An `op_id` may be any text of 1 to 64 bytes without control characters.
fn check_opaque(text: &str) -> Result<(), IdError> {
    check_length(text)?;
    if text.chars().any(char::is_control) { Err(IdError::Character) } else { Ok(()) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id. Errors: see [`IdError`]. Cost: one small allocation; clones share it.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

ids! {
    /// Names a room.
    RoomId, check_name;
    /// Names a person, who may have several sessions.
    UserId, check_name;
    /// Names a session: one socket, or one polling client, and its resumptions.
    SessionId, check_name;
    /// Names a role of a room's rules, like `admin`.
    RoleId, check_name;
    /// The kind of a user, like `user` or `kol`.
    UserType, check_name;
    /// The idempotency key of a command, chosen by the client.
    OpId, check_opaque;
}

impl RoleId {
    /// The role of everybody who has no other.
    #[must_use]
    pub fn member() -> Self {
        Self("member".into())
    }
}

impl UserType {
    /// The kind of everybody of whom nothing else is known.
    #[must_use]
    pub fn plain() -> Self {
        Self("user".into())
    }
}

/// Identifies a commit: 64 random bits, never repeated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommitId(pub u64);

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
