//! One socket's life: the opening frame, the read loop, what it asks of presence and rooms, and its end.
use super::{
    auth::{Auth, Claims, SessionClaim},
    clock::Clock,
    config::Config,
    conn::{Conn, Hello},
    http::user_status,
    msg::{Class, Frame, JoinReply, Member, Refusal, Reply, RoomMsg, RoomSet, Shown, TokenRole},
    presence::{Answer, Entered, Opening, Presence, Seen},
    reader::{Inbound, Reader},
    rooms::Rooms,
    shard::Sessions,
    watch::Watches,
};
use crate::{
    hub::{
        code::Code,
        command::{Actor, Request},
        cursor::Cursor,
        id::{RoomId, SessionId, UserId, UserType},
        presence::Status,
        time::UnixMs,
    },
    wire::{
        client::{self, Choice, ClientFrame, Parsed, UserOnline},
        close::Close,
        codec::text_frame,
        server::{Ack, ErrorJson, HeartbeatAck, Message, UserOnlineStatus, Welcome, WelcomeRoom, json},
    },
};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Map;
use std::{collections::BTreeSet, rc::Rc, time::Duration};
use tokio::{sync::oneshot, time::timeout};

/// After how many frames that are not understood a connection is closed.
const BAD_FRAMES_MAX: u32 = 5;

/// What sessions are told and allowed.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are those of config.toml")]
pub struct SessionSettings {
    pub auth_timeout_ms: u64,
    pub heartbeat_interval_ms: u64,
    pub heartbeat_timeout_ms: u64,
    pub ping_interval_ms: u64,
    pub user_types: Vec<String>,
    pub query_token: bool,
    pub rooms_per_session: usize,
    pub watches_per_session: usize,
}

impl From<&Config> for SessionSettings {
    fn from(config: &Config) -> Self {
        Self {
            auth_timeout_ms: config.auth.timeout_ms,
            heartbeat_interval_ms: config.presence.heartbeat_interval_ms,
            heartbeat_timeout_ms: config.presence.heartbeat_timeout_ms,
            ping_interval_ms: config.presence.ping_interval_ms,
            user_types: config.presence.user_types.clone(),
            query_token: config.auth.query_token,
            rooms_per_session: config.limits.rooms_per_session,
            watches_per_session: config.limits.watches_per_session,
        }
    }
}

/// What every session needs.
#[derive(Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct SessionDeps {
    pub settings: SessionSettings,
    pub auth: Auth,
    pub presence: Presence,
    pub rooms: Rooms,
    pub clock: Clock,
    pub node: String,
}

impl SessionDeps {
    /// Makes one shard's side.
    #[must_use]
    pub fn on_shard(self, shard: u16) -> Rc<dyn Sessions> {
        let watches = Watches::new(shard, self.presence.clone());
        Rc::new(ShardSessions { deps: self, watches })
    }
}

struct ShardSessions {
    deps: SessionDeps,
    watches: Watches,
}

impl Sessions for ShardSessions {
    fn serve(self: Rc<Self>, conn: Conn, reader: Reader, hello: Hello) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move { live(self, conn, reader, hello).await })
    }

    fn presence(&self, shown: &[Shown]) {
        self.watches.tell(shown);
    }
}

fn frame<T: Serialize>(value: &T) -> Frame {
    Frame(text_frame(&json(value)))
}

struct Session {
    shard: Rc<ShardSessions>,
    conn: Conn,
    id: SessionId,
    user: UserId,
    user_type: UserType,
    claims: Option<Claims>,
    rooms: RoomSet,
    watched: BTreeSet<UserId>,
    bad_frames: u32,
}

async fn live(shard: Rc<ShardSessions>, conn: Conn, mut reader: Reader, hello: Hello) {
    let limit = Duration::from_millis(shard.deps.settings.auth_timeout_ms);
    let seen = Seen::new(shard.deps.clock.now());
    let Some(mut session) = timeout(limit, open(&shard, &conn, &mut reader, &hello, &seen)).await.unwrap_or_else(|_| {
        conn.close(Close::Unauthorized, 0);
        None
    }) else {
        return drain(reader).await;
    };
    let goodbye = session.read_all(&mut reader, &seen).await;
    let watched: Vec<UserId> = session.watched.iter().cloned().collect();
    shard.watches.remove(&session.conn, &watched);
    let rooms = session.rooms.list();
    for room in &rooms {
        let id = session.id.clone();
        let message = match goodbye {
            true => RoomMsg::Leave { session: id, reply: None },
            false => RoomMsg::Lost { session: id, conn: Some(conn.id()) },
        };
        shard.deps.rooms.post(room, message);
    }
    if goodbye {
        shard.deps.presence.end(session.id.clone());
        conn.close(Close::Normal, 0);
    } else {
        shard.deps.presence.lost(session.id.clone(), conn.id(), rooms);
    }
    drain(reader).await;
}

/// Reads until the closing handshake is over.
async fn drain(mut reader: Reader) {
    while reader.next().await != Inbound::Ended {}
}

/// Waits for `user_online`. `None`: the connection is being closed.
async fn open(shard: &Rc<ShardSessions>, conn: &Conn, reader: &mut Reader, hello: &Hello, seen: &Seen) -> Option<Session> {
    let mut bad_frames = 0;
    loop {
        let text = match reader.next().await {
            Inbound::Text(text) => text,
            Inbound::Control => continue,
            Inbound::Binary => {
                refuse(conn, None, Code::BadRequest);
                continue;
            }
            Inbound::Ended => return None,
        };
        let (id, online) = match client::parse(&text) {
            Ok(Parsed { id, frame: ClientFrame::UserOnline(online), .. }) => (id, online),
            Ok(Parsed { id, .. }) => {
                refuse(conn, id, Code::Unauthorized);
                conn.close(Close::Unauthorized, 0);
                return None;
            }
            Err(bad) => {
                conn.send(frame(&ErrorJson::from_bad_frame(&bad)), Class::Must);
                bad_frames += u32::from(bad.code == Code::BadRequest);
                if bad.code == Code::BadArgument || bad_frames >= BAD_FRAMES_MAX {
                    conn.close(if bad.code == Code::BadArgument { Close::Unauthorized } else { Close::BadRequest }, 0);
                    return None;
                }
                continue;
            }
        };
        return enter(shard, conn, hello, seen, id, *online).await;
    }
}

fn refuse(conn: &Conn, id: Option<i64>, code: Code) {
    conn.send(frame(&ErrorJson::new(id, code, Map::new())), Class::Must);
}

/// Finds out who it is, opens or resumes the session, joins its rooms behind the gate, and says welcome.
async fn enter(
    shard: &Rc<ShardSessions>,
    conn: &Conn,
    hello: &Hello,
    seen: &Seen,
    id: Option<i64>,
    online: UserOnline,
) -> Option<Session> {
    let deps = &shard.deps;
    let query = hello.query_token.as_deref().filter(|_| deps.settings.query_token);
    let token = online.token.as_deref().or(hello.bearer.as_deref()).or(query);
    let claims = match token.map(|token| deps.auth.verify(token)) {
        Some(Ok(claims)) => Some(claims),
        Some(Err(_)) => return turn_away(conn, id, Code::Unauthorized, Close::Unauthorized),
        None if deps.auth.needs_token() => return turn_away(conn, id, Code::Unauthorized, Close::Unauthorized),
        None => None,
    };
    if claims.as_ref().is_some_and(|claims| claims.user != online.user) {
        return turn_away(conn, id, Code::IdentityMismatch, Close::Unauthorized);
    }
    let user_type = claims.as_ref().and_then(|claims| claims.user_type.clone()).unwrap_or(online.user_type);
    if !deps.settings.user_types.iter().any(|known| known == user_type.as_str()) {
        let bad = crate::wire::fields::BadFrame {
            id,
            ..crate::wire::fields::BadFrame::argument("/user_type".to_owned(), "a known kind of user")
        };
        conn.send(frame(&ErrorJson::from_bad_frame(&bad)), Class::Must);
        conn.close(Close::BadRequest, 0);
        return None;
    }
    let resume = online.session_token.as_deref().and_then(|token| deps.auth.verify_session(token));
    let resume = resume.filter(|claim| claim.user == online.user).map(|claim| claim.session);
    let fresh = SessionId::parse(&format!("{:032x}", rand::random::<u128>())).ok()?;
    let opening = Opening {
        user: online.user.clone(),
        user_type: user_type.clone(),
        resume,
        fresh,
        conn: Some(conn.id()),
        seen: seen.clone(),
    };
    conn.gate();
    let Entered { session, resumed, kept, rooms } = match deps.presence.open(opening).await? {
        Ok(entered) => entered,
        Err(_) => return turn_away(conn, id, Code::TooMany, Close::RateLimited),
    };
    let session = Session {
        shard: shard.clone(),
        conn: conn.clone(),
        id: session,
        user: online.user,
        user_type,
        claims,
        rooms: RoomSet::default(),
        watched: BTreeSet::new(),
        bad_frames: 0,
    };
    let mut welcomed = Vec::new();
    for (room, cursor) in &online.rooms {
        welcomed.push(session.rejoin(room, *cursor).await);
    }
    let forgotten: Vec<RoomId> = rooms.into_iter().filter(|room| !session.rooms.contains(room)).collect();
    if !forgotten.is_empty() {
        deps.presence.forget(session.user.clone(), session.id.clone(), forgotten);
    }
    session.welcome(resumed, welcomed);
    for message in kept {
        session.conn.send(message, Class::Must);
    }
    Some(session)
}

fn turn_away(conn: &Conn, id: Option<i64>, code: Code, close: Close) -> Option<Session> {
    refuse(conn, id, code);
    conn.close(close, 0);
    None
}

impl Session {
    fn welcome(&self, resumed: bool, rooms: Vec<WelcomeRoom>) {
        let SessionDeps { settings, auth, clock, node, .. } = &self.shard.deps;
        let claim = SessionClaim { user: self.user.clone(), session: self.id.clone() };
        self.conn.open_gate(frame(&Welcome {
            session_id: self.id.as_str(),
            user_id: self.user.as_str(),
            user_type: self.user_type.as_str(),
            resumed,
            session_token: &auth.session_token(&claim),
            server_time_ms: clock.now().0,
            heartbeat_interval_ms: settings.heartbeat_interval_ms,
            heartbeat_timeout_ms: settings.heartbeat_timeout_ms,
            ping_interval_ms: settings.ping_interval_ms,
            node,
            version: env!("CARGO_PKG_VERSION"),
            rooms,
        }));
    }

    fn member(&self) -> Member {
        Member {
            user: self.user.clone(),
            user_type: self.user_type.clone(),
            session: self.id.clone(),
            conn: Some(self.conn.id()),
            rooms: self.rooms.clone(),
        }
    }

    fn token_role(&self, room: &RoomId) -> Option<TokenRole> {
        let claims = self.claims.as_ref()?;
        let role = claims.rooms.get(room)?.clone();
        Some(TokenRole { role, issued_at: UnixMs(claims.issued_at.saturating_mul(1000)) })
    }

    fn join(&self, room: &RoomId, cursor: Option<Cursor>, reply: JoinReply) -> Result<(), Refusal> {
        if !self.rooms.add(room, self.shard.deps.settings.rooms_per_session) {
            return Err(super::rooms::refusal(Code::TooMany));
        }
        let message = RoomMsg::Join { member: self.member(), cursor, token_role: self.token_role(room), reply };
        self.shard.deps.rooms.send(room, message)
    }

    async fn rejoin(&self, room: &RoomId, cursor: Option<Cursor>) -> WelcomeRoom {
        let (sender, receiver) = oneshot::channel();
        let joined = match self.join(room, cursor, JoinReply::Outcome(sender)) {
            Ok(()) => receiver.await.unwrap_or_else(|_| Err(super::rooms::refusal(Code::Unavailable))),
            Err(refused) => Err(refused),
        };
        let room_id = room.to_string();
        match joined {
            Ok(joined) => {
                WelcomeRoom { room_id, recovered: Some(joined.recovered), cursor: Some(joined.cursor.to_string()), error: None }
            }
            Err(refused) => {
                self.rooms.remove(room);
                WelcomeRoom { room_id, recovered: None, cursor: None, error: Some(refused.code.name()) }
            }
        }
    }

    /// Reads until the end. Returns whether the client said goodbye.
    async fn read_all(&mut self, reader: &mut Reader, seen: &Seen) -> bool {
        loop {
            let end = self.claims.as_ref().map(|claims| claims.expires_at);
            let now = self.shard.deps.clock.wall_seconds();
            let left = end.map_or(Duration::from_secs(3600), |end| Duration::from_secs(end.saturating_sub(now)));
            let inbound = match timeout(left, reader.next()).await {
                Ok(inbound) => inbound,
                Err(_) => {
                    if end.is_some_and(|end| end <= self.shard.deps.clock.wall_seconds()) {
                        self.conn.close(Close::TokenExpired, 0);
                        return false;
                    }
                    continue;
                }
            };
            seen.stamp(self.shard.deps.clock.now());
            match inbound {
                Inbound::Text(text) => match client::parse(&text) {
                    Ok(parsed) => {
                        if self.handle(parsed).await {
                            return true;
                        }
                    }
                    Err(bad) => {
                        self.conn.send(frame(&ErrorJson::from_bad_frame(&bad)), Class::Must);
                        self.count_bad(bad.code);
                    }
                },
                Inbound::Control => {}
                Inbound::Binary => {
                    self.refuse(None, Code::BadRequest);
                    self.count_bad(Code::BadRequest);
                }
                Inbound::Ended => return false,
            }
        }
    }

    fn count_bad(&mut self, code: Code) {
        self.bad_frames += u32::from(code == Code::BadRequest);
        if self.bad_frames >= BAD_FRAMES_MAX {
            self.conn.close(Close::BadRequest, 0);
        }
    }

    fn refuse(&self, id: Option<i64>, code: Code) {
        refuse(&self.conn, id, code);
    }

    fn ack<T: Serialize>(&self, id: Option<i64>, fields: T) {
        if id.is_some() {
            self.conn.send(frame(&Ack { id, fields }), Class::Must);
        }
    }

    /// Handles one frame. Returns whether it was the goodbye.
    async fn handle(&mut self, parsed: Parsed) -> bool {
        let Parsed { id, op_id, if_rev, senders, frame: asked } = parsed;
        if senders.iter().any(|sender| *sender != self.user) {
            self.refuse(id, Code::IdentityMismatch);
            return false;
        }
        let to_room = |session: &Self, room: &RoomId, message| session.answer(id, session.shard.deps.rooms.send(room, message));
        let reply = Reply::Conn { to: self.conn.id(), id };
        match asked {
            ClientFrame::Heartbeat { ts_ms } => {
                let now = self.shard.deps.clock.now();
                let ack = HeartbeatAck { timestamp: now.seconds(), ts_ms, server_ts_ms: now.0 };
                self.conn.send(frame(&ack), Class::Must);
            }
            ClientFrame::UserOffline => return true,
            ClientFrame::UserOnline(_) => {
                self.refuse(id, Code::BadRequest);
                self.count_bad(Code::BadRequest);
            }
            ClientFrame::StatusChange { status } => {
                let status = match status {
                    Choice::Online => Status::Online,
                    Choice::Busy => Status::Busy,
                    Choice::Away => Status::Away,
                    Choice::Offline => Status::Offline,
                };
                self.shard.deps.presence.choose(self.user.clone(), status).await;
                self.ack(id, Nothing {});
            }
            ClientFrame::Message { to, message } => self.message(id, to, &message).await,
            ClientFrame::RequestOnlineStatus { users } => {
                let encode = Box::new(move |shown: &[Shown]| {
                    let user_status: Vec<_> = shown.iter().map(user_status).collect();
                    frame(&UserOnlineStatus { id, user_status: &user_status })
                });
                self.shard.deps.presence.query(users, Answer::Conn { to: self.conn.id(), encode });
            }
            ClientFrame::WatchStatus { users } => {
                self.watched.extend(users.iter().cloned());
                if self.watched.len() > self.shard.deps.settings.watches_per_session {
                    self.watched.retain(|user| !users.contains(user));
                    self.refuse(id, Code::TooMany);
                    return false;
                }
                self.shard.watches.add(&self.conn, &users);
                let encode = Box::new(move |shown: &[Shown]| {
                    frame(&Ack { id, fields: Watched { user_status: shown.iter().map(user_status).collect() } })
                });
                let answer = if id.is_some() { Answer::Conn { to: self.conn.id(), encode } } else { Answer::Nobody };
                self.shard.deps.presence.watch(self.conn.id().shard, users, answer);
            }
            ClientFrame::UnwatchStatus { users } => {
                self.shard.watches.remove(&self.conn, &users);
                self.watched.retain(|user| !users.contains(user));
                self.ack(id, Nothing {});
            }
            ClientFrame::RefreshToken { token } => self.refresh(id, &token),
            ClientFrame::RoomJoin { room, cursor } => self.answer(id, self.join(&room, cursor, JoinReply::Ack(reply))),
            ClientFrame::RoomLeave { room } => {
                if !self.rooms.contains(&room) {
                    self.refuse(id, Code::NotMember);
                    return false;
                }
                to_room(self, &room, RoomMsg::Leave { session: self.id.clone(), reply: Some(reply) });
            }
            ClientFrame::RoomSync { room, cursor } => {
                to_room(self, &room, RoomMsg::Sync { session: self.id.clone(), cursor, reply })
            }
            ClientFrame::RoomMembers { room, offset, limit } => to_room(self, &room, RoomMsg::Members { offset, limit, reply }),
            ClientFrame::Room { room, command } => {
                let request = Request { actor: Actor::User(self.user.clone()), op_id, if_rev, command };
                to_room(self, &room, RoomMsg::Command { request, reply });
            }
        }
        false
    }

    fn answer(&self, id: Option<i64>, sent: Result<(), Refusal>) {
        if let Err(refused) = sent {
            self.refuse(id, refused.code);
        }
    }

    async fn message(&self, id: Option<i64>, to: UserId, text: &str) {
        let timestamp = self.shard.deps.clock.now().seconds();
        let message = Message { from_user_id: self.user.as_str(), to_user_id: to.as_str(), message: text, timestamp };
        let message = frame(&message);
        match self.shard.deps.presence.message(to, message).await {
            Some(delivered) => self.ack(id, Delivered { delivered }),
            None => self.refuse(id, Code::UserNotReachable),
        }
    }

    fn refresh(&mut self, id: Option<i64>, token: &str) {
        match self.shard.deps.auth.verify(token) {
            Err(_) => self.refuse(id, Code::Unauthorized),
            Ok(claims) if claims.user != self.user => self.refuse(id, Code::IdentityMismatch),
            Ok(claims) => {
                let expires_at_ms = claims.expires_at.saturating_mul(1000);
                self.claims = Some(claims);
                self.ack(id, Refreshed { expires_at_ms });
            }
        }
    }
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Delivered {
    delivered: usize,
}

#[derive(Serialize)]
struct Refreshed {
    expires_at_ms: u64,
}

#[derive(Serialize)]
struct Watched {
    user_status: Vec<crate::wire::server::UserStatus>,
}
