//! A position in a room's log: the rev, and the identity of the commit that led there.
use super::id::CommitId;
use std::fmt;

/// A position in a room's log. On the wire it is one opaque string.
///
/// The rev alone is not enough: after a lost tail another history can reach the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The number of accepted changing commands so far.
    pub rev: u64,
    /// The commit that made this rev the head.
    pub commit: CommitId,
}

impl Cursor {
    /// Parses the wire form. Anything else is `None`: an unknown position, not an error.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rev, commit) = text.split_once('.')?;
        let digits = !rev.is_empty() && rev.bytes().all(|b| b.is_ascii_digit());
        let hex = commit.len() == 16 && commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !hex {
            return None;
        }
        Some(Self { rev: rev.parse().ok()?, commit: CommitId(u64::from_str_radix(commit, 16).ok()?) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.rev, self.commit.0)
    }
}
