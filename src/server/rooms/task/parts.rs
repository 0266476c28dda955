//! A room's people on many nodes: what the others have of them is heard, what this node has is told.
use super::{Task, follow::Heard};
use crate::hub::{decide::Members, id::UserId, time::Millis};
use crate::server::cluster::{
    Unreachable,
    parts::{News, PartsNews},
};
use std::collections::BTreeSet;

/// How long nodes have for telling of their people after Redis has begun anew.
const TOLD_AGAIN: Millis = Millis(3_000);

impl Task {
    pub(super) fn hear_news(&mut self, news: PartsNews) {
        let (now, cluster) = (self.now(), self.home.rooms.deps().cluster.clone());
        let Some(follow) = &mut self.follow else { return };
        if news.count <= follow.count {
            return;
        }
        if news.count > follow.count + 1 {
            follow.look = true;
        }
        follow.count = news.count;
        if cluster.is_some_and(|cluster| cluster.me() == news.node) {
            return;
        }
        match &news.what {
            News::People(people) if people.iter().any(|(.., part)| part.is_some()) => {
                follow.others.insert(news.node.clone());
            }
            News::People(_) => {}
            News::Dead(_) | News::Out => {
                follow.others.remove(&news.node);
            }
        }
        self.members.hear(&news.node, news.what);
        self.level_at = Some(now);
        self.settle_members();
    }

    /// Reads what the other nodes have of people; with `known` only if that has changed unheard.
    pub(super) async fn hear_parts(&mut self, known: bool) -> bool {
        let Some(cluster) = self.home.rooms.deps().cluster.clone() else { return true };
        let heard = self.follow.as_ref().map_or(0, |follow| follow.count);
        if known && !self.follow.as_ref().is_some_and(|follow| follow.missed_parts) {
            match cluster.count_parts(&self.home.id).await {
                Ok(count) if count == heard => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        let mut all = match cluster.read_parts(&self.home.id).await {
            Ok(all) => all,
            Err(error) => {
                tracing::debug!(room = %self.home.id, %error, "the people of other nodes are not known");
                return false;
            }
        };
        let (me, now) = (cluster.me(), self.now());
        let forgotten = !all.nodes.remove(&me);
        // Redis has begun anew: whoever is not in it yet is not gone, his node will tell of him.
        let mut anew = all.count < heard;
        if let Some(follow) = &mut self.follow {
            if anew {
                follow.told_until = now.plus(TOLD_AGAIN);
            }
            anew = follow.told_until > now;
            (follow.count, follow.missed_parts) = (all.count, anew);
            if anew {
                follow.audit_at = follow.told_until;
                follow.others.append(&mut all.nodes);
            } else {
                follow.others = std::mem::take(&mut all.nodes);
            }
            if forgotten && follow.told_as.take().is_some() {
                self.members.tell_again();
            }
        }
        self.members.hear_all(&me, all, !anew);
        self.level_at = Some(now);
        self.settle_members();
        true
    }

    /// Looks again at people who are about to lose something, because they are nowhere. Returns whether one of them is somewhere.
    pub(super) async fn someone_is_there(&mut self, users: &BTreeSet<UserId>) -> Result<bool, Unreachable> {
        let Some(cluster) = self.home.rooms.deps().cluster.clone() else { return Ok(false) };
        let me = cluster.me();
        let mut there = false;
        for (user, user_type, mut parts) in cluster.read_parts_of(&self.home.id, users).await? {
            parts.remove(&me);
            let before = self.members.is_live(&user);
            self.members.set_parts(&user, user_type, parts);
            there |= !before && self.members.is_live(&user);
        }
        Ok(there)
    }

    /// Tells the other nodes of people here, in the background, one message at a time.
    pub(super) fn tell_parts(&mut self) {
        let Some(cluster) = self.home.rooms.deps().cluster.clone() else { return };
        let (now, me) = (self.now(), cluster.me());
        let Some(follow) = &mut self.follow else { return };
        if follow.telling || follow.tell_at > now {
            return;
        }
        let first = follow.told_as.as_ref() != Some(&me);
        if first && follow.told_as.is_some() {
            self.members.tell_again();
        }
        let told = self.members.untold_parts();
        if told.is_empty() {
            follow.settling.clear();
            return;
        }
        follow.told_as = Some(me.clone());
        follow.telling = true;
        let (room, sender) = (self.home.id.clone(), follow.sender.clone());
        tokio::task::spawn_local(async move {
            let noted = if first { cluster.note_room(&me, &room).await } else { Ok(()) };
            let outcome = match noted {
                Ok(()) => cluster.tell_parts(&me, &room, &told).await,
                Err(error) => Err(error),
            };
            // The task may have ended by now.
            let _ = sender.send(Heard::Told { told, outcome }).await;
        });
    }

    /// Tells whether another node has this room in memory.
    pub(super) fn is_open_elsewhere(&self) -> bool {
        self.follow.as_ref().is_some_and(|follow| !follow.others.is_empty())
    }

    /// Tells whether another node keeps this room in memory, so that this one need not for its deadlines.
    pub(super) fn is_kept_elsewhere(&self) -> bool {
        let Some(cluster) = &self.home.rooms.deps().cluster else { return false };
        let first = self.follow.as_ref().and_then(|follow| follow.others.first());
        // The first of them stays, so that not all of them leave at once.
        first.is_some_and(|first| *first < cluster.me())
    }

    /// Says that this node has nobody in the room any more.
    pub(super) async fn say_goodbye(&mut self) {
        let Some(cluster) = self.home.rooms.deps().cluster.clone() else { return };
        let told_as = self.follow.as_mut().and_then(|follow| follow.told_as.take());
        if let Some(me) = told_as
            && let Err(error) = cluster.leave_room(&me, &self.home.id).await
        {
            tracing::debug!(room = %self.home.id, %error, "the room is not left; its audit will clear that up");
        }
    }
}
