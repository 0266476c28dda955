//! What others see: states on request, and changes for shards and rooms, once each.
use super::{Answer, Watcher, actor::Actor};
use crate::hub::{
    id::{RoomId, SessionId, UserId},
    presence::{Status, View},
    time::UnixMs,
};
use crate::server::{
    msg::{Class, RoomMsg, ShardMsg, Shown, ShownStatus},
    net::watch::{status_class, status_frame},
};
use std::{collections::BTreeMap, sync::Arc};

impl Actor {
    pub(super) async fn answer(&self, users: &[UserId], answer: Answer) {
        let shown = || users.iter().map(|user| self.shown(user)).collect::<Vec<_>>();
        match answer {
            Answer::Conn { to, encode } => {
                let frame = encode(&shown());
                self.to_shard(to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Answer::Value(reply) => {
                let _ = reply.send(shown());
            }
            Answer::Nobody => {}
        }
    }

    /// Tells every shard and room that is interested what has changed, once each.
    pub(super) async fn tell(&mut self) {
        let mut by_shard: BTreeMap<u16, Vec<Shown>> = BTreeMap::new();
        let mut by_room: BTreeMap<RoomId, Vec<Shown>> = BTreeMap::new();
        let mut by_session: Vec<(SessionId, Shown)> = Vec::new();
        for view in self.people.take_changes() {
            if let Some(noted) = &self.noted {
                noted.note(&view.user, view.status != Status::Offline, self.clock.now());
            }
            if let Some(webhooks) = &self.webhooks {
                webhooks.status(&self.show(view.clone()));
            }
            let Some(watchers) = self.watchers.get(&view.user) else { continue };
            let shown = self.show(view);
            for watcher in watchers {
                match watcher {
                    Watcher::Shard(shard) => by_shard.entry(*shard).or_default().push(shown.clone()),
                    Watcher::Room(room) => by_room.entry(room.clone()).or_default().push(shown.clone()),
                    Watcher::Session(session) => by_session.push((session.clone(), shown.clone())),
                }
            }
        }
        for (session, shown) in by_session {
            if let Some(mail) = self.mail_of(&session) {
                let shown = std::slice::from_ref(&shown);
                mail.push(status_frame(None, shown), status_class(shown));
            }
        }
        for (room, user) in std::mem::take(&mut self.told_early) {
            let shown = self.shown(&user);
            by_room.entry(room).or_default().push(shown);
        }
        for (room, shown) in by_room {
            self.rooms.post(&room, RoomMsg::Presence(shown));
        }
        for (shard, shown) in by_shard {
            self.to_shard(shard, ShardMsg::Presence(Arc::new(shown))).await;
        }
    }

    /// Tells a room how people are just now. It also hears what becomes of those of whom others hear at the next look only: that may be
    /// what others have heard before, and no change to them.
    pub(super) fn tell_room(&mut self, room: &RoomId, users: &[UserId]) {
        let soon = users.iter().filter(|user| self.people.is_touched(user));
        self.told_early.extend(soon.map(|user| (room.clone(), user.clone())));
        self.rooms.post(room, RoomMsg::Presence(users.iter().map(|user| self.shown(user)).collect()));
    }

    pub(super) fn shown(&self, user: &UserId) -> Shown {
        self.show(self.people.view(user))
    }

    fn show(&self, view: View) -> Shown {
        let heard = self.people.live(&view.user).iter().filter_map(|session| Some(self.lines.get(session)?.seen.at())).max();
        let status = match view.status {
            Status::Online => ShownStatus::Online,
            Status::Busy => ShownStatus::Busy,
            Status::Away => ShownStatus::Away,
            Status::Offline => ShownStatus::Offline,
        };
        let last_seen = view.last_seen.max(heard).map_or(0, UnixMs::seconds);
        Shown { user: view.user, user_type: view.user_type, status, last_seen }
    }

    pub(super) async fn to_shard(&self, shard: u16, message: ShardMsg) {
        if let Some(handle) = self.shards.get(usize::from(shard)) {
            handle.send(message).await;
        }
    }
}
