//! Who may say what in a room: a level for each class of message, slow mode, and people who are muted. The messages themselves are no
//! part of the room's state.
use super::{
    id::UserId,
    time::{Millis, UnixMs},
};
use std::collections::BTreeMap;

/// The longest slow mode.
pub const SLOW_MODE_MAX: Millis = Millis::from_seconds(3600);

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    /// Kept, in order, and never dropped before the connection is.
    Must,
    /// Not kept; gives way after the droppable ones.
    Normal,
    /// Not kept; gives way first.
    Droppable,
}

impl Weight {
    /// Every weight.
    pub const ALL: [Self; 3] = [Self::Must, Self::Normal, Self::Droppable];

    /// Returns the name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Normal => "normal",
            Self::Droppable => "droppable",
        }
    }
}

/// What a room allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// How long each person waits between two messages; 0 = not at all. People of level admin and above need not.
    pub slow_mode: Millis,
    /// The least level for each class.
    pub levels: Levels,
    /// Who may say nothing, and until when.
    pub mutes: BTreeMap<UserId, Option<UnixMs>>,
}

/// The least levels, 0..=1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names of the classes")]
pub struct Levels {
    pub must: u32,
    pub normal: u32,
    pub droppable: u32,
}

impl Talk {
    /// Tells whether `user` is muted now, and until when (`Some(None)` = for ever).
    #[must_use]
    pub fn mute_of(&self, user: &UserId, now: UnixMs) -> Option<Option<UnixMs>> {
        self.mutes.get(user).copied().filter(|until| until.is_none_or(|until| until > now))
    }

    /// Returns what holds at this time: without the mutes that are over.
    #[must_use]
    pub fn at(&self, now: UnixMs) -> Self {
        let mut talk = self.clone();
        talk.mutes.retain(|_, until| until.is_none_or(|until| until > now));
        talk
    }

    pub(super) const fn level_for(&self, weight: Weight) -> u32 {
        match weight {
            Weight::Must => self.levels.must,
            Weight::Normal => self.levels.normal,
            Weight::Droppable => self.levels.droppable,
        }
    }
}
