//! What becomes of requests that are not refused.
use crate::hub::{
    actor::Actor,
    code::{Code, Reject},
    dedup::Outcome,
    event::{Answer, Event, Part},
    id::UserId,
};

/// What became of a command that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It changed the room, now or when it was first sent (`dup`).
    Accepted {
        /// Its rev.
        rev: u64,
        /// Its own event; the answer shows its fields.
        event: Event,
        /// It was accepted before; nothing has changed now.
        dup: bool,
        /// One line per target where the command names several.
        results: Vec<(UserId, Option<Code>)>,
    },
    /// Several commands changed the room, now or when they were first sent (`dup`).
    Batch {
        /// The rev of the last one that changed something, else the room's.
        rev: u64,
        /// They were accepted before; nothing has changed now.
        dup: bool,
        /// One line per operation.
        parts: Vec<Part>,
    },
    /// What would become of a command.
    Explained(Box<Explained>),
    /// It is allowed, and there was nothing to change.
    Noop {
        /// The room's rev.
        rev: u64,
        /// Who did it already, where somebody else may have.
        by: Option<Actor>,
    },
}

/// What would become of a command, and with which priority its person would join the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The room's rev.
    pub rev: u64,
    /// The outcome.
    pub would: Result<Decision, Reject>,
    /// The priority, and what made it so.
    pub standing: Option<(i64, Vec<String>)>,
}

impl Decision {
    /// Tells again what a command was told at first.
    pub(super) fn again(first: &Outcome) -> Self {
        let (rev, event, dup) = (first.rev, first.event.clone(), true);
        match &first.answer {
            Answer::Batch(parts) => Self::Batch { rev, dup, parts: parts.clone() },
            Answer::Each(results) => Self::Accepted { rev, event, dup, results: results.clone() },
            Answer::Plain | Answer::Later => Self::Accepted { rev, event, dup, results: Vec::new() },
        }
    }
}
