//! A person's socket to a running hub, with a deadline on every read.
use serde_json::{Value, json};
use std::{net::TcpStream, time::Duration};
use tungstenite::{Message, WebSocket};

/// How long the hub may take for anything.
const DEADLINE: Duration = Duration::from_secs(30);

/// One session.
pub struct Line {
    socket: WebSocket<TcpStream>,
    next: i64,
    /// What resumes the session.
    pub token: String,
}

fn words(error: impl std::fmt::Display) -> String {
    format!("the socket: {error}")
}

impl Line {
    /// Connects and says who it is; `token` resumes what was dropped.
    pub fn open(address: &str, user: &str, token: Option<&String>) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(words)?;
        stream.set_read_timeout(Some(DEADLINE)).map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        let (socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).map_err(words)?;
        let mut line = Self { socket, next: 1, token: String::new() };
        line.say(&json!({"type": "user_online", "user_id": user, "session_token": token}))?;
        let welcome = line.until(|frame| frame["type"] == "welcome" || frame["type"] == "error")?;
        welcome["session_token"].as_str().ok_or_else(|| format!("{user} is not welcome: {welcome}"))?.clone_into(&mut line.token);
        Ok(line)
    }

    fn say(&mut self, frame: &Value) -> Result<(), String> {
        self.socket.send(Message::text(frame.to_string())).map_err(words)
    }

    /// The next frame.
    pub fn frame(&mut self) -> Result<Value, String> {
        loop {
            match self.socket.read().map_err(words)? {
                Message::Text(text) => return serde_json::from_str(&text).map_err(words),
                Message::Close(close) => return Err(format!("the hub closes: {close:?}")),
                _ => {}
            }
        }
    }

    /// Skips frames up to one like this.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        loop {
            let frame = self.frame()?;
            if wanted(&frame) {
                return Ok(frame);
            }
        }
    }

    /// Asks, and waits for the one reply.
    pub fn ask(&mut self, room: &str, frame: &Value) -> Result<Value, String> {
        let id = self.next;
        self.next += 1;
        let mut frame = frame.clone();
        frame["id"] = id.into();
        frame["room_id"] = room.into();
        self.say(&frame)?;
        self.until(|answer| answer["id"] == id)
    }
}
