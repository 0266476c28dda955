//! What is kept and passed on of media: a part of a space as a record, and what nodes say to each other about it.
use crate::hub::{
    media::{Births, Epoch, EpochId, Mark, MediaSession, Publisher, Session, Space, Stream, StreamId},
    time::UnixMs,
};
use serde::{Deserialize, Serialize};

/// What a node has heard or found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MediaWord {
    /// The node, so that it passes over what it said itself.
    pub from: String,
    /// The room on the media server; empty where the whole server is one list.
    pub space: String,
    /// What is known now of a stream, or of the space as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartRecord>,
    /// When the list was asked for that was just read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<u64>,
    /// When the server last gave a sign of life, or took leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<(Sign, u64)>,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It runs.
    Alive,
    /// It has begun to run.
    Started,
    /// It ends.
    Exited,
}

/// A part of a space. Format 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    v: u8,
    /// The room on the media server.
    space: String,
    /// Births are times.
    times: bool,
    epochs: Vec<EpochRecord>,
    streams: Vec<StreamRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ended: Vec<(String, String, u64)>,
    horizon: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EpochRecord {
    id: String,
    birth: u64,
    closed: bool,
    cleared: Option<u64>,
    runs: Vec<(u64, u64)>,
    seen: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StreamRecord {
    epoch: String,
    id: String,
    mark: Option<MarkRecord>,
    sessions: Vec<SessionRecord>,
    first: u64,
    seen: u64,
    missed: Option<u64>,
    sighted: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct MarkRecord {
    half_steps: u64,
    closed: bool,
    birth: u64,
    session: String,
    publisher: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SessionRecord {
    id: String,
    birth: u64,
    /// Pending 1, opened 2, dropped 4, closed 8: a session may have been all of them.
    phases: u8,
    publisher: Option<String>,
    parent: Option<String>,
    seen: u64,
    polled: u64,
}

const FORMAT: u8 = 1;

impl PartRecord {
    /// Writes a part.
    #[must_use]
    pub fn of(name: &str, part: &Space) -> Self {
        let ended = part.ended_parents.iter().map(|((epoch, parent), at)| (epoch.to_string(), parent.to_string(), at.0));
        Self {
            v: FORMAT,
            space: name.to_owned(),
            times: part.births == Births::Times,
            epochs: part.epochs.iter().map(|(id, epoch)| EpochRecord::of(id, epoch)).collect(),
            streams: part.streams.iter().map(|((epoch, id), stream)| StreamRecord::of(epoch, id, stream)).collect(),
            ended: ended.collect(),
            horizon: part.horizon.0,
        }
    }

    /// Reads it back: the name of the space, and the part. `None`: a newer version wrote it.
    #[must_use]
    pub fn read(&self) -> Option<(&str, Space)> {
        if self.v != FORMAT {
            return None;
        }
        let mut part = Space::new(if self.times { Births::Times } else { Births::Grants });
        part.epochs = self.epochs.iter().map(|epoch| (EpochId::new(&epoch.id), epoch.read())).collect();
        let key = |record: &StreamRecord| (EpochId::new(&record.epoch), StreamId::new(&record.id));
        part.streams = self.streams.iter().map(|stream| (key(stream), stream.read())).collect();
        let parent =
            |(epoch, parent, at): &(String, String, u64)| ((EpochId::new(epoch), MediaSession::new(parent)), UnixMs(*at));
        part.ended_parents = self.ended.iter().map(parent).collect();
        part.horizon = UnixMs(self.horizon);
        Some((&self.space, part))
    }
}

impl EpochRecord {
    fn of(id: &EpochId, epoch: &Epoch) -> Self {
        Self {
            id: id.to_string(),
            birth: epoch.birth,
            closed: epoch.closed,
            cleared: epoch.cleared_at,
            runs: epoch.runs.iter().copied().collect(),
            seen: epoch.seen_at.0,
        }
    }

    fn read(&self) -> Epoch {
        Epoch {
            birth: self.birth,
            closed: self.closed,
            cleared_at: self.cleared,
            runs: self.runs.iter().copied().collect(),
            seen_at: UnixMs(self.seen),
        }
    }
}

impl StreamRecord {
    fn of(epoch: &EpochId, id: &StreamId, stream: &Stream) -> Self {
        let mark = |mark: &Mark| MarkRecord {
            half_steps: mark.half_steps,
            closed: mark.closed,
            birth: mark.birth,
            session: mark.session.to_string(),
            publisher: mark.publisher.to_string(),
        };
        Self {
            epoch: epoch.to_string(),
            id: id.to_string(),
            mark: stream.register.as_ref().map(mark),
            sessions: stream.sessions.iter().map(|(id, session)| SessionRecord::of(id, session)).collect(),
            first: stream.first_seen.0,
            seen: stream.seen_at.0,
            missed: stream.missed_at.map(|at| at.0),
            sighted: stream.sighted_at.0,
        }
    }

    fn read(&self) -> Stream {
        let mark = |mark: &MarkRecord| Mark {
            half_steps: mark.half_steps,
            closed: mark.closed,
            birth: mark.birth,
            session: MediaSession::new(&mark.session),
            publisher: Publisher::new(&mark.publisher),
        };
        Stream {
            register: self.mark.as_ref().map(mark),
            sessions: self.sessions.iter().map(|session| (MediaSession::new(&session.id), session.read())).collect(),
            first_seen: UnixMs(self.first),
            seen_at: UnixMs(self.seen),
            missed_at: self.missed.map(UnixMs),
            sighted_at: UnixMs(self.sighted),
        }
    }
}

impl SessionRecord {
    fn of(id: &MediaSession, session: &Session) -> Self {
        let flags = [session.pending, session.opened, session.dropped, session.closed];
        Self {
            id: id.to_string(),
            birth: session.birth,
            phases: flags.iter().rev().fold(0, |phases, flag| phases * 2 + u8::from(*flag)),
            publisher: session.publisher.as_ref().map(ToString::to_string),
            parent: session.parent.as_ref().map(ToString::to_string),
            seen: session.seen_at.0,
            polled: session.polled_at.0,
        }
    }

    fn read(&self) -> Session {
        let is = |flag: u8| self.phases & flag != 0;
        Session {
            birth: self.birth,
            pending: is(1),
            opened: is(2),
            dropped: is(4),
            closed: is(8),
            publisher: self.publisher.as_deref().map(Publisher::new),
            parent: self.parent.as_deref().map(MediaSession::new),
            seen_at: UnixMs(self.seen),
            polled_at: UnixMs(self.polled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::media::{Fact, Phase};

    fn session(stream: &str, session: &str, phase: Phase) -> Fact {
        Fact::Session {
            epoch: EpochId::new("e"),
            stream: StreamId::new(stream),
            session: MediaSession::new(session),
            phase,
            birth: Some(1_000),
            publisher: Some(Publisher::new("u1")),
            parent: Some(MediaSession::new("PA")),
        }
    }

    #[test]
    fn parts_come_back_and_make_up_the_whole() {
        let mut whole = Space::new(Births::Times);
        let facts = [
            Fact::EpochSeen { epoch: EpochId::new("e"), birth: 7 },
            session("s1", "a", Phase::Pending),
            session("s1", "a", Phase::Open),
            session("s1", "b", Phase::Closed),
            session("s2", "c", Phase::Open),
            Fact::Numbered {
                epoch: EpochId::new("e"),
                stream: StreamId::new("s3"),
                seq: 4,
                closed: false,
                birth: 1_001,
                session: MediaSession::new("d"),
                publisher: Publisher::new("u2"),
            },
            Fact::ParentEnded { epoch: EpochId::new("e"), parent: MediaSession::new("PB") },
        ];
        for fact in &facts {
            whole.join(fact, UnixMs(5_000));
        }
        let mut again = Space::new(Births::Times);
        for stream in [None, Some("s1"), Some("s2"), Some("s3")] {
            let part = whole.part(stream.map(StreamId::new).as_ref());
            let text = serde_json::to_string(&PartRecord::of("r1", &part)).unwrap();
            let record: PartRecord = serde_json::from_str(&text).unwrap();
            let (name, read) = record.read().unwrap();
            assert_eq!((name, &read), ("r1", &part));
            again.merge(&read);
        }
        assert_eq!(again, whole);
        assert_eq!(again.live(), whole.live());
        let newer = PartRecord { v: 2, ..PartRecord::of("r1", &whole) };
        assert!(newer.read().is_none());
    }
}
