//! How a session begins: opened or resumed, its rooms entered, and welcomed.
use super::{RATE_RETRY_MS, Session, SessionDeps, ShardSessions, error, greet::Greeted, text};
use crate::server::{
    auth::SessionClaim,
    msg::{Class, Frame, RoomSet, Shown},
    net::{conn::Conn, rate::Rates, watch::status_frame},
    presence::{Answer, Entered, Opening, Seen, TooMany},
    rooms::entry::{Entry, fresh_session},
    telemetry::metrics,
};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, SessionId, UserId, UserType},
    },
    wire::{
        client::UserOnline,
        close::Close,
        codec::text_frame,
        server::{Welcome, WelcomeRoom},
    },
};
use bytes::BytesMut;
use std::rc::Rc;

impl Session {
    /// Opens the session, enters the rooms it names, and says welcome. `None`: refused, and the connection is closed.
    pub(super) async fn open(shard: Rc<ShardSessions>, conn: Conn, greeted: Greeted, bad_requests: u32) -> Option<Self> {
        let all = shard.shared.clone();
        let Greeted { user, online, claims } = greeted;
        let UserOnline { id, user_type, session_token, heard, rooms, attempt, down_ms, .. } = online;
        let resume = session_token.and_then(|token| all.auth.verify_session(&token)).filter(|claim| claim.user == user);
        let seen = Seen::new(all.clock.now());
        // From here on others may send to this session; it hears them after its welcome.
        conn.gate();
        let opening = Opening {
            user: user.clone(),
            user_type: user_type.clone(),
            resume: resume.map(|claim| claim.session),
            fresh: fresh_session()?,
            own: false,
            heard,
            conn: Some(conn.id()),
            seen: seen.clone(),
            issued_ms: claims.as_ref().map_or_else(|| all.clock.wall_ms(), |claims| claims.issued_ms),
            set: RoomSet::default(),
        };
        let entered = match all.presence.open(opening).await {
            Some(Ok(entered)) => entered,
            Some(Err(TooMany)) => {
                conn.send(error(id, Code::TooMany), Class::Must);
                metrics::connect(metrics::Connect::Refused);
                conn.close(Close::RateLimited, RATE_RETRY_MS);
                return None;
            }
            None => {
                metrics::connect(metrics::Connect::Failed);
                conn.close(Close::ServerError, RATE_RETRY_MS);
                return None;
            }
        };
        let Entered { session, resumed, kept, rooms: before, set, watches } = entered;
        let settings = all.settings.load();
        let rates = Rates::new(settings.frames_per_second, settings.frames_burst, all.clock.mono());
        let session = Self { shard, conn, user, user_type, session, claims, rooms: set, seen, rates, bad_requests };
        let rooms = session.entry().back_to(rooms, &before);
        let joined = session.entry().enter_all(rooms).await;
        session.keep_rooms();
        let forgotten: Vec<RoomId> = before.into_iter().filter(|room| !session.rooms.contains(room)).collect();
        if !forgotten.is_empty() {
            all.presence.forget(session.user.clone(), session.session.clone(), forgotten);
        }
        let mut first = BytesMut::from(&*session.welcome(id, resumed, joined).0);
        for letter in all.letters.take(&session.user).await {
            first.extend_from_slice(&text_frame(letter.as_bytes()));
        }
        for frame in kept {
            first.extend_from_slice(&frame.0);
        }
        metrics::connect(metrics::Connect::Ok);
        if resumed {
            metrics::RESUMED.increment(1);
        }
        if let Some(attempt) = attempt.filter(|attempt| *attempt > 0) {
            metrics::reconnect(attempt, down_ms);
        }
        session.conn.open_gate(Frame(first.freeze()));
        session.watch_again(watches);
        Some(session)
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        let all = self.all();
        Entry {
            rooms: &all.rooms,
            max: all.settings.load().rooms_per_session,
            user: &self.user,
            user_type: &self.user_type,
            session: &self.session,
            conn: Some(self.conn.id()),
            set: &self.rooms,
            claims: self.claims.as_ref(),
        }
    }

    /// Goes on watching whom the session has watched before its line was gone, and says how they are now.
    fn watch_again(&self, users: Vec<UserId>) {
        if !users.is_empty() {
            self.shard.watches.borrow_mut().add(&self.conn, &users, 0);
            let encode = Box::new(|shown: &[Shown]| status_frame(None, shown));
            self.all().presence.watch(self.shard.shard, users, Answer::Conn { to: self.conn.id(), encode });
        }
    }

    fn welcome(&self, id: Option<i64>, resumed: bool, rooms: Vec<WelcomeRoom>) -> Frame {
        let all = self.all();
        let claim = SessionClaim { user: self.user.clone(), session: self.session.clone() };
        let token = all.auth.session_token(&claim);
        let welcome = all.welcome(&self.user, &self.user_type, &self.session, &token, resumed, rooms);
        text(&Welcome { id, ..welcome })
    }
}

impl SessionDeps {
    /// Makes the welcome of a session.
    pub(in crate::server) fn welcome<'a>(
        &'a self,
        user: &'a UserId,
        user_type: &'a UserType,
        session: &'a SessionId,
        session_token: &'a str,
        resumed: bool,
        rooms: Vec<WelcomeRoom>,
    ) -> Welcome<'a> {
        Welcome {
            id: None,
            session_id: session.as_str(),
            user_id: user.as_str(),
            user_type: user_type.as_str(),
            resumed,
            session_token,
            server_time_ms: self.clock.now().0,
            heartbeat_interval_ms: self.settings.load().heartbeat_interval_ms,
            heartbeat_timeout_ms: self.settings.load().heartbeat_timeout_ms,
            ping_interval_ms: self.settings.load().ping_interval_ms,
            node: &self.node,
            version: env!("CARGO_PKG_VERSION"),
            rooms,
        }
    }
}
