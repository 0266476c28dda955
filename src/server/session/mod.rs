//! One socket's session: hello, then frame by frame what the client asks for, until it goes.
mod direct;
mod frames;
mod greet;
mod live;
mod open;

use crate::server::{
    auth::{Auth, Claims},
    clock::Clock,
    config::Config,
    letters::Letters,
    live::Live,
    msg::{Class, Frame, Refusal, RoomSet, Shown},
    net::{
        conn::{Conn, Hello},
        rate::{Rates, UserRates},
        reader::Reader,
        shard::Sessions,
        watch::Watches,
    },
    presence::{Presence, Seen},
    rooms::Rooms,
};
use crate::{
    hub::{
        code::Code,
        id::{SessionId, UserId, UserType},
    },
    wire::{
        codec::text_frame,
        server::{Ack, ErrorJson, UserStatus, json},
    },
};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Map;
use std::{cell::RefCell, rc::Rc};

/// How many frames that are not understood end a connection.
const BAD_REQUESTS_MAX: u32 = 5;
/// How long a client that was closed for its rate waits before it comes back.
const RATE_RETRY_MS: u64 = 5_000;
/// A token is looked at again this long after its end, at the latest.
const EXPIRY_SLACK_MS: u64 = 500;

/// What sessions are allowed to do, and what they tell their clients.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct SessionSettings {
    pub auth_timeout_ms: u64,
    pub query_token: bool,
    pub user_types: Vec<String>,
    pub heartbeat_interval_ms: u64,
    pub heartbeat_timeout_ms: u64,
    pub ping_interval_ms: u64,
    pub rooms_per_session: usize,
    pub watches_per_session: usize,
    pub frames_per_second: u64,
    pub frames_burst: u64,
    /// Shared by all shards.
    pub user_rates: UserRates,
}

impl SessionSettings {
    /// Tells whether the hub knows this kind of user.
    #[must_use]
    pub fn knows(&self, kind: &UserType) -> bool {
        self.user_types.iter().any(|known| known == kind.as_str())
    }

    /// Returns the kind of user somebody is: that of his token, else the one that he names. `None`: the hub does not know one of them.
    #[must_use]
    pub fn kind_of(&self, claims: Option<&Claims>, named: &UserType) -> Option<UserType> {
        let by_token = claims.and_then(|claims| claims.user_type.as_ref());
        let known = self.knows(named) && by_token.is_none_or(|kind| self.knows(kind));
        known.then(|| by_token.unwrap_or(named).clone())
    }
}

impl From<&Config> for SessionSettings {
    fn from(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            auth_timeout_ms: config.auth.timeout_ms,
            query_token: config.auth.query_token,
            user_types: config.presence.user_types.clone(),
            heartbeat_interval_ms: config.presence.heartbeat_interval_ms,
            heartbeat_timeout_ms: config.presence.heartbeat_timeout_ms,
            ping_interval_ms: config.presence.ping_interval_ms,
            rooms_per_session: limits.rooms_per_session,
            watches_per_session: limits.watches_per_session,
            frames_per_second: limits.frames_per_second.into(),
            frames_burst: limits.frames_burst.into(),
            user_rates: UserRates::new(limits.frames_per_second_per_user.into()),
        }
    }
}

/// What the sessions of all shards share.
#[derive(Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct SessionDeps {
    pub settings: Live<SessionSettings>,
    pub auth: Auth,
    pub presence: Presence,
    pub rooms: Rooms,
    pub letters: Letters,
    pub clock: Clock,
    pub node: String,
}

impl SessionDeps {
    /// Makes one shard's sessions.
    #[must_use]
    pub fn on_shard(self, shard: u16) -> Rc<dyn Sessions> {
        Rc::new(ShardSessions { shard, shared: self, watches: RefCell::default() })
    }
}

/// The sessions of one shard.
struct ShardSessions {
    shard: u16,
    shared: SessionDeps,
    watches: RefCell<Watches>,
}

impl Sessions for ShardSessions {
    fn serve(self: Rc<Self>, conn: Conn, mut reader: Reader, hello: Hello) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            // What the beginning needs is boxed, and not kept for the life of the connection.
            if let Some(mut session) = Box::pin(self.begin(conn, &mut reader, hello)).await {
                session.live(&mut reader).await;
            }
        })
    }

    fn presence(&self, shown: &[Shown]) {
        self.watches.borrow().tell(shown);
    }

    fn settle(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            let all = &self.shared;
            if all.rooms.are_shared() {
                // An answer means that everything asked before it is done.
                all.presence.states(Vec::new()).await;
                all.rooms.settle().await;
            }
        })
    }
}

impl ShardSessions {
    /// Waits until the client has said who it is, and opens its session. `None`: the connection is closed.
    async fn begin(self: Rc<Self>, conn: Conn, reader: &mut Reader, hello: Hello) -> Option<Session> {
        let mut greeter = greet::Greeter { all: &self.shared, conn: &conn, reader, bad_requests: 0 };
        let greeted = greeter.greet(&hello).await?;
        let bad_requests = greeter.bad_requests;
        Session::open(self, conn, greeted, bad_requests).await
    }
}

fn text<T: Serialize>(frame: &T) -> Frame {
    Frame(text_frame(&json(frame)))
}

fn error(id: Option<i64>, code: Code) -> Frame {
    text(&ErrorJson::new(id, code, Map::new()))
}

/// Whether a session goes on after a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    Offline,
}

struct Session {
    shard: Rc<ShardSessions>,
    conn: Conn,
    user: UserId,
    user_type: UserType,
    session: SessionId,
    claims: Option<Claims>,
    rooms: RoomSet,
    seen: Seen,
    rates: Rates,
    bad_requests: u32,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct ExpiresAt {
    expires_at_ms: u64,
}

#[derive(Serialize)]
struct Watched<'a> {
    user_status: &'a [UserStatus],
}
impl Session {
    fn all(&self) -> &SessionDeps {
        &self.shard.shared
    }
    fn send(&self, frame: Frame) {
        self.conn.send(frame, Class::Must);
    }

    fn error(&self, id: Option<i64>, code: Code) {
        self.send(error(id, code));
    }

    fn refused(&self, id: Option<i64>, refused: &Refusal) {
        let details = refused.details.as_ref().and_then(|details| serde_json::from_slice(details).ok());
        self.send(text(&ErrorJson::new(id, refused.code, details.unwrap_or_default())));
    }

    fn ack<T: Serialize>(&self, id: Option<i64>, fields: T) {
        if id.is_some() {
            self.send(text(&Ack { id, fields }));
        }
    }
}
