//! The first outcomes of recent commands, so that a repeat changes nothing and gets the same answer.
use super::{
    actor::Actor,
    command::Command,
    event::{Answer, Event},
    id::OpId,
    time::{Millis, UnixMs},
};
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{Hash, Hasher},
};

/// How many outcomes one actor's memory holds.
pub const MAX_PER_ACTOR: usize = 64;
/// How long an outcome is remembered, by event time.
pub const MEMORY: Millis = Millis::from_seconds(600);

/// What an accepted command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its key.
    pub op_id: OpId,
    /// Tells the command from another one with the same key.
    pub fingerprint: u64,
    /// Its rev.
    pub rev: u64,
    /// Its own event (of a batch: that of its last step).
    pub event: Event,
    /// What else its answer shows.
    pub answer: Answer,
    /// When.
    pub at: UnixMs,
}

/// The outcomes of each actor, oldest first; bounded in number and age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dedup {
    /// Per actor, at most [`MAX_PER_ACTOR`].
    pub by_actor: BTreeMap<Actor, VecDeque<Outcome>>,
}

impl Dedup {
    /// Finds the first outcome under this key.
    #[must_use]
    pub fn find(&self, actor: &Actor, op_id: &OpId, now: UnixMs) -> Option<&Outcome> {
        self.by_actor.get(actor)?.iter().rev().find(|outcome| outcome.op_id == *op_id && now.since(outcome.at) <= MEMORY)
    }

    /// Remembers an outcome, and forgets the actor's surplus ones.
    pub fn remember(&mut self, actor: &Actor, outcome: Outcome) {
        let outcomes = self.by_actor.entry(actor.clone()).or_default();
        outcomes.push_back(outcome);
        while outcomes.len() > MAX_PER_ACTOR {
            outcomes.pop_front();
        }
    }

    /// Forgets what is older than [`MEMORY`]. Cost: O(actors), so not at every command.
    pub fn expire(&mut self, now: UnixMs) {
        self.by_actor.retain(|_, outcomes| {
            while outcomes.front().is_some_and(|outcome| now.since(outcome.at) > MEMORY) {
                outcomes.pop_front();
            }
            !outcomes.is_empty()
        });
    }
}

/// FNV-1a over what `Hash` feeds it: the same number on every node of one version.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Returns the fingerprint of a command with its arguments.
#[must_use]
pub fn fingerprint(command: &Command) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    command.hash(&mut hasher);
    hasher.finish()
}
