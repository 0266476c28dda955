//! Server-Sent Events: a room's updates or messages as they come. One stream is a client that polls at once after each answer.
use super::{Reading, Topic};
use crate::server::{
    msg::{Polled, Refusal},
    net::failure::Failure,
};
use crate::{
    hub::{code::Code, cursor::Cursor, time::Millis},
    wire::{
        close::Close,
        membership::room_reset,
        server::{ErrorJson, closing, json},
    },
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, value::RawValue};
use std::{collections::VecDeque, convert::Infallible};

/// Within which time clients come back to a hub that goes down.
const SPREAD_MS: std::ops::Range<u64> = 200..3_000;
/// After how long a stream says that it is there although nothing happens; proxies end silent ones.
pub(super) const QUIET: Millis = Millis(15_000);

/// How a stream begins, and what a silent one says.
pub(super) const HELLO: &[u8] = b": hello\n\n";
pub(super) const NOTHING: &[u8] = b":\n\n";

/// The `/updates` or the `/messages` object.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    updates: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub snapshot: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Returns the frames in it, besides the snapshot.
    pub fn frames(&self) -> impl Iterator<Item = &'a RawValue> {
        self.updates.iter().chain(&self.messages).copied()
    }
}

/// Takes an answer apart. Errors: it is none.
pub(super) fn parts(polled: &Polled) -> Result<Answer<'_>, serde_json::Error> {
    serde_json::from_slice(&polled.body).inspect_err(|error| tracing::error!(%error, "the hub's own answer cannot be read"))
}

/// Makes an event.
pub(super) fn event(id: Option<&str>, frame: &[u8]) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    [id.as_bytes(), b"data: ", frame, b"\n\n"].concat().into()
}

/// Returns after how long a client comes back to a hub that goes down.
pub(super) fn spread() -> u64 {
    rand::random_range(SPREAD_MS)
}

/// Answers with events.
pub(super) fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather answers would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, Body::from_stream(events.map(Ok::<_, Infallible>))).into_response()
}

#[derive(Deserialize)]
struct Event {
    #[serde(alias = "msg_cursor")]
    cursor: String,
}

struct Feed {
    reading: Reading,
    topic: Topic,
    cursor: Option<Cursor>,
    waiting: VecDeque<Bytes>,
    ended: bool,
}

/// Begins a stream after `cursor`. Errors: the room cannot be read.
pub(in crate::server) async fn begin(reading: Reading, topic: Topic, cursor: Option<Cursor>) -> Result<Response, Failure> {
    let first = reading.asked(topic, cursor, Millis(0)).await?;
    let mut feed = Feed { reading, topic, cursor, waiting: VecDeque::new(), ended: false };
    feed.say(HELLO.into());
    feed.tell(&first, false);
    Ok(response(stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((event, feed))
    })))
}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            answer = self.reading.asked(self.topic, self.cursor, QUIET) => match answer {
                Ok(polled) => self.tell(&polled, true),
                Err(refusal) => self.refused(&refusal),
            },
            () = self.reading.drained() => self.close(Close::Draining, spread()),
            close = self.reading.ended() => self.close(close, 0),
        }
    }

    fn say(&mut self, event: Bytes) {
        self.waiting.push_back(event);
    }

    fn event(&mut self, id: Option<&str>, frame: &[u8]) {
        self.say(event(id, frame));
    }

    /// The frames of a socket, one event each.
    fn tell(&mut self, polled: &Polled, live: bool) {
        let Ok(answer) = parts(polled) else { return self.close(Close::ServerError, 1_000) };
        if let Some(snapshot) = answer.snapshot {
            if live {
                let reset = room_reset(&self.reading.room, "history_changed", &[]);
                self.event(None, &reset);
            }
            self.event(Some(&polled.cursor.to_string()), snapshot.get().as_bytes());
        }
        for event in answer.frames() {
            let id = serde_json::from_str::<Event>(event.get()).map(|event| event.cursor);
            self.event(id.ok().as_deref(), event.get().as_bytes());
        }
        if live && !polled.news {
            self.say(NOTHING.into());
        }
        self.cursor = Some(polled.cursor);
    }

    fn refused(&mut self, refusal: &Refusal) {
        let details: Map<_, _> =
            refusal.details.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let error = ErrorJson::new(None, refusal.code, details);
        self.event(None, &json(&error));
        if refusal.code == Code::Forbidden {
            return self.close(Close::Banned, 0);
        }
        self.close(Close::ServerError, error.retry_after_ms.max(1_000));
    }

    fn close(&mut self, close: Close, retry_after_ms: u64) {
        self.event(None, &closing(close, retry_after_ms));
        if retry_after_ms > 0 {
            self.say(format!("retry: {retry_after_ms}\n\n").into());
        }
        self.ended = true;
    }
}
