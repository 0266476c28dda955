//! Everything that a socket would get, for a client without one: as an answer that waits for it, or as a stream of events.
//! Nothing of it is lost with an answer that does not arrive: rooms have positions, and the mail stays until the client says that it has it.
use super::{
    Api, Reading, Topic,
    read::{drained, ended},
    stream,
};
use crate::server::{
    auth::Claims,
    msg::{Frame, Mailbox, Polled, Refusal, RoomSet},
};
use crate::{
    hub::{code::Code, cursor::Cursor, id::RoomId, time::Millis},
    wire::{
        client::{Since, msg_cursor},
        close::Close,
        membership::room_reset,
        server::{WelcomeRoom, closing},
    },
};
use axum::{body::Bytes, response::Response};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::sync::watch;

/// How long a client waits that comes back because a room cannot be read.
const RETRY_MS: u64 = 1_000;

/// What is new for a client.
pub(super) struct News {
    pub frames: Vec<Bytes>,
    /// The position in its mail after them.
    pub heard: String,
    /// The client is sent away by the last frame.
    is_last: bool,
}

/// A client that takes everything.
pub(super) struct Listener {
    mail: Mailbox,
    bell: watch::Receiver<()>,
    /// The number of the last mail that it was told.
    told: u64,
    rooms: BTreeMap<RoomId, Place>,
    /// The rooms that may have something new.
    due: BTreeSet<RoomId>,
    api: Api,
    claims: Option<Claims>,
}

/// Where a client is in a room.
struct Place {
    reading: Reading,
    log: Option<Cursor>,
    messages: Option<Cursor>,
    /// It has been told something of it.
    is_known: bool,
}

impl Listener {
    /// Begins where the client says that it is: in the rooms that have let it in, and in its mail.
    pub fn new(
        api: &Api,
        claims: Option<&Claims>,
        set: &RoomSet,
        rooms: Vec<(RoomId, Since)>,
        joined: &[WelcomeRoom],
        heard: Option<&str>,
    ) -> Self {
        let place = |(room, since): (RoomId, Since)| {
            let head = joined.iter().find(|one| one.room_id == room.as_str()).and_then(|one| one.msg_cursor.as_deref());
            let messages = since.messages.or_else(|| head.map(msg_cursor));
            let reading = Reading::of(api, claims, &room);
            (room, Place { reading, log: since.cursor, messages, is_known: since.cursor.is_some() })
        };
        let mail = set.mail().clone();
        let told = heard.map_or(0, |position| mail.heard(position));
        let refused = |room: &RoomId| joined.iter().any(|one| one.room_id == room.as_str() && one.error.is_some());
        let rooms: BTreeMap<_, _> = rooms.into_iter().filter(|(room, _)| !refused(room)).map(place).collect();
        let due = rooms.keys().cloned().collect();
        Self { bell: mail.listen(), mail, told, rooms, due, api: api.clone(), claims: claims.cloned() }
    }

    /// Returns what is new, as soon as there is something; nothing if there is nothing for so long.
    pub async fn news(&mut self, wait: Millis) -> News {
        let end = tokio::time::sleep(Duration::from_millis(wait.0));
        tokio::pin!(end);
        loop {
            self.bell.mark_unchanged();
            self.due.extend(self.mail.take_rooms());
            let (mut frames, mut is_last) = self.read().await;
            let (mail, told, sent_away) = self.mail.after(self.told);
            self.told = told;
            frames.extend(mail.iter().map(Frame::payload));
            is_last |= sent_away;
            if !frames.is_empty() || end.is_elapsed() || wait == Millis(0) {
                return News { frames, heard: self.mail.position(told), is_last };
            }
            let close = tokio::select! {
                _ = self.bell.changed() => None,
                () = &mut end => None,
                () = drained(&self.api) => Some((Close::Draining, stream::spread())),
                close = ended(&self.api, self.claims.as_ref()) => Some((close, 0)),
            };
            if let Some((close, retry_after_ms)) = close {
                let frames = vec![closing(close, retry_after_ms).into()];
                return News { frames, heard: self.mail.position(told), is_last: true };
            }
        }
    }

    /// Reads what rooms have after the client's positions.
    async fn read(&mut self) -> (Vec<Bytes>, bool) {
        let mut frames = Vec::new();
        while let Some(room) = self.due.pop_first() {
            let Some(place) = self.rooms.get_mut(&room) else { continue };
            let read = match place.read(Topic::Updates, &mut frames).await {
                Ok(()) => place.read(Topic::Messages, &mut frames).await,
                refused => refused,
            };
            if let Err(refusal) = read {
                // It is not in this room any more, or nobody can read it now: its welcome says which.
                let (close, retry) =
                    if refusal.code == Code::Unavailable { (Close::ServerError, RETRY_MS) } else { (Close::ResumeNeeded, 0) };
                frames.push(closing(close, retry).into());
                return (frames, true);
            }
        }
        (frames, false)
    }
}

impl Place {
    async fn read(&mut self, topic: Topic, frames: &mut Vec<Bytes>) -> Result<(), Refusal> {
        let at = match topic {
            Topic::Updates => self.log,
            Topic::Messages if self.messages.is_none() => return Ok(()),
            Topic::Messages => self.messages,
        };
        let polled: Polled = self.reading.asked(topic, at, Millis(0)).await?;
        let Ok(parts) = stream::parts(&polled) else { return Ok(()) };
        if let Some(snapshot) = parts.snapshot.filter(|_| topic == Topic::Updates) {
            if self.is_known {
                frames.push(room_reset(&self.reading.room, "history_changed", &[]).into());
            }
            frames.push(Bytes::copy_from_slice(snapshot.get().as_bytes()));
        }
        frames.extend(parts.frames().map(|frame| Bytes::copy_from_slice(frame.get().as_bytes())));
        match topic {
            Topic::Updates => (self.log, self.is_known) = (Some(polled.cursor), true),
            Topic::Messages => self.messages = Some(polled.cursor),
        }
        Ok(())
    }
}

/// Begins a stream: `first`, then every frame as it comes. Mail has its position as the event's id.
pub(super) fn begin(listener: Listener, first: Bytes) -> Response {
    let mut waiting = VecDeque::from([stream::event(None, &first)]);
    let heard = String::new();
    waiting.push_front(stream::HELLO.into());
    let state = (listener, waiting, heard, false);
    stream::response(futures_util::stream::unfold(state, |(mut listener, mut waiting, mut heard, mut ended)| async move {
        loop {
            if let Some(event) = waiting.pop_front() {
                return Some((event, (listener, waiting, heard, ended)));
            }
            if ended {
                return None;
            }
            let news = listener.news(stream::QUIET).await;
            ended = news.is_last;
            if news.frames.is_empty() {
                waiting.push_back(stream::NOTHING.into());
            }
            let id = (news.heard != heard).then_some(news.heard.as_str());
            let last = news.frames.len().saturating_sub(1);
            for (index, frame) in news.frames.iter().enumerate() {
                waiting.push_back(stream::event(id.filter(|_| index == last), frame));
            }
            heard = news.heard;
        }
    }))
}
