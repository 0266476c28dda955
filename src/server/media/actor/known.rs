//! What is known of one list of streams, and when it is asked for next.
use super::{Person, pulse::Pulse};
use crate::hub::{
    media::{Births, EpochId, Live, MediaSession, Space, StreamId},
    time::UnixMs,
};
use std::collections::BTreeMap;

/// One list of streams: a room's, or a server's.
pub(super) struct Known {
    pub facts: Space,
    /// The epoch that is shown.
    pub epoch: Option<EpochId>,
    pub shown: BTreeMap<StreamId, Live>,
    /// Who is on air here, and by how many streams.
    pub owners: BTreeMap<Person, usize>,
    pub pending_since: BTreeMap<(StreamId, MediaSession), UnixMs>,
    pub strays: BTreeMap<(StreamId, MediaSession), u8>,
    pub hole: Option<(u64, UnixMs)>,
    pub poll_at: UnixMs,
    pub polled_at: UnixMs,
    /// When the last good poll was asked.
    pub covered: UnixMs,
    pub polling: bool,
    /// The next poll is not one of the regular ones.
    pub urgent: bool,
    pub pulse: Pulse,
}

impl Known {
    pub fn new(births: Births, poll_at: UnixMs) -> Self {
        Self {
            facts: Space::new(births),
            epoch: None,
            shown: BTreeMap::new(),
            owners: BTreeMap::new(),
            pending_since: BTreeMap::new(),
            strays: BTreeMap::new(),
            hole: None,
            poll_at,
            polled_at: UnixMs(0),
            covered: UnixMs(0),
            polling: false,
            urgent: false,
            pulse: Pulse::default(),
        }
    }

    /// Has the list read at that time at the latest.
    pub fn poll_by(&mut self, at: UnixMs) {
        if at < self.poll_at {
            self.poll_at = at;
        }
        self.urgent = true;
    }
}
