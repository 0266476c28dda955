//! How a session begins: opened or resumed, its rooms entered, and welcomed.
use super::{RATE_RETRY_MS, Session, ShardSessions, error, text};
use crate::server::{
    auth::{Claims, SessionClaim},
    conn::Conn,
    msg::{Class, Frame, JoinReply, Member, Refusal, RoomMsg, RoomSet, TokenRole},
    presence::{Entered, Opening, Seen, TooMany},
    rate::Rates,
    rooms::refusal,
};
use crate::{
    hub::{
        code::Code,
        cursor::Cursor,
        id::{RoomId, SessionId},
        time::UnixMs,
    },
    wire::{
        client::UserOnline,
        close::Close,
        server::{Welcome, WelcomeRoom},
    },
};
use bytes::BytesMut;
use std::rc::Rc;
use tokio::sync::oneshot;

impl Session {
    /// Opens the session, enters the rooms it names, and says welcome. `None`: refused, and the connection is closed.
    pub(super) async fn open(
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

    pub(super) fn enter(&self, room: &RoomId, cursor: Option<Cursor>, reply: JoinReply) -> Result<(), Refusal> {
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
}
