//! One socket's session: hello, then frame by frame what the client asks for, until it goes.
use super::{
    auth::{Auth, AuthError, Claims, SessionClaim},
    clock::Clock,
    config::Config,
    conn::{Conn, Hello},
    msg::{Class, Frame, JoinReply, Member, Refusal, Reply, RoomMsg, RoomSet, Shown, TokenRole},
    presence::{Answer, Entered, Opening, Presence, Seen, TooMany},
    rate::{Rates, UserRates, Verdict},
    reader::{Inbound, Reader},
    rooms::{Rooms, refusal},
    shard::Sessions,
    watch::{Watches, status_frame, user_status},
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
        fields::{BadFrame, Fields},
        server::{Ack, ErrorJson, HeartbeatAck, Message, UserStatus, Welcome, WelcomeRoom, json},
    },
};
use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Map;
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::sync::oneshot;

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
    pub settings: SessionSettings,
    pub auth: Auth,
    pub presence: Presence,
    pub rooms: Rooms,
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
    fn serve(self: Rc<Self>, conn: Conn, reader: Reader, hello: Hello) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            let mut greeter = Greeter { all: &self.shared, conn: &conn, reader, bad_requests: 0 };
            let Some((online, claims)) = greeter.greet(&hello).await else { return };
            let Greeter { reader, bad_requests, .. } = greeter;
            if let Some(mut session) = Session::open(self, conn, online, claims, bad_requests).await {
                session.live(reader).await;
            }
        })
    }

    fn presence(&self, shown: &[Shown]) {
        self.watches.borrow().tell(shown);
    }
}

fn text<T: Serialize>(frame: &T) -> Frame {
    Frame(text_frame(&json(frame)))
}

fn error(id: Option<i64>, code: Code) -> Frame {
    text(&ErrorJson::new(id, code, Map::new()))
}

/// A connection before its session.
struct Greeter<'a> {
    all: &'a SessionDeps,
    conn: &'a Conn,
    reader: Reader,
    bad_requests: u32,
}

impl Greeter<'_> {
    /// Waits for a good `user_online`. `None`: the connection is closed.
    async fn greet(&mut self, hello: &Hello) -> Option<(UserOnline, Option<Claims>)> {
        let timeout = Duration::from_millis(self.all.settings.auth_timeout_ms);
        match tokio::time::timeout(timeout, self.first_frame(hello)).await {
            Ok(greeted) => greeted,
            Err(_) => self.refuse(None, Close::Unauthorized),
        }
    }

    async fn first_frame(&mut self, hello: &Hello) -> Option<(UserOnline, Option<Claims>)> {
        loop {
            let line = match self.reader.next().await {
                Inbound::Text(line) => line,
                Inbound::Control => continue,
                Inbound::Ended => return None,
                Inbound::Binary => {
                    self.not_understood(error(None, Code::BadRequest))?;
                    continue;
                }
            };
            match client::parse(&line) {
                Ok(Parsed { id, senders, frame: ClientFrame::UserOnline(online), .. }) => {
                    return self.identify(id, &senders, *online, hello);
                }
                Ok(Parsed { id, .. }) => return self.refuse(Some(error(id, Code::Unauthorized)), Close::Unauthorized),
                Err(bad) if bad.code == Code::BadRequest => self.not_understood(text(&ErrorJson::from_bad_frame(&bad)))?,
                Err(bad) if is_user_online(&line) => {
                    return self.refuse(Some(text(&ErrorJson::from_bad_frame(&bad))), Close::BadRequest);
                }
                Err(bad) => return self.refuse(Some(error(bad.id, Code::Unauthorized)), Close::Unauthorized),
            }
        }
    }

    fn identify(
        &self,
        id: Option<i64>,
        senders: &[UserId],
        mut online: UserOnline,
        hello: &Hello,
    ) -> Option<(UserOnline, Option<Claims>)> {
        let query = hello.query_token.as_deref().filter(|_| self.all.settings.query_token);
        let token = online.token.as_deref().or(hello.bearer.as_deref()).or(query);
        let claims = match token.map(|token| self.all.auth.verify(token)) {
            Some(Ok(claims)) => Some(claims),
            None if !self.all.auth.needs_token() => None,
            None | Some(Err(_)) => return self.refuse(Some(error(id, Code::Unauthorized)), Close::Unauthorized),
        };
        let user = claims.as_ref().map_or(&online.user, |claims| &claims.user);
        if online.user != *user || senders.iter().any(|sender| sender != user) {
            return self.refuse(Some(error(id, Code::IdentityMismatch)), Close::Unauthorized);
        }
        if !self.all.settings.user_types.iter().any(|known| known == online.user_type.as_str()) {
            let bad = BadFrame { id, ..BadFrame::argument("/user_type".to_owned(), "a known kind of user") };
            return self.refuse(Some(text(&ErrorJson::from_bad_frame(&bad))), Close::BadRequest);
        }
        if let Some(user_type) = claims.as_ref().and_then(|claims| claims.user_type.clone()) {
            online.user_type = user_type;
        }
        Some((online, claims))
    }

    fn not_understood(&mut self, error: Frame) -> Option<()> {
        self.bad_requests += 1;
        self.conn.send(error, Class::Must);
        if self.bad_requests >= BAD_REQUESTS_MAX { self.refuse(None, Close::BadRequest) } else { Some(()) }
    }

    fn refuse<T>(&self, error: Option<Frame>, close: Close) -> Option<T> {
        if let Some(error) = error {
            self.conn.send(error, Class::Must);
        }
        self.conn.close(close, 0);
        None
    }
}

fn is_user_online(line: &str) -> bool {
    Fields::parse(line).is_ok_and(|fields| fields.text("type").is_ok_and(|kind| kind.as_deref() == Some("user_online")))
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
struct Delivered {
    delivered: usize,
}

#[derive(Serialize)]
struct ExpiresAt {
    expires_at_ms: u64,
}

#[derive(Serialize)]
struct Watched<'a> {
    user_status: &'a [UserStatus],
}

impl Session {
    /// Opens the session, enters the rooms it names, and says welcome. `None`: refused, and the connection is closed.
    async fn open(
        shard: Rc<ShardSessions>,
        conn: Conn,
        online: UserOnline,
        claims: Option<Claims>,
        bad_requests: u32,
    ) -> Option<Self> {
        let all = shard.shared.clone();
        let UserOnline { user, user_type, session_token, rooms, .. } = online;
        let resume = session_token.and_then(|token| all.auth.verify_session(&token)).filter(|claim| claim.user == user);
        let seen = Seen::new(all.clock.now());
        // From here on others may send to this session; it hears them after its welcome.
        conn.gate();
        let opening = Opening {
            user: user.clone(),
            user_type: user_type.clone(),
            resume: resume.map(|claim| claim.session),
            fresh: SessionId::parse(&format!("s{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>())).ok()?,
            conn: Some(conn.id()),
            seen: seen.clone(),
        };
        let entered = match all.presence.open(opening).await {
            Some(Ok(entered)) => entered,
            Some(Err(TooMany)) => {
                conn.send(error(None, Code::TooMany), Class::Must);
                conn.close(Close::RateLimited, RATE_RETRY_MS);
                return None;
            }
            None => {
                conn.close(Close::ServerError, RATE_RETRY_MS);
                return None;
            }
        };
        let Entered { session, resumed, kept, rooms: before } = entered;
        let rates = Rates::new(all.settings.frames_per_second, all.settings.frames_burst, all.clock.mono());
        let session =
            Self { shard, conn, user, user_type, session, claims, rooms: RoomSet::default(), seen, rates, bad_requests };
        let joined = session.enter_all(rooms).await;
        let forgotten: Vec<RoomId> = before.into_iter().filter(|room| !session.rooms.contains(room)).collect();
        if !forgotten.is_empty() {
            all.presence.forget(session.user.clone(), session.session.clone(), forgotten);
        }
        let mut first = BytesMut::from(&*session.welcome(resumed, joined).0);
        for frame in kept {
            first.extend_from_slice(&frame.0);
        }
        session.conn.open_gate(Frame(first.freeze()));
        Some(session)
    }

    fn all(&self) -> &SessionDeps {
        &self.shard.shared
    }

    async fn enter_all(&self, rooms: Vec<(RoomId, Option<Cursor>)>) -> Vec<WelcomeRoom> {
        let mut asked = Vec::with_capacity(rooms.len());
        for (room, cursor) in rooms {
            let (sender, outcome) = oneshot::channel();
            let refused = self.enter(&room, cursor, JoinReply::Outcome(sender)).err();
            asked.push((room, refused, outcome));
        }
        let mut joined = Vec::with_capacity(asked.len());
        for (room, refused, outcome) in asked {
            let outcome = match refused {
                Some(refused) => Err(refused),
                None => outcome.await.unwrap_or_else(|_| Err(refusal(Code::Unavailable))),
            };
            let room_id = room.to_string();
            joined.push(match outcome {
                Ok(joined) => {
                    let cursor = Some(joined.cursor.to_string());
                    WelcomeRoom { room_id, recovered: Some(joined.recovered), cursor, error: None }
                }
                Err(refused) => {
                    self.rooms.remove(&room);
                    WelcomeRoom { room_id, recovered: None, cursor: None, error: Some(refused.code.name()) }
                }
            });
        }
        joined
    }

    fn enter(&self, room: &RoomId, cursor: Option<Cursor>, reply: JoinReply) -> Result<(), Refusal> {
        let known = self.rooms.contains(room);
        if !self.rooms.add(room, self.all().settings.rooms_per_session) {
            return Err(refusal(Code::TooMany));
        }
        let role = self.claims.as_ref().and_then(|claims| Some((claims.rooms.get(room)?.clone(), claims.issued_at)));
        let token_role = role.map(|(role, issued)| TokenRole { role, issued_at: UnixMs(issued.saturating_mul(1000)) });
        let member = Member {
            user: self.user.clone(),
            user_type: self.user_type.clone(),
            session: self.session.clone(),
            conn: Some(self.conn.id()),
            rooms: self.rooms.clone(),
        };
        let sent = self.all().rooms.send(room, RoomMsg::Join { member, cursor, token_role, reply });
        if sent.is_err() && !known {
            self.rooms.remove(room);
        }
        sent
    }

    fn welcome(&self, resumed: bool, rooms: Vec<WelcomeRoom>) -> Frame {
        let all = self.all();
        let claim = SessionClaim { user: self.user.clone(), session: self.session.clone() };
        text(&Welcome {
            session_id: self.session.as_str(),
            user_id: self.user.as_str(),
            user_type: self.user_type.as_str(),
            resumed,
            session_token: &all.auth.session_token(&claim),
            server_time_ms: all.clock.now().0,
            heartbeat_interval_ms: all.settings.heartbeat_interval_ms,
            heartbeat_timeout_ms: all.settings.heartbeat_timeout_ms,
            ping_interval_ms: all.settings.ping_interval_ms,
            node: &all.node,
            version: env!("CARGO_PKG_VERSION"),
            rooms,
        })
    }

    /// Reads until the line is gone or the client says goodbye, and tells presence and rooms which of the two it was.
    async fn live(&mut self, mut reader: Reader) {
        let mut next = Next::Stay;
        while next == Next::Stay {
            let inbound = match self.token_rest() {
                None => reader.next().await,
                Some(rest) => match tokio::time::timeout(rest, reader.next()).await {
                    Ok(inbound) => inbound,
                    Err(_) => {
                        self.check_expiry();
                        continue;
                    }
                },
            };
            self.seen.stamp(self.all().clock.now());
            next = match inbound {
                Inbound::Text(line) => self.take(&line).await,
                Inbound::Binary => {
                    self.not_understood(error(None, Code::BadRequest));
                    Next::Stay
                }
                Inbound::Control => Next::Stay,
                Inbound::Ended => break,
            };
        }
        self.end(next);
        // The connection is closed by now, or will be by the peer: the rest is the reader's.
        while reader.next().await != Inbound::Ended {}
    }

    fn end(&self, how: Next) {
        let all = self.all();
        let free = self.shard.watches.borrow_mut().end(self.conn.id());
        if !free.is_empty() {
            all.presence.unwatch(self.shard.shard, free);
        }
        all.settings.user_rates.forget(&self.user);
        if how == Next::Offline {
            for room in self.rooms.list() {
                all.rooms.post(&room, RoomMsg::Leave { session: self.session.clone(), reply: None });
            }
            all.presence.end(self.session.clone());
            self.conn.close(Close::Normal, 0);
        } else {
            all.presence.lost(self.user.clone(), self.session.clone(), self.conn.id(), self.rooms.list());
        }
    }

    /// Returns how long the token is still good, with some slack for the look that follows.
    fn token_rest(&self) -> Option<Duration> {
        let end = self.claims.as_ref()?.expires_at;
        let rest = end.saturating_sub(self.all().clock.wall_seconds());
        Some(Duration::from_millis(rest.saturating_mul(1000).saturating_add(EXPIRY_SLACK_MS)))
    }

    fn check_expiry(&self) {
        if self.claims.as_ref().is_some_and(|claims| claims.expires_at <= self.all().clock.wall_seconds()) {
            self.conn.close(Close::TokenExpired, 0);
        }
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

    fn not_understood(&mut self, error: Frame) {
        self.bad_requests += 1;
        self.send(error);
        if self.bad_requests >= BAD_REQUESTS_MAX {
            self.conn.close(Close::BadRequest, 0);
        }
    }

    /// Counts a frame against the rates. Returns whether it may be handled.
    fn admit(&mut self, id: Option<i64>) -> bool {
        let all = &self.shard.shared;
        let now = all.clock.mono();
        let user_ok = all.settings.user_rates.take(&self.user, now);
        match self.rates.take(now, user_ok) {
            Verdict::Fine => return true,
            Verdict::TooFast => self.error(id, Code::RateLimited),
            Verdict::Enough => {
                self.error(id, Code::RateLimited);
                self.conn.close(Close::RateLimited, RATE_RETRY_MS);
            }
        }
        false
    }

    async fn take(&mut self, line: &str) -> Next {
        let parsed = match client::parse(line) {
            Ok(Parsed { frame: ClientFrame::Heartbeat { ts_ms }, senders, id, .. }) => {
                self.heartbeat(id, &senders, ts_ms);
                return Next::Stay;
            }
            Ok(parsed) if self.admit(parsed.id) => parsed,
            Err(bad) if self.admit(bad.id) => {
                let frame = text(&ErrorJson::from_bad_frame(&bad));
                if bad.senders.iter().any(|sender| *sender != self.user) {
                    self.send(error(bad.id, Code::IdentityMismatch));
                } else if bad.code == Code::BadRequest {
                    self.not_understood(frame);
                } else {
                    self.send(frame);
                }
                return Next::Stay;
            }
            Ok(_) | Err(_) => return Next::Stay,
        };
        if parsed.senders.iter().any(|sender| *sender != self.user) {
            self.error(parsed.id, Code::IdentityMismatch);
            return Next::Stay;
        }
        self.handle(parsed).await
    }

    fn heartbeat(&self, id: Option<i64>, senders: &[UserId], ts_ms: Option<i64>) {
        if senders.iter().any(|sender| *sender != self.user) {
            return self.error(id, Code::IdentityMismatch);
        }
        let now = self.all().clock.now();
        self.send(text(&HeartbeatAck { timestamp: now.seconds(), ts_ms, server_ts_ms: now.0 }));
    }

    async fn handle(&mut self, parsed: Parsed) -> Next {
        let Parsed { id, op_id, if_rev, senders: _, frame } = parsed;
        match frame {
            ClientFrame::UserOnline(_) => self.not_understood(error(id, Code::BadRequest)),
            ClientFrame::Heartbeat { ts_ms } => self.heartbeat(id, &[], ts_ms),
            ClientFrame::UserOffline => {
                self.ack(id, Nothing {});
                return Next::Offline;
            }
            ClientFrame::StatusChange { status } => {
                let status = match status {
                    Choice::Online => Status::Online,
                    Choice::Busy => Status::Busy,
                    Choice::Away => Status::Away,
                    Choice::Offline => Status::Offline,
                };
                if self.all().presence.choose(self.user.clone(), status).await {
                    self.ack(id, Nothing {});
                } else {
                    self.error(id, Code::Internal);
                }
            }
            ClientFrame::Message { to, message } => self.message(id, to, &message).await,
            ClientFrame::RequestOnlineStatus { users } => {
                let encode = Box::new(move |shown: &[Shown]| status_frame(id, shown));
                self.all().presence.query(users, Answer::Conn { to: self.conn.id(), encode });
            }
            ClientFrame::WatchStatus { users } => self.watch(id, users),
            ClientFrame::UnwatchStatus { users } => {
                let free = self.shard.watches.borrow_mut().remove(self.conn.id(), &users);
                if !free.is_empty() {
                    self.all().presence.unwatch(self.shard.shard, free);
                }
                if id.is_some() {
                    self.all().presence.query(users, self.watch_ack(id));
                }
            }
            ClientFrame::RefreshToken { token } => self.refresh(id, &token),
            ClientFrame::RoomJoin { room, cursor } => {
                let reply = JoinReply::Ack(Reply::Conn { to: self.conn.id(), id });
                if let Err(refused) = self.enter(&room, cursor, reply) {
                    self.refused(id, &refused);
                }
            }
            ClientFrame::RoomLeave { room } => {
                let (session, reply) = (self.session.clone(), self.reply(id));
                self.to_joined(id, &room, RoomMsg::Leave { session, reply: Some(reply) });
            }
            ClientFrame::RoomSync { room, cursor } => {
                let (session, reply) = (self.session.clone(), self.reply(id));
                self.to_joined(id, &room, RoomMsg::Sync { session, cursor, reply });
            }
            ClientFrame::RoomMembers { room, offset, limit } => {
                let reply = self.reply(id);
                self.to_joined(id, &room, RoomMsg::Members { offset, limit, reply });
            }
            ClientFrame::Room { room, command } => {
                let request = Request { actor: Actor::User(self.user.clone()), op_id, if_rev, command };
                self.to_room(id, &room, RoomMsg::Command { request, reply: self.reply(id) });
            }
        }
        Next::Stay
    }

    fn reply(&self, id: Option<i64>) -> Reply {
        Reply::Conn { to: self.conn.id(), id }
    }

    fn to_joined(&self, id: Option<i64>, room: &RoomId, message: RoomMsg) {
        if self.rooms.contains(room) {
            self.to_room(id, room, message);
        } else {
            self.error(id, Code::NotMember);
        }
    }

    fn to_room(&self, id: Option<i64>, room: &RoomId, message: RoomMsg) {
        if let Err(refused) = self.all().rooms.send(room, message) {
            self.refused(id, &refused);
        }
    }

    async fn message(&self, id: Option<i64>, to: UserId, message: &str) {
        let timestamp = self.all().clock.now().seconds();
        let frame = Message { from_user_id: self.user.as_str(), to_user_id: to.as_str(), message, timestamp };
        let frame = text(&frame);
        match self.all().presence.message(to, frame).await {
            Some(delivered) => self.ack(id, Delivered { delivered }),
            None => self.error(id, Code::UserNotReachable),
        }
    }

    fn watch(&self, id: Option<i64>, users: Vec<UserId>) {
        let max = self.all().settings.watches_per_session;
        if !self.shard.watches.borrow_mut().add(&self.conn, &users, max) {
            return self.error(id, Code::TooMany);
        }
        self.all().presence.watch(self.shard.shard, users, self.watch_ack(id));
    }

    fn watch_ack(&self, id: Option<i64>) -> Answer {
        if id.is_none() {
            return Answer::Nobody;
        }
        let encode = move |shown: &[Shown]| text(&Ack { id, fields: Watched { user_status: &user_status(shown) } });
        Answer::Conn { to: self.conn.id(), encode: Box::new(encode) }
    }

    fn refresh(&mut self, id: Option<i64>, token: &str) {
        match self.all().auth.verify(token) {
            Ok(claims) if claims.user == self.user => {
                let expires_at_ms = claims.expires_at.saturating_mul(1000);
                self.claims = Some(claims);
                self.ack(id, ExpiresAt { expires_at_ms });
            }
            Ok(_) => self.error(id, Code::IdentityMismatch),
            Err(AuthError::Invalid | AuthError::Expired | AuthError::CannotMint) => self.error(id, Code::Unauthorized),
        }
    }
}
