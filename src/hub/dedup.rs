//! The first outcomes of recent commands, so that a repeat changes nothing and gets the same answer.
use super::{command::Actor, event::Event, id::OpId, time::UnixMs};
use std::collections::{BTreeMap, VecDeque};

/// How many outcomes one actor's memory holds.
pub const MAX_PER_ACTOR: usize = 64;

/// What an accepted command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its key.
    pub op_id: OpId,
    /// Tells the command from another one with the same key.
    pub fingerprint: u64,
    /// Its rev.
    pub rev: u64,
    /// Its first event; the answer is made from it.
    pub event: Event,
    /// When.
    pub at: UnixMs,
}

/// The outcomes of each actor, oldest first; bounded in number and age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dedup {
    /// Per actor, at most [`MAX_PER_ACTOR`].
    pub by_actor: BTreeMap<Actor, VecDeque<Outcome>>,
}
