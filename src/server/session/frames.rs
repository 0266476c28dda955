//! What a session does with each kind of frame.
use super::{ExpiresAt, Next, Nothing, Session, Watched, error, text};
use crate::server::{
    auth::AuthError,
    msg::{Frame, JoinReply, Refusal, Reply, RoomMsg, Shown, refusal},
    net::watch::{status_frame, user_status},
    presence::Answer,
};
use crate::{
    hub::{
        actor::Actor,
        code::Code,
        command::Request,
        id::{RoomId, UserId},
    },
    wire::{
        client::{ClientFrame, Parsed},
        codec::text_frame,
        fields::BadFrame,
        letters::blocked_ack,
        server::{Ack, ErrorJson, json},
    },
};

impl Session {
    pub(super) async fn handle(&mut self, parsed: Parsed) -> Next {
        let Parsed { id, op_id, if_rev, senders: _, frame } = parsed;
        match frame {
            ClientFrame::UserOnline(_) => self.not_understood(error(id, Code::BadRequest)),
            ClientFrame::Heartbeat { ts_ms } => self.heartbeat(id, true, ts_ms, self.all().clock.now()),
            ClientFrame::UserOffline => {
                self.ack(id, Nothing {});
                return Next::Offline;
            }
            ClientFrame::StatusChange { status } => {
                if self.all().presence.choose(self.user.clone(), status.into()).await {
                    self.ack(id, Nothing {});
                } else {
                    self.error(id, Code::Internal);
                }
            }
            ClientFrame::Message { to, message } => self.message(id, to, &message).await,
            ClientFrame::BlockUsers { users, on } => match self.all().letters.block(&self.user, &users, on).await {
                Ok(blocked) => self.blocked(id, &blocked),
                Err(refused) => self.refused(id, &refused),
            },
            ClientFrame::BlockedUsers => match self.all().letters.blocked(&self.user).await {
                Ok(blocked) => self.blocked(id, &blocked),
                Err(refused) => self.refused(id, &refused),
            },
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
                self.keep_watches();
                if id.is_some() {
                    self.all().presence.query(users, self.watch_ack(id));
                }
            }
            ClientFrame::RefreshToken { token } => self.refresh(id, &token),
            ClientFrame::RoomJoin { room, since } => {
                let reply = JoinReply::Ack(Reply::Conn { to: self.conn.id(), id });
                if let Err(refused) = self.entry().enter(&room, since, reply) {
                    self.refused(id, &refused);
                }
                self.keep_rooms();
            }
            ClientFrame::RoomLeave { room } => {
                let (session, reply) = (self.session.clone(), self.reply(id));
                self.to_joined(id, &room, RoomMsg::Leave { session, reply: Some(reply) });
                let rooms = self.rooms.list().into_iter().filter(|other| *other != room).collect();
                self.all().presence.rooms(self.session.clone(), rooms);
            }
            ClientFrame::RoomSync { room, cursor } => {
                let (session, reply) = (self.session.clone(), self.reply(id));
                self.to_joined(id, &room, RoomMsg::Sync { session, cursor, reply });
            }
            ClientFrame::RoomMembers { room, offset, limit } => {
                let reply = self.reply(id);
                self.to_joined(id, &room, RoomMsg::Members { offset, limit, reply });
            }
            ClientFrame::RoomMessage { room, saying } => {
                let (from, reply) = (Actor::User(self.user.clone()), self.reply(id));
                self.to_room(id, &room, RoomMsg::Say { from, saying, rated: true, reply });
            }
            ClientFrame::Room { room, command } => {
                let request = Request { actor: Actor::User(self.user.clone()), op_id, if_rev, command };
                self.to_room(id, &room, RoomMsg::Command { request, rated: true, reply: self.reply(id) });
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
            self.to_room(id, room, RoomMsg::Refused { refusal: refusal(Code::NotMember), reply: self.reply(id) });
        }
    }

    /// Refuses a frame that could not be read; one about a room only if there is such a room.
    pub(super) fn not_read(&self, bad: &BadFrame) {
        let error = ErrorJson::from_bad_frame(bad);
        match &bad.room {
            Some(room) => {
                let refusal = Refusal::with(bad.code, json(&error.details).into());
                self.to_room(bad.id, room, RoomMsg::Refused { refusal, reply: self.reply(bad.id) });
            }
            None => self.send(text(&error)),
        }
    }

    fn to_room(&self, id: Option<i64>, room: &RoomId, message: RoomMsg) {
        if let Err(refused) = self.all().rooms.send(room, message) {
            self.refused(id, &refused);
        }
    }

    async fn message(&self, id: Option<i64>, to: UserId, message: &str) {
        match self.all().send_message(&self.user, to, message).await {
            Ok(delivered) => self.ack(id, delivered),
            Err(refused) => self.refused(id, &refused),
        }
    }

    fn blocked(&self, id: Option<i64>, blocked: &std::collections::BTreeSet<UserId>) {
        if id.is_some() {
            self.send(Frame(text_frame(&blocked_ack(id, blocked))));
        }
    }

    fn watch(&self, id: Option<i64>, users: Vec<UserId>) {
        let max = self.all().settings.load().watches_per_session;
        if !self.shard.watches.borrow_mut().add(&self.conn, &users, max) {
            return self.error(id, Code::TooMany);
        }
        self.all().presence.watch(self.shard.shard, users, self.watch_ack(id));
        self.keep_watches();
    }

    pub(super) fn keep_rooms(&self) {
        self.all().presence.rooms(self.session.clone(), self.rooms.list());
    }

    /// The watches are the session's: whoever resumes it goes on watching.
    fn keep_watches(&self) {
        let users = self.shard.watches.borrow().of(self.conn.id());
        self.all().presence.watches(self.session.clone(), users);
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
            Err(AuthError::Banned) => self.error(id, Code::Forbidden),
            Err(_) => self.error(id, Code::Unauthorized),
        }
    }
}
