//! The delivery of one room to one endpoint: one message on its way at a time, so they arrive in order.
//! The place is written after each message that the receiver has taken; a hub that dies in between sends that one again.
use super::{
    dead::DeadLetter,
    endpoint::{Endpoint, Tried},
    place::{Place, Reason},
    settings::family,
    source::Next,
};
use crate::{
    hub::{event::Commit, id::RoomId, time::Millis},
    server::store::{LogEntry, StoreFault, notes::Claim},
    wire::{
        record::decode_commit,
        webhook::{GapData, Message, Position, gap, messages, opened},
    },
};
use std::{sync::Arc, time::Duration};

/// How long the store rests after a failure.
const STORE_REST: Millis = Millis(1_000);
/// How much longer a claim lasts than the two requests that are made under it before it is said again.
const CLAIM_SLACK: Duration = Duration::from_secs(5);
/// How long a node waits that finds another one at work.
const CLAIM_REST: Millis = Millis(500);

/// After how many revs the store is told that it need not keep them any more.
const KEEP_STEP: u64 = 64;

/// What a step came to.
enum Step {
    /// There was something, and there may be more.
    More,
    /// Nothing is left.
    Drained,
    /// Try again later.
    Wait(Millis),
    /// Nothing is to be delivered here any more.
    Stop,
}

pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    room: RoomId,
    holder: Arc<str>,
    /// `None` until it has been read.
    place: Option<Place>,
    /// The message that has failed, and how often.
    failing: Option<(String, usize)>,
    /// From which rev on the store keeps the log for this stream.
    kept_from: Option<u64>,
}

impl Stream {
    pub fn new(endpoint: Arc<Endpoint>, room: RoomId, holder: Arc<str>) -> Self {
        Self { endpoint, room, holder, place: None, failing: None, kept_from: None }
    }

    /// Delivers until nothing is left.
    pub async fn run(mut self) {
        loop {
            let target = self.endpoint.target(&self.room);
            let step = self.step(target).await.unwrap_or_else(|fault| {
                tracing::warn!(endpoint = self.endpoint.name, room = %self.room, %fault, "a room waits for the store");
                self.place = None;
                Step::Wait(STORE_REST)
            });
            match step {
                Step::More => {}
                Step::Wait(wait) => self.endpoint.rest(wait).await,
                Step::Stop => {
                    self.endpoint.leave(&self.room, u64::MAX);
                    return;
                }
                Step::Drained => {
                    self.let_go().await;
                    if self.endpoint.leave(&self.room, target) {
                        return;
                    }
                }
            }
        }
    }

    fn claim_name(&self) -> String {
        format!("{}/{}", self.endpoint.name, self.room)
    }

    fn places(&self) -> String {
        format!("{}.at", family(&self.endpoint.name))
    }

    /// Asks the store to keep what is not delivered yet; not for every rev anew.
    async fn keep_log(&mut self, from: u64) -> Result<(), StoreFault> {
        if self.kept_from.is_some_and(|kept| from < kept + KEEP_STEP) {
            return Ok(());
        }
        self.endpoint.source.store.keep_log(&self.room, &self.endpoint.name, Some(from)).await?;
        self.kept_from = Some(from);
        Ok(())
    }

    async fn let_go(&mut self) {
        self.place = None;
        if self.kept_from.take().is_some()
            && let Err(fault) = self.endpoint.source.store.keep_log(&self.room, &self.endpoint.name, None).await
        {
            tracing::warn!(%fault, "a room's log cannot be released; it is kept longer than needed");
        }
        let (name, family) = (self.claim_name(), self.places());
        if let Err(fault) = self.endpoint.notes.unclaim(Claim { name: &name, holder: &self.holder }, &family).await {
            tracing::warn!(%fault, "a claim cannot be released; it expires by itself");
        }
    }

    async fn claim(&self) -> Result<bool, StoreFault> {
        let name = self.claim_name();
        let ttl = self.endpoint.settings().outgoing.timeout * 2 + CLAIM_SLACK;
        self.endpoint.notes.claim(Claim { name: &name, holder: &self.holder }, &self.places(), ttl).await
    }

    /// Reads where the room stands with this endpoint. `None` = there is no such room.
    async fn read_place(&mut self) -> Result<Option<Place>, StoreFault> {
        if let Some(place) = &self.place {
            return Ok(Some(place.clone()));
        }
        let note = self.endpoint.notes.note(&self.places(), self.room.as_str()).await?;
        if let Some(place) = note.and_then(|note| Place::decode(&note)) {
            self.place = Some(place.clone());
            return Ok(Some(place));
        }
        let Some(beginning) = self.endpoint.source.begin(&self.room, self.endpoint.since()).await? else { return Ok(None) };
        let mut place = Place::new(beginning.cursor, beginning.at);
        if beginning.hole {
            let to = Position { rev: beginning.cursor.rev, index: 0 };
            place.miss(Reason::Trimmed, 0, to, beginning.cursor);
        }
        Ok(Some(place))
    }

    /// Writes the place down. `false` = another node delivers this room by now.
    async fn keep(&mut self, place: Place) -> Result<bool, StoreFault> {
        let (name, family) = (self.claim_name(), self.places());
        let claim = Claim { name: &name, holder: &self.holder };
        let kept = self.endpoint.notes.put_note(&family, self.room.as_str(), Some(place.encode()), Some(claim)).await?;
        self.place = kept.then_some(place);
        Ok(kept)
    }

    async fn step(&mut self, target: u64) -> Result<Step, StoreFault> {
        if self.endpoint.is_gone() {
            return Ok(Step::Stop);
        }
        if !self.claim().await? {
            self.place = None;
            let note = self.endpoint.notes.note(&self.places(), self.room.as_str()).await?;
            let done = note.and_then(|note| Place::decode(&note)).is_some_and(|place| place.cursor.rev >= target);
            return Ok(if done { Step::Drained } else { Step::Wait(CLAIM_REST) });
        }
        let Some(mut place) = self.read_place().await? else { return Ok(Step::Stop) };
        // A place that was found just now is written before anything is sent, so that a second attempt is the same message.
        if self.place.is_none() && !self.keep(place.clone()).await? {
            return Ok(Step::Wait(CLAIM_REST));
        }
        self.keep_log(place.cursor.rev + 1).await?;
        if place.is_untouched() && self.endpoint.wants("room.opened") {
            let message = opened(&self.room, place.cursor, place.at);
            if let Some(step) = self.deliver(&mut place, &message, &Behind::Nothing).await? {
                return Ok(step);
            }
        }
        let next = self.endpoint.source.after(&self.room, place.cursor, place.at, target).await?;
        let entries = match next {
            Next::Absent => return Ok(Step::Stop),
            Next::Trimmed(head, at) => {
                let to = Position { rev: head.rev, index: 0 };
                place.miss(Reason::Trimmed, place.cursor.rev + 1, to, head);
                place.pass(head, at);
                self.keep(place.clone()).await?;
                Vec::new()
            }
            Next::Commits(entries) => entries,
        };
        let entries: Vec<LogEntry> = entries.into_iter().filter(|entry| entry.cursor.rev <= target).collect();
        if entries.is_empty() {
            return self.tell_missed(place).await;
        }
        let before = self.place.clone();
        for entry in &entries {
            if let Some(step) = self.commit(&mut place, entry).await? {
                return Ok(step);
            }
        }
        // What the endpoint does not want moves the place too, but needs no write of its own.
        if before.as_ref() == self.place.as_ref() && !self.keep(place).await? {
            return Ok(Step::Wait(CLAIM_REST));
        }
        Ok(Step::More)
    }

    /// With nothing else to say, says that something is missing.
    async fn tell_missed(&mut self, mut place: Place) -> Result<Step, StoreFault> {
        let Some(message) = self.gap(&place) else { return Ok(Step::Drained) };
        if !self.claim().await? {
            return Ok(Step::Wait(CLAIM_REST));
        }
        match self.endpoint.attempt(&message, place.sent).await {
            Tried::Taken => {
                (place.sent, place.missed) = (message.position, None);
                Ok(if self.keep(place).await? { Step::Drained } else { Step::Wait(CLAIM_REST) })
            }
            Tried::Gone => Ok(Step::Stop),
            Tried::Failed { asked, .. } => {
                let attempts = self.failed(&message);
                let now = self.endpoint.clock.now();
                match self.endpoint.settings().schedule.wait(attempts, now, now, asked) {
                    Some(wait) => Ok(Step::Wait(wait)),
                    // It stands in front of whatever comes next.
                    None => Ok(Step::Drained),
                }
            }
        }
    }

    fn gap(&self, place: &Place) -> Option<Message> {
        let missed = place.missed.as_ref()?;
        let data = GapData {
            room_id: self.room.as_str(),
            rev: missed.to.rev,
            index: missed.to.index,
            cursor: &missed.cursor,
            reason: missed.reason.name(),
            from_rev: missed.from_rev,
            count: missed.count,
        };
        Some(gap(&data, place.at))
    }

    /// Delivers what is left of a commit. `None` = all of it is done.
    async fn commit(&mut self, place: &mut Place, entry: &LogEntry) -> Result<Option<Step>, StoreFault> {
        let Ok(commit) = decode_commit(&entry.record) else {
            tracing::error!(room = %self.room, rev = entry.cursor.rev, "a record cannot be read");
            let to = Position { rev: entry.cursor.rev, index: 0 };
            place.miss(Reason::Unreadable, entry.prev.rev + 1, to, entry.cursor);
            place.pass(entry.cursor, entry.at);
            return Ok(None);
        };
        let all = messages(&self.room, &commit);
        let last = all.iter().rposition(|message| self.endpoint.wants(&message.kind));
        for (index, message) in all.iter().enumerate().skip(place.done) {
            if !self.endpoint.wants(&message.kind) {
                continue;
            }
            let behind = if Some(index) == last { Behind::Commit(&commit) } else { Behind::Part(index + 1) };
            if let Some(step) = self.deliver(place, message, &behind).await? {
                return Ok(Some(step));
            }
        }
        if place.cursor != entry.cursor {
            place.pass(entry.cursor, entry.at);
        }
        Ok(None)
    }

    /// Delivers one message, with what is missing in front of it. `None` = it is done with, one way or the other.
    async fn deliver(&mut self, place: &mut Place, message: &Message, behind: &Behind<'_>) -> Result<Option<Step>, StoreFault> {
        // An attempt may take long: the claim must not end within it.
        if !self.claim().await? {
            return Ok(Some(Step::Wait(CLAIM_REST)));
        }
        let (why, asked) = match self.try_both(place, message).await? {
            Tried::Taken => {
                self.failing = None;
                self.endpoint.note_failing(&self.room, None);
                place.sent = message.position;
                behind.pass(place);
                let kept = self.keep(place.clone()).await?;
                return Ok((!kept).then_some(Step::Wait(CLAIM_REST)));
            }
            Tried::Gone => return Ok(Some(Step::Stop)),
            Tried::Failed { why, asked } => (why, asked),
        };
        let attempts = self.failed(message);
        let now = self.endpoint.clock.now();
        self.endpoint.note_failing(&self.room, Some(message.at));
        if let Some(wait) = self.endpoint.settings().schedule.wait(attempts, message.at, now, asked) {
            tracing::debug!(endpoint = self.endpoint.name, id = message.id, attempts, why, "an attempt has failed");
            return Ok(Some(Step::Wait(wait)));
        }
        let body = message.body(place.sent, self.endpoint.settings().body_bytes);
        self.endpoint.dead.bury(&DeadLetter::new(message, body, attempts, why, now)).await?;
        self.failing = None;
        if let Some(position) = message.position {
            let cursor = behind.cursor(place);
            place.miss(Reason::DeadLetters, position.rev, position, cursor);
        }
        behind.pass(place);
        let kept = self.keep(place.clone()).await?;
        Ok((!kept).then_some(Step::Wait(CLAIM_REST)))
    }

    async fn try_both(&mut self, place: &mut Place, message: &Message) -> Result<Tried, StoreFault> {
        if let Some(missed) = self.gap(place) {
            let tried = self.endpoint.attempt(&missed, place.sent).await;
            if !matches!(tried, Tried::Taken) {
                return Ok(tried);
            }
            (place.sent, place.missed) = (missed.position, None);
            self.keep(place.clone()).await?;
        }
        Ok(self.endpoint.attempt(message, place.sent).await)
    }

    /// Counts the failed attempts of a message.
    fn failed(&mut self, message: &Message) -> usize {
        let attempts = match &self.failing {
            Some((id, attempts)) if *id == message.id => attempts + 1,
            _ => 1,
        };
        self.failing = Some((message.id.clone(), attempts));
        attempts
    }
}

/// How far the place goes when a message is done with.
enum Behind<'a> {
    /// It stays: the message comes before the first commit.
    Nothing,
    /// So many messages of the commit are done.
    Part(usize),
    /// The whole commit is.
    Commit(&'a Commit),
}

impl Behind<'_> {
    const fn pass(&self, place: &mut Place) {
        match self {
            Self::Nothing => {}
            Self::Part(done) => place.done = *done,
            Self::Commit(commit) => place.pass(commit.cursor, commit.at),
        }
    }

    const fn cursor(&self, place: &Place) -> crate::hub::cursor::Cursor {
        match self {
            Self::Nothing | Self::Part(_) => place.cursor,
            Self::Commit(commit) => commit.cursor,
        }
    }
}

impl Reason {
    /// Returns the wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeadLetters => "dead_letters",
            Self::Trimmed => "trimmed",
            Self::Unreadable => "unreadable",
        }
    }
}
