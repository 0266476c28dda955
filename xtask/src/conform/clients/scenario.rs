//! What every client plays: one life of a session, step by step. Steps build on those before them.
use super::{
    client::{Client, Seen},
    http,
};
use crate::conform::hub::{Hub, KEY};
use serde_json::{Value, json};

const USER: &str = "guest";
/// Pings come every 800 ms, and 4 s of silence are the end: only pongs carry a client over the longer silence below.
const SETTINGS: &[(&str, &str)] = &[
    ("PRESENCE__HEARTBEAT_INTERVAL_MS", "1600"),
    ("PRESENCE__HEARTBEAT_TIMEOUT_MS", "4000"),
    ("PRESENCE__PING_INTERVAL_MS", "800"),
];
const SILENCE_ROUNDS: u32 = 60;

type Played = Result<(), String>;

/// A step, with what it shows.
type Step = (&'static str, fn(&mut Stage) -> Played);

/// The steps, in their order.
pub const STEPS: &[Step] = &[
    ("token in the first frame", first_frame),
    ("token by bearer subprotocol", bearer),
    ("ping and pong, heartbeat", ping),
    ("room_join: ack, then snapshot", join),
    ("queue_join: ack, then update", queue_join),
    ("update by somebody else", update),
    ("texts of any script", script),
    ("bad frames: errors, the socket stays", bad_frames),
    ("no frame for longer than silence is borne: pongs keep it alive", silence),
    ("too large: 1009", too_large),
    ("resume, and what was missed", resume),
    ("kicked from the room", kicked_from_room),
    ("kicked from the hub: 4003", kicked_from_hub),
    ("bad token: 4001", bad_token),
    ("unknown subprotocol: 4006", unknown_protocol),
    ("drain: closing with a time, 4101", drain),
];

/// A hub, a client, and what the client knows.
pub struct Stage {
    hub: Hub,
    client: Client,
    cursor: Value,
    session: Value,
}

fn same(what: &str, got: &Value, wanted: &Value) -> Played {
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got}, not {wanted}")) }
}

impl Stage {
    /// Starts a hub that wants tokens.
    pub fn new(client: Client) -> Result<Self, String> {
        let hub = Hub::start_jwt("clients", SETTINGS)?;
        Ok(Self { hub, client, cursor: Value::Null, session: Value::Null })
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        http::post(&self.hub.address, path, KEY, body)
    }

    fn token(&self) -> Result<String, String> {
        let minted = self.post("/api/online-status/rts-token", &json!({"user_id": USER}))?;
        minted["token"].as_str().map(str::to_owned).ok_or_else(|| format!("no token: {minted}"))
    }

    fn open(&mut self, protocols: &str, spoken: &str) -> Played {
        self.client.tell(&format!("open ws://{}/ws {protocols}", self.hub.address))?;
        match self.client.next()? {
            Seen::Open(protocol) if protocol == spoken => Ok(()),
            other => Err(format!("open {spoken} expected, came {other:?}")),
        }
    }

    fn hello(&mut self, hello: &Value) -> Result<Value, String> {
        self.client.send(hello)?;
        let welcome = self.client.frame("welcome")?;
        same("user_id", &welcome["user_id"], &json!(USER))?;
        self.session = welcome["session_token"].clone();
        Ok(welcome)
    }

    fn come_in(&mut self) -> Result<Value, String> {
        let token = self.token()?;
        self.open("hub.v1.json", "hub.v1.json")?;
        self.hello(&json!({"type": "user_online", "user_id": USER, "token": token, "session_token": self.session,
            "rooms": [{"room_id": "r1", "cursor": self.cursor}]}))
    }

    /// Follows the room up to the update with this event: each must continue what the client has.
    fn follow(&mut self, event: &str) -> Result<Value, String> {
        loop {
            let update = self.client.frame("room_update")?;
            same("prev", &update["prev"], &self.cursor)?;
            self.cursor = update["cursor"].clone();
            let told = update["events"].as_array().into_iter().flatten().find(|told| told["event"] == event);
            if let Some(told) = told {
                return Ok(told.clone());
            }
        }
    }

    fn open_queue(&self, on: bool) -> Played {
        self.post("/api/rooms/r1/commands", &json!({"type": "flag_set", "flag": "queue_open", "on": on})).map(drop)
    }
}

fn first_frame(stage: &mut Stage) -> Played {
    let token = stage.token()?;
    stage.open("hub.v1.json", "hub.v1.json")?;
    let welcome = stage.hello(&json!({"type": "user_online", "user_id": USER, "token": token}))?;
    same("resumed", &welcome["resumed"], &json!(false))?;
    stage.client.close()
}

fn bearer(stage: &mut Stage) -> Played {
    let token = stage.token()?;
    stage.open(&format!("hub.v1.json bearer.{token}"), "hub.v1.json")?;
    stage.hello(&json!({"type": "user_online", "user_id": USER})).map(drop)
}

fn ping(stage: &mut Stage) -> Played {
    stage.client.tell("ping")?;
    stage.client.pong()?;
    stage.client.send(&json!({"type": "heartbeat", "ts_ms": 7}))?;
    let ack = stage.client.frame("heartbeat_ack")?;
    same("ts_ms", &ack["ts_ms"], &json!(7))
}

fn join(stage: &mut Stage) -> Played {
    stage.client.send(&json!({"type": "room_join", "id": 1, "room_id": "r1"}))?;
    let ack = stage.client.frame("ack")?;
    same("id", &ack["id"], &json!(1))?;
    let snapshot = stage.client.frame("room_snapshot")?;
    same("owner", &snapshot["state"]["owner_user_id"], &json!(USER))?;
    stage.cursor = snapshot["cursor"].clone();
    Ok(())
}

fn queue_join(stage: &mut Stage) -> Played {
    stage.client.send(&json!({"type": "queue_join", "id": 2, "room_id": "r1", "op_id": "join"}))?;
    let ack = stage.client.frame("ack")?;
    same("id", &ack["id"], &json!(2))?;
    let joined = stage.follow("queue_joined")?;
    same("rev", &joined["rev"], &ack["rev"])
}

fn update(stage: &mut Stage) -> Played {
    stage.open_queue(false)?;
    let changed = stage.follow("flags_changed")?;
    same("by", &changed["by"], &json!("service"))
}

fn script(stage: &mut Stage) -> Played {
    let text = "排麦 👩🏽‍🎤 صوت \u{1d11e} \"\\";
    stage.client.send(&json!({"type": "message", "id": 3, "to_user_id": USER, "message": text}))?;
    let (one, two) = (stage.client.next()?, stage.client.next()?);
    let told = |seen: &Seen| matches!(seen, Seen::Frame(frame) if frame["type"] == "message" && frame["message"] == text);
    if told(&one) || told(&two) { Ok(()) } else { Err(format!("the text did not come back: {one:?} {two:?}")) }
}

fn bad_frames(stage: &mut Stage) -> Played {
    stage.client.tell("send {\"type\":")?;
    same("name", &stage.client.frame("error")?["name"], &json!("bad_request"))?;
    stage.client.send(&json!({"type": "queue_join", "id": 4, "room_id": 7}))?;
    let error = stage.client.frame("error")?;
    same("name", &error["name"], &json!("bad_argument"))?;
    same("path", &error["details"]["path"], &json!("/room_id"))?;
    stage.client.send(&json!({"type": "no_such_type", "id": 5}))?;
    same("name", &stage.client.frame("error")?["name"], &json!("unknown_type"))?;
    stage.client.send(&json!({"type": "heartbeat"}))?;
    stage.client.frame("heartbeat_ack").map(drop)
}

fn silence(stage: &mut Stage) -> Played {
    stage.client.silence(SILENCE_ROUNDS)?;
    stage.client.send(&json!({"type": "heartbeat"}))?;
    stage.client.frame("heartbeat_ack").map(drop)
}

fn too_large(stage: &mut Stage) -> Played {
    stage.client.tell(&format!("send {{\"type\":\"heartbeat\",\"x\":\"{}\"}}", "x".repeat(20_000)))?;
    stage.client.end(1009).map(drop)
}

fn resume(stage: &mut Stage) -> Played {
    stage.open_queue(true)?;
    let welcome = stage.come_in()?;
    same("resumed", &welcome["resumed"], &json!(true))?;
    same("recovered", &welcome["rooms"][0]["recovered"], &json!(true))?;
    stage.follow("flags_changed").map(drop)
}

fn kicked_from_room(stage: &mut Stage) -> Played {
    stage.post("/api/rooms/r1/commands", &json!({"type": "user_kick", "target_user_id": USER}))?;
    stage.follow("member_kicked").map(drop)
}

fn kicked_from_hub(stage: &mut Stage) -> Played {
    stage.post(&format!("/api/users/{USER}/kick"), &json!({}))?;
    stage.client.end(4003).map(drop)
}

fn bad_token(stage: &mut Stage) -> Played {
    stage.open("hub.v1.json bearer.x.y.z", "hub.v1.json")?;
    stage.client.send(&json!({"type": "user_online", "user_id": USER}))?;
    same("name", &stage.client.frame("error")?["name"], &json!("unauthorized"))?;
    stage.client.end(4001).map(drop)
}

fn unknown_protocol(stage: &mut Stage) -> Played {
    stage.open("chat.v9", "chat.v9")?;
    stage.client.end(4006).map(drop)
}

fn drain(stage: &mut Stage) -> Played {
    stage.come_in()?;
    // What it may be told of the room does not matter here.
    stage.client.send(&json!({"type": "heartbeat"}))?;
    while !matches!(stage.client.next()?, Seen::Frame(frame) if frame["type"] == "heartbeat_ack") {}
    stage.hub.signal("TERM")?;
    let closing = stage.client.end(4101)?;
    if closing["retry_after_ms"].as_u64() > Some(0) { Ok(()) } else { Err(format!("no time to come back: {closing}")) }
}
