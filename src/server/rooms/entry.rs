//! How a session, with a connection or without, enters rooms.
use super::Rooms;
use crate::server::{
    auth::Claims,
    msg::{ConnId, JoinReply, Member, Refusal, RoomMsg, RoomSet, TokenRole, refusal},
};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, SessionId, UserId, UserType},
        time::UnixMs,
    },
    wire::{client::Since, server::WelcomeRoom},
};
use tokio::sync::oneshot;

/// Makes the id of a new session: 128 random bits.
pub(in crate::server) fn fresh_session() -> Option<SessionId> {
    SessionId::parse(&format!("s{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>())).ok()
}

/// A session at the doors of rooms.
#[derive(Clone, Copy)]
pub(in crate::server) struct Entry<'a> {
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
    pub fn enter(&self, room: &RoomId, since: Since, reply: JoinReply) -> Result<(), Refusal> {
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
        let sent = self.rooms.send(room, RoomMsg::Join { member, since, token_role, reply });
        if sent.is_err() && !known {
            self.set.remove(room);
        }
        sent
    }

    /// Returns which rooms a resumed session enters: those that it names, or all in which it was.
    pub fn back_to(&self, named: Vec<(RoomId, Since)>, before: &[RoomId]) -> Vec<(RoomId, Since)> {
        if named.is_empty() { before.iter().map(|room| (room.clone(), Since::default())).collect() } else { named }
    }

    /// Enters several rooms at once, and says of each how that went. A door that is closed for now only is still the session's: its next
    /// resume tries again.
    pub async fn enter_all(&self, rooms: Vec<(RoomId, Since)>) -> Vec<WelcomeRoom> {
        let mut asked = Vec::with_capacity(rooms.len());
        for (room, since) in rooms {
            let (sender, outcome) = oneshot::channel();
            let refused = self.enter(&room, since, JoinReply::Outcome(sender)).err();
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
                    let msg_cursor = joined.messages.head.map(|head| head.to_string());
                    let (recovered, msg_skipped) = (Some(joined.recovered), joined.messages.skipped.then_some(true));
                    WelcomeRoom { room_id, recovered, cursor, msg_cursor, msg_skipped, error: None }
                }
                Err(refused) => {
                    if refused.code.temporary() {
                        self.set.add(&room, self.max);
                    } else {
                        self.set.remove(&room);
                    }
                    let error = Some(refused.code.name());
                    WelcomeRoom { room_id, recovered: None, cursor: None, msg_cursor: None, msg_skipped: None, error }
                }
            });
        }
        joined
    }
}
