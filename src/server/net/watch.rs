//! Who on this shard watches whom: a change goes out as one frame per watcher.
use super::conn::Conn;
use crate::server::msg::{Class, ConnId, Frame, Shown, ShownStatus};
use crate::{
    hub::id::UserId,
    wire::{
        codec::text_frame,
        server::{UserOnlineStatus, UserStatus, json},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

/// The watches of one shard.
#[derive(Default)]
pub struct Watches {
    by_user: HashMap<UserId, BTreeSet<ConnId>>,
    by_conn: HashMap<ConnId, (Conn, BTreeSet<UserId>)>,
}

/// Turns shown states into the lines of a `userOnlineStatus`.
#[must_use]
pub fn user_status(shown: &[Shown]) -> Vec<UserStatus> {
    let line = |shown: &Shown| UserStatus {
        user_id: shown.user.to_string(),
        user_type: shown.user_type.to_string(),
        online: shown.status != ShownStatus::Offline,
        status: shown.status.name(),
        last_seen: shown.last_seen,
    };
    shown.iter().map(line).collect()
}

/// Makes a `userOnlineStatus`, an answer with an `id` or a push without.
#[must_use]
pub fn status_frame(id: Option<i64>, shown: &[Shown]) -> Frame {
    Frame(text_frame(&json(&UserOnlineStatus { id, user_status: &user_status(shown) })))
}

impl Watches {
    /// Adds watches, or none of them if the connection would have more than `max` (0 = no limit). Returns whether they are in.
    pub fn add(&mut self, conn: &Conn, users: &[UserId], max: usize) -> bool {
        let (_, known) = self.by_conn.entry(conn.id()).or_insert_with(|| (conn.clone(), BTreeSet::new()));
        let fresh = users.iter().filter(|user| !known.contains(*user)).collect::<BTreeSet<_>>().len();
        if max > 0 && known.len() + fresh > max {
            return false;
        }
        for user in users {
            // Every frame has texts of its own: one of them is kept for all who watch the same person.
            let user = self.by_user.get_key_value(user).map_or(user, |(first, _)| first).clone();
            known.insert(user.clone());
            self.by_user.entry(user).or_default().insert(conn.id());
        }
        true
    }

    /// Returns whom a connection watches.
    #[must_use]
    pub fn of(&self, conn: ConnId) -> Vec<UserId> {
        self.by_conn.get(&conn).map(|(_, users)| users.iter().cloned().collect()).unwrap_or_default()
    }

    /// Takes watches out. Returns those whom nobody on this shard watches any more.
    pub fn remove(&mut self, conn: ConnId, users: &[UserId]) -> Vec<UserId> {
        if let Some((_, known)) = self.by_conn.get_mut(&conn) {
            users.iter().for_each(|user| {
                known.remove(user);
            });
        }
        let mut free = Vec::new();
        for user in users {
            let Some(conns) = self.by_user.get_mut(user) else { continue };
            if conns.remove(&conn) && conns.is_empty() {
                self.by_user.remove(user);
                free.push(user.clone());
            }
        }
        free
    }

    /// Takes all watches of a connection out. Returns those whom nobody on this shard watches any more.
    pub fn end(&mut self, conn: ConnId) -> Vec<UserId> {
        let users = self.of(conn);
        let free = self.remove(conn, &users);
        self.by_conn.remove(&conn);
        free
    }

    /// Tells everybody who watches; connections with the same part of the news share its frame.
    pub fn tell(&self, shown: &[Shown]) {
        let mut news: BTreeMap<ConnId, Vec<usize>> = BTreeMap::new();
        for (i, shown) in shown.iter().enumerate() {
            for conn in self.by_user.get(&shown.user).into_iter().flatten() {
                news.entry(*conn).or_default().push(i);
            }
        }
        let mut frames: HashMap<Vec<usize>, (Frame, Class)> = HashMap::new();
        for (id, part) in news {
            let Some((conn, _)) = self.by_conn.get(&id) else { continue };
            let (frame, class) = frames.entry(part).or_insert_with_key(|part| {
                let part: Vec<Shown> = part.iter().filter_map(|i| shown.get(*i).cloned()).collect();
                (status_frame(None, &part), status_class(&part))
            });
            conn.send(frame.clone(), *class);
        }
    }
}

/// News of one person is replaced by newer news of him; news of several cannot be.
pub(in crate::server) fn status_class(shown: &[Shown]) -> Class {
    let [only] = shown else { return Class::Must };
    let mut hasher = DefaultHasher::new();
    only.user.hash(&mut hasher);
    Class::Latest(hasher.finish())
}
