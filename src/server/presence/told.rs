//! What this node tells the others of its people: who is here, with what, and what he has chosen. The newest state is told, one telling at a
//! time for each person, and again until it is told.
use super::{
    Opening,
    actor::Actor,
    shared::{FromCluster, OpenReply},
};
use crate::hub::{
    id::UserId,
    presence::{OwnSession, Status},
    time::UnixMs,
};
use crate::server::cluster::people::{self, Luggage, Mine, MySession};
use tokio::sync::oneshot;

/// How many people are told of at once, and about how many bytes of what goes with their sessions.
const AT_ONCE: usize = 512;
const BYTES: usize = 1 << 20;

impl Actor {
    /// Notes that somebody's state here has changed, for the other nodes.
    pub(super) fn touched(&mut self, user: &UserId) {
        if let Some(shared) = &mut self.shared {
            shared.touch(user);
        }
    }

    /// Asks the other nodes for an opening. Returns it if there are none.
    pub(super) fn open_shared(&mut self, opening: Opening, reply: OpenReply) -> Option<(Opening, OpenReply)> {
        let now = self.clock.now();
        let Some(shared) = &mut self.shared else { return Some((opening, reply)) };
        if shared.syncing.contains(&opening.user) {
            shared.waiting.push((opening, reply));
            return None;
        }
        *shared.opening.entry(opening.user.clone()).or_default() += 1;
        let ask = people::Ask {
            user: opening.user.clone(),
            user_type: opening.user_type.clone(),
            resume: opening.resume.clone(),
            fresh: opening.fresh.clone(),
            polls: opening.conn.is_none(),
            own: opening.own,
            now,
            sessions_max: self.settings.sessions_per_user,
        };
        shared.ask(move |cluster| async move {
            let outcome = Box::new(cluster.open(&ask).await);
            FromCluster::Opened { opening, reply, outcome }
        });
        None
    }

    /// Tells the other nodes of everybody whose state here has changed.
    pub(super) fn sync(&mut self, now: UnixMs) {
        let Some(shared) = &mut self.shared else { return };
        if shared.retry_at > now {
            return;
        }
        for (user, status) in std::mem::take(&mut shared.choices) {
            shared.ask(move |cluster| async move {
                let chosen = Some(status).filter(|status| *status != Status::Online);
                let news = cluster.choose(&user, chosen).await;
                FromCluster::Chosen { user, status, news, reply: None }
            });
        }
        if !shared.syncing.is_empty() {
            return;
        }
        let ready = |user: &&UserId| !shared.opening.contains_key(*user);
        let users: Vec<UserId> = shared.dirty.iter().filter(ready).take(AT_ONCE).cloned().collect();
        if users.is_empty() {
            if shared.dirty.is_empty() {
                for done in shared.announced.drain(..) {
                    // Whoever waited may have ended.
                    let _ = done.send(());
                }
            }
            return;
        }
        let (mut all, mut bytes) = (Vec::with_capacity(users.len()), 0);
        for user in users {
            if bytes >= BYTES {
                break;
            }
            shared.dirty.remove(&user);
            let view = self.people.view(&user);
            let own = self.people.own_sessions(&user);
            let is_here = !own.is_empty();
            let mut sessions = Vec::with_capacity(own.len());
            for OwnSession { session, ends, polls } in own {
                let luggage = self.lines.get_mut(&session).filter(|line| !line.kept).map(|line| {
                    line.kept = true;
                    Luggage { watches: line.watches.clone(), rooms: line.rooms.clone() }
                });
                bytes += luggage.as_ref().map_or(0, Luggage::bytes);
                sessions.push(MySession { session, ends, polls, luggage });
            }
            all.push(Mine {
                user_type: view.user_type,
                last_seen: view.last_seen.unwrap_or(UnixMs(0)),
                choice: self.people.choice(&user),
                seated: is_here && self.people.is_seated(&user),
                sessions,
                user: user.clone(),
            });
            shared.syncing.insert(user);
        }
        shared.ask(move |cluster| async move {
            let syncs = all.iter().map(|mine| cluster.sync(mine));
            let outcomes = futures_util::future::join_all(syncs).await;
            FromCluster::Synced { told: all.iter().map(|mine| mine.user.clone()).zip(outcomes).collect() }
        });
    }

    /// Tells a choice to the other nodes. Returns the reply if there are none, or nothing is to be told.
    pub(super) fn choose_shared(
        &mut self,
        user: &UserId,
        status: Status,
        reply: oneshot::Sender<bool>,
    ) -> Option<oneshot::Sender<bool>> {
        let here = self.people.is_here(user);
        // Somebody who polls may be on another node.
        let Some(shared) = self.shared.as_ref().filter(|shared| here || shared.cluster.is_up()) else { return Some(reply) };
        let user = user.clone();
        shared.ask(move |cluster| async move {
            let news = cluster.choose(&user, Some(status).filter(|status| *status != Status::Online)).await;
            FromCluster::Chosen { user, status, news, reply: Some(reply) }
        });
        None
    }
}
