//! The record of a commit: its steps with their events, and what repeats of its commands are answered.
use super::{FORMAT, actor, actor_text, check_format, cursor, op_id, read, write};
use crate::{
    hub::{
        event::{Answer, Commit, Event, Op, Step},
        time::UnixMs,
    },
    wire::{answer::AnswerJson, event::EventJson, stored::RecordError},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct CommitRecord {
    v: u32,
    prev: String,
    cursor: String,
    at: u64,
    steps: Vec<StepRecord>,
}

#[derive(Serialize, Deserialize)]
struct StepRecord {
    rev: u64,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    op: Option<(String, u64)>,
    #[serde(default, skip_serializing_if = "AnswerJson::is_plain")]
    answer: AnswerJson,
    own: usize,
    events: Vec<EventJson>,
}

/// Writes a commit.
#[must_use]
pub fn encode_commit(commit: &Commit) -> Bytes {
    let step = |step: &Step| StepRecord {
        rev: step.rev,
        by: actor_text(&step.by),
        op: step.op.as_ref().map(|op| (op.id.to_string(), op.fingerprint)),
        answer: step.op.as_ref().map(|op| (&op.answer).into()).unwrap_or_default(),
        own: step.own,
        events: step.events.iter().map(EventJson::from).collect(),
    };
    write(&CommitRecord {
        v: FORMAT,
        prev: commit.prev.to_string(),
        cursor: commit.cursor.to_string(),
        at: commit.at.0,
        steps: commit.steps.iter().map(step).collect(),
    })
}

/// Reads the hub time of a commit without the rest of it; `None` = not such a record.
#[must_use]
pub fn commit_time(bytes: &[u8]) -> Option<UnixMs> {
    #[derive(Deserialize)]
    struct Time {
        at: u64,
    }
    read::<Time>(bytes).ok().map(|time| UnixMs(time.at))
}

/// Reads a commit. Errors: not a record, or one of another version.
pub fn decode_commit(bytes: &[u8]) -> Result<Commit, RecordError> {
    let record: CommitRecord = read(bytes)?;
    check_format(record.v)?;
    let step = |step: StepRecord| {
        let answer = Answer::try_from(step.answer)?;
        let op = step.op.map(|(id, fingerprint)| Ok(Op { id: op_id(&id)?, fingerprint, answer })).transpose()?;
        let events = step.events.into_iter().map(Event::try_from).collect::<Result<_, _>>()?;
        Ok(Step { rev: step.rev, by: actor(&step.by)?, op, own: step.own, events })
    };
    Ok(Commit {
        prev: cursor(&record.prev)?,
        cursor: cursor(&record.cursor)?,
        at: UnixMs(record.at),
        steps: record.steps.into_iter().map(step).collect::<Result<_, _>>()?,
    })
}
