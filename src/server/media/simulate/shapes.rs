//! The happenings in the shapes of the vendors, signed as they sign.
use super::{
    SimulateArgs,
    history::{Happening, History, What},
};
use crate::server::{
    clock::Clock,
    media::hooks::{Kind, hex},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// An 18-digit id: a sender who treats it as a floating-point number loses its end.
const FIRST_EPOCH: u64 = 858_012_925_204_410_400;

/// One callback, before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub hook: &'static str,
    pub body: String,
}

/// Shapes what happens for one kind of media server.
pub(super) struct Shaper {
    kind: Kind,
    secret: String,
    api_key: String,
    clock: Clock,
    run: u64,
    now: u64,
}

impl Shaper {
    /// Makes a shaper. `None`: this kind has no callbacks.
    pub fn new(args: &SimulateArgs, clock: Clock) -> Option<Self> {
        if args.kind == Kind::Livego {
            return None;
        }
        let (secret, api_key) = (args.secret.clone(), args.api_key.clone());
        let now = clock.wall_seconds();
        Some(Self { kind: args.kind, secret, api_key, clock, run: args.seed, now })
    }

    /// Tells whether rooms of this kind end and begin anew.
    pub const fn has_epochs(&self) -> bool {
        matches!(self.kind, Kind::Zego | Kind::LiveKit)
    }

    pub fn room(&self, history: &History) -> String {
        format!("sim{}-{}", self.run, history.room)
    }

    pub fn person(person: usize) -> String {
        // Agora names people by numbers.
        (10_001 + person).to_string()
    }

    /// Milliseconds at which something happened.
    pub const fn at(&self, at: u64) -> u64 {
        (self.now - 300) * 1000 + at * 100
    }

    pub fn epoch(&self, history: &History, epoch: u64) -> u64 {
        FIRST_EPOCH + u64::from(history.room) * 16 + epoch
    }

    fn name(&self, history: &History, person: usize) -> String {
        format!("{}_{}_main", self.room(history), Self::person(person))
    }

    /// Returns what the hub should take for on air: space and stream.
    pub fn truth(&self, history: &History) -> Vec<(String, String)> {
        let shown = |(person, session, epoch): (usize, u64, u64)| match self.kind {
            Kind::Zego => (self.room(history), self.name(history, person)),
            Kind::Agora => (self.room(history), Self::person(person)),
            Kind::LiveKit => {
                let track = Self::track(self.epoch(history, epoch), person, session);
                (self.room(history), format!("track/{}/{track}", Self::person(person)))
            }
            Kind::ZlMediaKit | Kind::Srs | Kind::Livego => {
                (String::new(), format!("__defaultVhost__/live/{}", self.name(history, person)))
            }
        };
        history.on_air().into_iter().map(shown).collect()
    }

    pub fn track(epoch: u64, person: usize, session: u64) -> String {
        format!("TR_{epoch}_{person}_{session}")
    }

    /// Returns the callbacks of a history, in the order of what happened.
    pub fn callbacks(&self, history: &History) -> Vec<Callback> {
        history.happenings.iter().flat_map(|happening| self.callback(history, happening)).collect()
    }

    fn callback(&self, history: &History, happening: &Happening) -> Vec<Callback> {
        let plain = |body: Value| vec![Callback { hook: "", body: body.to_string() }];
        match self.kind {
            Kind::Zego => plain(self.zego(history, happening)),
            Kind::LiveKit => self.livekit(history, happening).into_iter().flat_map(plain).collect(),
            Kind::Agora => self.agora(history, happening).map(plain).unwrap_or_default(),
            Kind::ZlMediaKit => self.zlm(history, happening),
            Kind::Srs => self.srs(history, happening).into_iter().collect(),
            Kind::Livego => Vec::new(),
        }
    }

    fn zego(&self, history: &History, happening: &Happening) -> Value {
        let Happening { at, epoch, what } = *happening;
        let (time, nonce) = (self.now.to_string(), format!("{}-{}-{at}", self.run, history.room));
        let mut parts = [self.secret.as_str(), &time, &nonce];
        parts.sort_unstable();
        let signature = hex(&Sha1::digest(parts.concat()));
        let id = self.epoch(history, epoch);
        let mut body =
            json!({"appid": "1", "timestamp": time, "nonce": nonce, "signature": signature, "room_id": self.room(history)});
        let fields = match what {
            What::RoomBegins => {
                json!({"event": "room_create", "room_session_id": id, "room_create_time": self.at(at).to_string()})
            }
            What::RoomEnds => json!({"event": "room_close", "room_session_id": id, "close_reason": 0}),
            What::Stream { person, session, on } => {
                let name = self.name(history, person);
                json!({"event": if on { "stream_create" } else { "stream_close" }, "room_session_id": id.to_string(),
                    "user_id": Self::person(person), "channel_id": self.room(history), "stream_id": name, "stream_alias": name,
                    "stream_sid": format!("s-{person}-{session}"), "stream_seq": at.to_string(),
                    "create_time_ms": self.at(at).to_string(), "type": "0"})
            }
        };
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        body
    }

    fn livekit(&self, history: &History, happening: &Happening) -> Vec<Value> {
        let Happening { at, epoch, what } = *happening;
        let id = self.epoch(history, epoch);
        let room = json!({"sid": format!("RM_{id}"), "name": self.room(history), "creationTime": (self.at(0) / 1000 + epoch).to_string(),
            "creationTimeMs": (self.at(0) + epoch * 60_000).to_string()});
        let event = |name: &str| json!({"event": name, "room": room, "id": format!("EV_{id}_{at}_{name}"), "createdAt": self.now.to_string()});
        match what {
            What::RoomBegins => vec![event("room_started")],
            What::RoomEnds => vec![event("room_finished")],
            What::Stream { person, session, on } => {
                // Whoever publishes again has joined again: each session is a participant of its own.
                let born = self.at(0) + epoch * 60_000 + session;
                let sid = format!("PA_{id}_{person}_{session}");
                let who = json!({"sid": sid, "identity": Self::person(person), "joinedAt": (born / 1000).to_string(), "joinedAtMs": born.to_string()});
                let track = json!({"sid": Self::track(id, person, session), "source": "MICROPHONE", "version": {"unixMicro": (born * 1000).to_string()}});
                let names: &[&str] =
                    if on { &["participant_joined", "track_published"] } else { &["track_unpublished", "participant_left"] };
                let full = |name: &&str| {
                    let mut body = event(name);
                    if let Value::Object(body) = &mut body {
                        body.insert("participant".to_owned(), who.clone());
                        if name.starts_with("track") {
                            body.insert("track".to_owned(), track.clone());
                        }
                    }
                    body
                };
                names.iter().map(full).collect()
            }
        }
    }

    fn agora(&self, history: &History, happening: &Happening) -> Option<Value> {
        let What::Stream { person, on, .. } = happening.what else { return None };
        let at = happening.at;
        let payload = json!({"channelName": self.room(history), "uid": 10_001 + person, "platform": 1, "clientSeq": self.at(at), "ts": self.at(at) / 1000});
        Some(
            json!({"noticeId": format!("{}:{}:{at}", self.run, history.room), "productId": 1, "eventType": if on { 103 } else { 104 },
            "notifyMs": self.at(at), "sid": "S1", "payload": payload}),
        )
    }

    /// The ticket of a publishing. The hub has not written it: who publishes stays open, what is on air does not.
    fn ticket(&self, history: &History, person: usize, session: u64) -> String {
        format!("{}~{}~1~{session}~9999999999999~simulated", self.room(history), Self::person(person))
    }

    fn zlm(&self, history: &History, happening: &Happening) -> Vec<Callback> {
        let What::Stream { person, session, on } = happening.what else { return Vec::new() };
        let ticket = self.ticket(history, person, session);
        let body = json!({"mediaServerId": "sim:B1", "hook_index": happening.at, "schema": "rtsp", "vhost": "__defaultVhost__", "app": "live",
            "stream": self.name(history, person), "params": format!("t={ticket}")});
        let mut changed = body.clone();
        if let Value::Object(fields) = &mut changed {
            fields.insert("regist".to_owned(), on.into());
        }
        let mut list = vec![Callback { hook: "on_stream_changed", body: changed.to_string() }];
        if on {
            list.push(Callback { hook: "on_publish", body: body.to_string() });
        }
        list
    }

    fn srs(&self, history: &History, happening: &Happening) -> Option<Callback> {
        let What::Stream { person, session, on } = happening.what else { return None };
        let action = if on { "on_publish" } else { "on_unpublish" };
        let body = json!({"server_id": "sim", "service_id": "simsrv01", "action": action, "client_id": Self::client(history, person, session),
            "ip": "127.0.0.1", "vhost": "__defaultVhost__", "app": "live", "tcUrl": "rtmp://127.0.0.1/live", "stream": self.name(history, person),
            "param": format!("?t={}", self.ticket(history, person, session))});
        Some(Callback { hook: action, body: body.to_string() })
    }

    pub fn client(history: &History, person: usize, session: u64) -> String {
        format!("c{}x{person}x{session}", history.room)
    }

    /// Returns the headers that this body is sent with.
    pub fn headers(&self, body: &str) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::LiveKit => {
                let now = self.clock.wall_seconds();
                let hash = STANDARD.encode(Sha256::digest(body));
                let claims = json!({"iss": self.api_key, "nbf": now.saturating_sub(5), "exp": now + 300, "sha256": hash});
                let key = jsonwebtoken::EncodingKey::from_secret(self.secret.as_bytes());
                let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap_or_default();
                vec![("authorization", token), ("content-type", "application/webhook+json".to_owned())]
            }
            Kind::Agora => {
                let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes());
                let signature = mac.map(|mac| hex(&mac.chain_update(body).finalize().into_bytes())).unwrap_or_default();
                vec![("agora-signature-v2", signature), ("content-type", "application/json".to_owned())]
            }
            _ => vec![("content-type", "application/json".to_owned())],
        }
    }
}
