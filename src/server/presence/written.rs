//! What the actor writes to Redis for others to read: when sessions were last heard ([`super::seen`]), and how people are
//! ([`super::projection`]). This node reads neither.
use super::{
    actor::Actor,
    projection::{AT_ONCE, WAITING_MAX},
    seen::written,
    shared::FromCluster,
};
use crate::hub::time::{Millis, UnixMs};
use crate::server::cluster::people::{PersonNews, Projected};

/// The wait after a write that failed.
const RETRY: Millis = Millis(500);

impl Actor {
    /// Writes down who was heard since the last time.
    pub(super) fn note_seen(&mut self, now: UnixMs) {
        let ping = self.settings.ping;
        let Some(shared) = &mut self.shared else { return };
        let log = &mut shared.seen;
        let Some(every) = log.begin(now, self.lines.len(), self.settings.seen) else { return };
        let mut heard = Vec::new();
        self.lines.iter_mut().for_each(|(session, line)| {
            let at = written(line.seen.at(), now, every, ping);
            if at != line.seen_written {
                line.seen_written = at;
                heard.push((session.clone(), at));
            }
        });
        let gone = std::mem::take(&mut log.gone);
        if heard.is_empty() && gone.is_empty() {
            return;
        }
        log.writing = true;
        shared.ask(move |cluster| async move { FromCluster::SeenWritten(cluster.write_seen(&heard, &gone).await) });
    }

    /// Hears what came of a write.
    pub(super) fn seen_written(&mut self, ok: bool) {
        let again = self.clock.now().plus(RETRY);
        if let Some(shared) = &mut self.shared {
            shared.seen.writing = false;
            if !ok {
                shared.seen.look_at = again;
            }
        }
        if !ok {
            self.write_seen_again();
        }
    }

    /// Nothing is written any more: this node has another name, or Redis may have lost it.
    pub(super) fn write_seen_again(&mut self) {
        self.lines.values_mut().for_each(|line| line.seen_written = UnixMs(0));
    }

    /// A person has changed here, or was looked at: other tools are shown what he is over all nodes.
    pub(super) fn project(&mut self, news: &PersonNews) {
        let user = &news.user;
        let watched = self.shared.as_ref().is_some_and(|shared| shared.is_watched(user));
        let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) else { return };
        projection.note(user, self.people.is_here(user));
        if projection.waiting.len() >= WAITING_MAX {
            return;
        }
        if !watched {
            self.people.glance(user, Some(news.elsewhere.clone()));
        }
        let shown = self.shown(user);
        if !watched {
            self.people.glance(user, None);
        }
        let projected = Projected { user_type: shown.user_type, status: shown.status, last_seen: shown.last_seen };
        if let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) {
            projection.waiting.insert(news.user.clone(), projected);
        }
    }

    /// Writes who waits for it, and looks at those whose turn it is to be written again.
    pub(super) fn show_projection(&mut self, now: UnixMs) {
        let Some(shared) = &mut self.shared else { return };
        let Some(projection) = &mut shared.projection else { return };
        let again = projection.turn(now);
        let keep = Millis(projection.every.0 * 5 / 2);
        let mut some = Vec::new();
        while !projection.writing
            && some.len() < AT_ONCE
            && let Some((user, projected)) = projection.waiting.pop_first()
        {
            some.push((user, projected));
        }
        projection.writing |= !some.is_empty();
        if !again.is_empty() {
            shared.ask(
                move |cluster| async move { FromCluster::ToProject(cluster.look_plainly(&again).await.unwrap_or_default()) },
            );
        }
        if !some.is_empty() {
            shared.ask(move |cluster| async move {
                if let Err(error) = cluster.project(&some, now, keep).await {
                    tracing::debug!(%error, "other tools see some people late");
                }
                FromCluster::Projected
            });
        }
    }

    /// What was written is written.
    pub(super) fn projected(&mut self) {
        if let Some(projection) = self.shared.as_mut().and_then(|shared| shared.projection.as_mut()) {
            projection.writing = false;
        }
    }
}
