//! A decided batch and the store: the commit, the word that nothing has changed, and what is done when the log has moved on or is in doubt.
use super::{SNAPSHOT_EVERY, Settled, Task, unavailable};
use crate::server::{
    msg::RoomMsg,
    store::{CommitError, LogEntry},
    telemetry::metrics,
};
use crate::{
    hub::{
        chain::{self, Offered},
        event::Commit,
    },
    wire::record::{encode_commit, encode_room},
};

impl Task {
    /// On many nodes a refusal counts only if the room is still where it was when it was decided.
    pub(super) async fn confirm(&mut self, batch: &[RoomMsg]) -> Settled {
        let told = |message: &RoomMsg| matches!(message, RoomMsg::Command { .. });
        if self.follow.is_none() || !batch.iter().any(told) {
            return Settled::Done;
        }
        let rooms = self.home.rooms.clone();
        match rooms.deps().store.confirm(&self.home.id, self.room.head).await {
            Ok(()) => Settled::Done,
            Err(CommitError::Mismatch { since }) => self.moved(since).await,
            Err(CommitError::NotDone(_) | CommitError::Unknown(_)) => Settled::Failed(unavailable("none")),
        }
    }

    /// Hands the commit to the store. After a success the room stands at its head.
    pub(super) async fn commit(&mut self, commit: &Commit) -> Settled {
        let entry = LogEntry { prev: commit.prev, cursor: commit.cursor, at: commit.at, record: encode_commit(commit) };
        // On many nodes whoever crosses a multiple writes the snapshot: they count the same revs, not the same commits.
        let crosses = self.follow.is_some() && commit.prev.rev / SNAPSHOT_EVERY != commit.cursor.rev / SNAPSHOT_EVERY;
        let due = if self.follow.is_some() { crosses } else { self.commits >= SNAPSHOT_EVERY };
        let snapshot = due.then(|| encode_room(self.draft.room()));
        let written_snapshot = snapshot.is_some();
        let rooms = self.home.rooms.clone();
        let store = &rooms.deps().store;
        let begin = rooms.deps().clock.micros();
        let mut result = store.commit(&self.home.id, entry.clone(), snapshot.clone()).await;
        let uncertain = matches!(result, Err(CommitError::Unknown(_)));
        if uncertain {
            result = store.commit(&self.home.id, entry.clone(), snapshot).await;
        }
        metrics::COMMIT_SECONDS.record(metrics::seconds(rooms.deps().clock.micros().saturating_sub(begin)));
        match result {
            Ok(()) => {}
            Err(CommitError::Mismatch { since }) => {
                let links: Option<Vec<chain::Link>> = since.as_ref().map(|entries| entries.iter().map(LogEntry::link).collect());
                match chain::offered(commit.cursor, links.as_deref(), uncertain) {
                    // Nobody else writes to this store: what is in its log then is read before anything is said.
                    Offered::Race if uncertain && self.follow.is_none() => return self.unsure("the log has moved on"),
                    Offered::Landed => {}
                    Offered::Race | Offered::Lost => return self.moved(since).await,
                    Offered::Unknown => return self.unsure("the log has moved on"),
                }
            }
            Err(CommitError::NotDone(fault)) if !uncertain => {
                metrics::commit(metrics::Commit::Refused);
                self.report("a commit was not written", &fault.to_string());
                return Settled::Failed(unavailable("none"));
            }
            Err(error) => return self.unsure(&error.to_string()),
        }
        if self.room.apply(commit).is_err() {
            // The draft was made from this room, so this cannot be; if it were, the log is right.
            return self.unsure("the room is not at the commit's position");
        }
        self.failing = false;
        self.committed(entry);
        self.commits = if written_snapshot { 1 } else { self.commits + 1 };
        self.held_at_load = true;
        metrics::commit(metrics::Commit::Ok);
        Settled::Done
    }

    fn unsure(&mut self, why: &str) -> Settled {
        metrics::commit(metrics::Commit::Unknown);
        self.report("it is not known whether a commit was written", why);
        self.unsure = true;
        Settled::Failed(unavailable("unknown"))
    }

    /// Logs that the store has failed this room: once until it serves the room again, so that nobody can fill the log by asking.
    pub(super) fn report(&mut self, what: &str, why: &str) {
        let store = &self.home.rooms.deps().store;
        // That Redis is away is said once for all rooms.
        let said = std::mem::replace(&mut self.failing, true) || (store.shared() && !store.healthy());
        if said {
            tracing::debug!(room = %self.home.id, why, "{what}");
        } else {
            tracing::error!(room = %self.home.id, why, "{what}");
        }
    }

    /// Reads the log again, and tells everybody what was missed. Returns whether the room is known again.
    pub(super) async fn catch_up(&mut self) -> bool {
        if self.follow.is_some() { self.resync().await } else { self.reload().await }
    }

    /// The log has moved on: takes over what it holds, or looks closer before the next attempt.
    async fn moved(&mut self, since: Option<Vec<LogEntry>>) -> Settled {
        self.members.rewind();
        self.members.begin();
        self.unsure = match since {
            Some(entries) if self.follow.is_some() => !self.apply_all(&entries).await,
            _ => true,
        };
        self.members.begin();
        self.draft = self.fresh_draft();
        metrics::commit(metrics::Commit::Moved);
        ::metrics::counter!("michub_room_races_total").increment(1);
        Settled::Moved
    }
}
