//! What `michub history`, `replay` and `why` print: text that a person or a program reads line by line.
use super::{
    History, HistoryError, Question, Walk, events_of,
    replay::{Replayed, replay},
};
use crate::{
    hub::{
        event::Commit,
        id::{RoomId, UserId},
        room::Room,
        time::UnixMs,
    },
    wire::{
        history::{concerns, history_events},
        server::{json, room_snapshot},
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

/// An id as it stands in an [`Ask`].
macro_rules! id_text {
    ($($name:ident $id:ident)*) => {$(
        /// An id as text, parsed when it is read.
        #[derive(Clone, Debug)]
        pub struct $name(pub $id);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $id::parse(&text).map(Self).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
id_text! { RoomText RoomId UserText UserId }

/// What is asked for: by the command line of this process, or of another one through the admin listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Ask {
    /// Every event as one JSON object per line; without a room those of all rooms.
    Export {
        /// Which room.
        room: Option<RoomText>,
        /// Only events about this person.
        user: Option<UserText>,
        /// The earliest time.
        from_ms: u64,
        /// The latest time.
        to_ms: u64,
    },
    /// The replayed state, or what differs between it and what was kept.
    Replay {
        /// Which room.
        room: RoomText,
        /// Up to this time.
        until_ms: u64,
        /// The state itself instead of the differences.
        state: bool,
    },
    /// The commits that explain somebody's place.
    Why {
        /// Which room.
        room: RoomText,
        /// Who.
        user: UserText,
    },
}

/// Where a report goes, in pieces; a reader that is slow delays the report, not the hub.
pub type Out = mpsc::Sender<Result<Bytes, HistoryError>>;

/// The end of a replay's last line if all is well.
pub const NOTHING_DIFFERS: &str = "nothing differs";

/// Nobody reads any more.
struct Closed;

async fn say(out: &Out, text: impl Into<Bytes>) -> Result<(), Closed> {
    out.send(Ok(text.into())).await.map_err(|_| Closed)
}

impl History {
    /// Writes a report; its error, if any, is the last piece.
    pub async fn report(&self, ask: Ask, out: Out) {
        let done = match ask {
            Ask::Export { room, user, from_ms, to_ms } => self.export(room, user, from_ms, to_ms, &out).await,
            Ask::Replay { room, until_ms, state } => self.replay(&room.0, UnixMs(until_ms), state, &out).await,
            Ask::Why { room, user } => self.why(&room.0, &user.0, &out).await,
        };
        if let Err(error) = done {
            // Whoever is gone needs no error.
            let _ = out.send(Err(error)).await;
        }
    }

    async fn export(
        &self,
        room: Option<RoomText>,
        user: Option<UserText>,
        from_ms: u64,
        to_ms: u64,
        out: &Out,
    ) -> Result<(), HistoryError> {
        let archive = self.archive()?;
        let rooms = match room {
            Some(RoomText(room)) => vec![room],
            None => self.store.rooms().await?,
        };
        for room in rooms {
            let user = user.as_ref().map(|user| user.0.clone());
            let question = Question { room, user, from: UnixMs(from_ms), to: UnixMs(to_ms), after: None, limit: 0 };
            let mut walk = Walk::new(archive, &question);
            while let Some(entries) = walk.next().await? {
                let mut lines = Vec::new();
                for entry in entries {
                    for event in events_of(&question, &entry)? {
                        lines.extend(json(&event));
                        lines.push(b'\n');
                    }
                }
                if say(out, lines).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Replays a room and says where the result differs from what was kept.
    async fn replay(&self, room: &RoomId, until: UnixMs, state: bool, out: &Out) -> Result<(), HistoryError> {
        let stored = self.room(room).await?;
        let Replayed { room, from, commits, outside, compared, differences } =
            replay(self.archive()?, &stored, until, |_, _, _| {}).await?;
        let mut text = String::new();
        if state {
            text.push_str(&String::from_utf8_lossy(&room_snapshot(&room, room.last_event)));
            text.push('\n');
        } else {
            let (to, at) = (room.head.rev, time(room.last_event));
            text.push_str(&format!("room {}: {commits} commits replayed, from rev {} to rev {to} ({at})\n", room.id, from.rev));
            if outside > 0 {
                text.push_str(&format!(
                    "{outside} archived commits are not part of the stored history: they were lost after they were archived\n"
                ));
            }
            for difference in &differences {
                text.push_str(difference);
                text.push('\n');
            }
            let verdict = match differences.len() {
                0 => NOTHING_DIFFERS.to_owned(),
                1 => "1 difference".to_owned(),
                n => format!("{n} differences"),
            };
            text.push_str(&format!("compared with {compared} kept states: {verdict}\n"));
        }
        let _ = say(out, text).await;
        Ok(())
    }

    /// Writes the commits that explain where somebody stands: those of his present stay in queue or seat, or of the last one.
    async fn why(&self, room: &RoomId, user: &UserId, out: &Out) -> Result<(), HistoryError> {
        let stored = self.room(room).await?;
        let mut lines = Vec::new();
        replay(self.archive()?, &stored, UnixMs(u64::MAX), |before, commit, after| {
            let (was, is) = (place(before, user), place(after, user));
            if was == Place::Nowhere && is != Place::Nowhere {
                lines.clear();
            }
            lines.extend(explain(before, commit, user, was, is));
        })
        .await?;
        let detail = stored.queue.entry(user).map_or_else(String::new, |entry| {
            let pinned = if entry.pinned { ", pinned" } else { "" };
            let held = if entry.held_until.is_some() { ", away" } else { "" };
            format!(" of {} (priority {}, seq {}{pinned}{held})", stored.queue.entries.len(), entry.eff_priority, entry.seq)
        });
        let mut text = format!("{user} in {}: {}{detail}, at rev {}\n", stored.id, place(&stored, user), stored.head.rev);
        if lines.is_empty() {
            text.push_str("the history has nothing about him\n");
        }
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        let _ = say(out, text).await;
        Ok(())
    }
}

/// Where somebody is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Queue { index: usize },
    Seat { no: u32 },
}

fn place(room: &Room, user: &UserId) -> Place {
    if let Some(seat) = room.seats.of(user) {
        return Place::Seat { no: seat.no };
    }
    let index = room.queue.entries.iter().position(|entry| entry.user == *user);
    index.map_or(Place::Nowhere, |index| Place::Queue { index })
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nowhere => f.write_str("no place"),
            Self::Queue { index } => write!(f, "queue index {index}"),
            Self::Seat { no } => write!(f, "seat {no}"),
        }
    }
}

/// One line for a commit that names him or changes his place.
fn explain(before: &Room, commit: &Commit, user: &UserId, was: Place, is: Place) -> Option<String> {
    let events = history_events(&before.id, commit);
    let about: Vec<_> = events.iter().filter(|event| concerns(event, user)).collect();
    let shown = if about.is_empty() && was != is { events.iter().collect() } else { about };
    let rev = shown.first()?.get("rev").and_then(Value::as_u64).unwrap_or(commit.cursor.rev);
    let moved = if was == is { String::new() } else { format!("  [{was} -> {is}]") };
    let sentences: Vec<_> = shown.into_iter().map(sentence).collect();
    Some(format!("{}  rev {rev}  {}{moved}", time(commit.at), sentences.join("; ")))
}

/// Writes an event as `by: event key=value …`.
fn sentence(event: &Map<String, Value>) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let shown = |(key, value): (&String, &Value)| {
        let known = ["room_id", "rev", "event", "by", "at_ms", "seq"].contains(&key.as_str());
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        (!known && !empty).then(|| match value {
            Value::String(text) => format!(" {key}={text}"),
            other => format!(" {key}={other}"),
        })
    };
    format!("{}: {}{}", text("by"), text("event"), event.iter().filter_map(shown).collect::<String>())
}

fn time(at: UnixMs) -> String {
    let stamp = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| at.0.to_string(), |stamp| format!("{stamp:.3}"))
}
