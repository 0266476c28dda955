//! How a session, with a connection or without, enters rooms.
use super::{
    auth::Claims,
    msg::{ConnId, JoinReply, Member, Refusal, RoomMsg, RoomSet, TokenRole},
    rooms::{Rooms, refusal},
};
use crate::{
    hub::{
        code::Code,
        cursor::Cursor,
        id::{RoomId, SessionId, UserId, UserType},
        time::UnixMs,
    },
    wire::server::WelcomeRoom,
};
use tokio::sync::oneshot;

/// Makes the id of a new session: 128 random bits.
pub(super) fn fresh_session() -> Option<SessionId> {
    SessionId::parse(&format!("s{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>())).ok()
}

/// A session at the doors of rooms.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub rooms: &'a Rooms,
    /// How many rooms a session may be in; 0 = any number.
    pub max: usize,
    pub user: &'a UserId,
    pub user_type: &'a UserType,
    pub session: &'a SessionId,
    pub conn: Option<ConnId>,
    pub set: &'a RoomSet,
    pub claims: Option<&'a Claims>,
}

impl Entry<'_> {
    /// Asks to enter a room. Errors: `too_many` rooms, or `busy`; then the room hears nothing.
    pub fn enter(&self, room: &RoomId, cursor: Option<Cursor>, reply: JoinReply) -> Result<(), Refusal> {
        let known = self.set.contains(room);
        if !self.set.add(room, self.max) {
            return Err(refusal(Code::TooMany));
        }
        let role = self.claims.and_then(|claims| Some((claims.rooms.get(room)?.clone(), claims.issued_at)));
        let token_role = role.map(|(role, issued)| TokenRole { role, issued_at: UnixMs(issued.saturating_mul(1000)) });
        let member = Member {
            user: self.user.clone(),
            user_type: self.user_type.clone(),
            session: self.session.clone(),
            conn: self.conn,
            rooms: self.set.clone(),
        };
        let sent = self.rooms.send(room, RoomMsg::Join { member, cursor, token_role, reply });
        if sent.is_err() && !known {
            self.set.remove(room);
        }
        sent
    }

    /// Returns which rooms a resumed session enters: those that it names, or all in which it was.
    pub fn back_to(&self, named: Vec<(RoomId, Option<Cursor>)>, before: &[RoomId]) -> Vec<(RoomId, Option<Cursor>)> {
        if named.is_empty() { before.iter().map(|room| (room.clone(), None)).collect() } else { named }
    }

    /// Enters several rooms at once, and says of each how that went.
    pub async fn enter_all(&self, rooms: Vec<(RoomId, Option<Cursor>)>) -> Vec<WelcomeRoom> {
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
                    self.set.remove(&room);
                    WelcomeRoom { room_id, recovered: None, cursor: None, error: Some(refused.code.name()) }
                }
            });
        }
        joined
    }
}
