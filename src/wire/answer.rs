//! The answers to room commands: as acks, and as the store's records keep them for repeats.
use super::{
    event::EventJson,
    server::{Ack, ErrorJson, details, json},
    stored::{RecordError, user},
    turn::shown_actor,
};
use crate::hub::{
    code::{Code, Reject},
    decide::{Decision, Explained},
    event::{Answer, Event, Part},
    id::{RoomId, UserId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an answer shows beside its own event, as stored. A code is its number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerJson {
    #[default]
    Plain,
    Each(Vec<(String, Option<u16>)>),
    Later,
    Batch(Vec<PartJson>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PartJson {
    Done(u64, EventJson),
    Noop,
    Refused(u16),
}

impl AnswerJson {
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

impl From<&Answer> for AnswerJson {
    fn from(answer: &Answer) -> Self {
        let part = |part: &Part| match part {
            Part::Done { rev, event } => PartJson::Done(*rev, event.into()),
            Part::Noop => PartJson::Noop,
            Part::Refused(code) => PartJson::Refused(code.number()),
        };
        match answer {
            Answer::Plain => Self::Plain,
            Answer::Each(lines) => {
                Self::Each(lines.iter().map(|(user, code)| (user.to_string(), code.map(Code::number))).collect())
            }
            Answer::Later => Self::Later,
            Answer::Batch(parts) => Self::Batch(parts.iter().map(part).collect()),
        }
    }
}

fn code(number: u16) -> Result<Code, RecordError> {
    Code::ALL.iter().find(|code| code.number() == number).copied().ok_or(RecordError("a code"))
}

impl TryFrom<AnswerJson> for Answer {
    type Error = RecordError;

    fn try_from(answer: AnswerJson) -> Result<Self, RecordError> {
        let line = |(id, number): (String, Option<u16>)| Ok((user(&id)?, number.map(code).transpose()?));
        let part = |part| {
            Ok(match part {
                PartJson::Done(rev, event) => Part::Done { rev, event: Event::try_from(event)? },
                PartJson::Noop => Part::Noop,
                PartJson::Refused(number) => Part::Refused(code(number)?),
            })
        };
        Ok(match answer {
            AnswerJson::Plain => Self::Plain,
            AnswerJson::Each(lines) => Self::Each(lines.into_iter().map(line).collect::<Result<_, RecordError>>()?),
            AnswerJson::Later => Self::Later,
            AnswerJson::Batch(parts) => Self::Batch(parts.into_iter().map(part).collect::<Result<_, RecordError>>()?),
        })
    }
}

#[derive(Serialize)]
struct Decided<'a> {
    room_id: &'a str,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dup: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    noop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(flatten)]
    event: Option<EventJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<Line<'a>>,
}

/// One person of a list, or one operation of a batch.
#[derive(Default, Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    noop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<u64>,
    #[serde(flatten)]
    event: Option<EventJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
}

fn line(code: Option<Code>) -> Line<'static> {
    Line { ok: code.is_none(), code: code.map(Code::number), name: code.map(Code::name), ..Line::default() }
}

fn part_line(part: &Part) -> Line<'static> {
    match part {
        Part::Done { rev, event } => Line { rev: Some(*rev), event: Some(event.into()), ..line(None) },
        Part::Noop => Line { noop: Some(true), ..line(None) },
        Part::Refused(code) => line(Some(*code)),
    }
}

/// Writes the ack of a command: its rev and the fields of its own event; of a batch, a line per operation.
#[must_use]
pub fn decision_ack<'a>(id: Option<i64>, room: &'a RoomId, decision: &'a Decision) -> Vec<u8> {
    let room_id = room.as_str();
    let plain = |rev| Decided { room_id, rev, dup: None, noop: None, by: None, event: None, results: Vec::new() };
    let fields = match decision {
        Decision::Noop { rev, by } => Decided { noop: Some(true), by: by.as_ref().map(shown_actor), ..plain(*rev) },
        Decision::Accepted { rev, event, dup, results } => {
            let person = |(user, code): &'a (UserId, Option<Code>)| Line { user_id: Some(user.as_str()), ..line(*code) };
            let results = results.iter().map(person).collect();
            Decided { dup: dup.then_some(true), event: Some(event.into()), results, ..plain(*rev) }
        }
        Decision::Batch { rev, dup, parts } => {
            let changed = parts.iter().any(|part| matches!(part, Part::Done { .. }));
            let results = parts.iter().map(part_line).collect();
            Decided { dup: dup.then_some(true), noop: (!changed).then_some(true), results, ..plain(*rev) }
        }
        Decision::Explained(explained) => return explained_ack(id, room, explained),
    };
    json(&Ack { id, fields })
}

/// Writes what would become of a command: the fields of its own event, or those of its refusal with its details.
fn explained_ack(id: Option<i64>, room: &RoomId, explained: &Explained) -> Vec<u8> {
    let Explained { rev, would, standing } = explained;
    let mut fields = Map::new();
    match would {
        Ok(Decision::Accepted { event, results, .. }) => {
            if let Ok(Value::Object(event)) = serde_json::to_value(EventJson::from(event)) {
                fields.extend(event);
            }
            let person = |(user, code): &(UserId, Option<Code>)| {
                serde_json::to_value(Line { user_id: Some(user.as_str()), ..line(*code) }).unwrap_or_default()
            };
            if !results.is_empty() {
                fields.insert("results".to_owned(), results.iter().map(person).collect());
            }
        }
        Ok(_) => drop(fields.insert("noop".to_owned(), true.into())),
        Err(reject) => refused_fields(&mut fields, reject),
    }
    if let Some((priority, why)) = standing {
        fields.entry("eff_priority").or_insert_with(|| (*priority).into());
        fields.entry("why").or_insert_with(|| why.clone().into());
    }
    fields.entry("why").or_insert_with(|| Value::Array(Vec::new()));
    let head =
        [("room_id", room.as_str().into()), ("rev", (*rev).into()), ("would", if would.is_ok() { "ok" } else { "error" }.into())];
    fields.extend(head.map(|(key, value)| (key.to_owned(), value)));
    json(&Ack { id, fields })
}

fn refused_fields(fields: &mut Map<String, Value>, reject: &Reject) {
    let error = ErrorJson::from_reject(None, reject);
    for (key, value) in details(reject) {
        fields.insert(key, value);
    }
    fields.insert("code".to_owned(), error.code.into());
    fields.insert("name".to_owned(), error.name.into());
    fields.insert("message".to_owned(), error.message.into());
    fields.insert("details".to_owned(), error.details.into());
}
