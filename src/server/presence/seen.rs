//! When each session here was last heard is written down for whoever clears up after this node, should it die: once for all sessions, so
//! that a heartbeat itself goes nowhere.
use super::{actor::Actor, shared::FromCluster};
use crate::hub::{
    id::SessionId,
    time::{Millis, UnixMs},
};

/// The shortest time between two writes, where there are few sessions.
const WRITE_MIN: Millis = Millis(50);
/// How many sessions are looked at in a millisecond on average, until the time between two writes is the configured one.
const PER_MS: usize = 30;
/// How long the answer to a ping takes at most; until then it is expected at every moment.
const ANSWER: Millis = Millis(1_000);
/// The wait after a write that failed.
const RETRY: Millis = Millis(500);

/// What is written and what is not.
#[derive(Debug, Default)]
pub(super) struct SeenLog {
    look_at: UnixMs,
    writing: bool,
    /// Sessions that are written and not here any more.
    gone: Vec<SessionId>,
}

impl SeenLog {
    /// Returns when there is to be looked, if there are sessions.
    pub fn next_look(&self, sessions: usize) -> Option<UnixMs> {
        (!self.writing && sessions > 0).then_some(self.look_at)
    }

    /// A session is not here any more.
    pub fn forget(&mut self, session: &SessionId) {
        self.gone.push(session.clone());
    }
}

/// Returns what is written of a session. Just when its answer to a ping is due it counts as given until the next write: somebody whose
/// answer is heard and not yet written must not be taken for one who has been silent since the ping before.
fn written(at: UnixMs, now: UnixMs, every: Millis, ping: Millis) -> UnixMs {
    let (asked, until) = (at.plus(ping), now.plus(every));
    if asked <= until && now < asked.plus(ANSWER) { until } else { at }
}

impl Actor {
    /// Writes down who was heard since the last time.
    pub(super) fn note_seen(&mut self, now: UnixMs) {
        let per_session = Millis(u64::try_from(self.lines.len() / PER_MS).unwrap_or(u64::MAX));
        let (every, ping) = (per_session.max(WRITE_MIN).min(self.settings.seen), self.settings.ping);
        let Some(shared) = &mut self.shared else { return };
        let log = &mut shared.seen;
        if log.writing || log.look_at > now {
            return;
        }
        log.look_at = now.plus(every);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_due_counts_as_given() {
        let at = |at, now| written(UnixMs(at), UnixMs(now), Millis(500), Millis(25_000)).0;
        assert_eq!(at(10_000, 11_000), 10_000, "heard a second ago");
        assert_eq!(at(10_000, 34_400), 10_000, "the ping is not sent before the next write");
        assert_eq!(at(10_000, 34_600), 35_100, "it is");
        assert_eq!(at(10_000, 35_900), 36_400, "the answer may be on its way");
        assert_eq!(at(10_000, 36_000), 10_000, "there is none");
    }
}
