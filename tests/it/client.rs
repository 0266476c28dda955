//! A client over a real socket: it asks, waits for frames, and follows a room's chain.
#[path = "recorder.rs"]
pub mod recorder;

use crate::hub::DEADLINE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub welcome: Value,
    next: i64,
    /// Frames that came while something else was waited for.
    pub early: VecDeque<Value>,
}

/// What ended a socket.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    pub code: u16,
    /// The name in the `closing` frame before it, or nothing.
    pub name: String,
    pub retry_after_ms: u64,
}

impl Client {
    pub async fn connect(address: &str) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    /// As `connect`. `None`: nobody takes the line, or it is cut.
    pub async fn try_connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let (socket, _) = client_async(format!("ws://{address}/ws"), stream).await.ok()?;
        Some(Self { socket, welcome: Value::Null, next: 1, early: VecDeque::new() })
    }

    pub async fn say(&mut self, frame: Value) {
        self.raw(&frame.to_string()).await;
    }

    pub async fn raw(&mut self, text: &str) {
        // A socket that the hub has closed is noticed when it is read.
        let _ = self.socket.send(Message::text(text)).await;
    }

    async fn read(&mut self) -> Value {
        // Pings are no frames to wait for.
        let next = async {
            loop {
                match self.socket.next().await.expect("an open socket").unwrap() {
                    Message::Text(text) => {
                        let frame = serde_json::from_str(&text).unwrap();
                        recorder::heard(&frame);
                        return frame;
                    }
                    Message::Close(close) => panic!("closed: {close:?}"),
                    _ => {}
                }
            }
        };
        timeout(DEADLINE, next).await.expect("a frame in time")
    }

    /// Returns the next frame.
    pub async fn frame(&mut self) -> Value {
        match self.early.pop_front() {
            Some(frame) => frame,
            None => self.read().await,
        }
    }

    /// Skips frames up to one of this type.
    pub async fn wait(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }

    /// Skips frames up to one like this.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.frame().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Skips frames up to a room update with this event, and returns the event.
    pub async fn event(&mut self, name: &str) -> Value {
        let has = |frame: &Value| frame["events"].as_array().and_then(|all| all.iter().find(|e| e["event"] == name).cloned());
        has(&self.until(|frame| has(frame).is_some()).await).unwrap()
    }

    /// Asks in room `r1`, and waits for the one reply. Other frames are kept for later.
    pub async fn ask(&mut self, kind: &str, fields: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut frame = json!({"type": kind, "id": id, "room_id": "r1"});
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.say(frame).await;
        loop {
            let frame = self.read().await;
            if frame["id"] == id {
                return frame;
            }
            self.early.push_back(frame);
        }
    }

    /// Asks, and returns the name of the error.
    pub async fn refused(&mut self, kind: &str, fields: Value) -> String {
        let answer = self.ask(kind, fields).await;
        answer["name"].as_str().unwrap_or_else(|| panic!("not refused: {answer}")).to_owned()
    }

    /// Asks, and expects an ack.
    pub async fn ok(&mut self, kind: &str, fields: Value) -> Value {
        let answer = self.ask(kind, fields).await;
        assert_eq!(answer["type"], "ack", "{kind}: {answer}");
        answer
    }

    /// Asks something that is answered in order with everything before it, and returns the frames that came until then.
    pub async fn drain(&mut self) -> Vec<Value> {
        let users = json!({"user_ids": [self.welcome["user_id"]]});
        self.ask("request_online_status", users).await;
        self.early.drain(..).collect()
    }

    /// Waits for the end of the socket. `None`: it ended without a close frame.
    pub async fn closed(&mut self) -> Option<Closed> {
        let mut last = self.early.drain(..).next_back().unwrap_or_default();
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("an end in time") {
                Some(Ok(Message::Text(text))) => last = serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(close))) => {
                    let code = close.map_or(1005, |close| close.code.into());
                    let closing = last["type"] == "closing" && last["code"] == code;
                    let name = if closing { last["name"].as_str().unwrap().to_owned() } else { String::new() };
                    return Some(Closed { code, name, retry_after_ms: last["retry_after_ms"].as_u64().unwrap_or(0) });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// As `closed`, only the code.
    pub async fn close_code(&mut self) -> u16 {
        self.closed().await.expect("a close frame").code
    }
}

/// The order of the queue in a snapshot.
pub fn order(snapshot: &Value) -> Vec<String> {
    snapshot["state"]["queue"].as_array().unwrap().iter().map(|entry| entry["user_id"].as_str().unwrap().to_owned()).collect()
}
