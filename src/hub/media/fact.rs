//! What a media server can report, and the names that it uses.
use super::Phase;
use std::sync::Arc;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as the media server gives it.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// One life of a room on the media server, or one boot of the server itself.
    EpochId
    /// A stream as viewers name it; many sessions may publish it, one after the other.
    StreamId
    /// One publishing of a stream: a vendor's session id, or a ticket of ours.
    MediaSession
    /// Whoever publishes, as the media server names him.
    Publisher
}

/// What a birth counts: it orders sessions, and only times can be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Births {
    /// Milliseconds since the Unix epoch.
    Times,
    /// The number of a grant, one more for each.
    Grants,
}

/// One thing that a media server reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Fact {
    /// The epoch exists; `birth` orders it among the others.
    EpochSeen { epoch: EpochId, birth: u64 },
    /// The epoch is over, and all its streams with it.
    EpochEnded { epoch: EpochId },
    /// Whatever was born up to `at` is gone; younger things live on.
    Cleared { epoch: EpochId, at: u64 },
    /// The server's change number `seq` of the stream.
    Numbered { epoch: EpochId, stream: StreamId, seq: u64, closed: bool, birth: u64, session: MediaSession, publisher: Publisher },
    /// A session of the stream is asked for, on air or over. `parent`: it ends when that ends.
    Session {
        epoch: EpochId,
        stream: StreamId,
        session: MediaSession,
        phase: Phase,
        birth: Option<u64>,
        publisher: Option<Publisher>,
        parent: Option<MediaSession>,
    },
    /// A parent of sessions is over: somebody left, so his tracks are gone.
    ParentEnded { epoch: EpochId, parent: MediaSession },
}

impl Fact {
    /// Returns the stream that this is about; `None`: it may concern many.
    #[must_use]
    pub const fn stream(&self) -> Option<&StreamId> {
        match self {
            Self::Numbered { stream, .. } | Self::Session { stream, .. } => Some(stream),
            Self::EpochSeen { .. } | Self::EpochEnded { .. } | Self::Cleared { .. } | Self::ParentEnded { .. } => None,
        }
    }

    pub(super) fn epoch(&self) -> &EpochId {
        match self {
            Self::EpochSeen { epoch, .. }
            | Self::EpochEnded { epoch }
            | Self::Cleared { epoch, .. }
            | Self::Numbered { epoch, .. }
            | Self::Session { epoch, .. }
            | Self::ParentEnded { epoch, .. } => epoch,
        }
    }
}
