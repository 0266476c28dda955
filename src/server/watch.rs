//! Who on this shard watches whom: a push goes to each watcher as one frame.
use super::{
    conn::Conn,
    http::user_status,
    msg::{Class, ConnId, Frame, Shown},
    presence::Presence,
};
use crate::{
    hub::id::UserId,
    wire::{
        codec::text_frame,
        server::{UserOnlineStatus, UserStatus, json},
    },
};
use std::{cell::RefCell, collections::BTreeMap};

/// One shard's watchers.
pub(super) struct Watches {
    shard: u16,
    presence: Presence,
    by_user: RefCell<BTreeMap<UserId, BTreeMap<ConnId, Conn>>>,
}

impl Watches {
    pub fn new(shard: u16, presence: Presence) -> Self {
        Self { shard, presence, by_user: RefCell::default() }
    }

    /// Notes a watcher; presence is asked by the caller, who wants the answer.
    pub fn add(&self, conn: &Conn, users: &[UserId]) {
        let mut by_user = self.by_user.borrow_mut();
        for user in users {
            by_user.entry(user.clone()).or_default().insert(conn.id(), conn.clone());
        }
    }

    /// Forgets a watcher, and tells presence whom nobody here watches any more.
    pub fn remove(&self, conn: &Conn, users: &[UserId]) {
        let mut by_user = self.by_user.borrow_mut();
        let mut unwatched = Vec::new();
        for user in users {
            if let Some(watchers) = by_user.get_mut(user)
                && watchers.remove(&conn.id()).is_some()
                && watchers.is_empty()
            {
                by_user.remove(user);
                unwatched.push(user.clone());
            }
        }
        if !unwatched.is_empty() {
            self.presence.unwatch(self.shard, unwatched);
        }
    }

    /// Pushes changes: one frame per watcher.
    pub fn tell(&self, shown: &[Shown]) {
        let by_user = self.by_user.borrow();
        let mut pushes: BTreeMap<ConnId, (Conn, Vec<UserStatus>)> = BTreeMap::new();
        for one in shown {
            for (id, conn) in by_user.get(&one.user).into_iter().flatten() {
                pushes.entry(*id).or_insert_with(|| (conn.clone(), Vec::new())).1.push(user_status(one));
            }
        }
        for (conn, user_status) in pushes.values() {
            let push = UserOnlineStatus { id: None, user_status };
            conn.send(Frame(text_frame(&json(&push))), Class::Must);
        }
    }
}
