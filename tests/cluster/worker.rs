//! People who keep working while things break: each sends one command after the other, comes back to any hub when his line is gone, and
//! sends what was not answered again under the same op_id.
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// The hubs' addresses; those of dead ones are taken out.
pub type Addresses = Arc<Mutex<Vec<String>>>;

/// What a person has seen of his room: events by rev, the position, and whether he was reset.
#[derive(Default, Clone)]
pub struct Copy {
    pub events: BTreeMap<u64, Value>,
    pub cursor: Option<String>,
    pub resets: usize,
    /// A chain that did not fit although no reset said so.
    pub torn: Vec<String>,
    /// How often he saw somebody offline.
    pub offline: usize,
    /// From which rev on he has seen everything.
    pub since: u64,
}

/// An acked command.
#[derive(Clone, Debug)]
pub struct Acked {
    pub op: String,
    pub rev: u64,
}

pub struct Worker {
    pub user: String,
    pub room: String,
    addresses: Addresses,
    home: usize,
    socket: Option<WebSocketStream<TcpStream>>,
    token: Option<Value>,
    pub copy: Copy,
    pub acked: Vec<Acked>,
    pub unavailable: usize,
    pub reconnects: usize,
    next: u64,
}

const PATIENCE: Duration = Duration::from_millis(4_000);

impl Worker {
    pub fn new(user: String, room: String, home: usize, addresses: Addresses) -> Self {
        Self {
            user,
            room,
            addresses,
            home,
            socket: None,
            token: None,
            copy: Copy::default(),
            acked: Vec::new(),
            unavailable: 0,
            reconnects: 0,
            next: 0,
        }
    }

    /// Opens a line to some hub and enters the room, until that works or the time is over.
    pub async fn connect(&mut self, stop: &AtomicBool) -> bool {
        while !stop.load(Relaxed) {
            if let Ok(Some(())) = timeout(PATIENCE, self.try_connect()).await {
                return true;
            }
            self.socket = None;
            self.home += 1;
            let _: Result<(), _> = timeout(Duration::from_millis(50), std::future::pending()).await;
        }
        false
    }

    async fn try_connect(&mut self) -> Option<()> {
        let address = {
            let all = self.addresses.lock().unwrap();
            all[self.home % all.len()].clone()
        };
        let stream = TcpStream::connect(&address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (socket, _) = client_async(format!("ws://{address}/ws"), stream).await.ok()?;
        self.socket = Some(socket);
        let mut hello =
            json!({"type": "user_online", "user_id": self.user, "rooms": [{"room_id": self.room, "cursor": self.copy.cursor}]});
        if self.copy.cursor.is_none() {
            hello["rooms"] = json!([]);
        }
        if let Some(token) = &self.token {
            hello["session_token"] = token.clone();
        }
        self.say(&hello).await?;
        let welcome = self.until(|frame| frame["type"] == "welcome").await?;
        self.token = Some(welcome["session_token"].clone());
        self.reconnects += 1;
        let entered = welcome["rooms"].as_array().is_some_and(|rooms| rooms.iter().any(|room| room["error"].is_null()));
        if !entered {
            let joined = self.ask(&json!({"type": "room_join", "room_id": self.room, "cursor": self.copy.cursor})).await?;
            if joined["type"] != "ack" {
                return None;
            }
        }
        Some(())
    }

    async fn say(&mut self, frame: &Value) -> Option<()> {
        self.socket.as_mut()?.send(Message::text(frame.to_string())).await.ok()
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.as_mut()?.next()).await.ok()?? {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).ok()?;
                    self.see(&frame);
                    return Some(frame);
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            let frame = self.read().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    async fn ask(&mut self, frame: &Value) -> Option<Value> {
        self.next += 1;
        let id = self.next;
        let mut frame = frame.clone();
        frame["id"] = id.into();
        self.say(&frame).await?;
        self.until(|answer| answer["id"] == id).await
    }

    fn see(&mut self, frame: &Value) {
        if frame["type"] == "userOnlineStatus" && frame["id"].is_null() {
            let gone = |one: &Value| one["status"] == "offline";
            self.copy.offline += frame["user_status"].as_array().map_or(0, |all| all.iter().filter(|one| gone(one)).count());
        }
        if frame["room_id"] != self.room.as_str() {
            return;
        }
        match frame["type"].as_str() {
            Some("room_reset") => {
                self.copy.resets += 1;
                self.copy.events.clear();
                self.copy.cursor = None;
            }
            Some("room_snapshot") => {
                if self.copy.cursor.is_some() && self.copy.cursor.as_deref() != frame["cursor"].as_str() {
                    // The chain goes on from here; what lies between is not known.
                    self.copy.events.clear();
                    self.copy.since = frame["rev"].as_u64().unwrap();
                }
                self.copy.cursor = frame["cursor"].as_str().map(str::to_owned);
                if self.copy.events.is_empty() {
                    self.copy.since = frame["rev"].as_u64().unwrap();
                }
            }
            Some("room_update") => {
                if self.copy.cursor.as_deref() != frame["prev"].as_str() {
                    self.copy.torn.push(format!("{:?} is not {}", self.copy.cursor, frame["prev"]));
                }
                self.copy.cursor = frame["cursor"].as_str().map(str::to_owned);
                for event in frame["events"].as_array().unwrap() {
                    self.copy.events.insert(event["rev"].as_u64().unwrap(), event.clone());
                }
            }
            _ => {}
        }
    }

    /// Sends a command until it is answered for certain.
    pub async fn command(&mut self, mut frame: Value, stop: &AtomicBool) {
        let op = format!("{}-{}", self.user, self.next);
        frame["op_id"] = op.clone().into();
        frame["room_id"] = self.room.clone().into();
        while !stop.load(Relaxed) {
            let Some(answer) = self.ask(&frame).await else {
                self.socket = None;
                self.home += 1;
                if !self.connect(stop).await {
                    return;
                }
                continue;
            };
            if answer["type"] == "ack" {
                if let Some(rev) = answer["rev"].as_u64().filter(|_| answer["noop"].is_null()) {
                    self.acked.push(Acked { op, rev });
                }
                return;
            }
            if answer["temporary"] == true {
                self.unavailable += 1;
                let _: Result<(), _> = timeout(Duration::from_millis(100), std::future::pending()).await;
                continue;
            }
            return;
        }
    }

    /// Watches other people.
    pub async fn watch(&mut self, users: &[String]) {
        self.ask(&json!({"type": "watch_status", "user_ids": users})).await;
    }

    /// Reads up to the room's head, and returns the position and the state there.
    pub async fn settle(&mut self) -> Option<(String, Value)> {
        let ack = self.ask(&json!({"type": "room_sync", "room_id": self.room, "cursor": self.copy.cursor})).await?;
        let head = ack["cursor"].as_str()?.to_owned();
        while self.copy.cursor.as_deref() != Some(head.as_str()) {
            self.read().await?;
        }
        let events = self.copy.clone();
        self.ask(&json!({"type": "room_sync", "room_id": self.room, "cursor": ""})).await?;
        let snapshot = self.until(|frame| frame["type"] == "room_snapshot").await?;
        self.copy = events;
        Some((head, snapshot["state"].clone()))
    }
}
